/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_REPORT_PUBLISH_H
#define BL_ACTIONS_REPORT_PUBLISH_H

#include "actions/cloud.h"
#include "run/report.h"

/* What became public of an ended run. */
struct report_published {
	struct bl_result result;   /* the run's */
	bool gate_failed;          /* it ended well, and a condition of metrics.fail_if holds */
	char verdict[BL_SENTENCE]; /* one sentence, no full stop */
	char word[16];             /* "better" "worse" "same" "gate" "none" */
	int64_t comment_id;        /* 0: none */
	bool entered;              /* it is a baseline now */
	bool already;              /* reported.json stood before */
	unsigned missed;           /* what GitHub did not take: said as warnings */
	char folder[4096];         /* of the artefact files; "" outside of a workflow */
};

/*
 * Tells the world of a run that has an outcome, from a job of its own workflow or of any later one
 * of the repository: the sticky comment of its pull request (unless a newer run of the same job has
 * it), the job's summary, a commit status, a reaction, the artefact files, a short comment that
 * mentions the labeller as `notify` says; takes the label away, enters an eligible success into the
 * index of baselines, and last creates reported.json.
 *
 *   cloud  open for writing; github.* of its guard; a directory as store will do
 *   run    full id
 *
 * Again after a crash at any point, or by two at once: one comment, one status, one notice. No
 * failure of GitHub's or of the index ends it: each is a warning, and where it may pass,
 * reported.json is left to a later call. BL_ENOENT: no such run, or it has no outcome yet.
 */
BL_MUST int report_publish(struct cloud *cloud, const char *run, struct report_published *out,
                           struct bl_err *err);

/* The same, where a caller was told otherwise than run.json says; NULL: as run.json says. */
struct report_choices {
	const char *baseline, *previous; /* full ids */
	const char *notify;              /* failure, always or never */
	const char *details;             /* brief or full */
};
BL_MUST int report_publish_as(struct cloud *cloud, const char *run,
                              const struct report_choices *choices, struct report_published *out,
                              struct bl_err *err);

/* The exit code that a job ends with: BL_OK for a success that passed its gate. */
enum bl_code report_code(const struct report_published *published);

#endif
