/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_GITHUB_PARTS_H
#define BL_NET_GITHUB_PARTS_H

#include "base/secret.h"
#include "net/github.h"
#include "net/url.h"

/*
 * What the parts of the client share: github.c opens and calls, github_send.c asks and waits by
 * what github_rules.c decides, github_error.c says what a refusal means; github_comment.c,
 * github_pull.c and github_commit.c are the calls themselves.
 */
struct bl_github {
	struct bl_http *http;
	struct bl_url api;    /* its path without a '/' at the end: "" or "/api/v3" */
	char origin[300];     /* "https://api.github.com" */
	char repository[256]; /* "owner/name" */
	struct bl_secret token;
	int64_t patience_ms; /* what is left */
	bool wrote;
	int64_t wrote_mono_ms; /* when the last write began */
	/* a limit that was not waited for: nothing is asked before it is over; 0: none */
	int64_t not_before_mono_ms;
	struct bl_err limited; /* how it was said */
	unsigned requests;
	bool asked_who;
	char who[64]; /* whose token it is; "" : not a person's */
	int (*wait)(struct bl_github *github, int64_t ms, struct bl_err *err); /* tests' own */
	double (*random)(void);                                                /* in [0,1] */
};

/* One request, made again where that does no harm. */
struct bl_github_ask {
	const char *method;
	const char *path; /* as of bl_github_call() */
	const struct bl_buf *body;
	bool repeatable;  /* a POST that may be done twice */
	size_t reply_max; /* 0: BL_GITHUB_REPLY_MAX */
};
#define BL_GITHUB_REPLY_MAX ((size_t)8 << 20)

/* 0: a 2xx reply. reply is zeroed by the caller. Errors as of bl_github_call(). */
BL_MUST int bl_github_ask(struct bl_github *github, const struct bl_github_ask *ask,
                          struct bl_http_reply *reply, struct bl_err *err);
/* Sleeps; bl_http_stop_when() ends it: BL_ECANCELLED. */
BL_MUST int bl_github_wait(struct bl_github *github, int64_t ms, struct bl_err *err);
/* "https://host/api/v3/repos/o/n/PATH", PATH as of bl_github_call(). */
void bl_github_url(const struct bl_github *github, const char *path, struct bl_buf *out);
/* Parses a reply; NULL for an empty one. */
BL_MUST int bl_github_parse(const struct bl_http_reply *reply, struct bl_value **out,
                            struct bl_err *err);
/* bl_github_ask() with a document as body and reply; out may be NULL. */
BL_MUST int bl_github_do(struct bl_github *github, const struct bl_github_ask *ask,
                         struct bl_value **out, struct bl_err *err);
/* bl_github_each() with `per_page`; at most `pages` of them. */
BL_MUST int bl_github_pages(struct bl_github *github, const char *path, unsigned per_page,
                            unsigned pages, bl_github_fn *fn, void *arg, struct bl_err *err);

/* --- github_rules.c: pure --------------------------------------------------------------------- */

/*
 * The target ("/path?query") of rel="next" of a Link header, if it leads to the same origin as
 * `api`. False: none, or elsewhere.
 */
bool bl_github_next_page(const char *link, const struct bl_url *api, char *target, size_t size);

/*
 * Whether a reply says that we ask too much (then the request was not done), and how long to wait:
 * retry-after, else x-ratelimit-reset where nothing remains, else a minute; a second at least.
 * message: GitHub's.
 */
bool bl_github_limited(const struct bl_http_reply *reply, const char *message, int64_t *wait_ms);

/* How long to wait after the failed-th failure in a row. */
int64_t bl_github_backoff(unsigned failed, double chance);

/* Whether that may be sent again after its reply was lost or a 5xx. */
bool bl_github_may_repeat(const struct bl_github_ask *ask, bool sent);

/* Milliseconds until the next write may begin. */
int64_t bl_github_spacing(bool wrote, int64_t wrote_mono_ms, int64_t now_mono_ms);

/* --- github_error.c --------------------------------------------------------------------------- */

/* GitHub's own words of a refusal, without control characters; "" none. exists: it says that what
 * was to be made is there. */
struct bl_github_said {
	char text[240], request_id[64];
	bool exists;
};
void bl_github_said_read(const struct bl_http_reply *reply, struct bl_github_said *out);
/* err from a reply that is no success. Returns -1. */
int bl_github_refused(const struct bl_github_ask *ask, const struct bl_http_reply *reply,
                      const struct bl_github_said *said, struct bl_err *err);
/* Pure: the line of `permissions:` that a call needs, "pull-requests: write"; "" when no workflow
 * token can have it. */
const char *bl_github_permission_for(const char *method, const char *path);

#endif
