/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SETTLE_H
#define BL_RUN_SETTLE_H

#include "run/attempt.h"
#include "run/run.h"

/* What earlier attempts 1..newest, where they have ended, used of max_runtime, ms. */
BL_MUST int bl_run_spent_ms(struct bl_store *store, const char *run, unsigned newest, int64_t *out,
                            struct bl_err *err);

/*
 * Creates outcome.json where bl_run_next() says that it is due; an attempt of a dead owner gets its
 * end first. Any program may call it at any time.
 *
 *   owner    of the newest attempt, when that has no end
 *   settled  outcome.json stands now: `outcome` is it
 */
BL_MUST int bl_run_settle(struct bl_store *store, const struct bl_run *run, enum bl_liveness owner,
                          bool *settled, struct bl_outcome *outcome, struct bl_err *err);

#endif
