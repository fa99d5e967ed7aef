/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CANNED_H
#define BL_TESTS_CANNED_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A small HTTP/1.1 server on 127.0.0.1, in a process of its own, that answers as it was told and
 * remembers what it was asked. It ends with the test's process. Nothing in it sleeps.
 *
 *	static const struct canned_reply replies[] = {
 *		{ .on = "GET /flaky ", .times = 2, .status = 503 },
 *		{ .on = "GET /flaky ", .body = "at last" },
 *		{ .on = "PUT /", .headers = "ETag: \"x\"\r\n", .early = true },
 *	};
 *	struct canned *server = canned_start(replies, BL_COUNT(replies));
 *	... canned_url(server, "/flaky") ...
 *	assert_int_equal(canned_requests(server), 3);
 *	canned_stop(server);
 *
 * The first reply that fits and is not used up is given; with none, 404. What replies points to is
 * copied by the fork: it need not stay. HEAD gets the
 * head alone.
 */
enum canned_end {
	CANNED_KEEP,  /* the connection stays open for the next request */
	CANNED_CLOSE, /* FIN */
	CANNED_RESET, /* RST */
	CANNED_HANG,  /* open, but deaf */
};

struct canned_reply {
	const char *on; /* what the request must begin with: "GET /path "; NULL: any */
	unsigned times; /* used so often at most; 0: for ever */

	int status;          /* 0: 200 */
	const char *headers; /* "Name: value\r\n"...; content-length is added */
	const char *body;
	size_t body_len; /* 0: strlen(body) */

	const char *bytes; /* in place of all these: what is sent, to the byte */
	size_t len;        /* 0: strlen(bytes) */

	bool is_cut; /* send only `cut` bytes of it */
	size_t cut;
	bool pause; /* wait for canned_go() before byte `pause_at` */
	size_t pause_at;
	bool early; /* answer when the head is there, and read the body afterwards */
	enum canned_end end;
};

struct canned;
struct canned *canned_start(const struct canned_reply *replies, size_t n);
void canned_stop(struct canned *server);

unsigned canned_port(const struct canned *server);
/* "http://127.0.0.1:PORT" and path; valid until the eighth next call. */
const char *canned_url(const struct canned *server, const char *path);

/* Lets one reply that waits go on; when none does yet, the next one will not wait. */
void canned_go(struct canned *server);

/* Connections accepted and requests seen whole (early: their heads) so far. */
size_t canned_connections(const struct canned *server);
size_t canned_requests(const struct canned *server);
/* The i-th request: "PUT /x HTTP/1.1\r\nHost: ...\r\n\r\n" and its body, each ended by a NUL. */
const char *canned_head(const struct canned *server, size_t i);
const char *canned_body(const struct canned *server, size_t i, size_t *len);

#endif
