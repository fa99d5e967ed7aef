/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CANNED_SERVE_H
#define BL_TESTS_CANNED_SERVE_H

#include "tests/unit/canned.h"

enum { CANNED_REQUESTS_MAX = 20000, CANNED_BYTES_MAX = 64 << 20 };

/* What the server's process writes and the test's reads. */
struct canned_seen {
	volatile size_t n_connections, n_requests;
	struct {
		size_t head, body, body_len; /* places in text */
	} requests[CANNED_REQUESTS_MAX];
	size_t len;
	char text[CANNED_BYTES_MAX];
};

/* The server's process: serves until it is killed. go is the pipe of canned_go(). */
void canned_serve(int listener, int go, const struct canned_reply *replies, size_t n,
                  struct canned_seen *seen);

#endif
