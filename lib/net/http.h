/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_HTTP_H
#define BL_NET_HTTP_H

#include "base/buf.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * HTTP/1.1 by libcurl: connections, TLS sessions and names of one thread. TLS 1.2 at least, peer
 * and host verified; plain http only to loopback and the metadata addresses unless allow_http;
 * no redirect is followed; proxies by HTTPS_PROXY, https_proxy, http_proxy, NO_PROXY (never for
 * loopback and the metadata addresses). Where an idle connection turns out to be dead, the request
 * is sent again on a new one, but for POST, PATCH and `once`. Two ways to use it:
 *
 *   blocking   bl_http_send()
 *   poll loop  bl_http_start() any number; then, again and again, poll what bl_http_poll() gives
 *              beside one's own descriptors, and bl_http_step(http, 0). Callbacks run in step.
 */
struct bl_http;

struct bl_http_options {
	const char *ca_file; /* NULL: AWS_CA_BUNDLE, SSL_CERT_FILE, then the usual places */
	bool allow_http;
	unsigned max_idle; /* connections kept open; 0: 64 */
};

/* options NULL: all defaults. BL_EINPUT: a CA file was named and cannot be read. */
BL_MUST int bl_http_open(const struct bl_http_options *options, struct bl_http **out,
                         struct bl_err *err);
/* Ends what is under way without calling back. Takes NULL. */
void bl_http_close(struct bl_http *http);
void bl_http_auto(struct bl_http **http);
#define BL_HTTP __attribute__((cleanup(bl_http_auto))) struct bl_http *

#define BL_HTTP_HEAD_MAX ((size_t)64 << 10)

/*
 * read   fills `to` with exactly len bytes of the body from offset; -1 with err ends the call with
 *        that error (a file that became shorter)
 * write  takes a piece of a 2xx reply's body; -1 with err ends the call with that error
 */
typedef int bl_http_read_fn(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err);
typedef int bl_http_write_fn(void *arg, const char *bytes, size_t len, struct bl_err *err);

struct bl_http_request {
	const char *method;    /* "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH" */
	const char *url;       /* sent as it is: nothing is normalised */
	const char *headers;   /* "name: value\n" lines; "" or NULL: none. Copied. */
	const void *bytes;     /* body of `size` bytes, kept by the caller until the end; or */
	bl_http_read_fn *read; /* where it comes from; both NULL: none */
	uint64_t size;
	bl_http_write_fn *write;  /* NULL: 2xx bodies go to reply->body like all others */
	void *arg;                /* of read and write */
	size_t reply_max;         /* of reply->body; over it: BL_ELIMIT */
	int64_t deadline_mono_ms; /* 0: none but those below */
	int connect_ms;           /* 0: 5,000 */
	int first_byte_ms;        /* from the request sent to the reply's first byte; 0: none */
	int stall_ms;             /* under 1 byte/s for so long; 0: 30,000 */
	bool no_proxy;
	bool once; /* never sent again, whatever the method */
};

struct bl_http_reply {
	int status;           /* 0: no whole reply came */
	struct bl_buf head;   /* "name: value\n" lines, names in lower case, of the last reply */
	struct bl_buf body;   /* what `write` did not take; its max is set by the request */
	uint64_t received;    /* bytes of the body */
	int64_t date_wall_ms; /* our clock when the head was complete, to compare with `date` */
	bool sent;            /* some of the request may have reached the server */
};
void bl_http_reply_done(struct bl_http_reply *reply);
/* Value of the first header of that (lower-case) name, spaces trimmed, in `value`; false: none or
 * longer than size. */
bool bl_http_header(const struct bl_http_reply *reply, const char *name, char *value, size_t size);
/* RFC 9110's preferred form, which is the one that is sent: "Tue, 24 Nov 2026 08:03:01 GMT".
 * False: it is none, and *wall_ms stays. */
bool bl_http_date(const char *text, int64_t *wall_ms);

/*
 * err is clean when a whole reply of any status came. Else:
 *   BL_ERETRY     connect, DNS, reset, stall, cut: the network's doing
 *   BL_ETIMEOUT   the deadline
 *   BL_EDENIED    TLS: the peer's certificate was not accepted
 *   BL_ELIMIT     head or body over its limit
 * or what read or write said. `reply` is the one given to start.
 */
typedef void bl_http_done_fn(void *arg, struct bl_http_reply *reply, struct bl_err *err);

struct bl_http_call;
/*
 * Starts one exchange; done(done_arg, ...) is called once from a later step, never from here.
 * BL_EINPUT: the URL is not allowed (what, and the way out). call may be NULL; it is valid until
 * done begins. reply must be zeroed, and stays the caller's.
 */
BL_MUST int bl_http_start(struct bl_http *http, const struct bl_http_request *request,
                          struct bl_http_reply *reply, bl_http_done_fn *done, void *done_arg,
                          struct bl_http_call **call, struct bl_err *err);
/* Ends it without calling back. */
void bl_http_cancel(struct bl_http *http, struct bl_http_call *call);

/*
 * Fills fds with what to poll for and lowers *timeout_ms (-1: for ever) to when step must be called
 * at the latest. Returns how many there are, which may be more than n: then call again with room.
 */
size_t bl_http_poll(struct bl_http *http, struct pollfd *fds, size_t n, int *timeout_ms);
/* Waits up to timeout_ms for something to happen (0: does not wait), then does what is due. Returns
 * -1 only for our own faults, and from within read or write. */
BL_MUST int bl_http_step(struct bl_http *http, int timeout_ms, struct bl_err *err);
size_t bl_http_under_way(const struct bl_http *http);

/*
 * Whoever waits for the network must stop soon when a signal came: from now on, in the whole
 * process, a step that would wait while *flag is not 0 fails as BL_ECANCELLED, and no wait is
 * longer than a quarter of a second without a look at it. NULL: nobody stops anything.
 */
void bl_http_stop_when(const volatile int *flag);
bool bl_http_is_stopped(void); /* for waits of another kind */

/* One exchange, waited for; others under way on this http go on meanwhile. */
BL_MUST int bl_http_send(struct bl_http *http, const struct bl_http_request *request,
                         struct bl_http_reply *reply, struct bl_err *err);

/* The CA file that would be used, by the order above; "" when there is none. */
void bl_http_ca_file(char *path, size_t size);

/* "branchline/0.1.0" and AWS_SDK_UA_APP_ID when set. */
const char *bl_http_user_agent(void);
/* Versions for --version: "libcurl 7.88.1, OpenSSL 3.0.20". */
const char *bl_http_versions(void);

#endif
