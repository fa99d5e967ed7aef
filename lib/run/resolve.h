/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_RESOLVE_H
#define BL_RUN_RESOLVE_H

#include "run/keys.h"
#include "run/store.h"

/* Where the person stands; NULL or "" where that is not known and does not matter. */
struct bl_resolve_context {
	const char *repository; /* key, 16 hex digits */
	const char *branch;     /* for `latest` */
	const char *job;        /* for `latest` */
};

/*
 * bl_run_resolve - the run that a person means (design 4.1).
 *
 *   query  in   a full id; a unique prefix of one; its last 4 characters; `latest`, also "" and
 *               NULL: newest of this repository, branch and job; `pr:12` and `JOB@BRANCH`: newest
 *               of this repository; a commit, 7 to 40 hex digits
 *   id     out
 *
 * Returns 0, or -1 with err->code:
 *   BL_EINPUT  several fit (the candidates are named), or nothing can (what is nearest)
 */
BL_MUST int bl_run_resolve(struct bl_store *store, const char *query,
                           const struct bl_resolve_context *context, char id[BL_RUN_SIZE],
                           struct bl_err *err);

#endif
