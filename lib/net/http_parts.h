/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_HTTP_PARTS_H
#define BL_NET_HTTP_PARTS_H

#include "net/http.h"

/*
 * What the parts of http share: http.c starts calls, http_step.c takes them on, http_exchange.c has
 * the callbacks and says how a call ended, http_curl.c is all that knows libcurl (whose handles are
 * void * here), http_head.c reads and writes header lines, http_watch.c judges time, http_trust.c
 * finds certificates.
 */

/* The reply's head while it comes. */
struct bl_http_head {
	size_t bytes; /* of all heads of the exchange, 1xx and trailers too */
	int status;
	bool complete;   /* the blank line after a status that is no 1xx was seen */
	bool has_length; /* content-length or transfer-encoding: a cut would be noticed */
};

/* One line of a head, its end included, as it came. */
BL_MUST int bl_http_head_line(struct bl_http_head *head, struct bl_buf *out, const char *line,
                              size_t len, struct bl_err *err);

/*
 * Copies "name: value\n" lines to out, each ended by a NUL in place of the '\n', in the form that
 * libcurl wants ("name;" for an empty value). BL_EINPUT for what would break a head.
 */
BL_MUST int bl_http_head_lines(const char *text, struct bl_buf *out, size_t *n, struct bl_err *err);

/* "/path?query" of a URL that was found to be good; NULL: it has no path. */
const char *bl_http_target(const char *url);

/* What libcurl times by: CLOCK_MONOTONIC, which tests do not replace. */
int64_t bl_http_timer_clock_ms(void);

/* What makes an exchange end though nothing happens. */
struct bl_http_watch {
	int64_t deadline_ms; /* 0: none */
	int first_byte_ms;   /* 0: none */
	int stall_ms;
	bool connected, got_byte;
	int64_t sent_ms; /* the request was handed over whole; 0: not yet */
	int64_t mark_ms; /* when there had been mark_bytes in both directions */
	uint64_t mark_bytes;
};

enum bl_http_verdict { BL_HTTP_GOES_ON, BL_HTTP_DEADLINE, BL_HTTP_NO_ANSWER, BL_HTTP_STALLED };

/* Pure but for the mark. *next_ms is lowered to when to ask again. */
enum bl_http_verdict bl_http_judge(struct bl_http_watch *watch, int64_t now_ms, uint64_t moved,
                                   int64_t *next_ms);

/* Which certificates are trusted: file, or dir of hashed names, which loads faster. */
struct bl_http_trust {
	char file[1024];
	char dir[64]; /* "": file alone */
};
BL_MUST int bl_http_trust_find(const char *ca_file, struct bl_http_trust *trust,
                               struct bl_err *err);

struct bl_http_call {
	struct bl_http *http;
	struct bl_http_call *prev, *next; /* among http->calls; next alone among http->idle */
	struct bl_http_call *next_waiting;
	bool is_waiting;   /* for the next step to hand it to libcurl */
	bool is_cancelled; /* from within a callback of libcurl, which must return first */

	void *easy;
	struct bl_buf lines; /* header lines, NUL-ended */
	void *nodes;         /* libcurl's list of them */
	size_t n_nodes;      /* room in nodes */
	char why[256];       /* libcurl's own words */
	char method[8];      /* for messages, as are the next two */
	char host[256];
	unsigned port;

	const char *bytes;
	bl_http_read_fn *read;
	bl_http_write_fn *write;
	void *arg;
	uint64_t size, offset; /* of the request's body, and how much was given */
	bool is_tls, is_head, may_repeat;
	bool has_body, is_usual; /* even an empty one; PUT with, GET or HEAD without */
	bool trusts_dir;         /* and not http->trust.file */

	struct bl_http_head head;
	struct bl_http_watch watch;
	struct bl_http_reply *reply;
	struct bl_err err;
	bl_http_done_fn *done;
	void *done_arg;
};

struct bl_http {
	void *multi;
	bool allow_http;
	unsigned max_idle;
	size_t max_connections; /* what libcurl was told */
	struct bl_http_trust trust;

	struct bl_http_call *calls, *idle;
	struct bl_http_call *waiting, **last_waiting;
	size_t n_calls;
	bool has_cancelled;
	bool is_inside;             /* libcurl, which must not be entered again */
	bool is_spoilt;             /* for want of memory: nothing more is asked of libcurl */
	int64_t due_ms;             /* by bl_mono_ms(): when to judge next */
	int64_t timer_ms;           /* by libcurl's clock: when it wants to be called; -1: never */
	struct pollfd *fds, *ready; /* what libcurl waits for; those of them that are ready */
	size_t n_fds, room_fds;     /* of each */
};

/* http_exchange.c. These four are called from within libcurl; -1 ends the exchange. */
BL_MUST int bl_http_connected(struct bl_http_call *call);
BL_MUST int bl_http_give_body(struct bl_http_call *call, char *to, size_t *len);
BL_MUST int bl_http_take_head(struct bl_http_call *call, const char *line, size_t len);
BL_MUST int bl_http_take_body(struct bl_http_call *call, const char *bytes, size_t len);
void bl_http_explain_verdict(struct bl_http_call *call, enum bl_http_verdict verdict);
/* Keeps what call->err already says. */
void bl_http_explain(struct bl_http_call *call, enum bl_code code, const char *why);
/* A reply that libcurl is content with, but that may be cut. */
void bl_http_check_whole(struct bl_http_call *call);

/* http_memory.c: malloc and free for libcurl; large blocks are kept for the next exchange. */
void *bl_http_malloc(size_t size);
void bl_http_free(void *block);
void *bl_http_realloc(void *block, size_t size);

/* http_step.c: takes it out of the queue; puts it, unknown to libcurl, back among the idle. */
void bl_http_stop_waiting(struct bl_http *http, struct bl_http_call *call);
void bl_http_retire(struct bl_http *http, struct bl_http_call *call);
/* Room for n in fds and ready. -1: out of memory. */
BL_MUST int bl_http_make_room(struct bl_http *http, size_t n);

/* http_curl.c */
BL_MUST int bl_curl_open(struct bl_http *http, struct bl_err *err);
void bl_curl_close(struct bl_http *http);
BL_MUST struct bl_http_call *bl_curl_new_call(struct bl_http *http, struct bl_err *err);
void bl_curl_free_call(struct bl_http_call *call);
BL_MUST int bl_curl_prepare(struct bl_http_call *call, const struct bl_http_request *request,
                            struct bl_err *err);
/* Hands the call over; call->err says why not. */
BL_MUST int bl_curl_add(struct bl_http_call *call);
void bl_curl_remove(struct bl_http_call *call);
/* Does what is due by libcurl's timer. */
BL_MUST int bl_curl_run_timer(struct bl_http *http, struct bl_err *err);
/* Does what a socket that poll reported asks for. */
BL_MUST int bl_curl_act(struct bl_http *http, const struct pollfd *seen, struct bl_err *err);
/* The next call that libcurl has ended, removed from it, call->err set; NULL: none. */
struct bl_http_call *bl_curl_next_ended(struct bl_http *http);
/* Bytes moved in both directions. */
uint64_t bl_curl_moved(const struct bl_http_call *call);

#endif
