/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/publish.h"

#include "actions/report/publish_decide.h"
#include "actions/report/publish_parts.h"
#include "actions/tell.h"
#include "actions/workflow.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "run/index.h"
#include "run/reported.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum bl_code report_code(const struct report_published *published)
{
	return publish_code(&published->result, published->gate_failed);
}

/* Where a workflow has a token: a laptop tells nobody. */
static void open_github(struct publishing *it, struct bl_github **github)
{
	static const struct bl_github_options from_environment = { .patience_ms = 0 };
	const char *token = getenv("GITHUB_TOKEN");
	struct bl_err err = { 0 };

	if ((!it->cloud->guarded.in_workflow && !it->cloud->guarded.pr) || !token || !*token)
		return;
	if (bl_github_open(&from_environment, github, &err))
		publish_missed(it, "GitHub", &err);
	it->github = *github;
}

static int build(struct publishing *it, const struct report_choices *choices,
                 struct bl_report *report, struct bl_err *err)
{
	const struct bl_baseline_place place = { .root = it->cloud->git.found ? it->cloud->root
		                                                              : NULL,
		                                 .github = it->github };
	const struct bl_value *config = it->run->config;
	const char *details =
		choices->details ? choices->details : bl_value_text_or(config, "details", "brief");

	if (bl_report_build(it->cloud->store, it->run->id, choices->baseline, choices->previous,
	                    &place, report, err))
		return -1;
	it->notify =
		choices->notify ? choices->notify : bl_value_text_or(config, "notify", "failure");
	report->brief = strcmp(details, "full") != 0;
	if (it->of_this_job && it->cloud->guarded.job_started_ms)
		report->ci_ms = bl_wall_ms() - it->cloud->guarded.job_started_ms;
	it->report = report;
	it->out->gate_failed = report->gate_failed;
	snprintf(it->out->verdict, sizeof(it->out->verdict), "%s", report->verdict);
	snprintf(it->out->word, sizeof(it->out->word), "%s", publish_word(report));
	return 0;
}

static int put_summary(const struct publishing *it, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MD_MAX);

	if (!it->cloud->guarded.in_workflow)
		return 0;
	return bl_report_comment(it->report, &text, err) ? -1 : workflow_summary(&text, err);
}

static int not_entered(const struct publishing *it)
{
	bl_log(BL_LOG_WARN,
	       "report: this role may not write the index: run %s is no baseline until somebody "
	       "who may calls `branchline baseline %s`",
	       bl_run_short(it->run->id), it->run->id);
	return 0;
}

/* A role that may only watch writes no index: said, and lived with. */
static int enter_index(struct publishing *it, const struct bl_outcome *outcome, struct bl_err *err)
{
	if (publish_is_bad(it->report) || bl_index_objection(it->run, outcome))
		return 0;
	if (it->cloud->watch_only)
		return not_entered(it);
	if (!bl_index_update(it->cloud->store, it->run, outcome, &it->out->entered, err))
		return 0;
	if (err->code != BL_EDENIED)
		return -1;
	bl_err_clear(err);
	return not_entered(it);
}

static int settle(struct publishing *it, struct bl_err *err)
{
	struct bl_reported reported = { .status = it->out->result.status,
		                        .gate_failed = it->out->gate_failed,
		                        .comment_id = it->out->comment_id,
		                        .reported_at_ms = bl_wall_ms() };

	if (it->try_again) {
		bl_log(BL_LOG_INFO, "report: what GitHub did not take is tried again by collect");
		return 0;
	}
	snprintf(reported.verdict, sizeof(reported.verdict), "%s", it->out->verdict);
	return bl_reported_create(it->cloud->store, it->run->id, &reported, &it->out->already, err);
}

/* What fails from here on is said and counted: the run's truth is in the store already. */
static void publish(struct publishing *it, const struct bl_outcome *outcome)
{
	struct bl_err err = { 0 };

	if (publish_files(it, &err))
		publish_missed(it, "files", &err);
	BL_FAILPOINT("report.comment.before");
	publish_github(it);
	BL_FAILPOINT("report.comment.after");
	if (put_summary(it, &err))
		publish_missed(it, "summary", &err);
	if (enter_index(it, outcome, &err))
		publish_missed(it, "index of baselines", &err);
	BL_FAILPOINT("report.reported.before");
	if (settle(it, &err))
		publish_missed(it, "reported.json", &err);
}

static bool is_of_this_job(const struct cloud *cloud, const char *run)
{
	struct told_run told;
	struct bl_err err = { 0 };

	if (tell_run_read(&told, &err))
		return false;
	return cloud->guarded.in_workflow && !strcmp(told.run, run);
}

int report_publish_as(struct cloud *cloud, const char *run, const struct report_choices *choices,
                      struct report_published *out, struct bl_err *err)
{
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_run) doc = { 0 };
	BL_GITHUB github = NULL;
	struct bl_outcome outcome;
	struct report_published done = { .comment_id = 0 };
	struct publishing it = { .cloud = cloud, .run = &doc, .out = &done };

	if (bl_run_read(cloud->store, run, &doc, err) ||
	    bl_outcome_read(cloud->store, run, &outcome, err)) {
		if (err->code == BL_ENOENT)
			bl_next(err, "only a run that has ended can be reported: `branchline "
			             "status` shows it");
		return bl_wrap(err, "report");
	}
	done.result = outcome.result;
	it.of_this_job = is_of_this_job(cloud, run);
	open_github(&it, &github);
	if (build(&it, choices, &report, err))
		return -1;
	publish(&it, &outcome);
	*out = done;
	return 0;
}

int report_publish(struct cloud *cloud, const char *run, struct report_published *out,
                   struct bl_err *err)
{
	static const struct report_choices as_configured = { .baseline = NULL };

	return report_publish_as(cloud, run, &as_configured, out, err);
}
