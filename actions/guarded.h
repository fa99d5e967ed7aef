/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_GUARDED_H
#define BL_ACTIONS_GUARDED_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct bl_value;

/*
 * What a step may build on about the event that started its workflow. Outside of GitHub Actions:
 * nothing, all zero. Texts that are not known are "".
 */
struct guarded {
	bool in_workflow;
	bool is_pull_request; /* of the event; then guard has accepted `sha` */
	bool is_main;         /* push, dispatch or schedule on the default branch */
	bool has_guard;       /* guard.json is there and says yes; what follows is from it */
	char sha[41];         /* the commit that the event is about */
	int64_t pr;           /* where to report; also of a dispatch on a branch with one; 0 none */
	int64_t comment_id;   /* 0: none */
	int64_t job_started_ms;       /* wall: when guard, the first step, began; 0 unknown */
	char job[65];                 /* "": the default one */
	char label[128];              /* that started it */
	char labeller[64], actor[64]; /* logins */
	char head_ref[256], base_ref[256], base_sha[41];
	char key[129]; /* of the sticky comment */
};

/*
 * A pull request's event is believed only as $RUNNER_TEMP/branchline/guard.json says, which the
 * action guard writes in an earlier step: its sha is what was looked at (GITHUB_SHA is a merge that
 * nobody saw). Any other event may do without; where guard has run its word counts there too.
 * BL_EDENIED: there is none, or it says no.
 */
BL_MUST int guarded_read(struct guarded *out, struct bl_err *err);

/* Outside of a workflow, guarded_read() tells from now on that a run reports there, by this key. */
void guarded_report_on(int64_t pr, const char *key);

/*
 * What guard.json says, pure: all but in_workflow, is_pull_request and is_main, which are as they
 * were. BL_EDENIED: it says no. BL_ECORRUPT: it is not of guard, or of another event.
 */
BL_MUST int guarded_decision(const struct bl_value *doc, const char *event, struct guarded *out,
                             struct bl_err *err);

#endif
