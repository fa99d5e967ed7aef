/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_GUARD_PARTS_H
#define BL_ACTIONS_GUARD_PARTS_H

#include "actions/guarded.h"
#include "actions/options.h"
#include "run/guard.h"

struct guard_options {
	const char *job;
	bool allow_bots, on_push;
};

/* What guard knows in the end. */
struct guarding {
	struct guard_options opt;
	struct bl_args args;
	struct bl_guard_event event;
	struct bl_guard guard;
	struct guarded guarded; /* what later steps will read */
	struct bl_github *github;
};

/* The label that starts a run: the input's, else that of the branchline.yaml at hand, else train.
 */
void guard_label(const struct guarding *guarding, char label[128]);

/*
 * The configuration at the commit, with the inputs of a dispatch laid over it, from the clone at
 * hand or from GitHub: a typing error costs seconds here and minutes later. Sets guarded.key to the
 * job's name. BL_EINPUT: it is wrong. A file that cannot be had is looked at by later steps.
 */
BL_MUST int guard_config(struct guarding *guarding, struct bl_err *err);

/* After a fork's own job: its pull request gets the comment that it could not write. */
BL_MUST int guard_fork(struct guarding *guarding, struct bl_err *err);

/* guard.json and the outputs of the step. */
BL_MUST int guard_write(const struct guarding *guarding, struct bl_err *err);

#endif
