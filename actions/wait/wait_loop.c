/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOST_MS (15 * 60000) /* out of reach for so long: somebody else may wait */
#define LOST_PAUSE_MS 10000

static struct bl_wait_step decide(struct waiting *waiting)
{
	int64_t now = bl_wall_ms();
	struct bl_wait_seen seen = {
		.mono_ms = wait_mono_ms(),
		.wall_ms = now,
		.hand_over_ms = waiting->hand_over_ms,
		.run = &waiting->run,
		.attempts = &waiting->attempts,
		.started = *waiting->started.engine ? &waiting->started : NULL,
		.beat = waiting->beat.seq ? &waiting->beat : NULL,
		.probe = waiting->probed ? &waiting->probe : NULL,
		.spent_ms = waiting->spent_ms,
		.cost_usd = wait_cost(waiting, now),
		.lines = waiting->lines,
	};

	return bl_wait_next(&waiting->wait, &seen);
}

/* What a job without credentials, or without a network, can still say. */
static int give_up(struct waiting *waiting, struct bl_err *err)
{
	wait_show_handed_over(waiting, err->text);
	bl_recode(err, BL_EINTERRUPTED);
	bl_wrap(err, "run %s goes on, but it cannot be asked any more", waiting->run.id);
	err->next[0] = '\0';
	return bl_next(err, "wait again with `branchline wait %s`", waiting->run.id);
}

/* 0: it is worth asking again. */
static int lose(struct waiting *waiting, struct bl_err *err)
{
	int64_t now = wait_mono_ms();

	if (err->code == BL_ECANCELLED && wait_signals()) {
		bl_err_clear(err);
		return 0;
	}
	if (err->code == BL_EDENIED && waiting->reached)
		return give_up(waiting, err);
	if (err->code != BL_ERETRY && err->code != BL_ETIMEOUT)
		return -1;
	if (!waiting->lost_mono_ms) {
		waiting->lost_mono_ms = now;
		wait_say(waiting, BL_LOG_WARN, err->text);
	}
	if (now - waiting->lost_mono_ms >= LOST_MS ||
	    (waiting->hand_over_ms && bl_wall_ms() >= waiting->hand_over_ms))
		return give_up(waiting, err);
	bl_err_clear(err);
	wait_pause(LOST_PAUSE_MS);
	return 0;
}

static int turn(struct waiting *waiting, bool *over, struct wait_ended *out, struct bl_err *err)
{
	struct bl_wait_step step;

	if (wait_look(waiting, err))
		return -1;
	if (waiting->lost_mono_ms)
		wait_say(waiting, BL_LOG_INFO, "the store answers again");
	waiting->lost_mono_ms = 0;
	step = decide(waiting);
	if (step.act != BL_WAIT_OVER)
		wait_show_comment(waiting);
	return wait_act(waiting, &step, over, out, err);
}

static int on_signal(struct waiting *waiting, struct wait_ended *out, struct bl_err *err)
{
	if (!waiting->how->detach && !wait_hung_up())
		return wait_cancel(waiting, out, err);
	wait_signals_taken();
	out->state = WAIT_HANDED_OVER;
	wait_hand_over(waiting, "the one who waited was asked to leave");
	return 0;
}

static int loop(struct waiting *waiting, struct wait_ended *out, struct bl_err *err)
{
	bool over = false;

	while (!over) {
		if (wait_signals())
			return on_signal(waiting, out, err);
		if (turn(waiting, &over, out, err) && lose(waiting, err))
			return -1;
	}
	if (out->state == WAIT_HANDED_OVER)
		wait_hand_over(waiting, "");
	return 0;
}

static void set_hand_over(struct waiting *waiting)
{
	int64_t minutes = waiting->how->minutes, began = waiting->cloud->guarded.job_started_ms;

	if (minutes < 0)
		minutes = getenv("GITHUB_ACTIONS")
		                  ? bl_value_int_or(waiting->run.config, "wait_minutes", 330)
		                  : 0;
	if (minutes)
		waiting->hand_over_ms = (began ? began : bl_wall_ms()) + minutes * 60000;
}

static void waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	wait_show_done(waiting);
	bl_run_done(&waiting->run);
	free(waiting);
}

int wait_run(struct cloud *cloud, const char *run, const struct wait_how *how,
             struct wait_ended *out, struct bl_err *err)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting)); /* large */
	struct bl_waiter earlier;
	int rc;

	if (!waiting)
		return bl_fail(err, BL_ENOMEM, "wait: out of memory");
	waiting->cloud = cloud;
	waiting->how = how;
	waiting->wait.near = !bl_store_is_remote(bl_store_uri(cloud->store));
	waiting->unsure = true;
	bl_started_init(&waiting->started);
	rc = bl_run_read(cloud->store, run, &waiting->run, err) ||
	     bl_waiter_read(cloud->store, run, &earlier, err);
	if (!rc) {
		waiting->seq = earlier.seq;
		set_hand_over(waiting);
		wait_show_open(waiting);
		wait_signals_open();
		wait_show_seed(waiting);
		rc = loop(waiting, out, err);
		wait_signals_done();
	}
	waiting_free(waiting);
	return rc ? -1 : 0;
}
