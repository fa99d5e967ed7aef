/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/launch/launch.h"

#include "actions/kept.h"
#include "actions/launch/launching.h"
#include "actions/tell.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "codec/json.h"
#include "net/http.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int stop;

static void on_signal(int number)
{
	stop = number;
}

/* The first ends what was bought; the second ends this program at once. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static const struct launch_phase what[] = {
	{ "event", phase_event },
	{ "config", phase_config },
	{ "stack", phase_stack },
	{ "run", phase_key },
};
static const struct launch_phase how[] = {
	{ "data", phase_data },      { "image", phase_image },   { "types", phase_types },
	{ "account", phase_checks }, { "prices", phase_prices }, { "budget", phase_budget },
};
static const struct launch_phase first_writes[] = {
	{ "host", phase_host },
	{ "store", phase_store },
};

/* --- Telling ---------------------------------------------------------------------------------- */

static void group(const char *title)
{
	if (bl_log_format() == BL_LOG_GITHUB)
		fprintf(stderr, "::group::%s\n", title);
}

static void end_group(void)
{
	if (bl_log_format() == BL_LOG_GITHUB)
		fputs("::endgroup::\n", stderr);
}

static void name_place(const struct bl_started *started, char *out, size_t size)
{
	if (!started->type[0])
		snprintf(out, size, "%s", started->engine[0] ? "this machine" : "");
	else
		snprintf(out, size, "%s %s %s", started->type, started->market, started->zone);
}

static void tell_state(struct tell *tell, const struct launching *launching,
                       enum bl_comment_state state, const struct bl_started *started)
{
	struct bl_comment comment;
	char place[96];

	name_place(started, place, sizeof(place));
	bl_comment_init(&comment);
	comment.state = state;
	comment.sha = launching->commit.sha;
	comment.job = launching->config.job;
	comment.run = launching->run;
	comment.store = bl_store_uri(launching->cloud.store);
	comment.place = place;
	comment.phase = state == BL_COMMENT_BOOTING ? "boot" : "launch";
	comment.usd_hour = started->usd_hour;
	comment.estimate_usd = launching->estimate.usd_max;
	comment.max_cost_usd = bl_config_real(&launching->config, "max_cost_usd");
	comment.at_ms = bl_wall_ms();
	comment.attempt = 1;
	tell_comment(tell, &comment, false);
}

static int write_outputs(const struct launched *launched, struct bl_err *err)
{
	const struct bl_started *started = &launched->started;
	char price[32] = "", estimate[32] = "", store[1200];
	const struct workflow_pair pairs[] = {
		{ "run", launched->run },      { "instance", started->instance },
		{ "type", started->type },     { "zone", started->zone },
		{ "market", started->market }, { "price-per-hour", price },
		{ "estimate", estimate },      { "store", store },
	};

	if (!isnan(started->usd_hour))
		snprintf(price, sizeof(price), "%.4f", started->usd_hour);
	if (!isnan(launched->estimate_usd))
		snprintf(estimate, sizeof(estimate), "%.2f", launched->estimate_usd);
	snprintf(store, sizeof(store), "%s/runs/%s/", launched->store, launched->run);
	if (!workflow_write(WORKFLOW_OUTPUT, pairs, BL_COUNT(pairs), err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err); /* no step of a workflow */
	return 0;
}

/* Known to the steps after this one, to what ends the job and to the comment of a failure. */
static int remember(const struct launched *launched, struct bl_err *err)
{
	struct told_run told = { 0 };

	snprintf(told.run, sizeof(told.run), "%s", launched->run);
	snprintf(told.store, sizeof(told.store), "%s", launched->store);
	snprintf(told.job, sizeof(told.job), "%s", launched->job);
	name_place(&launched->started, told.place, sizeof(told.place));
	return tell_run_write(&told, err);
}

/* A machine is not given up over it. */
static void summarise(const struct launching *launching)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	struct bl_err missed = { 0 };

	if (!launching->guarded.in_workflow || launching->adopt != BL_ADOPT_CREATE)
		return;
	bl_buf_addf(&text, "### Launch of `%s`\n\n", launching->run);
	launch_show_prices(launching, LAUNCH_MARKDOWN, &text);
	bl_buf_addc(&text, '\n');
	launch_show_estimate(launching, LAUNCH_MARKDOWN, &text);
	if (workflow_summary(&text, &missed))
		bl_log_err(BL_LOG_WARN, &missed);
}

/* --- Launching -------------------------------------------------------------------------------- */

static void fill(const struct launching *launching, struct launched *out)
{
	snprintf(out->run, sizeof(out->run), "%s", launching->run);
	snprintf(out->job, sizeof(out->job), "%s", launching->config.job);
	snprintf(out->store, sizeof(out->store), "%s", bl_store_uri(launching->cloud.store));
	out->adopted = launching->adopt != BL_ADOPT_CREATE;
	out->succeeded = launching->adopt == BL_ADOPT_DONE;
	out->estimate_usd = launching->estimate.usd_max;
}

static int decide(struct launching *launching, struct bl_err *err)
{
	int rc;

	group("launch: checks and prices");
	bl_http_stop_when(&stop); /* nothing is bought yet that would have to be ended */
	rc = launch_phases(launching, what, BL_COUNT(what), err);
	if (!rc && launching->adopt == BL_ADOPT_CREATE)
		rc = launch_phases(launching, how, BL_COUNT(how), err);
	bl_http_stop_when(NULL);
	end_group();
	return rc;
}

static void show_prices(const struct launching *launching)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);

	if (launching->adopt != BL_ADOPT_CREATE)
		return;
	launch_show_prices(launching, LAUNCH_TEXT, &text);
	launch_show_estimate(launching, LAUNCH_TEXT, &text);
	fputs(bl_buf_text(&text), stderr);
}

static int buy(struct launching *launching, struct tell *tell, struct launched *out,
               struct bl_err *err)
{
	int rc = 0;

	group("launch: purchase");
	if (launching->adopt == BL_ADOPT_CREATE)
		rc = launch_phases(launching, first_writes, BL_COUNT(first_writes), err);
	fill(launching, out);
	if (!rc)
		rc = remember(out, err);
	if (!rc) {
		tell_state(tell, launching, BL_COMMENT_LAUNCHING, &out->started);
		rc = launch_buy(launching, &out->started, err);
	}
	end_group();
	return rc;
}

static void say_bought(const struct launched *launched, int64_t ms)
{
	const struct bl_started *started = &launched->started;
	char place[96];

	name_place(started, place, sizeof(place));
	if (launched->succeeded)
		bl_log(BL_LOG_INFO, "run %s has succeeded already: nothing is bought",
		       launched->run);
	else if (started->instance[0] && !isnan(started->usd_hour))
		bl_log(BL_LOG_INFO, "run %s: %s, %s, %.4f USD an hour, after %lld.%lld s",
		       launched->run, started->instance, place, started->usd_hour,
		       (long long)(ms / 1000), (long long)(ms % 1000 / 100));
	else
		bl_log(BL_LOG_INFO, "run %s%s%s %s", launched->run, *started->instance ? ": " : "",
		       started->instance, place);
}

static int go(struct launching *launching, struct tell *tell, struct launched *out,
              struct bl_err *err)
{
	if (decide(launching, err))
		return -1;
	show_prices(launching);
	tell_open(tell, &launching->guarded, 0, launching->guarded.key);
	fill(launching, out);
	if (!out->succeeded && buy(launching, tell, out, err))
		return -1;
	BL_FAILPOINT("launch.outputs.before");
	if (remember(out, err) || write_outputs(out, err))
		return bl_next(err,
		               "run %s goes on all the same: `branchline wait %s` follows it, "
		               "`branchline cancel %s` ends it; the job finds it when it is run "
		               "again",
		               out->run, out->run, out->run);
	summarise(launching);
	BL_FAILPOINT("launch.outputs.after");
	if (!out->succeeded)
		tell_state(tell, launching, BL_COMMENT_BOOTING, &out->started);
	if (stop && !out->succeeded)
		return launch_undo(launching, &out->started, err);
	say_bought(out, bl_mono_ms() - launching->began_ms);
	return 0;
}

int launch(const struct launch_options *opt, const struct bl_args *args, struct launched *out,
           struct bl_err *err)
{
	struct launching *launching = calloc(1, sizeof(*launching)); /* large */
	struct tell tell = { 0 };
	int rc;

	if (!launching)
		return bl_fail(err, BL_ENOMEM, "launch: out of memory");
	catch_signals();
	launching->opt = opt;
	launching->args = args;
	launching->is_local = opt->cloud.compute && !strcmp(opt->cloud.compute, "local");
	launching->stop = &stop;
	launching->notes = BL_BUF(65536);
	launching->began_ms = bl_mono_ms();
	bl_started_init(&out->started);
	rc = go(launching, &tell, out, err);
	tell_done(&tell);
	launching_done(launching);
	free(launching);
	return rc;
}

/* --- The verb --------------------------------------------------------------------------------- */

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct launch_options, job), "JOB",
	  "job of branchline.yaml; default guard's, else its default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct launch_options, file), "PATH",
	  "this file of the commit; default branchline.yaml" },
	{ "commit", 0, BL_OPT_TEXT, offsetof(struct launch_options, commit), "REV",
	  "what is trained; default guard's commit, else HEAD" },
	{ "matrix", 0, BL_OPT_TEXT, offsetof(struct launch_options, matrix), "TEXT",
	  "tells jobs of one matrix apart that set the same over the file" },
	CLOUD_OPTIONS(struct launch_options),
	BL_OPT_JSON(struct launch_options),
};

static const struct bl_usage usage = {
	.verb = "launch",
	.example = "branchline launch\n"
		   "branchline launch --job eval --param lr=0.001 --market spot-then-on-demand",
	.about = "Checks data, image, account, prices and budget, then buys one machine that "
		 "trains\n"
		 "the commit, and returns: `wait` follows it. A job that is run again adopts its\n"
		 "run instead of buying another machine.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
};

/* What guard left alone is none of ours either. */
static bool is_not_for_us(void)
{
	struct bl_err ignored = { 0 };
	BL_VALUE doc = NULL;

	return !kept_read(KEPT_GUARD, &doc, &ignored) && !bl_value_bool_or(doc, "accepted", false);
}

static void print_json(const struct launched *launched, struct bl_buf *out)
{
	const struct bl_started *started = &launched->started;
	struct bl_json json = { .buf = out, .indent = 2 };

	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", launched->run);
	bl_json_text(&json, "job", launched->job);
	bl_json_text(&json, "store", launched->store);
	bl_json_bool(&json, "adopted", launched->adopted);
	bl_json_bool(&json, "succeeded", launched->succeeded);
	bl_json_text(&json, "instance", started->instance);
	bl_json_text(&json, "type", started->type);
	bl_json_text(&json, "zone", started->zone);
	bl_json_text(&json, "market", started->market);
	bl_json_real_or_null(&json, "price_per_hour", started->usd_hour);
	bl_json_real_or_null(&json, "estimate_usd", launched->estimate_usd);
	bl_json_end_map(&json);
}

int verb_launch(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	BL_AUTO(bl_args) args = { 0 };
	struct launch_options opt = { 0 };
	struct launched launched = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (is_not_for_us()) {
		bl_log(BL_LOG_INFO, "guard left this event alone: nothing is launched");
		return 0;
	}
	if (launch(&opt, &args, &launched, err))
		return bl_wrap(err, "launch");
	if (opt.json)
		print_json(&launched, &text);
	puts(opt.json ? bl_buf_text(&text) : launched.run);
	return bl_buf_check(&text, "JSON", err);
}
