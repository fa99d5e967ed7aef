/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of a run from a laptop: launch, wait and report of a pushed commit. */
#include "actions/launch/launch.h"
#include "actions/report/publish.h"
#include "actions/verbs.h"
#include "actions/wait/wait.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/git_pushed.h"
#include "codec/git_remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	struct launch_options launch;
	const char *on_signal;
	int64_t pr;
	bool detach;
};

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, launch.job), "JOB",
	  "job of branchline.yaml; default its default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct options, launch.file), "PATH",
	  "this file of the commit; default branchline.yaml" },
	{ "pr", 0, BL_OPT_NUMBER, offsetof(struct options, pr), "N",
	  "report on that pull request, too; needs GITHUB_TOKEN" },
	{ "detach", 'd', BL_OPT_SWITCH, offsetof(struct options, detach), NULL,
	  "only launch: do not wait" },
	{ "on-signal", 0, BL_OPT_TEXT, offsetof(struct options, on_signal), "WORD",
	  "terminate (default): Ctrl-C ends the run and its machine; detach: it goes on" },
	{ "profile", 0, BL_OPT_TEXT, offsetof(struct options, launch.cloud.profile), "NAME",
	  "of AWS's configuration" },
	{ "role-arn", 0, BL_OPT_TEXT, offsetof(struct options, launch.cloud.role_arn), "ARN",
	  "assume it" },
	{ "compute", 0, BL_OPT_TEXT, offsetof(struct options, launch.cloud.compute), "ENGINE",
	  "ec2 or local; default ec2" },
};

static const struct bl_usage usage = {
	.verb = "run",
	.example = "branchline run\n"
		   "branchline run --job eval --param lr=0.001 --pr 12",
	.about = "Trains the pushed commit that is checked out on a machine of the stack: "
		 "launches,\n"
		 "shows what it prints, and reports. Exits as the run ended.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
};

/* --- What may be run -------------------------------------------------------------------------- */

/* What runs is what others can look at later, by its commit. */
static int check_commit(const struct bl_git *git, struct bl_err *err)
{
	bool pushed;

	if (!git->found || !*git->sha) {
		bl_fail(err, BL_EINPUT, "there is no commit here to train");
		return bl_next(err,
		               "go to a clone of the repository; `branchline local` trains any "
		               "folder on this machine");
	}
	if (git->dirty) {
		bl_fail(err, BL_EINPUT,
		        "there are changes that are not committed, and a run trains a commit");
		return bl_next(err, "`git commit` and `git push` them, or `git stash`; `branchline "
		                    "local` trains them on this machine");
	}
	if (bl_git_is_pushed(git->root, git->sha, &pushed, err))
		return -1;
	if (pushed)
		return 0;
	bl_fail(err, BL_EINPUT, "commit %.7s was not pushed: it is on no remote branch", git->sha);
	return bl_next(err, "`git push` it; where somebody else did, `git fetch` says so to this "
	                    "clone");
}

/* "owner/name" of the remote, where nothing else says it. */
static int name_repository(const struct bl_git *git, struct bl_err *err)
{
	BL_AUTO(bl_buf) name = BL_BUF(1024);
	const char *set = getenv("GITHUB_REPOSITORY"), *slash;

	if (set && *set)
		return 0;
	slash = bl_remote_add_name(&name, git->remote) ? strchr(bl_buf_text(&name), '/') : NULL;
	if (!slash) {
		bl_fail(err, BL_EINPUT, "--pr: the clone's remote is no repository of GitHub's");
		return bl_next(err, "set GITHUB_REPOSITORY to owner/name");
	}
	if (setenv("GITHUB_REPOSITORY", slash + 1, 1))
		return bl_fail(err, BL_ENOMEM, "out of memory");
	return 0;
}

static int choose_place(const struct options *opt, const struct bl_git *git,
                        const struct bl_config *config, struct bl_err *err)
{
	const char *token = getenv("GITHUB_TOKEN");

	if (!opt->pr)
		return 0;
	if (!token || !*token) {
		bl_fail(err, BL_EINPUT, "--pr: GITHUB_TOKEN is not set");
		return bl_next(err, "GITHUB_TOKEN=$(gh auth token) branchline run --pr %lld",
		               (long long)opt->pr);
	}
	if (name_repository(git, err))
		return -1;
	guarded_report_on(opt->pr, config->job);
	return 0;
}

static int check_options(const struct options *opt, struct bl_err *err)
{
	if (!strcmp(opt->on_signal, "terminate") || !strcmp(opt->on_signal, "detach"))
		return 0;
	return bl_fail(err, BL_EINPUT, "--on-signal: '%.32s' is neither terminate nor detach",
	               opt->on_signal);
}

/* --- Running it ------------------------------------------------------------------------------- */

static bool detaches(const struct options *opt)
{
	return !strcmp(opt->on_signal, "detach");
}

/* What the run's own end says is the verb's end; what is told of it may fail. */
static int conclude(const char *run, const struct wait_ended *ended, struct bl_err *err)
{
	const struct bl_result *result = &ended->outcome.result;

	if (ended->state == WAIT_HANDED_OVER ||
	    (ended->state == WAIT_ENDED && result->status == BL_STATUS_SUCCESS))
		return 0;
	bl_fail(err, ended->state == WAIT_CANCELLED ? BL_ECANCELLED : bl_class_code(result->class),
	        "run %s: %s%s%s", run, bl_status_word(result->status), *result->message ? ": " : "",
	        result->message);
	return bl_next(err, "%s", result->next_step);
}

static int tell_world(struct cloud *cloud, const char *run, struct bl_err *err)
{
	struct report_published *published = calloc(1, sizeof(*published)); /* large */
	struct bl_err missed = { 0 };
	int rc = 0;

	if (!published)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (report_publish(cloud, run, published, &missed))
		bl_log_err(BL_LOG_WARN, &missed); /* collect does it later */
	else if (published->gate_failed)
		rc = bl_fail(err, report_code(published), "run %s: %.400s", run,
		             published->verdict);
	free(published);
	return rc;
}

static int show_report(const struct launched *launched)
{
	char verb[] = "report", flag[] = "--store", run[BL_RUN_SIZE], store[1100];
	char *argv[] = { verb, run, flag, store, NULL };
	struct bl_err missed = { 0 };

	memcpy(run, launched->run, sizeof(run));
	memcpy(store, launched->store, sizeof(store));
	/* a gate that failed is told by the caller */
	if (verb_report(4, argv, &missed) && missed.code != BL_ETRAIN)
		bl_log_err(BL_LOG_WARN, &missed);
	return 0;
}

static int follow(const struct options *opt, const struct bl_config *config,
                  const struct launched *launched, struct bl_err *err)
{
	struct cloud_options where = opt->launch.cloud;
	const struct wait_how how = { .minutes = 0, .detach = detaches(opt) };
	struct wait_ended ended = { .state = WAIT_ENDED };
	BL_AUTO(cloud) cloud = { 0 };
	struct bl_err gate = { 0 };

	where.config = config;
	where.store = launched->store;
	if (cloud_open(&cloud, &where, BL_STORE_WRITE, err) ||
	    wait_run(&cloud, launched->run, &how, &ended, err))
		return bl_next(err, "`branchline wait %s` goes on", launched->run);
	if (ended.state == WAIT_HANDED_OVER) {
		bl_log(BL_LOG_INFO, "run %s goes on; `branchline wait %s` follows it",
		       launched->run, launched->run);
		return 0;
	}
	if (tell_world(&cloud, launched->run, &gate) && gate.code == BL_ENOMEM) {
		*err = gate;
		return -1;
	}
	show_report(launched);
	if (conclude(launched->run, &ended, err))
		return -1;
	*err = gate;
	return err->code ? -1 : 0;
}

int verb_run(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_found found = { 0 };
	struct options opt = { .on_signal = "terminate" };
	struct launched launched = { 0 };
	struct bl_git git;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (check_options(&opt, err) || bl_git_read(".", &git, err) || check_commit(&git, err) ||
	    bl_options_config_at(git.root, git.sha, opt.launch.file, opt.launch.job, &args, NULL,
	                         &config, &found, err) ||
	    choose_place(&opt, &git, &config, err) || launch(&opt.launch, &args, &launched, err))
		return bl_wrap(err, "run");
	if (opt.detach) {
		bl_log(BL_LOG_INFO,
		       "it goes on by itself: `branchline wait %s` follows it, "
		       "`branchline stop %s` ends it",
		       launched.run, launched.run);
		puts(launched.run);
		return 0;
	}
	return follow(&opt, &config, &launched, err) ? bl_wrap(err, "run") : 0;
}
