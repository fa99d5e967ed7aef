/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/publish.h"
#include "actions/verbs.h"
#include "actions/wait/wait.h"
#include "actions/workflow.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "run/recent.h"
#include "run/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 200
#define GIVE_UP_AFTER 5 /* failures in a row */

struct options {
	struct cloud_options cloud;
	bool no_launch;
};

static const struct bl_option table[] = {
	{ "no-launch", 0, BL_OPT_SWITCH, offsetof(struct options, no_launch), NULL,
	  "leave interrupted runs as they are" },
	CLOUD_OPTIONS_PLACE(struct options),
	CLOUD_OPTIONS(struct options),
};

static const struct bl_usage usage = {
	.verb = "collect",
	.example = "branchline collect",
	.about = "Finishes what ended while nobody waited: settles it, reports it, makes it a\n"
		 "baseline; starts an interrupted run again. Looks at the newest 200 runs; again\n"
		 "changes nothing.",
	.options = table,
	.n_options = BL_COUNT(table),
};

struct due {
	char run[BL_RUN_SIZE];
	bool has_outcome;
};
struct collecting {
	struct cloud *cloud;
	bool may_launch;
	struct due due[RUNS_MAX];
	size_t n, finished, failed;
	char files[4096]; /* each report's in a folder named for its run */
};

/* A run that trains on somebody's own machine is theirs to finish. */
static int note_due(void *arg, const struct bl_recent *recent, struct bl_err *err)
{
	struct collecting *collecting = arg;
	struct due *due = &collecting->due[collecting->n];

	(void)err;
	if (recent->is_reported || !strcmp(recent->run->kind, "local"))
		return 0;
	snprintf(due->run, sizeof(due->run), "%s", recent->run->id);
	due->has_outcome = recent->has_outcome;
	collecting->n++;
	return 0;
}

/* PLACE/RUN: of all reports PLACE. */
static void note_files(struct collecting *collecting, const char *folder)
{
	const char *slash = strrchr(folder, '/');

	if (slash)
		snprintf(collecting->files, sizeof(collecting->files), "%.*s",
		         (int)(slash - folder), folder);
}

static int report(struct collecting *collecting, const char *run, struct bl_err *err)
{
	static struct report_published published; /* large */

	published = (struct report_published){ 0 };
	BL_FAILPOINT("collect.report.before");
	if (report_publish(collecting->cloud, run, &published, err))
		return -1;
	if (published.already)
		return 0;
	note_files(collecting, published.folder);
	collecting->finished++;
	printf("%s  %s  %s%s%s\n", run, bl_status_word(published.result.status),
	       published.missed ? "reported in part" : "reported", *published.verdict ? ": " : "",
	       published.verdict);
	if (collecting->cloud->watch_only && published.result.status == BL_STATUS_SUCCESS)
		bl_log(BL_LOG_INFO,
		       "run %s: this role may not enter it among the baselines; the next job with "
		       "the launch role does, or `branchline baseline %s`",
		       run, run);
	return 0;
}

static int settle(struct collecting *collecting, const char *run, bool *ended, struct bl_err *err)
{
	enum wait_may may = collecting->may_launch ? WAIT_MAY_LAUNCH : WAIT_MAY_END;
	enum wait_found found;

	if (wait_once(collecting->cloud, run, may, &found, err))
		return -1;
	*ended = found == WAIT_FOUND_ENDED;
	if (found == WAIT_FOUND_LEFT)
		printf("%s  interrupted  another attempt is due; %s\n", run,
		       collecting->cloud->watch_only ? "this role may not launch it"
		                                     : "it is not started by --no-launch");
	else if (found == WAIT_FOUND_LAUNCHED)
		printf("%s  interrupted  another attempt was started\n", run);
	else if (found == WAIT_FOUND_LIVE)
		printf("%s  running      nobody waits for it; it goes on\n", run);
	collecting->finished += found == WAIT_FOUND_LAUNCHED;
	return 0;
}

static int finish(struct collecting *collecting, const struct due *due, struct bl_err *err)
{
	bool ended = due->has_outcome;
	struct bl_waiter waiter;

	if (bl_waiter_read(collecting->cloud->store, due->run, &waiter, err))
		return -1;
	if (bl_waiter_waits(&waiter, bl_wall_ms())) {
		bl_log(BL_LOG_DEBUG, "run %s: somebody waits for it", due->run);
		return 0;
	}
	if (!ended && settle(collecting, due->run, &ended, err))
		return -1;
	return ended ? report(collecting, due->run, err) : 0;
}

/* One that cannot be finished is a warning; the others are finished all the same. */
static int finish_all(struct collecting *collecting, struct bl_err *err)
{
	unsigned in_a_row = 0;

	for (size_t i = 0; i < collecting->n; i++) {
		struct bl_err failure = { 0 };

		if (!finish(collecting, &collecting->due[i], &failure)) {
			in_a_row = 0;
			continue;
		}
		bl_wrap(&failure, "run %s", collecting->due[i].run);
		bl_log_err(BL_LOG_WARN, &failure);
		collecting->failed++;
		in_a_row++;
		if (in_a_row < GIVE_UP_AFTER)
			continue;
		*err = failure; /* nobody answers any more: the next schedule tries again */
		return -1;
	}
	return 0;
}

static void conclude(const struct collecting *collecting)
{
	char finished[24];
	const struct workflow_pair outputs[] = { { "collected", finished },
		                                 { "files", collecting->files } };
	struct bl_err err = { 0 };

	snprintf(finished, sizeof(finished), "%zu", collecting->finished);
	if (workflow_write(WORKFLOW_OUTPUT, outputs, BL_COUNT(outputs), &err) &&
	    err.code != BL_ENOENT)
		bl_log_err(BL_LOG_WARN, &err);
	if (!collecting->finished && !collecting->failed)
		bl_log(BL_LOG_INFO, "nothing to finish");
}

/* Design 7: with `github_environment` a scheduled job has the stack's second role. */
static bool is_watch_role(const struct cloud *cloud, const struct options *opt)
{
	const char *role = opt->cloud.role_arn ? opt->cloud.role_arn : getenv("AWS_ROLE_ARN");

	return cloud->has_stack && role && *cloud->stack.watch_role &&
	       !strcmp(role, cloud->stack.watch_role);
}

static int collect(const struct options *opt, struct bl_err *err)
{
	static struct collecting collecting; /* large */
	BL_AUTO(cloud) cloud = { 0 };
	size_t unreadable;

	if (cloud_open(&cloud, &opt->cloud, BL_STORE_WRITE, err))
		return -1;
	cloud.watch_only = is_watch_role(&cloud, opt);
	collecting = (struct collecting){ .cloud = &cloud,
		                          .may_launch = !opt->no_launch && !cloud.watch_only };
	if (bl_recent_each(cloud.store, cloud.repo_key, RUNS_MAX, note_due, &collecting,
	                   &unreadable, err))
		return -1;
	if (unreadable)
		bl_log(BL_LOG_WARN, "%zu run%s could not be read and %s left alone", unreadable,
		       unreadable == 1 ? "" : "s", unreadable == 1 ? "is" : "are");
	if (finish_all(&collecting, err))
		return -1;
	conclude(&collecting);
	return 0;
}

int verb_collect(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	return collect(&opt, err) ? bl_wrap(err, "collect") : 0;
}
