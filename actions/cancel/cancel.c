/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cancel/cancel.h"

#include "actions/tell.h"
#include "actions/verbs.h"
#include "actions/wait/wait.h"
#include "actions/workflow.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "codec/json.h"
#include "run/cancel.h"
#include "run/recent.h"
#include "run/started.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 200
#define MEANT_MAX (RUNS_MAX + 64) /* and what tags alone name */
#define LOOK_MS 30000             /* Describe knows a new instance by then, nearly always */

struct options {
	struct cloud_options cloud;
	const char *run, *scope, *job;
	int64_t pr;
	bool all;
};

static const struct bl_option table[] = {
	{ "run", 0, BL_OPT_TEXT, offsetof(struct options, run), "RUN", "the same as the word" },
	{ "pr", 0, BL_OPT_NUMBER, offsetof(struct options, pr), "N", "all runs of a pull request" },
	{ "all", 0, BL_OPT_SWITCH, offsetof(struct options, all), NULL,
	  "all runs of this repository" },
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, job), "JOB",
	  "only those of this job of branchline.yaml" },
	{ "scope", 0, BL_OPT_TEXT, offsetof(struct options, scope), "WORD",
	  "in a workflow: job (its own, default), pull-request or repository" },
	CLOUD_OPTIONS_PLACE(struct options),
	CLOUD_OPTIONS(struct options),
};

static const struct bl_usage usage = {
	.verb = "cancel",
	.example = "branchline cancel 20261124T080301Z-1a2b3c4d-q7xk\n"
		   "branchline cancel --pr 12",
	.about = "Ends runs and their machines at once; what their checkpoints hold is kept. They\n"
		 "are found by tag and in the store. Nothing to end is success. `branchline stop`\n"
		 "lets a run save its last checkpoint first.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

struct cancelling {
	struct cloud *cloud;
	struct cancel_what what;
	char job_url[WORKFLOW_URL_SIZE];
	char runs[MEANT_MAX][BL_RUN_SIZE];
	size_t n;
	size_t boxes, ended; /* machines, runs */
};

static int read_event(struct bl_value **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(WORKFLOW_EVENT_MAX);
	bool there;

	if (workflow_event(&text, &there, err))
		return -1;
	return there ? bl_json_parse(bl_buf_text(&text), text.len, "the event", out, err) : 0;
}

static void keep(struct cancelling *cancelling, const char *run)
{
	for (size_t i = 0; i < cancelling->n; i++)
		if (!strcmp(cancelling->runs[i], run))
			return;
	if (cancelling->n < MEANT_MAX)
		snprintf(cancelling->runs[cancelling->n++], BL_RUN_SIZE, "%s", run);
}

static int keep_meant(void *arg, const struct bl_recent *recent, struct bl_err *err)
{
	struct cancelling *cancelling = arg;

	(void)err;
	/* one that trains on somebody's own machine is theirs */
	if (!recent->has_outcome && strcmp(recent->run->kind, "local") != 0 &&
	    cancel_is_meant(&cancelling->what, recent->run, cancelling->job_url))
		keep(cancelling, recent->run->id);
	return 0;
}

static int find_runs(struct cancelling *cancelling, struct bl_err *err)
{
	return bl_recent_each(cancelling->cloud->store, cancelling->cloud->repo_key, RUNS_MAX,
	                      keep_meant, cancelling, NULL, err);
}

/* The machines of a whole pull request or repository, before anything is read. */
static int end_by_tag(struct cancelling *cancelling, struct bl_err *err)
{
	const struct cancel_what *what = &cancelling->what;
	struct bl_end_scope scope = { .run = "",
		                      .repository = cancelling->cloud->repo_key,
		                      .job = what->job,
		                      .pr = what->scope == CANCEL_PULL ? what->pr : 0,
		                      .instance = "" };
	struct bl_ended_boxes boxes = { 0 };

	/* tags do not know which commit a run is of */
	if (*what->head || (what->scope != CANCEL_PULL && what->scope != CANCEL_REPOSITORY))
		return 0;
	if (bl_compute_end(cancelling->cloud->compute, &scope, &boxes, err))
		return -1;
	cancelling->boxes += boxes.n;
	for (size_t i = 0; i < boxes.n && i < BL_COUNT(boxes.runs); i++)
		if (bl_run_id_valid(boxes.runs[i]))
			keep(cancelling, boxes.runs[i]);
	return 0;
}

static void comment(struct cancelling *cancelling, const struct bl_run *run)
{
	struct bl_comment text;
	struct tell tell = { 0 };

	bl_comment_init(&text);
	text.state = BL_COMMENT_CANCELLED;
	text.sha = run->head;
	text.job = run->job;
	text.run = run->id;
	text.actor = run->actor;
	text.store = bl_store_uri(cancelling->cloud->store);
	text.job_url = bl_value_text_or(run->doc, "actions.url", "");
	text.message = cancelling->what.why;
	tell_open(&tell, &cancelling->cloud->guarded, run->pr, *run->group ? run->group : run->job);
	tell_comment(&tell, &text, true);
	tell_done(&tell);
}

/* Whether something may have been bought that nobody wrote down, nor EC2 shows yet. */
static int is_being_bought(struct cancelling *cancelling, const char *run, bool *out,
                           struct bl_err *err)
{
	struct bl_attempts attempts;
	struct bl_started started;

	*out = false;
	if (bl_attempts_read(cancelling->cloud->store, run, &attempts, err))
		return -1;
	if (!attempts.newest || attempts.newest_ended || attempts.has_outcome)
		return 0;
	if (!bl_started_read(cancelling->cloud->store, run, attempts.newest, &started, err))
		return 0;
	*out = err->code == BL_ENOENT;
	if (!*out)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int end_boxes_of(struct cancelling *cancelling, const char *run, int look_ms,
                        struct bl_err *err)
{
	struct bl_end_scope scope = {
		.run = run, .repository = "", .job = "", .instance = "", .look_ms = look_ms
	};
	struct bl_ended_boxes boxes = { 0 };

	if (bl_compute_end(cancelling->cloud->compute, &scope, &boxes, err))
		return -1;
	cancelling->boxes += boxes.n;
	return 0;
}

static const char *who_asks(void)
{
	const char *actor = getenv("GITHUB_ACTOR"), *user = getenv("USER");

	return actor ? actor : user ? user : "";
}

/* Its machine cannot be ended by us: host may do so, within its grace. */
static void ask_host(struct cancelling *cancelling, const char *run)
{
	struct bl_err err = { 0 };

	if (bl_stop_ask(cancelling->cloud->store, run, "cancelled", who_asks(), &err))
		bl_log_err(BL_LOG_WARN, &err);
	else
		bl_log(BL_LOG_WARN, "run %s was asked to stop by itself instead", run);
}

/* Settled first: a launch that is under way then buys nothing, or ends what it bought. */
static int settle(struct cancelling *cancelling, const struct bl_run *run,
                  struct bl_outcome *outcome, struct bl_err *err)
{
	bool young;

	if (is_being_bought(cancelling, run->id, &young, err) ||
	    bl_cancel_run(cancelling->cloud->store, run, who_asks(), cancelling->what.why, outcome,
	                  err))
		return -1;
	BL_FAILPOINT("cancel.settled");
	return young ? end_boxes_of(cancelling, run->id, wait_scaled(LOOK_MS), err) : 0;
}

static int end_run(struct cancelling *cancelling, const char *id, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_outcome outcome;
	bool had_ended;

	if (end_boxes_of(cancelling, id, 0, err)) {
		ask_host(cancelling, id);
		return -1;
	}
	BL_FAILPOINT("cancel.boxes.ended");
	had_ended = !bl_outcome_read(cancelling->cloud->store, id, &outcome, err);
	if (!had_ended && err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (had_ended) {
		bl_log(BL_LOG_INFO, "run %s has ended already: %s", id,
		       bl_status_word(outcome.result.status));
		return 0;
	}
	if (bl_run_read(cancelling->cloud->store, id, &run, err) ||
	    settle(cancelling, &run, &outcome, err))
		return -1;
	cancelling->ended++;
	bl_log(BL_LOG_INFO, "run %s: %s: %s", id, bl_status_word(outcome.result.status),
	       outcome.result.message);
	if (outcome.result.class == BL_CLASS_CANCELLED)
		comment(cancelling, &run);
	return 0;
}

/* The first failure is the verb's; the others are tried all the same. */
static int end_all(struct cancelling *cancelling, struct bl_err *err)
{
	for (size_t i = 0; i < cancelling->n; i++) {
		struct bl_err failure = { 0 };

		if (!end_run(cancelling, cancelling->runs[i], &failure))
			continue;
		bl_wrap(&failure, "run %s", cancelling->runs[i]);
		if (!err->code)
			*err = failure;
		else
			bl_log_err(BL_LOG_WARN, &failure);
	}
	return err->code ? -1 : 0;
}

/* EC2 may not answer: what the store knows is asked to stop all the same. */
static int gather_tagged(struct cancelling *cancelling, struct bl_err *err)
{
	struct bl_err failure = { 0 };

	if (end_by_tag(cancelling, &failure))
		bl_log_err(BL_LOG_WARN, &failure);
	BL_FAILPOINT("cancel.tags.ended");
	if (find_runs(cancelling, err))
		return -1;
	if (failure.code)
		*err = failure;
	return failure.code ? -1 : 0;
}

/* Which runs, in what order: what launch told this job is known without a look at the store. */
static int gather(struct cancelling *cancelling, const char *word, struct bl_err *err)
{
	struct told_run told;
	char run[BL_RUN_SIZE];

	switch (cancelling->what.scope) {
	case CANCEL_RUN:
		if (cloud_run(cancelling->cloud, word, run, err))
			return -1;
		keep(cancelling, run);
		return 0;
	case CANCEL_JOB:
		if (!tell_run_read(&told, err)) {
			keep(cancelling, told.run);
			return 0;
		}
		bl_err_clear(err); /* launch did not get so far as to say */
		return find_runs(cancelling, err);
	case CANCEL_PULL:
	case CANCEL_REPOSITORY:
		return gather_tagged(cancelling, err);
	}
	return 0;
}

static void conclude(const struct cancelling *cancelling)
{
	char ended[24];
	const struct workflow_pair pair = { "ended", ended };
	struct bl_err err = { 0 };

	snprintf(ended, sizeof(ended), "%zu", cancelling->boxes);
	if (workflow_write(WORKFLOW_OUTPUT, &pair, 1, &err) && err.code != BL_ENOENT)
		bl_log_err(BL_LOG_WARN, &err);
	if (!cancelling->n && !cancelling->boxes)
		bl_log(BL_LOG_INFO, "nothing to end");
	else if (cancelling->boxes)
		bl_log(BL_LOG_INFO, "ended %zu machine%s", cancelling->boxes,
		       cancelling->boxes == 1 ? "" : "s");
}

static int cancel(const struct options *opt, const char *word, struct bl_err *err)
{
	struct cancel_asked asked = { .scope = opt->scope,
		                      .job = opt->job,
		                      .pr = opt->pr,
		                      .all = opt->all,
		                      .named = word != NULL };
	BL_AUTO(cloud) cloud = { 0 };
	struct cancelling cancelling = { .cloud = &cloud };
	BL_VALUE event = NULL;
	int rc;

	workflow_job_url(cancelling.job_url);
	if (read_event(&event, err) ||
	    cancel_decide(&asked, event, getenv("GITHUB_ACTIONS") != NULL, &cancelling.what, err) ||
	    cloud_open(&cloud, &opt->cloud, BL_STORE_WRITE, err))
		return -1;
	if (cancelling.what.scope == CANCEL_JOB && !*cancelling.what.job)
		snprintf(cancelling.what.job, sizeof(cancelling.what.job), "%s", cloud.guarded.job);
	rc = gather(&cancelling, word, err);
	/* what was found is ended whatever could not be asked */
	if (rc && !cancelling.n)
		return -1;
	rc = end_all(&cancelling, err);
	conclude(&cancelling);
	return rc;
}

int verb_cancel(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (cancel(&opt, args.n_words ? args.words[0] : opt.run, err))
		return bl_wrap(err, "cancel");
	return 0;
}
