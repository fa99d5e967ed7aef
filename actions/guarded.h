/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_GUARDED_H
#define BL_ACTIONS_GUARDED_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * What a step may build on about the event that started its workflow. Outside of GitHub Actions:
 * nothing, all zero.
 */
struct guarded {
	bool in_workflow;
	bool is_pull_request; /* then guard has accepted `sha` */
	bool is_main;         /* push, dispatch or schedule on the default branch */
	char sha[41];         /* the commit that the event is about */
};

/*
 * A pull request's event is believed only as $RUNNER_TEMP/branchline/guard.json says, which the
 * action guard writes in an earlier step: its sha is what was looked at (GITHUB_SHA is a merge that
 * nobody saw). BL_EDENIED: there is none, or it says no.
 */
BL_MUST int guarded_read(struct guarded *out, struct bl_err *err);

/* The decision: pure. `bytes` of guard.json. */
BL_MUST int guarded_decision(const char *bytes, size_t len, char sha[41], struct bl_err *err);

#endif
