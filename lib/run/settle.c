/* SPDX-License-Identifier: Apache-2.0 */
#include "run/settle.h"

#include "base/clock.h"
#include "base/str.h"
#include "run/heartbeat.h"

#include <math.h>
#include <string.h>

int bl_run_last_seen_ms(struct bl_store *store, const char *run, const struct bl_claim *claim,
                        int64_t *out, struct bl_err *err)
{
	struct bl_heartbeat beat;

	if (bl_heartbeat_read(store, run, claim->attempt, &beat, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* it never beat */
		beat.at_ms = 0;
	}
	/* the wall clock may have stepped */
	*out = beat.at_ms > claim->claimed_at_ms ? beat.at_ms : claim->claimed_at_ms;
	return 0;
}

/* When an attempt ended; without an end, when it was seen last. */
static int ended_at(struct bl_store *store, const char *run, const struct bl_claim *claim,
                    int64_t *out, struct bl_err *err)
{
	struct bl_end end;

	if (!bl_end_read(store, run, claim->attempt, &end, err)) {
		*out = end.finished_at_ms;
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return bl_run_last_seen_ms(store, run, claim, out, err);
}

int bl_run_spent_ms(struct bl_store *store, const char *run, unsigned newest, int64_t *out,
                    struct bl_err *err)
{
	int64_t sum = 0;

	for (unsigned n = 1; n <= newest; n++) {
		struct bl_claim claim;
		int64_t until;

		if (bl_claim_read(store, run, n, &claim, err)) {
			if (err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err);
			continue;
		}
		if (ended_at(store, run, &claim, &until, err))
			return -1;
		if (until > claim.claimed_at_ms)
			sum += until - claim.claimed_at_ms;
	}
	*out = sum;
	return 0;
}

int bl_run_end_newest(struct bl_store *store, const char *run, const struct bl_attempts *attempts,
                      const struct bl_result *result, struct bl_err *err)
{
	struct bl_end end = {
		.attempt = attempts->newest,
		.by = "claimer",
		.result = *result,
		.last_step = NAN,
	};

	if (!attempts->newest || attempts->newest_ended)
		return 0;
	if (bl_str_random(end.nonce, sizeof(end.nonce) - 1, err) ||
	    bl_run_last_seen_ms(store, run, &attempts->claim, &end.finished_at_ms, err))
		return -1;
	if (bl_end_create(store, run, &end, NULL, err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err); /* it has just ended by itself */
	}
	return 0;
}

int bl_run_settle(struct bl_store *store, const struct bl_run *run, enum bl_liveness owner,
                  bool *settled, struct bl_outcome *outcome, struct bl_err *err)
{
	struct bl_attempts attempts;
	struct bl_run_view view = { .attempts = &attempts,
		                    .retries = run->retries,
		                    .owner = owner };
	struct bl_outcome mine = { .finished_at_ms = bl_wall_ms() };
	struct bl_run_step step;
	int64_t spent;

	if (bl_attempts_read(store, run->id, &attempts, err))
		return -1;
	if (attempts.has_outcome) {
		*settled = true;
		*outcome = attempts.outcome;
		return 0;
	}
	if (bl_run_spent_ms(store, run->id, attempts.newest, &spent, err))
		return -1;
	view.budget_left_ms = run->max_runtime_ms - spent;
	step = bl_run_next(&view);
	*settled = step.next == BL_SETTLE;
	if (!*settled)
		return 0;
	mine.result = step.result;
	mine.attempt = attempts.newest;
	if (attempts.newest_ended)
		mine.finished_at_ms = attempts.end.finished_at_ms;
	if (bl_str_random(mine.nonce, sizeof(mine.nonce) - 1, err) ||
	    bl_run_end_newest(store, run->id, &attempts, &mine.result, err) ||
	    bl_outcome_settle(store, run->id, &mine, outcome, err))
		return bl_wrap(err, "settle run %s", run->id);
	return 0;
}
