/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/index.h"
#include "run/report.h"
#include "run/resolve.h"
#include "run/settle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *job, *resume, *file;
	bool json;
};

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, job), "JOB",
	  "job of branchline.yaml; default its default_job" },
	{ "resume", 0, BL_OPT_TEXT, offsetof(struct options, resume), "RUN",
	  "go on with this run, from its newest checkpoint" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct options, file), "PATH",
	  "read this file; default branchline.yaml, here or above" },
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "local",
	.example = "branchline local --param lr=0.001\n"
		   "branchline local --data train=data/train.jsonl -- python3 train.py\n"
		   "branchline local --resume latest",
	.about = "Trains on this machine: checks the data, starts the command under the same\n"
		 "supervisor that a cloud machine runs, keeps its checkpoints, log and metrics in\n"
		 "the store, and reports. Ctrl-C stops it and keeps the last checkpoint; a second\n"
		 "one stops it at once.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
	.rest = true,
};

/* .branchline/ keeps itself out of the repository. */
static int hide_from_git(const char *root, struct bl_err *err)
{
	char path[PATH_MAX + 16];
	BL_FD dir = -1;

	if (snprintf(path, sizeof(path), "%s/.branchline", root) >= PATH_MAX)
		return bl_fail(err, BL_EINPUT, "the path of '%s' is too long", root);
	if (bl_fs_make_dir(path, &dir, err))
		return bl_wrap(err, "make the work directory");
	if (bl_fs_create(dir, ".gitignore", "*\n", 2, 0644, err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err);
	}
	return 0;
}

static int open_store(struct local *local, struct bl_err *err)
{
	if (place_store_uri(bl_config_text(&local->config, "store"), local->root, local->store_uri,
	                    sizeof(local->store_uri), err))
		return -1;
	if (bl_store_open(local->store_uri, BL_STORE_WRITE, &local->store, err)) {
		if (bl_store_is_remote(local->store_uri))
			return -1;
		if (err->code == BL_EDENIED || err->code == BL_EIO)
			bl_recode(err, BL_EINPUT);
		return bl_next(err, "name a directory that can be written with --store");
	}
	return 0;
}

static int place(struct local *local, const struct bl_found *found, struct bl_err *err)
{
	const char *workdir = bl_config_text(&local->config, "workdir");

	snprintf(local->config_root, sizeof(local->config_root), "%s", found->root);
	/* without a workdir the command starts where its caller is */
	if (!strcmp(bl_config_origin(&local->config, "workdir"), "default")) {
		if (!getcwd(local->cwd, sizeof(local->cwd)))
			return bl_fail_errno(err, errno, "current directory");
	} else if (snprintf(local->cwd, sizeof(local->cwd), "%s/%s", found->root, workdir) >=
	           (int)sizeof(local->cwd)) {
		return bl_fail(err, BL_EINPUT, "workdir is too long");
	}
	if (local->git.found)
		snprintf(local->root, sizeof(local->root), "%s", local->git.root);
	else
		snprintf(local->root, sizeof(local->root), "%s", found->root);
	return 0;
}

static int configure(struct local *local, const struct options *opt, const char *job,
                     const struct bl_args *args, struct bl_err *err)
{
	struct bl_found found;
	const struct bl_value *command;

	bl_config_done(&local->config);
	if (bl_options_config(opt->file, job, args, NULL, &local->config, &found, err))
		return -1;
	command = bl_config_value(&local->config, "command");
	if (!command || command->type == BL_NULL) {
		bl_fail(err, BL_EINPUT, "%s: no command: nothing to train",
		        *found.path ? found.path : "no " BL_CONFIG_FILE " here or above");
		return bl_next(
			err,
			"set `command`, or give it after --: branchline local -- python3 train.py");
	}
	return place(local, &found, err);
}

enum start {
	START_NEW,    /* a new run, perhaps with a parent */
	START_SAME,   /* the next attempt of a run */
	START_NOTHING /* it had ended: only its outcome was missing */
};

/* Decides what --resume means. */
static int resume(struct local *local, const struct options *opt, const struct bl_args *args,
                  enum start *start, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_resolve_context context = { .repository = local->repo_key,
		                              .branch = local->git.branch };
	struct bl_outcome outcome;
	char id[BL_RUN_SIZE];
	bool ended, settled = true;

	if (bl_run_resolve(local->store, opt->resume, &context, id, err) ||
	    bl_run_read(local->store, id, &run, err))
		return -1;
	ended = !bl_outcome_read(local->store, id, &outcome, err);
	if (!ended && err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (!ended && bl_run_settle(local->store, &run, BL_UNKNOWN, &settled, &outcome, err))
		return -1;
	if (configure(local, opt, opt->job ? opt->job : run.job, args, err) ||
	    local_read_git(local, err) || local_check_data(local, err))
		return -1;
	*start = ended ? START_NEW : settled ? START_NOTHING : START_SAME;
	if (*start == START_NEW)
		return local_parent(local, id, err);
	snprintf(local->run, sizeof(local->run), "%s", id);
	/* whoever resumes from elsewhere: relative paths of the run are seen from where it began */
	snprintf(local->cwd, sizeof(local->cwd), "%s",
	         bl_value_text_or(run.doc, "place.cwd", local->cwd));
	if (*start == START_SAME)
		return local_same(local, &run, args->flags, args->n_flags, err);
	bl_log(BL_LOG_INFO, "run %s had ended; only its outcome was missing", id);
	return 0;
}

/* Its newest attempt ended, and another one may do better. */
static int say_interrupted(const struct local *local, const struct bl_attempts *attempts,
                           struct bl_err *err)
{
	const struct bl_result *result = &attempts->end.result;

	if (attempts->newest_ended)
		bl_fail(err, BL_EINTERRUPTED, "run %s: %s: %s", local->run,
		        bl_class_word(result->class), result->message);
	else
		bl_fail(err, BL_EINTERRUPTED, "run %s was interrupted", local->run);
	if (attempts->newest_ended && result->class == BL_CLASS_STORAGE && *result->next_step)
		bl_next(err, "%s", result->next_step);
	return bl_next(err, "go on with `branchline local --resume %s`", local->run);
}

/*
 * All of a success is in the store, verified: the attempts' trees have served. What stays behind is
 * no failure of the run.
 */
static void tidy(const struct local *local)
{
	char work[64 + BL_RUN_SIZE];
	struct bl_err err = { 0 };
	BL_FD root = -1;

	snprintf(work, sizeof(work), ".branchline/work/%s", local->run);
	if (!bl_fs_open_dir(local->root, &root, &err) && !bl_fs_remove_tree(root, work, &err))
		return;
	bl_wrap(&err, "remove the work directory");
	bl_log_err(BL_LOG_WARN, &err);
}

/* What passed its gate is what later runs are compared with; without one, host entered it. */
static int enter_index(struct local *local, const struct bl_outcome *outcome,
                       const struct bl_report *report, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	bool entered;

	if (!report->gates || report->gate_failed)
		return 0;
	if (bl_run_read(local->store, local->run, &run, err) ||
	    bl_index_update(local->store, &run, outcome, &entered, err))
		return bl_wrap(err, "index of baselines");
	return 0;
}

/* The verb's own end: what the outcome says, in the exit status too. */
static int conclude(struct local *local, const struct options *opt, struct bl_err *err)
{
	struct bl_attempts attempts;
	const struct bl_result *result = &attempts.outcome.result;
	const struct bl_baseline_place place = { .root = local->git.found ? local->root : NULL };
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_DOC_MAX);

	/* the store knows: host's last words are lost when nobody read them in time */
	if (bl_attempts_read(local->store, local->run, &attempts, err))
		return bl_wrap(err, "run %s", local->run);
	if (!attempts.has_outcome)
		return say_interrupted(local, &attempts, err);
	if (bl_report_build(local->store, local->run, NULL, NULL, &place, &report, err))
		return bl_wrap(err, "report");
	if (opt->json ? bl_report_json(&report, &text, err)
	              : bl_report_term(&report, bl_log_colour(STDOUT_FILENO), show_columns(), &text,
	                               err))
		return bl_wrap(err, "report");
	fputs(bl_buf_text(&text), stdout);
	if (enter_index(local, &attempts.outcome, &report, err))
		return -1;
	if (report.gate_failed) {
		bl_fail(err, BL_ETRAIN, "run %s: %.300s", local->run, report.verdict);
		return bl_next(err, "%s", report.next);
	}
	if (result->status == BL_STATUS_SUCCESS) {
		if (!*result->message) /* it says what the store lacks: then the trees have it */
			tidy(local);
		return 0;
	}
	bl_fail(err, bl_class_code(result->class), "run %s: %s: %s", local->run,
	        bl_class_word(result->class), result->message);
	return bl_next(err, "%s", result->next_step);
}

static void say_run(const struct local *local, const char *how)
{
	bl_log(BL_LOG_INFO, "%s %s%s%s, job %s", how, local->run, *local->git.branch ? " on " : "",
	       local->git.branch, local->config.job);
	if (*local->patch_sha256)
		bl_log(BL_LOG_INFO,
		       "uncommitted changes are saved with the run, which is never a baseline");
}

/* Reads everything that decides what the run is; creates it when it is a new one. */
static int prepare(struct local *local, const struct options *opt, const struct bl_args *args,
                   enum start *start, struct bl_err *err)
{
	*start = START_NEW;
	if (bl_git_read(".", &local->git, err) || configure(local, opt, opt->job, args, err) ||
	    hide_from_git(local->root, err) || open_store(local, err))
		return -1;
	if (opt->resume) {
		if (bl_git_repo_key(&local->git, local->root, local->repo_key, err) ||
		    resume(local, opt, args, start, err))
			return -1;
	} else if (local_read_git(local, err) || local_check_data(local, err)) {
		return -1;
	}
	if (*start == START_NOTHING)
		return 0;
	if (local_secrets(local, err))
		return -1;
	if (*start == START_SAME)
		return 0;
	return local_checkpoints_free(local, err) || local_create_run(local, err) ? -1 : 0;
}

static int train(struct local *local, const struct options *opt, const struct bl_args *args,
                 struct bl_err *err)
{
	enum start start;

	if (prepare(local, opt, args, &start, err))
		return -1;
	if (start != START_NOTHING) {
		say_run(local, start == START_SAME ? "resuming" : "run");
		if (local_watch(local, opt->resume != NULL, err))
			return -1;
	}
	return conclude(local, opt, err);
}

int verb_local(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	static struct local local; /* large */
	struct options opt = { 0 };
	int rc;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	local.out_fd = opt.json ? STDERR_FILENO : STDOUT_FILENO;
	rc = train(&local, &opt, &args, err);
	local_done(&local);
	return rc;
}
