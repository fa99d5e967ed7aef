/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "run/settle.h"

#include <math.h>
#include <string.h>

/* An answer "not there" is one. */
static int unless_absent(int rc, struct bl_err *err)
{
	if (rc && err->code == BL_ENOENT) {
		bl_err_clear(err);
		return 0;
	}
	return rc;
}

/* What attempts before the newest cost. */
static int add_past(struct waiting *waiting, struct bl_err *err)
{
	double sum = 0;

	for (unsigned n = 1; n < waiting->attempts.newest; n++) {
		struct bl_started started;
		struct bl_end end;
		struct bl_cost cost;

		if (bl_started_read(waiting->cloud->store, waiting->run.id, n, &started, err) ||
		    bl_end_read(waiting->cloud->store, waiting->run.id, n, &end, err)) {
			if (err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err); /* nothing was bought, or nobody ended it */
			continue;
		}
		cost = bl_started_cost(&started, end.finished_at_ms);
		if (isfinite(cost.usd))
			sum += cost.usd + (isfinite(cost.disk_usd) ? cost.disk_usd : 0);
	}
	waiting->past_usd = sum;
	return 0;
}

double wait_cost(const struct waiting *waiting, int64_t now_wall_ms)
{
	int64_t until =
		waiting->attempts.newest_ended ? waiting->attempts.end.finished_at_ms : now_wall_ms;
	struct bl_cost cost;

	if (!*waiting->started.engine)
		return waiting->past_usd > 0 ? waiting->past_usd : (double)NAN;
	cost = bl_started_cost(&waiting->started, until);
	return waiting->past_usd + cost.usd + (isfinite(cost.disk_usd) ? cost.disk_usd : 0);
}

/* Another attempt than before. */
static int take_attempt(struct waiting *waiting, struct bl_err *err)
{
	bl_started_init(&waiting->started);
	bl_heartbeat_init(&waiting->beat, waiting->attempts.newest);
	waiting->probed = false;
	waiting->interrupted = waiting->attempts.newest > 1;
	return add_past(waiting, err);
}

static int read_attempts(struct waiting *waiting, struct bl_err *err)
{
	unsigned before = waiting->attempts.newest;
	struct bl_attempts got;

	if (bl_attempts_read(waiting->cloud->store, waiting->run.id, &got, err))
		return -1;
	waiting->attempts = got;
	waiting->unsure = false;
	if ((got.newest != before || !waiting->reached) && take_attempt(waiting, err))
		return -1;
	if (got.newest_ended && !got.has_outcome)
		return bl_run_spent_ms(waiting->cloud->store, waiting->run.id, got.newest,
		                       &waiting->spent_ms, err);
	return 0;
}

/* Its end is the only thing that would change what is known of the attempts. */
static int look_for_end(struct waiting *waiting, struct bl_err *err)
{
	struct bl_end end;

	if (bl_end_read(waiting->cloud->store, waiting->run.id, waiting->attempts.newest, &end,
	                err))
		return unless_absent(-1, err);
	waiting->unsure = true;
	return 0;
}

static int read_started(struct waiting *waiting, struct bl_err *err)
{
	if (*waiting->started.engine)
		return 0;
	return unless_absent(bl_started_read(waiting->cloud->store, waiting->run.id,
	                                     waiting->attempts.newest, &waiting->started, err),
	                     err);
}

static int probe(struct waiting *waiting, struct bl_err *err)
{
	if (read_started(waiting, err) ||
	    bl_compute_probe(waiting->cloud->compute, &waiting->run, &waiting->attempts,
	                     &waiting->probe, err))
		return -1;
	waiting->probed = true;
	/* what it wrote last is there now */
	waiting->unsure = waiting->probe.owner == BL_DEAD;
	return 0;
}

static int read_beat(struct waiting *waiting, struct bl_err *err)
{
	struct bl_heartbeat got;

	if (bl_heartbeat_read(waiting->cloud->store, waiting->run.id, waiting->attempts.newest,
	                      &got, err))
		return unless_absent(-1, err);
	if (got.seq == waiting->beat.seq)
		return 0;
	waiting->beat = got;
	wait_show_beat(waiting);
	return 0;
}

/* The heartbeat knows of a chunk that was not read yet. */
static bool is_behind(const struct waiting *waiting)
{
	if (!waiting->beat.seq || waiting->log.attempt > waiting->beat.attempt)
		return false;
	return waiting->log.attempt < waiting->beat.attempt
	               ? waiting->beat.log.end > 0
	               : (int64_t)waiting->log.offset < waiting->beat.log.end;
}

static int read_log(struct waiting *waiting, struct bl_err *err)
{
	return bl_stream_read(waiting->cloud->store, waiting->run.id, BL_STREAM_LOG, &waiting->log,
	                      wait_show_piece, waiting, err);
}

static int look_at_attempt(struct waiting *waiting, int64_t now, struct bl_err *err)
{
	struct bl_wait *wait = &waiting->wait;

	if ((bl_wait_due(wait, BL_ASK_BEAT, now) && read_beat(waiting, err)) ||
	    (bl_wait_due(wait, BL_ASK_PROBE, now) && probe(waiting, err)) ||
	    (bl_wait_due(wait, BL_ASK_END, now) && look_for_end(waiting, err)))
		return -1;
	return waiting->unsure ? read_attempts(waiting, err) : 0;
}

void wait_wave(struct waiting *waiting)
{
	struct bl_err err = { 0 };

	if (!bl_wait_due(&waiting->wait, BL_ASK_WAVE, wait_mono_ms()))
		return;
	if (bl_waiter_write(waiting->cloud->store, waiting->run.id, ++waiting->seq, "wait", &err))
		bl_log_err(BL_LOG_DEBUG, &err);
}

void wait_hand_over(struct waiting *waiting, const char *why)
{
	struct bl_err err = { 0 };

	/* whoever collects need not wait until it is old; for host it has not moved */
	if (!waiting->quiet &&
	    bl_waiter_write(waiting->cloud->store, waiting->run.id, waiting->seq, "nobody", &err))
		bl_log_err(BL_LOG_DEBUG, &err);
	wait_show_handed_over(waiting, why);
}

int wait_look(struct waiting *waiting, struct bl_err *err)
{
	int64_t now = wait_mono_ms();

	waiting->lines = false;
	if ((bl_wait_due(&waiting->wait, BL_ASK_ATTEMPTS, now) || waiting->unsure ||
	     !waiting->attempts.newest) &&
	    read_attempts(waiting, err))
		return -1;
	waiting->reached = true;
	wait_show_attempt(waiting);
	if (waiting->attempts.newest && !waiting->attempts.newest_ended &&
	    look_at_attempt(waiting, now, err))
		return -1;
	/* all that was printed is shown before the end is */
	if ((bl_wait_due(&waiting->wait, BL_ASK_LOG, now) || is_behind(waiting) ||
	     waiting->attempts.newest_ended || waiting->attempts.has_outcome) &&
	    read_log(waiting, err))
		return -1;
	wait_wave(waiting);
	return 0;
}

int wait_look_once(struct waiting *waiting, struct bl_err *err)
{
	if (read_attempts(waiting, err))
		return -1;
	waiting->reached = true;
	if (!waiting->attempts.newest || waiting->attempts.newest_ended ||
	    waiting->attempts.has_outcome)
		return 0;
	return read_beat(waiting, err) || probe(waiting, err) ? -1 : 0;
}
