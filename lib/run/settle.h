/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SETTLE_H
#define BL_RUN_SETTLE_H

#include "run/attempt.h"
#include "run/run.h"

/*
 * When an attempt without an end was seen last, wall ms: its newest heartbeat, else its claim. What
 * passed until somebody found it dead is not time that it ran.
 */
BL_MUST int bl_run_last_seen_ms(struct bl_store *store, const char *run,
                                const struct bl_claim *claim, int64_t *out, struct bl_err *err);

/*
 * What attempts 1..newest used of max_runtime, ms: until their end, or until they were seen last.
 */
BL_MUST int bl_run_spent_ms(struct bl_store *store, const char *run, unsigned newest, int64_t *out,
                            struct bl_err *err);

/*
 * Ends the newest attempt for an owner that is proven dead, when it has no end yet: `result` as of
 * when it was seen last. Success too when it has just ended by itself.
 */
BL_MUST int bl_run_end_newest(struct bl_store *store, const char *run,
                              const struct bl_attempts *attempts, const struct bl_result *result,
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
