/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_GITHUB_H
#define BL_NET_GITHUB_H

#include "codec/json.h"
#include "codec/value.h"
#include "net/http.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * GitHub's REST API as a workflow's token sees it. One thread, blocking. Every call has a deadline;
 * reads are repeated after a lost reply or 5xx, writes only where a repeat does no harm or the
 * request cannot have been done. `retry-after` and the secondary limit (403 or 429 with it, or with
 * x-ratelimit-remaining: 0) are waited for while `patience_ms` lasts; one that is longer fails, and
 * so does every call until it is over, without asking. Not more than one write a second. No
 * redirect is followed. bl_http_stop_when() ends every wait.
 */
struct bl_github;

struct bl_github_options {
	const char *api_url;    /* NULL: GITHUB_API_URL, else https://api.github.com */
	const char *token;      /* NULL: GITHUB_TOKEN; "": none. Copied, wiped at the end */
	const char *repository; /* "owner/name"; NULL: GITHUB_REPOSITORY */
	int64_t patience_ms;    /* in all for waits that a reply asked for; 0: 60,000 */
	bool allow_http;
};
/* BL_EINPUT: no token, no repository or one that is no "owner/name", a URL that is not allowed. */
BL_MUST int bl_github_open(const struct bl_github_options *options, struct bl_github **out,
                           struct bl_err *err);
void bl_github_close(struct bl_github *github); /* takes NULL */
void bl_github_auto(struct bl_github **github);
#define BL_GITHUB __attribute__((cleanup(bl_github_auto))) struct bl_github *

const char *bl_github_repository(const struct bl_github *github); /* "owner/name" */
/* How many requests were sent so far. */
unsigned bl_github_requests(const struct bl_github *github);

/*
 * One call below /repos/OWNER/NAME ("issues/12/comments?per_page=100"; a path that begins with '/'
 * is whole). body NULL: none. out NULL: the reply does not matter; else the parsed reply, NULL for
 * an empty one. Returns 0 for a 2xx, else -1 with GitHub's message, request id, and
 *
 *   BL_ENOENT   404, 410        BL_EDENIED  401, 403: next names the line of `permissions:`
 *   BL_EEXIST   422 "already exists"        BL_EINPUT  other 4xx
 *   BL_ERETRY   5xx, limit not over in patience_ms, network
 */
BL_MUST int bl_github_call(struct bl_github *github, const char *method, const char *path,
                           const struct bl_buf *body, struct bl_value **out, struct bl_err *err);

/* Each element of all pages of a list, in the order of the reply; at most 100 pages. fn's non-zero
 * return ends it and is returned. */
typedef int bl_github_fn(void *arg, const struct bl_value *item, struct bl_err *err);
BL_MUST int bl_github_each(struct bl_github *github, const char *path, bl_github_fn *fn, void *arg,
                           struct bl_err *err);

/* --- Comments of an issue or a pull request --------------------------------------------------- */

/* Bytes of a comment that is sent; a longer one is refused as BL_ELIMIT: cutting it is the
 * caller's. */
#define BL_GITHUB_COMMENT_MAX 60000u

BL_MUST int bl_github_comment_create(struct bl_github *github, int64_t number, const char *text,
                                     int64_t *id, struct bl_err *err);
BL_MUST int bl_github_comment_edit(struct bl_github *github, int64_t id, const char *text,
                                   struct bl_err *err); /* BL_ENOENT: somebody deleted it */
/* One that is gone is success. */
BL_MUST int bl_github_comment_delete(struct bl_github *github, int64_t id, struct bl_err *err);

/*
 * The oldest comment of `number` whose first line is `marker` and whose author we are. BL_ENOENT:
 * none. body may be NULL; appended otherwise.
 */
BL_MUST int bl_github_comment_find(struct bl_github *github, int64_t number, const char *marker,
                                   int64_t *id, struct bl_buf *body, struct bl_err *err);

/* --- Pull requests, labels, people ------------------------------------------------------------ */

struct bl_github_pull {
	int64_t number;
	bool open, draft;
	char head_sha[41], head_ref[256], base_sha[41], base_ref[256];
	char head_repository[256];                      /* "owner/name"; "" when it is gone */
	int64_t head_repository_id, base_repository_id; /* 0: gone */
};
BL_MUST int bl_github_pull_get(struct bl_github *github, int64_t number, struct bl_github_pull *out,
                               struct bl_err *err);
/* Open pull requests from that branch of this repository: how many, and the first ones. */
BL_MUST int bl_github_pulls_of_branch(struct bl_github *github, const char *branch,
                                      int64_t *numbers, size_t max, size_t *n, struct bl_err *err);
BL_MUST int bl_github_label_remove(struct bl_github *github, int64_t number, const char *label,
                                   struct bl_err *err); /* one that is not there is success */
/* "admin", "write", "read" or "none": maintain counts as write, triage as read. */
BL_MUST int bl_github_permission(struct bl_github *github, const char *login, char word[16],
                                 struct bl_err *err);
/* content: "eyes" "rocket" "hooray" "confused"; ours from before is kept. */
BL_MUST int bl_github_react(struct bl_github *github, int64_t number, const char *content,
                            struct bl_err *err);

/* --- Commits ---------------------------------------------------------------------------------- */

/* state: pending success failure error. description is cut at 140 characters. target NULL: none. */
BL_MUST int bl_github_status(struct bl_github *github, const char *sha, const char *state,
                             const char *context, const char *description, const char *target,
                             struct bl_err *err);
/* Merge base of two commits or branches. */
BL_MUST int bl_github_merge_base(struct bl_github *github, const char *base, const char *head,
                                 char sha[41], struct bl_err *err);
/*
 * The commit and its first parents, newest first, with their trees: at most `max`; fn's non-zero
 * return ends it and is returned.
 */
typedef int bl_github_commit_fn(void *arg, const char *sha, const char *tree, struct bl_err *err);
BL_MUST int bl_github_first_parents(struct bl_github *github, const char *sha, size_t max,
                                    bl_github_commit_fn *fn, void *arg, struct bl_err *err);

#endif
