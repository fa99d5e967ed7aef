/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_GUARD_FORK_H
#define BL_RUN_GUARD_FORK_H

#include "run/guard.h"

/*
 * The comment that a fork's own job may not write: a workflow of the default branch writes it
 * after that job (`workflow_run`). It takes what GitHub says about the job, and nothing that the
 * job made.
 */
struct bl_guard_fork {
	bool is_fork; /* it was a pull request's, from another repository; else the rest is empty */
	int64_t repository_id, head_repository_id;
	char sha[41], branch[256], owner[64];
};

/* The event of `workflow_run`. BL_EINPUT: it is none, or lacks what one must have. */
BL_MUST int bl_guard_fork_read(const char *bytes, size_t len, struct bl_guard_fork *out,
                               struct bl_err *err);

/* Appends what to ask GitHub for: the open pull requests of that branch. */
void bl_guard_fork_path(const struct bl_guard_fork *fork, struct bl_buf *out);

/*
 * Whether this pull request, as GitHub's API tells it, is the one, and has our label (the longest
 * of them): then `out` is the event that its own job had, for bl_guard_decide().
 */
bool bl_guard_fork_event(const struct bl_guard_fork *fork, const struct bl_value *pull,
                         const char *label, struct bl_guard_event *out);

#endif
