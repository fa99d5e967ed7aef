/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CANCEL_H
#define BL_RUN_CANCEL_H

#include "run/run.h"
#include "run/settle.h"

/*
 * Cancels a run in the store, whose boxes were ended before: the wish to stop, so that nobody buys
 * another attempt; the end of the newest one, unless it has written its own; the outcome. Again, or
 * by two at once, changes nothing.
 *
 *   by       who asks, "" unknown
 *   message  one line for people: why
 *   outcome  what stands now: another one where the run had ended before
 */
BL_MUST int bl_cancel_run(struct bl_store *store, const struct bl_run *run, const char *by,
                          const char *message, struct bl_outcome *outcome, struct bl_err *err);

#endif
