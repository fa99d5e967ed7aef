/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/tell.h"
#include "actions/verbs.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/str.h"
#include "base/version.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>

struct verb {
	const char *name;
	int (*run)(int argc, char **argv, struct bl_err *err);
	const char *help;
};

static const struct verb verbs[] = {
	{ "plan", verb_plan, "what a launch would do and cost" },
	{ "run", verb_run, "train the pushed commit on a machine of the stack, and report" },
	{ "launch", verb_launch, "check, price and buy one machine that trains a commit" },
	{ "local", verb_local, "train on this machine, and report" },
	{ "runs", verb_runs, "list runs, newest first" },
	{ "status", verb_status, "where a run stands" },
	{ "logs", verb_logs, "what a run's command printed" },
	{ "baseline", verb_baseline, "make a run what later ones are compared with" },
	{ "report", verb_report, "what a run achieved, beside its baseline" },
	{ "diff", verb_diff, "what differs between two runs" },
	{ "pull", verb_pull, "fetch a run's outputs" },
	{ "stop", verb_stop, "end a run, keep its last checkpoint" },
	{ "wait", verb_wait, "follow a run to its end" },
	{ "cancel", verb_cancel, "end runs and their machines at once" },
	{ "collect", verb_collect, "finish what ended while nobody waited" },
	{ "rm", verb_rm, "remove a run" },
	{ "guard", verb_guard, "the action: whether an event may train, said on its pull request" },
	{ "push-image", verb_push_image, "make an image of a commit and push it" },
	{ "assume-role", verb_assume_role, "the action: give later steps an AWS role" },
	{ "credentials", verb_credentials, "AWS credentials, as credential_process wants them" },
	{ "doctor", verb_doctor, "whether a run would work, and what to do if not" },
	{ "whoami", verb_whoami, "who AWS takes us for, and until when" },
	{ "check-data", verb_check_data, "read the data as a run would, and count it" },
	{ "sync", verb_sync, "make S3 or a directory hold what the other holds" },
	{ "config", verb_config, "the resolved configuration, and where each value came from" },
};

/* What people type out of habit, and the verb that does it here. */
static const struct {
	const char *habit, *verb;
} habits[] = {
	{ "ls", "runs" },          { "list", "runs" },
	{ "ps", "runs --live" },   { "tail", "logs -f" },
	{ "log", "logs" },         { "kill", "cancel" },
	{ "follow", "wait" },      { "train", "local" },
	{ "ssh", "logs -f" },      { "delete", "rm" },
	{ "download", "pull" },    { "show", "status" },
	{ "compare", "diff" },     { "resume", "local --resume" },
	{ "cp", "sync" },          { "copy", "sync" },
	{ "push", "push-image" },  { "build", "push-image" },
	{ "image", "push-image" },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < BL_COUNT(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void help(FILE *to)
{
	fputs("branchline local --param lr=0.001     train here, and report\n"
	      "branchline report latest -o r.html    look at it\n\n"
	      "Branchline trains exactly one commit, keeps what it made, and reports.\n\n"
	      "Verbs:\n",
	      to);
	for (size_t i = 0; i < BL_COUNT(verbs); i++)
		fprintf(to, "  %-11s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nEach verb has --help. A RUN is written as its id, a unique prefix, the last four\n"
	      "characters, latest, JOB@BRANCH or a commit.\n",
	      to);
}

static void version(void)
{
	printf("branchline %s (%s, %s)\n", BL_VERSION, BL_BUILD, bl_http_versions());
}

static int unknown(const char *name)
{
	const char *names[BL_COUNT(verbs)], *meant = NULL;
	struct bl_err err = { 0 };

	for (size_t i = 0; i < BL_COUNT(verbs); i++)
		names[i] = verbs[i].name;
	for (size_t i = 0; i < BL_COUNT(habits) && !meant; i++)
		if (!strcmp(habits[i].habit, name))
			meant = habits[i].verb;
	if (!meant)
		meant = bl_str_nearest(name, names, BL_COUNT(names));
	bl_fail(&err, BL_EINPUT, "no verb '%s'", name);
	if (meant)
		bl_next(&err, "did you mean `branchline %s`?", meant);
	else
		bl_next(&err, "`branchline --help` lists them");
	bl_log_err(BL_LOG_ERROR, &err);
	return bl_exit_status(err.code);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb = find_verb(name);
	struct bl_err err = { 0 };

	bl_log_init("branchline");
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(name, "--version")) {
		version();
		return 0;
	}
#ifdef BL_TESTING
	if (!strcmp(name, "failpoints")) {
		bl_failpoint_list();
		return 0;
	}
#endif
	if (!*name) {
		help(stderr);
		return 2;
	}
	if (!verb)
		return unknown(name);
	bl_log_title(verb->name);
	if (verb->run(argc - 1, argv + 1, &err)) {
		bl_log_err(BL_LOG_ERROR, &err);
		tell_failure(verb->name, &err);
	}
	if (!err.code && (fflush(stdout) || ferror(stdout))) {
		bl_fail(&err, BL_EIO, "standard output could not be written");
		bl_log_err(BL_LOG_ERROR, &err);
	}
	return bl_exit_status(err.code);
}
