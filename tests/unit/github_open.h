/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_GITHUB_OPEN_H
#define BL_TESTS_GITHUB_OPEN_H

#include "net/github_parts.h"

#include "tests/unit/registry_open.h"

/*
 * A client of a scripted server, of repository o/n, by a clock that only its own waits move: each
 * is remembered.
 */
struct github {
	struct canned *server;
	struct bl_github *client;
};
void github_open(struct github *at, const struct canned_reply *replies, size_t n,
                 int64_t patience_ms);
void github_close(struct github *at);

/* The i-th wait of this client, in ms; -1 there was none. */
int64_t github_waited(size_t i);
size_t github_waits(void);

#define SECONDARY                                                                                  \
	"{\"message\":\"You have exceeded a secondary rate limit. Please wait a few minutes.\"}"

#endif
