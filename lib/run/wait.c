/* SPDX-License-Identifier: Apache-2.0 */
#include "run/wait.h"

#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINES_MS 60000
#define NEAR_MS 300
#define OTHERS_CLOCK_MS (15 * 60000)
#define STALE_PERIODS 2 /* of a heartbeat: then the attempt's end is looked for */

/*
 * How often each is asked for, ms. 0: not at all; what the heartbeat says of the log's end brings
 * BL_ASK_LOG about earlier, and its phase the end. The sum of a row is what the limits in wait.h
 * allow.
 */
static const int64_t periods[BL_WAIT_PHASES][BL_ASKS] = {
	/*                    BEAT   LOG    END    ATTEMPTS PROBE  WAVE */
	[BL_WAIT_BOOTING] = { 30000, 0, 30000, 0, 60000, 60000 },
	[BL_WAIT_LINES] = { 30000, 10000, 60000, 0, 60000, 60000 },
	[BL_WAIT_SILENT] = { 20000, 0, 60000, 0, 60000, 60000 },
	[BL_WAIT_ENDING] = { 40000, 0, 20000, 0, 120000, 60000 },
};

static const int64_t pauses[BL_WAIT_PHASES] = {
	[BL_WAIT_BOOTING] = 5000,
	[BL_WAIT_LINES] = 10000,
	[BL_WAIT_SILENT] = 20000,
	[BL_WAIT_ENDING] = 5000,
};

bool bl_wait_due(struct bl_wait *wait, enum bl_wait_ask what, int64_t now_mono_ms)
{
	int64_t period = periods[wait->phase][what], asked = wait->asked_mono_ms[what];

	if (wait->near)
		period = what == BL_ASK_WAVE ? BL_WAITER_MS : NEAR_MS;
	if (asked && (!period || now_mono_ms - asked < period))
		return false;
	wait->asked_mono_ms[what] = now_mono_ms;
	return true;
}

/* Another attempt: nothing that was seen of the one before counts. */
static void take_attempt(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	if (wait->since_mono_ms && wait->attempt == seen->attempts->newest)
		return;
	wait->attempt = seen->attempts->newest;
	wait->phase = BL_WAIT_BOOTING;
	wait->watch = (struct bl_watch){ 0 };
	wait->since_mono_ms = wait->moved_mono_ms = seen->mono_ms;
	wait->lines_mono_ms = wait->gone_mono_ms = wait->stop_mono_ms = 0;
}

static bool is_ending(const struct bl_wait_seen *seen)
{
	static const char *const words[] = { "stopping", "flush", "end" };

	if (seen->attempts->stop_wanted || seen->attempts->newest_ended)
		return true;
	for (size_t i = 0; seen->beat && i < BL_COUNT(words); i++)
		if (!strcmp(seen->beat->phase, words[i]))
			return true;
	return false;
}

/* Since when something is so; forgets it when it is not. */
static void note_since(int64_t *since, bool is_so, int64_t now_mono_ms)
{
	if (!is_so)
		*since = 0;
	else if (!*since)
		*since = now_mono_ms;
}

static void note(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	const struct bl_attempts *attempts = seen->attempts;

	take_attempt(wait, seen);
	note_since(&wait->gone_mono_ms, seen->probe && seen->probe->owner == BL_DEAD,
	           seen->mono_ms);
	note_since(&wait->stop_mono_ms, attempts->stop_wanted, seen->mono_ms);
	if (seen->lines)
		wait->lines_mono_ms = seen->mono_ms;
	if (seen->beat && (!wait->watch.started || wait->watch.seq != seen->beat->seq))
		wait->moved_mono_ms = seen->mono_ms;
	if (is_ending(seen))
		wait->phase = BL_WAIT_ENDING;
	else if (wait->lines_mono_ms && seen->mono_ms - wait->lines_mono_ms < LINES_MS)
		wait->phase = BL_WAIT_LINES;
	else
		wait->phase = seen->beat ? BL_WAIT_SILENT : BL_WAIT_BOOTING;
}

static struct bl_wait_step act(enum bl_wait_act what)
{
	return (struct bl_wait_step){ .act = what, .result = { .exit_code = -1 } };
}

static struct bl_wait_step ends(enum bl_wait_act what, enum bl_class class, const char *stage,
                                const char *next, const char *fmt, ...) BL_PRINTF(5);

static struct bl_wait_step ends(enum bl_wait_act what, enum bl_class class, const char *stage,
                                const char *next, const char *fmt, ...)
{
	struct bl_wait_step step = act(what);
	va_list args;

	step.result.status = bl_class_status(class);
	step.result.class = class;
	snprintf(step.result.stage, sizeof(step.result.stage), "%s", stage);
	snprintf(step.result.next_step, sizeof(step.result.next_step), "%s", next);
	va_start(args, fmt);
	vsnprintf(step.result.message, sizeof(step.result.message), fmt, args);
	va_end(args);
	return step;
}

static const char *stage_of(const struct bl_wait_seen *seen)
{
	return seen->beat && *seen->beat->phase ? seen->beat->phase : "boot";
}

/* Its box is gone, and wrote no end. */
static struct bl_wait_step gone(const struct bl_wait_seen *seen)
{
	struct bl_wait_step step = act(BL_WAIT_ENDED);

	step.result = seen->probe->gone;
	if (step.result.class)
		return step;
	return ends(BL_WAIT_ENDED, BL_CLASS_LOST, stage_of(seen),
	            "--resume continues it from its newest checkpoint",
	            "what it ran on is gone, and left no reason");
}

/* Nothing that an owner alive on this machine does is a matter of its heartbeat. */
static bool is_silent_to_death(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	enum bl_liveness watched;

	if (!seen->beat)
		return false;
	watched = bl_watch_seq(&wait->watch, seen->beat->seq, seen->attempts->claim.heartbeat_ms,
	                       seen->mono_ms);
	if (!*seen->attempts->claim.instance_tag && seen->probe && seen->probe->owner == BL_ALIVE)
		return false;
	return watched == BL_DEAD;
}

static struct bl_wait_step never_came_up(const struct bl_wait_seen *seen, int64_t boot_ms)
{
	struct bl_wait_step step;

	if (!seen->started)
		return ends(BL_WAIT_TERMINATE, BL_CLASS_BOOT, "launch",
		            "launch again: whoever claimed this attempt did not get so far",
		            "nothing was started for attempt %u within %lld min of its claim",
		            seen->attempts->newest, (long long)boot_ms / 60000);
	step = ends(BL_WAIT_TERMINATE, BL_CLASS_BOOT, "boot",
	            "its console above says how far it came; `branchline doctor` checks the rest",
	            "%s gave no sign of life within %lld min",
	            *seen->started->instance ? seen->started->instance : "it",
	            (long long)boot_ms / 60000);
	step.never_came_up = true;
	return step;
}

/* How long its launch may go on asking for capacity. */
static int64_t asks_for_ms(const struct bl_run *run)
{
	struct bl_err none = { 0 };
	int64_t ms = 0;

	if (bl_str_duration(bl_value_text_or(run->config, "wait_for_capacity", "0s"), &ms, &none))
		return 0;
	return ms;
}

/* When an attempt that never beat is given up, counted from its start, else its claim. */
static bool boot_is_over(const struct bl_wait_seen *seen, int64_t *boot_ms)
{
	int64_t since =
		seen->started ? seen->started->started_ms : seen->attempts->claim.claimed_at_ms;

	*boot_ms = BL_WAIT_BOOT_MS;
	if (!seen->started)
		*boot_ms = BL_WAIT_UNBOUGHT_MS + asks_for_ms(seen->run);
	return !seen->beat && seen->wall_ms - since >= *boot_ms;
}

static bool is_overdue(const struct bl_wait_seen *seen)
{
	return seen->started && seen->started->deadline_ms > 0 &&
	       seen->wall_ms >= seen->started->deadline_ms + BL_WAIT_OVERDUE_MS;
}

static struct bl_wait_step overdue(const struct bl_wait_seen *seen)
{
	return ends(BL_WAIT_TERMINATE, BL_CLASS_TIMEOUT, stage_of(seen),
	            "raise max_runtime, or start a new run from its newest checkpoint",
	            "it ran past its deadline and did not end by itself");
}

static struct bl_wait_step over_budget(enum bl_wait_act what, const struct bl_wait_seen *seen)
{
	return ends(what, BL_CLASS_BUDGET, stage_of(seen),
	            "raise max_cost_usd, or start a new run from its newest checkpoint",
	            "it has cost $%.2f of the $%.2f that max_cost_usd allows", seen->cost_usd,
	            seen->run->max_cost_usd);
}

/* A stop that host has not done in its time: host is not there to do it. */
static bool stop_is_over(const struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	return wait->stop_mono_ms &&
	       seen->mono_ms - wait->stop_mono_ms >=
	               seen->run->grace_ms + seen->run->flush_reserve_ms + BL_WAIT_STOPPED_MS;
}

static struct bl_wait_step stop_did_nothing(const struct bl_wait_seen *seen)
{
	enum bl_class class = BL_CLASS_CANCELLED;
	struct bl_err unknown = { 0 };

	if (bl_class_parse(seen->attempts->stop_reason, &class, &unknown) || !class)
		class = BL_CLASS_CANCELLED;
	if (class == BL_CLASS_BUDGET)
		return over_budget(BL_WAIT_TERMINATE, seen);
	return ends(BL_WAIT_TERMINATE, class, stage_of(seen),
	            "--resume starts a new run from its newest checkpoint",
	            "asked to stop, it did not end within its grace and flush_reserve");
}

/* The newest attempt has no end. */
static struct bl_wait_step watch_live(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	bool instance = *seen->attempts->claim.instance_tag;
	bool silent = is_silent_to_death(wait, seen);
	int64_t boot_ms;

	/* a process cannot write from the grave; what a box sent last may be on its way */
	if (wait->gone_mono_ms &&
	    (!instance || seen->mono_ms - wait->gone_mono_ms >= BL_WAIT_GONE_MS))
		return gone(seen);
	if (wait->gone_mono_ms)
		return act(BL_WAIT_POLL);
	if (is_overdue(seen))
		return overdue(seen);
	if (stop_is_over(wait, seen))
		return stop_did_nothing(seen);
	if (silent)
		return ends(BL_WAIT_TERMINATE, BL_CLASS_LOST, stage_of(seen),
		            "--resume continues it from its newest checkpoint",
		            "its heartbeat has stopped for %lld s",
		            (long long)(seen->attempts->claim.heartbeat_ms *
		                        BL_HEARTBEATS_TO_DEATH / 1000));
	if (instance && boot_is_over(seen, &boot_ms))
		return never_came_up(seen, boot_ms);
	if (!seen->attempts->stop_wanted && seen->cost_usd > seen->run->max_cost_usd)
		return over_budget(BL_WAIT_ASK_STOP, seen);
	return act(BL_WAIT_POLL);
}

/* Its launch died before it claimed anything: without a wish nothing would ever come of it. */
static struct bl_wait_step watch_unclaimed(const struct bl_wait_seen *seen)
{
	if (seen->attempts->stop_wanted ||
	    seen->wall_ms - seen->run->created_ms < BL_WAIT_UNBOUGHT_MS)
		return act(BL_WAIT_POLL);
	return ends(BL_WAIT_ASK_STOP, BL_CLASS_LOST, "launch", "launch it again",
	            "its launch ended before it claimed an attempt");
}

static struct bl_wait_step decide(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	struct bl_run_view view = { .attempts = seen->attempts,
		                    .retries = seen->run->retries,
		                    .owner = BL_UNKNOWN,
		                    .budget_left_ms = seen->run->max_runtime_ms - seen->spent_ms };
	struct bl_run_step next;

	if (seen->attempts->has_outcome)
		return act(BL_WAIT_OVER);
	if (seen->attempts->newest && !seen->attempts->newest_ended)
		return watch_live(wait, seen);
	next = bl_run_next(&view);
	if (next.next == BL_RELAUNCH && seen->cost_usd > seen->run->max_cost_usd)
		return over_budget(BL_WAIT_ASK_STOP, seen);
	if (next.next == BL_RELAUNCH)
		return act(BL_WAIT_RELAUNCH);
	if (next.next == BL_SETTLE)
		return act(BL_WAIT_SETTLE);
	return seen->attempts->newest ? act(BL_WAIT_POLL) : watch_unclaimed(seen);
}

/* A heartbeat that does not move any more, or a box that is gone: perhaps its end is there. */
static bool is_to_be_looked_at(const struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	int64_t stale_ms = seen->attempts->claim.heartbeat_ms * STALE_PERIODS;

	return wait->gone_mono_ms ||
	       (seen->beat && seen->mono_ms - wait->moved_mono_ms >= stale_ms);
}

struct bl_wait_step bl_wait_next(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	struct bl_wait_step step;
	int64_t left = seen->hand_over_ms - seen->wall_ms;

	note(wait, seen);
	step = decide(wait, seen);
	if (step.act != BL_WAIT_POLL)
		return step;
	if (seen->hand_over_ms && left <= 0)
		return act(BL_WAIT_HAND_OVER);
	if (is_to_be_looked_at(wait, seen))
		wait->phase = BL_WAIT_ENDING;
	step.pause_ms = wait->near ? NEAR_MS : pauses[wait->phase];
	if (seen->hand_over_ms && left < step.pause_ms)
		step.pause_ms = left;
	return step;
}

void bl_wait_prime(struct bl_wait *wait, const struct bl_wait_seen *seen)
{
	const struct bl_claim *claim = &seen->attempts->claim;
	int64_t last_ms = seen->beat ? seen->beat->at_ms : claim->claimed_at_ms;

	*wait = (struct bl_wait){ .attempt = seen->attempts->newest,
		                  .since_mono_ms = claim->claimed_at_ms > 0 ? claim->claimed_at_ms
		                                                            : seen->mono_ms,
		                  .moved_mono_ms = last_ms };
	if (seen->probe && seen->probe->owner == BL_DEAD)
		wait->gone_mono_ms = last_ms;
	if (seen->beat)
		wait->watch = (struct bl_watch){ .seq = seen->beat->seq,
			                         .since_mono_ms = last_ms + OTHERS_CLOCK_MS,
			                         .started = true };
}

static bool is_interruption(const struct bl_end *end, int64_t now_wall_ms)
{
	return end->result.class == BL_CLASS_INTERRUPTED &&
	       now_wall_ms - end->finished_at_ms < BL_WAIT_SPOT_MS;
}

bool bl_wait_on_demand(const char *market, const struct bl_end *ends_so_far, size_t n,
                       int64_t now_wall_ms)
{
	return !strcmp(market, "spot-then-on-demand") && n >= 2 &&
	       is_interruption(&ends_so_far[n - 1], now_wall_ms) &&
	       is_interruption(&ends_so_far[n - 2], now_wall_ms);
}
