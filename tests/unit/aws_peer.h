/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_AWS_PEER_H
#define BL_TESTS_AWS_PEER_H

#include "aws/s3.h"

/*
 * The strict peer of tests/fakes/aws as a child of this program, for a group of tests: false where
 * there is no python3, and it was said. The environment then leads AWS's clients to it.
 */
bool peer_start(void);
int peer_skip(void); /* then: a group of one test that is skipped */
void peer_stop(void);

/* "POST" "/script" "{...}": see tests/fakes/aws/README.md. Not 200: the test fails. */
void peer_control(const char *method, const char *path, const char *body);
/* The same; what came back is appended. */
void peer_ask(const char *path, struct bl_buf *reply);
/* How many requests of that operation the peer has seen since the last peer_fresh(). */
unsigned peer_seen(const char *operation);

/* Empties the peer and makes a bucket "bucket"; a client and the bucket for a test. */
struct peer_client {
	struct bl_aws *aws;
	struct bl_s3 *s3;
};
void peer_fresh(void);
void peer_open(struct peer_client *client);
void peer_close(struct peer_client *client);

/* cmocka's set-up and end of a test of one client, which is `at_peer`; *state is its S3. */
extern struct peer_client at_peer;
int peer_set_up(void **state);
int peer_tear_down(void **state);

#endif
