/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait.h"

#include "actions/options.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define MINUTES_MAX 330 /* of a job's 355: what then is left is for the report */

struct options {
	struct cloud_options cloud;
	const char *run, *on_signal;
	int64_t wait_minutes;
};

static const struct bl_option table[] = {
	{ "run", 0, BL_OPT_TEXT, offsetof(struct options, run), "RUN",
	  "the same as the word; default the run that this job launched, else latest" },
	{ "wait-minutes", 0, BL_OPT_NUMBER, offsetof(struct options, wait_minutes), "N",
	  "hand over so long after the job's start; default the file's wait_minutes in a "
	  "workflow, else never" },
	{ "on-signal", 0, BL_OPT_TEXT, offsetof(struct options, on_signal), "WORD",
	  "terminate (default): a signal ends the run and its machine; detach: it goes on" },
	CLOUD_OPTIONS_PLACE(struct options),
	CLOUD_OPTIONS(struct options),
};

static const struct bl_usage usage = {
	.verb = "wait",
	.example = "branchline wait latest\n"
		   "branchline wait --on-signal detach pr:12",
	.about =
		"Waits for a run: shows what it prints, starts it again where it was interrupted,\n"
		"stops it at its deadline or budget, and exits as the run ended. Waiting again,\n"
		"from anywhere, goes on.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

static int how_of(const struct options *opt, struct wait_how *how, struct bl_err *err)
{
	*how = (struct wait_how){ .minutes = opt->wait_minutes };
	if (how->minutes > MINUTES_MAX && getenv("GITHUB_ACTIONS"))
		return bl_fail(
			err, BL_EINPUT,
			"--wait-minutes: %lld is over %d: a job of 355 minutes must have time left",
			(long long)how->minutes, MINUTES_MAX);
	if (!strcmp(opt->on_signal, "detach"))
		how->detach = true;
	else if (strcmp(opt->on_signal, "terminate") != 0)
		return bl_fail(err, BL_EINPUT,
		               "--on-signal: '%.32s' is neither terminate nor detach",
		               opt->on_signal);
	return 0;
}

static void write_outputs(const struct wait_ended *ended)
{
	const struct bl_result *result = &ended->outcome.result;
	bool running = ended->state == WAIT_HANDED_OVER;
	const struct workflow_pair pairs[] = {
		{ "state", running ? "running" : "ended" },
		{ "status", running ? "" : bl_status_word(result->status) },
		{ "class", running ? "" : bl_class_word(result->class) },
	};
	struct bl_err err = { 0 };

	if (workflow_write(WORKFLOW_OUTPUT, pairs, BL_COUNT(pairs), &err) && err.code != BL_ENOENT)
		bl_log_err(BL_LOG_WARN, &err);
}

/* The verb's own end: what the outcome says. */
static int conclude(const char *run, const struct wait_ended *ended, struct bl_err *err)
{
	const struct bl_result *result = &ended->outcome.result;

	write_outputs(ended);
	if (ended->state == WAIT_HANDED_OVER)
		return 0;
	if (ended->state == WAIT_ENDED && result->status == BL_STATUS_SUCCESS) {
		bl_log(BL_LOG_INFO, "run %s: success", run);
		return 0;
	}
	bl_fail(err, ended->state == WAIT_CANCELLED ? BL_ECANCELLED : bl_class_code(result->class),
	        "run %s: %s%s%s", run, bl_status_word(result->status), *result->message ? ": " : "",
	        result->message);
	return bl_next(err, "%s", result->next_step);
}

int verb_wait(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(cloud) cloud = { 0 };
	struct options opt = { .on_signal = "terminate", .wait_minutes = -1 };
	struct wait_ended ended = { 0 };
	char run[BL_RUN_SIZE];
	struct wait_how how;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (how_of(&opt, &how, err) || cloud_open(&cloud, &opt.cloud, BL_STORE_WRITE, err) ||
	    cloud_run(&cloud, args.n_words ? args.words[0] : opt.run, run, err) ||
	    wait_run(&cloud, run, &how, &ended, err))
		return bl_wrap(err, "wait");
	return conclude(run, &ended, err);
}
