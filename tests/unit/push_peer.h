/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_PUSH_PEER_H
#define BL_TESTS_PUSH_PEER_H

#include "canned.h"
#include "net/registry_push_parts.h"

/*
 * A small blob that is put to a registry that answers as it was told, and what the registry saw.
 */
#define TEXT "twenty-six letters: a to z"
#define POST "POST /v2/demo/blobs/uploads/ "
#define MOUNT "POST /v2/demo/blobs/uploads/?mount=sha256%3A"
#define PUT "PUT /v2/demo/u1?s=1&digest=sha256%3A"
#define GET "GET /v2/demo/u1?s=1 "
#define PATCH "PATCH /v2/demo/u1?s=1 "
#define HEAD "HEAD /v2/demo/blobs/sha256:"
#define BEGUN .status = 202, .headers = "Location: /v2/demo/u1?s=1\r\nRange: 0-0\r\n"
/* the connection ends without a word */
#define LOST .bytes = "", .is_cut = true, .cut = 0, .end = CANNED_CLOSE
#define ERROR(status_, code)                                                                       \
	.status = (status_), .body = "{\"errors\":[{\"code\":\"" code "\",\"message\":\"m\"}]}"

extern struct bl_oci_desc push_blob; /* of TEXT */
extern struct bl_buf push_text;
int push_make_blob(void **state);
int push_drop_blob(void **state);

struct push_peer {
	struct canned *server;
	struct bl_registry_session *session;
	struct bl_registry *registry;
	struct bl_registry_counts counts;
	struct bl_push push;
	struct bl_blob_source source;
	struct bl_err err;
	uint64_t told;
	atomic_bool stop;
	char name[64];
};

/* Puts the blob to a registry that answers so; source and push as set before, or plain ones. */
BL_MUST int push_put(struct push_peer *peer, const struct canned_reply *replies, size_t n);
void push_done(struct push_peer *peer);

void push_succeeds(struct push_peer *peer, const struct canned_reply *replies, size_t n);
#define SUCCEEDS(peer, replies) push_succeeds(peer, replies, BL_COUNT(replies))
void push_fails(struct push_peer *peer, const struct canned_reply *replies, size_t n,
                enum bl_code code, const char *why);
#define FAILS(peer, replies, code, why) push_fails(peer, replies, BL_COUNT(replies), code, why)

/* The requests that were made, each as it begins; NULL at the end. */
void push_asked(const struct push_peer *peer, const char *const *asked);
#define ASKED(peer, ...) push_asked(peer, (const char *const[]){ __VA_ARGS__, NULL })
/* The body of the i-th. */
void push_sent(const struct push_peer *peer, size_t i, const char *body);

#endif
