/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/str.h"
#include "run/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELAUNCH_PAUSE_MS 30000 /* between attempts for which nothing could be bought */
#define UNSURE_TRIES 3          /* of a launch whose reply was lost: the same try again */
#define CONSOLE_MAX ((size_t)1 << 20)
#define CONSOLE_SHOWN 4096
#define CONSOLE_TOLD 240 /* of it in the message */

/* Asking for capacity may take hours: whoever looks sees that somebody waits, and the job's time
 * goes on. */
static void say_line(void *arg, const char *line)
{
	struct waiting *waiting = arg;

	wait_say(waiting, BL_LOG_INFO, line);
	if (waiting->quiet)
		return;
	wait_wave(waiting);
	if (waiting->hand_over_ms && bl_wall_ms() >= waiting->hand_over_ms)
		wait_buy_no_more();
}

static int read_ends(struct waiting *waiting, struct bl_end ends[2], size_t *n, struct bl_err *err)
{
	unsigned newest = waiting->attempts.newest;

	*n = 0;
	for (unsigned at = newest > 1 ? newest - 1 : 1; at <= newest; at++) {
		if (!bl_end_read(waiting->cloud->store, waiting->run.id, at, &ends[*n], err)) {
			++*n;
			continue;
		}
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	return 0;
}

static const char *market_of(const struct bl_run *run)
{
	const char *market = bl_value_text_or(run->doc, "compute.market", "");

	return *market ? market : bl_value_text_or(run->config, "market", "spot");
}

static struct bl_result result_of(const struct bl_err *failure)
{
	enum bl_class class = bl_class_of_error(failure);
	struct bl_result result = {
		.status = bl_class_status(class), .class = class, .stage = "launch", .exit_code = -1
	};

	snprintf(result.message, sizeof(result.message), "%s", failure->text);
	snprintf(result.next_step, sizeof(result.next_step), "%s", failure->next);
	return result;
}

/* Nothing could be bought. Where the attempt is claimed that is its end, and what follows is
 * bl_run_next()'s; else the run can get no further. */
static int give_up(struct waiting *waiting, unsigned attempt, const struct bl_err *failure,
                   struct bl_err *err)
{
	struct bl_outcome mine = { .result = result_of(failure),
		                   .attempt = waiting->attempts.newest,
		                   .finished_at_ms = bl_wall_ms() };
	struct bl_attempts attempts;

	if (bl_attempts_read(waiting->cloud->store, waiting->run.id, &attempts, err))
		return -1;
	if (attempts.newest >= attempt)
		return bl_run_end_newest(waiting->cloud->store, waiting->run.id, &attempts,
		                         &mine.result, err);
	if (bl_str_random(mine.nonce, sizeof(mine.nonce) - 1, err))
		return -1;
	return bl_outcome_settle(waiting->cloud->store, waiting->run.id, &mine, &attempts.outcome,
	                         err);
}

/* Another role may: the run stays as it is. */
static int may_not_buy(struct waiting *waiting, unsigned attempt, const struct bl_err *failure,
                       struct bl_err *err)
{
	*err = *failure;
	bl_recode(err, BL_EINTERRUPTED);
	bl_wrap(err, "attempt %u of run %s is due, but may not be started from here", attempt,
	        waiting->run.id);
	wait_hand_over(waiting, err->text);
	err->next[0] = '\0';
	return bl_next(err, "with the role that launches: `branchline wait %s`", waiting->run.id);
}

/* 0 also when it could not be had: then the store says so. */
static int buy(struct waiting *waiting, bool on_demand, struct bl_err *err)
{
	unsigned attempt = waiting->attempts.newest + 1;
	struct bl_launch_place place = {
		.aws = waiting->cloud->aws,
		.stack = waiting->cloud->has_stack ? &waiting->cloud->stack : NULL,
		.store = waiting->cloud->store,
		.compute = waiting->cloud->compute,
		.say = say_line,
		.arg = waiting,
		.stop = wait_buys_until(),
	};
	struct bl_started started;
	struct bl_err failure = { 0 };

	for (int try = 0; try < UNSURE_TRIES; try++) {
		bl_err_clear(&failure);
		if (!bl_launch_attempt(&place, &waiting->run, attempt, on_demand, &started,
		                       &failure))
			return 0;
		if (failure.code != BL_ERETRY && failure.code != BL_ETIMEOUT)
			break;
		bl_log_err(BL_LOG_WARN, &failure);
	}
	if (failure.code == BL_EDENIED)
		return may_not_buy(waiting, attempt, &failure, err);
	if (failure.code == BL_ECANCELLED && wait_signals()) {
		*err = failure;
		return -1;
	}
	if (failure.code == BL_ECANCELLED && *wait_buys_until())
		return 0;             /* it is time to hand over */
	if (failure.code == BL_EBUSY) /* somebody else waits too, and was first */
		return 0;
	bl_log_err(BL_LOG_WARN, &failure);
	return give_up(waiting, attempt, &failure, err);
}

static int relaunch(struct waiting *waiting, struct bl_err *err)
{
	const struct bl_result *why = &waiting->attempts.end.result;
	struct bl_end ends[2];
	char text[700];
	bool on_demand;
	size_t n;
	int rc;

	if (read_ends(waiting, ends, &n, err))
		return -1;
	on_demand = bl_wait_on_demand(market_of(&waiting->run), ends, n, bl_wall_ms());
	snprintf(text, sizeof(text), "attempt %u ended: %s: %s; starting attempt %u%s",
	         waiting->attempts.newest, bl_class_word(why->class), why->message,
	         waiting->attempts.newest + 1,
	         on_demand ? " on-demand, after two interruptions in half an hour" : "");
	wait_say(waiting, BL_LOG_WARN, text);
	waiting->interrupted = true;
	wait_show_comment(waiting);
	if (waiting->relaunched_mono_ms &&
	    wait_mono_ms() - waiting->relaunched_mono_ms < RELAUNCH_PAUSE_MS)
		wait_pause(RELAUNCH_PAUSE_MS);
	waiting->relaunched_mono_ms = wait_mono_ms();
	BL_FAILPOINT("wait.relaunch.before");
	rc = buy(waiting, on_demand, err);
	BL_FAILPOINT("wait.relaunch.after");
	return rc;
}

/* The last of the box's boot log: below, and its last line in the message. */
static void tell_console(struct waiting *waiting, struct bl_result *result)
{
	BL_AUTO(bl_buf) text = BL_BUF(CONSOLE_MAX);
	BL_AUTO(bl_buf) line = BL_BUF(CONSOLE_SHOWN + 1);
	struct bl_err err = { 0 };
	size_t used = strlen(result->message), from;

	if (bl_compute_console(waiting->cloud->compute, &waiting->started, &text, &err)) {
		bl_log_err(BL_LOG_DEBUG, &err);
		return;
	}
	while (text.len && strchr("\r\n \t", text.data[text.len - 1]))
		text.len--;
	if (!text.len)
		return;
	from = text.len > CONSOLE_SHOWN ? text.len - CONSOLE_SHOWN : 0;
	progress_note(&waiting->progress, "info", "the last of its console:");
	progress_output(&waiting->progress, text.data + from, text.len - from);
	progress_output(&waiting->progress, "\n", 1);
	from = text.len > CONSOLE_TOLD ? text.len - CONSOLE_TOLD : 0;
	bl_utf8_add(&line, text.data + from, text.len - from);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ')
			line.data[i] = ' ';
	snprintf(result->message + used, sizeof(result->message) - used, "; its console ends: %s",
	         bl_buf_text(&line));
}

static int terminate(struct waiting *waiting, const struct bl_wait_step *step, struct bl_err *err)
{
	struct bl_end_scope scope = { .run = waiting->run.id,
		                      .repository = "",
		                      .job = "",
		                      .attempt = waiting->attempts.newest,
		                      .instance = waiting->started.instance };
	struct bl_result result = step->result;
	struct bl_ended_boxes boxes;

	if (step->never_came_up)
		tell_console(waiting, &result);
	wait_say(waiting, BL_LOG_WARN, result.message);
	if (bl_compute_end(waiting->cloud->compute, &scope, &boxes, err))
		return -1;
	BL_FAILPOINT("wait.terminated");
	return bl_run_end_newest(waiting->cloud->store, waiting->run.id, &waiting->attempts,
	                         &result, err);
}

static int settle(struct waiting *waiting, struct bl_err *err)
{
	bool settled;

	BL_FAILPOINT("wait.settle.before");
	return bl_run_settle(waiting->cloud->store, &waiting->run, BL_UNKNOWN, &settled,
	                     &waiting->attempts.outcome, err);
}

static int ask_stop(struct waiting *waiting, const struct bl_result *result, struct bl_err *err)
{
	wait_say(waiting, BL_LOG_WARN, result->message);
	return bl_stop_ask(waiting->cloud->store, waiting->run.id, bl_class_word(result->class),
	                   "wait", err);
}

int wait_act(struct waiting *waiting, const struct bl_wait_step *step, bool *over,
             struct wait_ended *out, struct bl_err *err)
{
	*over = false;
	waiting->unsure = step->act != BL_WAIT_POLL;
	switch (step->act) {
	case BL_WAIT_POLL:
		wait_pause(step->pause_ms);
		return 0;
	case BL_WAIT_OVER:
		*out = (struct wait_ended){ WAIT_ENDED, waiting->attempts.outcome };
		*over = true;
		return 0;
	case BL_WAIT_SETTLE:
		return settle(waiting, err);
	case BL_WAIT_RELAUNCH:
		return relaunch(waiting, err);
	case BL_WAIT_ASK_STOP:
		return ask_stop(waiting, &step->result, err);
	case BL_WAIT_ENDED:
		return bl_run_end_newest(waiting->cloud->store, waiting->run.id, &waiting->attempts,
		                         &step->result, err);
	case BL_WAIT_TERMINATE:
		return terminate(waiting, step, err);
	case BL_WAIT_HAND_OVER:
		out->state = WAIT_HANDED_OVER;
		*over = true;
		return 0;
	}
	return 0;
}
