/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "runner/host.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void on_claimed(struct host *host, const struct ship_reply *reply)
{
	struct bl_err err = { 0 };

	host->claim = reply->claimed;
	host->bulk.attempt = host->claim.attempt;
	if (host->claim.ended_survivors)
		host_note(host, "info", "ended %u processes that the attempt before left running",
		          host->claim.ended_survivors);
	BL_FAILPOINT("host.claimed");
	if (lane_open(&host->control, SHIP_CONTROL, &host->place, host->claim.attempt, &err))
		host_lane_lost(host, SHIP_CONTROL, &err);
	else
		host->tick_at = bl_mono_ms();
	host_event(host, HEV_DONE);
}

static void on_restored(struct host *host, const struct ship_reply *reply)
{
	const struct bl_restored *restored = &reply->restore.restored;

	if (*reply->restore.said)
		host_note(host, "warn", "%s", reply->restore.said);
	if (restored->found) {
		snprintf(host->resume_from, sizeof(host->resume_from), "%s",
		         host->claim.checkpoint_dir);
		host->published_step = restored->step;
		if (isnan(restored->step))
			host_note(host, "info", "restored %zu files from %s", restored->files,
			          restored->manifest);
		else
			host_note(host, "info", "restored step %.0f from %s", restored->step,
			          restored->manifest);
	} else if (host->claim.attempt > 1 && *host->claim.checkpoint_dir) {
		host_note(host, "warn", "no checkpoint to restore: attempt %u starts afresh",
		          host->claim.attempt);
	}
	host_event(host, HEV_DONE);
}

static void on_snapshot(struct host *host, const struct ship_reply *reply)
{
	if (reply->err.code && !host->unreachable && !host->snapshot_failed)
		host_note(host, "warn", "%s", reply->err.text);
	host->snapshot_failed = reply->err.code != BL_OK;
	if (*reply->published.refused)
		host_note(host, "warn", "checkpoint: left out: %s", reply->published.refused);
	if (*reply->published.lost)
		host_note(host, "warn",
		          "checkpoint '%s' changed while it was read, three times: write it to "
		          "another name, then rename",
		          reply->published.lost);
	if (reply->published.published) {
		host->published = reply->published;
		host->published_at_wall_ms = bl_wall_ms();
		host->published_step = host->latest.step;
		host->beat = true;
		host_say_checkpoint(host);
	}
	if (host->state != HOST_FLUSHING)
		return;
	if (host->want_final) {
		host_try_last_snapshot(host);
		return;
	}
	/*
	 * finished work that could not be kept is no success; old checkpoints that stay are no harm
	 */
	if (reply->err.code && !reply->published.published &&
	    host->result.status == BL_STATUS_SUCCESS)
		host_fail(host, BL_CLASS_STORAGE, &reply->err);
	host_event(host, reply->err.code ? HEV_FAILED : HEV_DONE);
}

static void on_outputs(struct host *host, const struct ship_reply *reply)
{
	if (!reply->err.code) {
		host->outputs = reply->outputs;
		host->kept = true;
		host_event(host, HEV_DONE);
		return;
	}
	host_note(host, "warn", "%s", reply->err.text);
	if (host->result.status == BL_STATUS_SUCCESS)
		host_fail(host, BL_CLASS_STORAGE, &reply->err);
	host_event(host, HEV_FAILED);
}

/* Somebody ended this attempt: the ships end at once, the training follows. */
static void on_fenced(struct host *host)
{
	host->fenced = true;
	host->tick_at = host->snapshot_at = 0;
	host->bulk_again_at = host->control_again_at = 0;
	lane_close(&host->bulk);
	lane_close(&host->control);
	host_event(host, HEV_FENCED);
}

static void on_end(struct host *host, const struct ship_reply *reply)
{
	/* of a store out of reach it is said what that means */
	if (reply->err.code && reply->err.code != BL_ERETRY && reply->err.code != BL_ETIMEOUT)
		host->failure = reply->err;
	host->settled = reply->end.settled;
	host->outcome = reply->end.outcome;
	host_event(host, reply->err.code ? HEV_FAILED : HEV_DONE);
}

void host_bulk_reply(struct host *host, const struct ship_reply *reply)
{
	if (reply->fenced) {
		on_fenced(host);
		return;
	}
	if (host_tries_again(host, SHIP_BULK, reply))
		return;
	switch (reply->op) {
	case SHIP_CLAIM:
		if (!reply->err.code) {
			on_claimed(host, reply);
			return;
		}
		host->failure = reply->err;
		host_event(host, HEV_FAILED);
		return;
	case SHIP_RESTORE:
		if (!reply->err.code) {
			on_restored(host, reply);
			return;
		}
		host_fail(host, BL_CLASS_STORAGE, &reply->err);
		host_event(host, HEV_FAILED);
		return;
	case SHIP_STARTED:
		if (reply->err.code)
			host_note(host, "warn", "%s", reply->err.text);
		host_try_last_snapshot(host);
		return;
	case SHIP_SNAPSHOT:
		on_snapshot(host, reply);
		return;
	case SHIP_OUTPUTS:
		on_outputs(host, reply);
		return;
	case SHIP_END:
		on_end(host, reply);
		return;
	case SHIP_TICK:
	case SHIP_DRAIN:
		return; /* never on this lane */
	}
}

static void watch_nan(struct host *host)
{
	if (!*host->latest.bad_name || host->nan_said)
		return;
	host->nan_said = true;
	host_note(host, "warn", "%s is not a number at step %.0f", host->latest.bad_name,
	          host->latest.bad_step);
	if (host->claim.stop_on_nan && host->state == HOST_RUNNING)
		host_stop(host, "nan");
}

/* Neither a step nor a byte of output: something hangs. */
static void watch_stall(struct host *host, int64_t now)
{
	bool moved =
		host->latest.step != host->stall_step || host->log_bytes != host->stall_log_bytes;

	if (isnan(host->latest.step) && isnan(host->stall_step))
		moved = host->log_bytes != host->stall_log_bytes;
	if (moved || host->state != HOST_RUNNING) {
		host->stall_step = host->latest.step;
		host->stall_log_bytes = host->log_bytes;
		host->progress_at = now;
		host->stall_said = false;
		return;
	}
	if (!host->claim.stall_ms || host->stall_said ||
	    now - host->progress_at < host->claim.stall_ms)
		return;
	host->stall_said = true;
	host_note(host, "warn", "no step and no output for %lld min",
	          (long long)(host->claim.stall_ms / 60000));
	if (host->claim.stop_on_stall)
		host_stop(host, "stall");
}

/* The results are kept and verified, so it stays a success: one that says what is missing. */
static void on_drained(struct host *host, const struct bl_err *err)
{
	struct bl_result *result = &host->result;

	if (err->code && result->status == BL_STATUS_SUCCESS) {
		snprintf(result->message, sizeof(result->message), "%s", err->text);
		snprintf(result->next_step, sizeof(result->next_step), "%s", err->next);
	}
	host->drained = true; /* or it is said why not */
	host_event(host, err->code ? HEV_FAILED : HEV_DONE);
}

/* After the end one more tick reads the rest of the metrics: the last snapshot names their step. */
static void on_last_tick(struct host *host)
{
	if (!host->awaits_tick)
		return;
	if (host->stale_tick) {
		host->stale_tick = false;
		host_send_control(host, SHIP_TICK);
		return;
	}
	host->awaits_tick = false;
	host_try_last_snapshot(host);
}

void host_control_reply(struct host *host, const struct ship_reply *reply)
{
	double step = host->latest.step;
	bool again;

	if (reply->fenced) {
		on_fenced(host);
		return;
	}
	again = host_tries_again(host, SHIP_CONTROL, reply);
	if (reply->err.code && !host->unreachable && !host->tick_failed)
		host_note(host, "warn", "%s", reply->err.text);
	host->tick_failed = reply->err.code != BL_OK;
	/* what it was to tell is still to be told */
	host->beat = host->beat || (host->tick_failed && host->unreachable);
	if (reply->tick.read) {
		host->latest = reply->tick.latest;
		host->log_bytes = reply->tick.log_bytes;
	}
	if (host->latest.step != step && !isnan(host->latest.step))
		host_say_step(host);
	watch_nan(host);
	watch_stall(host, bl_mono_ms());
	if (*reply->tick.stop_reason && !*host->stop_reason)
		host_stop(host, reply->tick.stop_reason);
	on_last_tick(host);
	if (host->state != HOST_DRAINING || again)
		return;
	if (reply->op == SHIP_TICK) /* the drain waited for the lane */
		host_send_control(host, SHIP_DRAIN);
	else
		on_drained(host, &reply->err);
}

void host_lane_lost(struct host *host, enum ship_lane which, const struct bl_err *err)
{
	if (which == SHIP_CONTROL) {
		/* no heartbeats, no log: training goes on, and the end says so */
		host_note(host, "warn", "the log and heartbeats are not stored any more: %s",
		          err->text);
		lane_close(&host->control);
		host->tick_at = 0;
		host->awaits_tick = false;
		host_try_last_snapshot(host);
		if (host->state ==
		    HOST_DRAINING) /* in any other state FAILED is of the bulk lane */
			on_drained(host, err);
		return;
	}
	if (!host->failure.code)
		host->failure = *err;
	lane_close(&host->bulk);
	/* without it nothing can be kept or ended: leave the run to be resumed */
	if (host->engine.child.pid) {
		struct engine_spec spec = host_engine_spec(host, NULL);
		struct bl_err ignored = { 0 };

		if (host->engine.ops->kill(&host->engine, &spec, "interrupted", &ignored))
			bl_err_clear(&ignored);
		kill(host->engine.child.pid, SIGKILL);
	}
	host->state = HOST_DONE;
}
