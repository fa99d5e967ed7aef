/* SPDX-License-Identifier: Apache-2.0 */
/* The purchase, and what a purchase that failed or was cut leaves behind: nothing. */
#include "run/launch_buy.h"
#include "actions/launch/launching.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/str.h"
#include "run/settle.h"

#include <stdio.h>
#include <string.h>

/* GitHub kills a step 10 s after it asked it to end: one that was bought just now is looked for
 * this long. */
#define LOOK_MS 4000

static void say(void *arg, const char *line)
{
	(void)arg;
	bl_log(BL_LOG_INFO, "  %s", line);
}

static struct bl_launch_place place_of(struct launching *launching)
{
	return (struct bl_launch_place){
		.aws = launching->cloud.aws,
		.stack = launching->cloud.has_stack ? &launching->cloud.stack : NULL,
		.store = launching->cloud.store,
		.compute = launching->cloud.compute,
		.say = say,
		.stop = launching->stop,
	};
}

/* --- Ending ----------------------------------------------------------------------------------- */

static int settle(struct launching *launching, enum bl_class class, const struct bl_err *why,
                  struct bl_err *err)
{
	struct bl_outcome mine = { .finished_at_ms = bl_wall_ms() }, winner;
	struct bl_attempts attempts;

	mine.result = (struct bl_result){
		.status = bl_class_status(class), .class = class, .stage = "launch", .exit_code = -1
	};
	snprintf(mine.result.message, sizeof(mine.result.message), "%s", why->text);
	snprintf(mine.result.next_step, sizeof(mine.result.next_step), "%s", why->next);
	if (bl_str_random(mine.nonce, sizeof(mine.nonce) - 1, err) ||
	    bl_attempts_read(launching->cloud.store, launching->run, &attempts, err))
		return -1;
	mine.attempt = attempts.newest;
	BL_FAILPOINT("launch.outcome.before");
	/* an attempt without an end would be waited for */
	if (bl_run_end_newest(launching->cloud.store, launching->run, &attempts, &mine.result,
	                      err) ||
	    bl_outcome_settle(launching->cloud.store, launching->run, &mine, &winner, err))
		return -1;
	BL_FAILPOINT("launch.outcome.after");
	return 0;
}

/* Whether nothing can have been bought: then the run has ended. */
static bool is_definite(enum bl_code code)
{
	return code == BL_ECAPACITY || code == BL_EINPUT || code == BL_EDENIED ||
	       code == BL_EDEADLINE || code == BL_EDATA;
}

/* Asks once more before it says that there is no box. */
static bool has_box(struct launching *launching, const struct bl_run *run)
{
	struct bl_attempts attempts;
	struct bl_err failed = { 0 };
	struct bl_probe probe;

	if (bl_attempts_read(launching->cloud.store, run->id, &attempts, &failed))
		return true;
	if (!attempts.newest)
		return false;
	if (bl_compute_probe(launching->cloud.compute, run, &attempts, &probe, &failed))
		return true;
	return probe.found && probe.owner != BL_DEAD;
}

/* The box first, questions later: design 5. */
static void end_boxes(struct launching *launching, const struct bl_started *started)
{
	const struct bl_end_scope scope = { .run = launching->run,
		                            .instance = started ? started->instance : NULL,
		                            .look_ms = LOOK_MS };
	struct bl_ended_boxes ended;
	struct bl_err failed = { 0 };

	if (!bl_compute_end(launching->cloud.compute, &scope, &ended, &failed)) {
		bl_log(BL_LOG_INFO, "%s", ended.n ? "the machine was ended" : "no machine was on");
		return;
	}
	bl_wrap(&failed, "end what was bought for run %s", launching->run);
	bl_next(&failed,
	        "end it by hand: `branchline cancel %s`; its own deadline ends it in any case",
	        launching->run);
	bl_log_err(BL_LOG_ERROR, &failed);
}

int launch_undo(struct launching *launching, const struct bl_started *started, struct bl_err *err)
{
	struct bl_err failed = { 0 };

	end_boxes(launching, started);
	bl_err_clear(err);
	bl_fail(err, BL_ECANCELLED, "run %s was cancelled while it was being launched",
	        launching->run);
	bl_next(err, "set the label again, or run the job again");
	if (settle(launching, BL_CLASS_CANCELLED, err, &failed))
		bl_log_err(BL_LOG_WARN, &failed);
	return -1;
}

static int failed_to_buy(struct launching *launching, const struct bl_run *run, struct bl_err *err)
{
	enum bl_class class = launching->class ? launching->class : bl_class_of_error(err);
	struct bl_err failed = { 0 };

	if (err->code == BL_ECANCELLED || *launching->stop)
		return launch_undo(launching, NULL, err);
	if (is_definite(err->code) && !has_box(launching, run)) {
		if (err->code == BL_ECAPACITY)
			bl_next(err,
			        "allow more instance_types or zones, market: spot-then-on-demand, "
			        "or set wait_for_capacity: 30m");
		if (settle(launching, class, err, &failed))
			bl_log_err(BL_LOG_WARN, &failed);
		return -1;
	}
	return bl_next(err, "run the job again: it goes on with run %s and buys no second machine",
	               launching->run);
}

/* --- Buying ----------------------------------------------------------------------------------- */

/* Attempt 1 as it stands; 1: it is to be bought. */
static int find_started(struct launching *launching, struct bl_started *out, struct bl_err *err)
{
	struct bl_attempts attempts;
	unsigned n;

	if (bl_attempts_read(launching->cloud.store, launching->run, &attempts, err))
		return -1;
	n = attempts.newest ? attempts.newest : 1;
	if (!bl_started_read(launching->cloud.store, launching->run, n, out, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	/* ended or relaunched meanwhile: whoever waits decides what is next */
	return n > 1 || attempts.newest_ended || attempts.has_outcome ? 0 : 1;
}

static int buy(struct launching *launching, const struct bl_run *run, struct bl_started *out,
               struct bl_err *err)
{
	const struct bl_launch_place place = place_of(launching);
	enum bl_class lack = BL_CLASS_NONE;
	char sha256[BL_SHA256_HEX];
	struct bl_launch_order order = { .purchases = &launching->purchases,
		                         .disk_usd_hour = launching->estimate.disk_usd_hour,
		                         .lack = &lack };

	if (launching->spec.len) {
		if (bl_sha256_of(bl_buf_text(&launching->spec), launching->spec.len, sha256, err))
			return -1;
		order.spec_sha256 = sha256;
	}
	if (launching->adopt != BL_ADOPT_CREATE || launching->is_local)
		return bl_launch_attempt(&place, run, 1, false, out, err);
	if (!bl_launch_buy(&place, run, 1, &order, out, err))
		return 0;
	if (err->code == BL_ECAPACITY)
		launching->class = lack;
	return -1;
}

int launch_buy(struct launching *launching, struct bl_started *out, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	int todo = 1;

	bl_started_init(out);
	/* ours too, where another launch of this job was first to store it */
	if (launching->adopt != BL_ADOPT_CREATE || !launching->spec.len)
		todo = find_started(launching, out, err);
	if (todo <= 0)
		return todo;
	if (launching->spec.len ? bl_run_parse(bl_buf_text(&launching->spec), launching->spec.len,
	                                       launching->run, &run, err)
	                        : bl_run_read(launching->cloud.store, launching->run, &run, err))
		return -1;
	BL_FAILPOINT("launch.buy.before");
	if (*launching->stop || buy(launching, &run, out, err))
		return failed_to_buy(launching, &run, err);
	BL_FAILPOINT("launch.buy.after");
	return *launching->stop ? launch_undo(launching, out, err) : 0;
}
