/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_TELL_H
#define BL_ACTIONS_TELL_H

#include "actions/guarded.h"
#include "run/comment.h"
#include "run/sticky.h"

/*
 * The comment on the pull request as verbs write it. Where there is none to write (no pull request,
 * no token, not in a workflow) everything here does nothing. No failure of GitHub's ends a verb: it
 * is said once as a warning, and the job's summary page gets the text instead.
 */
struct tell {
	struct bl_github *github; /* NULL: there is nobody to tell */
	struct bl_sticky sticky;
	bool failed; /* the last write did; what follows goes to the summary at the end */
};

/* guarded: as of guarded_read(), also one that is all zero. pr 0: guarded's. */
void tell_open(struct tell *tell, const struct guarded *guarded, int64_t pr, const char *key);
void tell_done(struct tell *tell);

/* Writes when due (lib/run/sticky.h). sha, job and actor are filled in from guarded where unset. */
void tell_comment(struct tell *tell, const struct bl_comment *comment, bool final);
void tell_text(struct tell *tell, const char *markdown, bool final);

/*
 * The last word about a verb that failed, called by main() with what it is about to print: in the
 * comment, the job's summary, as ::error, and a reaction. Only where guard accepted, and only for
 * verbs that are steps of a run (push-image launch wait report).
 */
void tell_failure(const char *verb, const struct bl_err *failure);

/* Remembers for tell_failure() and later steps what launch learnt: $RUNNER_TEMP/branchline/run.json
 * with run id, store and place (nothing where RUNNER_TEMP is not set). BL_ENOENT from the reader: no
 * launch yet. */
struct told_run {
	char run[BL_RUN_SIZE], store[1100], place[128], job[65];
};
BL_MUST int tell_run_write(const struct told_run *run, struct bl_err *err);
BL_MUST int tell_run_read(struct told_run *run, struct bl_err *err);

#endif
