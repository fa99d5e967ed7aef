/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt.h"

#include <stdio.h>

/* What is known of a run, as far as the decision depends on it. */
enum standing {
	NOT_CLAIMED,
	IS_ALIVE,
	IS_UNKNOWN,
	DEAD_RETRY,  /* its owner is proven dead and wrote no end */
	DEAD_SPENT,  /* the same, and the retries are used up */
	ENDED_FINAL, /* success, or a class that no retry mends */
	ENDED_RETRY,
	ENDED_SPENT,
	HAS_OUTCOME,
	STANDINGS
};

enum wish { NO_WISH, ASKED, STOP_WANTED, WISHES }; /* a stop wanted outdoes a person who asks */

enum verdict { WAIT, RELAUNCH, SETTLE_END, SETTLE_SPENT, SETTLE_LOST, SETTLE_STOP };

static const enum verdict rules[STANDINGS][WISHES] = {
	/*                 NO_WISH       ASKED       STOP_WANTED */
	[NOT_CLAIMED] = { WAIT, RELAUNCH, SETTLE_STOP },
	[IS_ALIVE] = { WAIT, WAIT, WAIT },
	[IS_UNKNOWN] = { WAIT, WAIT, WAIT },
	[DEAD_RETRY] = { RELAUNCH, RELAUNCH, SETTLE_STOP },
	[DEAD_SPENT] = { SETTLE_LOST, RELAUNCH, SETTLE_STOP },
	[ENDED_FINAL] = { SETTLE_END, SETTLE_END, SETTLE_END },
	[ENDED_RETRY] = { RELAUNCH, RELAUNCH, SETTLE_STOP },
	[ENDED_SPENT] = { SETTLE_SPENT, RELAUNCH, SETTLE_STOP },
	[HAS_OUTCOME] = { WAIT, WAIT, WAIT },
};

static enum standing standing_of(const struct bl_run_view *view)
{
	const struct bl_attempts *seen = view->attempts;

	if (seen->has_outcome)
		return HAS_OUTCOME;
	if (!seen->newest)
		return NOT_CLAIMED;
	if (seen->newest_ended) {
		if (!bl_class_relaunchable(seen->end.result.class))
			return ENDED_FINAL;
		return seen->interruptions <= view->retries ? ENDED_RETRY : ENDED_SPENT;
	}
	if (view->owner == BL_DEAD) /* its own interruption is not among the counted */
		return seen->interruptions < view->retries ? DEAD_RETRY : DEAD_SPENT;
	return view->owner == BL_ALIVE ? IS_ALIVE : IS_UNKNOWN;
}

static enum wish wish_of(const struct bl_run_view *view)
{
	if (view->attempts->stop_wanted)
		return STOP_WANTED;
	return view->asked ? ASKED : NO_WISH;
}

static struct bl_result result_of(enum bl_class class, const char *message, const char *next_step)
{
	struct bl_result result = { .status = bl_class_status(class),
		                    .class = class,
		                    .stage = "training",
		                    .exit_code = -1 };

	snprintf(result.message, sizeof(result.message), "%s", message);
	snprintf(result.next_step, sizeof(result.next_step), "%s", next_step);
	return result;
}

static struct bl_result stop_result(const struct bl_attempts *seen)
{
	enum bl_class class = BL_CLASS_CANCELLED;
	struct bl_err unknown = { 0 };

	if (bl_class_parse(seen->stop_reason, &class, &unknown) || class == BL_CLASS_NONE)
		class = BL_CLASS_CANCELLED;
	if (!seen->newest && class == BL_CLASS_LOST)
		return result_of(class, "its launch ended before it claimed an attempt",
		                 "launch it again");
	if (class == BL_CLASS_BUDGET)
		return result_of(
			class, "max_cost_usd was used up before another attempt",
			"raise max_cost_usd, or start a new run from its newest checkpoint");
	return result_of(class, "stopped on request while no attempt was running",
	                 "--resume starts a new run from its newest checkpoint");
}

static struct bl_result spent_result(const struct bl_attempts *seen)
{
	struct bl_result result = seen->end.result;

	result.status = BL_STATUS_INTERRUPTED;
	return result;
}

static struct bl_run_step settle(struct bl_result result)
{
	return (struct bl_run_step){ .next = BL_SETTLE, .result = result };
}

struct bl_run_step bl_run_next(const struct bl_run_view *view)
{
	const struct bl_attempts *seen = view->attempts;

	switch (rules[standing_of(view)][wish_of(view)]) {
	case WAIT:
		break;
	case RELAUNCH:
		if (view->budget_left_ms > 0)
			return (struct bl_run_step){ .next = BL_RELAUNCH };
		return settle(result_of(BL_CLASS_TIMEOUT, "max_runtime is used up",
		                        "start a new run from its newest checkpoint with --resume "
		                        "and a longer --max-runtime"));
	case SETTLE_END:
		return settle(seen->end.result);
	case SETTLE_SPENT:
		return settle(spent_result(seen));
	case SETTLE_LOST:
		return settle(result_of(BL_CLASS_LOST,
		                        "the program that supervised it is gone, and the retries "
		                        "are used up",
		                        "--resume continues it from its newest checkpoint"));
	case SETTLE_STOP:
		return settle(stop_result(seen));
	}
	return (struct bl_run_step){ .next = BL_WAIT };
}

enum bl_liveness bl_watch_seq(struct bl_watch *watch, int64_t seq, int64_t period_ms,
                              int64_t now_mono_ms)
{
	bool moved = watch->started && seq != watch->seq;

	if (!watch->started || moved) {
		*watch = (struct bl_watch){ .seq = seq,
			                    .since_mono_ms = now_mono_ms,
			                    .started = true };
		return moved ? BL_ALIVE : BL_UNKNOWN;
	}
	if (now_mono_ms - watch->since_mono_ms >= period_ms * BL_HEARTBEATS_TO_DEATH)
		return BL_DEAD;
	return BL_UNKNOWN;
}
