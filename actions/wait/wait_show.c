/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wait_say(struct waiting *waiting, enum bl_log_level level, const char *text)
{
	progress_note(&waiting->progress, level == BL_LOG_WARN ? "warn" : "info", text);
}

/* Signals do not reach us there: facts of docker exec. */
static bool is_container_job(void)
{
	return getenv("GITHUB_ACTIONS") &&
	       (!access("/.dockerenv", F_OK) || !access("/run/.containerenv", F_OK));
}

/* What guard wrote to, for a run of its own. */
static const char *comment_key(const struct waiting *waiting)
{
	const struct guarded *guarded = &waiting->cloud->guarded;

	if (guarded->has_guard && *waiting->told.run)
		return guarded->key;
	return *waiting->run.group ? waiting->run.group : waiting->run.job;
}

void wait_show_open(struct waiting *waiting)
{
	struct bl_err none = { 0 };
	const struct bl_run *run = &waiting->run;

	waiting->stride = 1;
	waiting->curve = (struct bl_curve){ .cap = WAIT_POINTS,
		                            .step = waiting->points[0],
		                            .value = waiting->points[1],
		                            .at_ms = waiting->times,
		                            .has_steps = true,
		                            .bad_step = NAN };
	snprintf(waiting->curve.name, sizeof(waiting->curve.name), "%s", run->primary);
	progress_init(&waiting->progress, STDOUT_FILENO, NULL);
	if (tell_run_read(&waiting->told, &none) || strcmp(waiting->told.run, run->id) != 0)
		waiting->told = (struct told_run){ .run = "" };
	tell_open(&waiting->tell, &waiting->cloud->guarded, run->pr, comment_key(waiting));
	if (waiting->quiet)
		return;
	bl_log(BL_LOG_INFO, "waiting for run %s%s%s", run->id, *run->job ? ", job " : "", run->job);
	if (is_container_job())
		bl_log(BL_LOG_WARN,
		       "this job runs in a container, where a cancellation does not reach this "
		       "step: keep the clean-up step, which runs `branchline cancel`");
	else if (!waiting->how->detach)
		bl_log(BL_LOG_INFO, "a signal (Ctrl-C) ends the run and its machine; "
		                    "--on-signal detach leaves them alone");
}

void wait_show_done(struct waiting *waiting)
{
	progress_done(&waiting->progress);
	tell_done(&waiting->tell);
}

int wait_show_piece(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	struct waiting *waiting = arg;

	(void)err;
	if (piece->dropped) {
		char text[96];

		snprintf(text, sizeof(text), "%llu bytes of output were dropped here",
		         (unsigned long long)piece->dropped);
		wait_say(waiting, BL_LOG_WARN, text);
	}
	progress_output(&waiting->progress, piece->bytes, piece->len);
	waiting->lines = true;
	return 0;
}

/* Room for ever: every second point goes, and half as many come. */
static void thin(struct waiting *waiting)
{
	struct bl_curve *curve = &waiting->curve;

	for (size_t i = 0; i < curve->n / 2; i++) {
		curve->step[i] = curve->step[2 * i];
		curve->value[i] = curve->value[2 * i];
		curve->at_ms[i] = curve->at_ms[2 * i];
	}
	curve->n /= 2;
	waiting->stride *= 2;
}

static double primary_of(const struct waiting *waiting)
{
	const struct bl_heartbeat *beat = &waiting->beat;

	for (size_t i = 0; i < beat->n_metrics; i++)
		if (!strcmp(beat->metrics[i].name, waiting->run.primary))
			return beat->metrics[i].value;
	return NAN;
}

/* What an earlier attempt did beyond where this one goes on is void. */
static void add_point(struct waiting *waiting, double step, double value, int64_t at_ms)
{
	struct bl_curve *curve = &waiting->curve;

	if (!isfinite(step) || !isfinite(value))
		return;
	while (curve->n && curve->step[curve->n - 1] >= step)
		curve->n--;
	if (curve->n && ++waiting->skipped < waiting->stride)
		return;
	waiting->skipped = 0;
	if (curve->n == curve->cap)
		thin(waiting);
	curve->step[curve->n] = step;
	curve->value[curve->n] = value;
	curve->at_ms[curve->n++] = at_ms;
	curve->last = value;
}

void wait_show_seed(struct waiting *waiting)
{
	BL_AUTO(bl_series) series = { 0 };
	const struct bl_curve *curve;
	struct bl_err err = { 0 };

	if (!waiting->tell.github || !*waiting->run.primary)
		return;
	if (bl_series_read(waiting->cloud->store, waiting->run.id, &series, &err)) {
		bl_log_err(BL_LOG_DEBUG, &err);
		return;
	}
	curve = bl_series_find(&series, waiting->run.primary);
	for (size_t i = 0; curve && i < curve->n; i++)
		add_point(waiting, curve->step[i], curve->value[i], curve->at_ms[i]);
}

/* The newest values, as a bar or a line shows them. */
static void show_step(struct waiting *waiting)
{
	const struct bl_heartbeat *beat = &waiting->beat;
	BL_AUTO(bl_buf) text = BL_BUF(159);

	for (size_t i = 0; i < beat->n_metrics && i < 3; i++)
		bl_buf_addf(&text, "%s%.20s %.4g", i ? "  " : "", beat->metrics[i].name,
		            beat->metrics[i].value);
	progress_step(&waiting->progress, beat->step, beat->total_steps, bl_buf_text(&text));
}

/* One line per phase. */
static void show_phase(struct waiting *waiting, const char *phase, const char *more)
{
	char text[256];

	if (!strcmp(phase, waiting->phase))
		return;
	snprintf(waiting->phase, sizeof(waiting->phase), "%s", phase);
	if (waiting->quiet)
		return;
	progress_phase(&waiting->progress, phase);
	snprintf(text, sizeof(text), "attempt %u: %s%s%s", waiting->attempts.newest, phase,
	         *more ? ", " : "", more);
	wait_say(waiting, BL_LOG_INFO, text);
}

void wait_show_beat(struct waiting *waiting)
{
	const struct bl_heartbeat *beat = &waiting->beat;
	BL_AUTO(bl_buf) more = BL_BUF(160);

	if (beat->checkpoint.manifest[0] && !isnan(beat->checkpoint.step))
		bl_buf_addf(&more, "newest checkpoint at step %.0f", beat->checkpoint.step);
	waiting->interrupted = false;
	show_phase(waiting, beat->phase, bl_buf_text(&more));
	if (!waiting->quiet)
		show_step(waiting);
	add_point(waiting, beat->step, primary_of(waiting), beat->at_ms);
}

static void place_of(const struct waiting *waiting, char *out, size_t size)
{
	const struct bl_started *started = &waiting->started;

	if (!*started->type)
		snprintf(out, size, "%s", waiting->told.place);
	else
		snprintf(out, size, "%s %s %s", started->type, started->market, started->zone);
}

void wait_show_attempt(struct waiting *waiting)
{
	char place[128];

	if (waiting->attempts.newest == waiting->shown_attempt)
		return;
	waiting->shown_attempt = waiting->attempts.newest;
	waiting->phase[0] = '\0';
	if (waiting->attempts.newest_ended || waiting->attempts.has_outcome)
		return;
	place_of(waiting, place, sizeof(place));
	show_phase(waiting, "boot", place);
}

static int64_t eta_ms(const struct waiting *waiting)
{
	double left = waiting->progress.total - waiting->progress.step;

	if (!(waiting->progress.rate > 0) || !(left > 0) || left / waiting->progress.rate > 1e9)
		return 0;
	return (int64_t)(left / waiting->progress.rate * 1000);
}

/* What any of the comments says of the run. */
static void describe(const struct waiting *waiting, struct bl_comment *comment, char place[128])
{
	const struct bl_heartbeat *beat = &waiting->beat;

	bl_comment_init(comment);
	place_of(waiting, place, 128);
	comment->sha = waiting->run.head;
	comment->job = waiting->run.job;
	comment->run = waiting->run.id;
	comment->actor = waiting->run.actor;
	comment->place = place;
	comment->store = bl_store_uri(waiting->cloud->store);
	comment->phase = beat->seq ? beat->phase : "boot";
	comment->primary = waiting->run.primary;
	comment->primary_value = primary_of(waiting);
	comment->step = beat->step;
	comment->total_steps = beat->total_steps;
	comment->usd_hour = waiting->started.usd_hour;
	comment->cost_usd = wait_cost(waiting, beat->seq ? beat->at_ms : bl_wall_ms());
	comment->max_cost_usd = waiting->run.max_cost_usd;
	comment->at_ms = beat->at_ms;
	comment->eta_ms = eta_ms(waiting);
	comment->attempt = waiting->attempts.newest;
	comment->interruptions = waiting->attempts.interruptions;
	comment->curve = waiting->curve.n > 1 ? &waiting->curve : NULL;
}

static void put(struct waiting *waiting, enum bl_comment_state state, const char *message,
                const char *next, bool final)
{
	struct bl_comment comment;
	char place[128];

	describe(waiting, &comment, place);
	comment.state = state;
	comment.message = message;
	comment.next = next;
	if (state == BL_COMMENT_INTERRUPTED)
		comment.resumed_step = waiting->beat.checkpoint.step;
	tell_comment(&waiting->tell, &comment, final);
}

void wait_show_comment(struct waiting *waiting)
{
	const char *message = waiting->interrupted && waiting->attempts.newest_ended
	                              ? waiting->attempts.end.result.message
	                              : "";

	if (!waiting->attempts.newest)
		return;
	put(waiting,
	    waiting->interrupted ? BL_COMMENT_INTERRUPTED
	    : waiting->beat.seq  ? BL_COMMENT_RUNNING
	                         : BL_COMMENT_BOOTING,
	    message, "", false);
}

void wait_show_handed_over(struct waiting *waiting, const char *why)
{
	char next[128], text[400];

	snprintf(next, sizeof(next), "to wait again: `branchline wait %s`", waiting->run.id);
	put(waiting, BL_COMMENT_HANDED_OVER, why, next, true);
	snprintf(text, sizeof(text), "run %s goes on, and nobody waits for it now%s%.100s; %s",
	         waiting->run.id, *why ? ": " : "", why, next);
	wait_say(waiting, BL_LOG_INFO, text);
}

void wait_show_cancelled(struct waiting *waiting, const char *why)
{
	char next[128];

	snprintf(next, sizeof(next), "its checkpoints are kept: `branchline run --resume %s`",
	         waiting->run.id);
	put(waiting, BL_COMMENT_CANCELLED, why, next, true);
}
