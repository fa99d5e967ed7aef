/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_TELL_H
#define BL_ACTIONS_TELL_H

#include "actions/guarded.h"
#include "actions/workflow.h"
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
	struct guarded guarded;
	char job_url[WORKFLOW_URL_SIZE];
	char said[65]; /* hash of the comment that was written last, but for its time */
	int64_t tried_mono_ms;
};

/*
 * guarded: as of guarded_read(), also one that is all zero. pr 0: guarded's. key "" or NULL:
 * guarded's, else "default".
 */
void tell_open(struct tell *tell, const struct guarded *guarded, int64_t pr, const char *key);
/* The same with a client that is open, which it takes over (NULL: nobody to tell). */
void tell_with(struct tell *tell, const struct guarded *guarded, struct bl_github *github);
void tell_done(struct tell *tell);

/*
 * Writes when due (lib/run/sticky.h), a comment only if more than its time is new. sha, job, actor,
 * job_url and at_ms are filled in where unset. final: nothing of this process comes after it, also
 * no failure of its verb; where the comment cannot be written or there is no pull request, the
 * job's summary has it.
 */
void tell_comment(struct tell *tell, const struct bl_comment *comment, bool final);
void tell_text(struct tell *tell, const char *markdown, bool final);
/* A reaction to the label: "eyes" "rocket" "hooray" "confused". */
void tell_reaction(struct tell *tell, const char *content);

/* The last word was had by other means: tell_failure() has nothing to add. */
void tell_told(void);

/*
 * The last word about a verb that failed, called by main() after it printed it: in the comment, the
 * job's summary, and a reaction. Only where guard accepted, only for verbs that are steps of a run
 * (push-image launch wait report), and not where the verb itself had the last word or the failure
 * is how the training ended.
 */
void tell_failure(const char *verb, const struct bl_err *failure);
/* What of it is decided without anybody: false where nothing is to be told. Texts are failure's. */
bool tell_failure_comment(const char *verb, const struct bl_err *failure,
                          struct bl_comment *comment);

/* Remembers for tell_failure() and later steps what launch learnt: $RUNNER_TEMP/branchline/run.json
 * with run id, store and place (nothing where RUNNER_TEMP is not set). BL_ENOENT from the reader:
 * no launch yet. */
struct told_run {
	char run[BL_RUN_SIZE], store[1100], place[128], job[65];
};
BL_MUST int tell_run_write(const struct told_run *run, struct bl_err *err);
BL_MUST int tell_run_read(struct told_run *run, struct bl_err *err);

#endif
