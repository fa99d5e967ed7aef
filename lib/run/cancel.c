/* SPDX-License-Identifier: Apache-2.0 */
#include "run/cancel.h"

#include <stdio.h>

static struct bl_result result_of(const char *message)
{
	struct bl_result result = {
		.status = BL_STATUS_CANCELLED,
		.class = BL_CLASS_CANCELLED,
		.stage = "cancel",
		.exit_code = -1,
		.next_step = "--resume starts a new run from its newest checkpoint"
	};

	snprintf(result.message, sizeof(result.message), "%s", message);
	return result;
}

int bl_cancel_run(struct bl_store *store, const struct bl_run *run, const char *by,
                  const char *message, struct bl_outcome *outcome, struct bl_err *err)
{
	struct bl_result result = result_of(message);
	struct bl_attempts attempts;
	bool settled;

	if (bl_attempts_read(store, run->id, &attempts, err))
		return bl_wrap(err, "cancel run %s", run->id);
	if (attempts.has_outcome) {
		*outcome = attempts.outcome;
		return 0;
	}
	/* first: whoever launches looks at it before and after it buys */
	if (bl_stop_ask(store, run->id, "cancelled", by, err) ||
	    bl_run_end_newest(store, run->id, &attempts, &result, err) ||
	    bl_run_settle(store, run, BL_DEAD, &settled, outcome, err))
		return bl_wrap(err, "cancel run %s", run->id);
	if (settled)
		return 0;
	/* another attempt was claimed between these lines */
	bl_fail(err, BL_EBUSY, "cancel run %s: somebody has just begun another attempt", run->id);
	return bl_next(err, "cancel it once more");
}
