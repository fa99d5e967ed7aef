/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_H
#define BL_RUN_LAUNCH_H

#include "run/compute.h"
#include "run/stack.h"

/*
 * Buying one attempt of a stored run: pools of today's offers and prices, cheapest risk first. What
 * a first launch checks before that is in launch_*.h.
 */
struct bl_launch_place {
	struct bl_aws *aws;           /* NULL with engine "local" */
	const struct bl_stack *stack; /* NULL with engine "local" */
	struct bl_store *store;
	struct bl_compute *compute;
	void (*say)(void *arg, const char *line);
	void *arg;
	const volatile int *stop;
};

/*
 * on_demand: whatever run.json's market says (after two interruptions in 30 minutes, where the
 * configuration allows on-demand). Errors as of struct bl_compute_ops.start, and BL_EINPUT when
 * nothing that fits is offered.
 */
BL_MUST int bl_launch_attempt(const struct bl_launch_place *place, const struct bl_run *run,
                              unsigned attempt, bool on_demand, struct bl_started *out,
                              struct bl_err *err);

#endif
