/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cancel/cancel.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *word;
	enum cancel_scope scope;
} scopes[] = {
	{ "job", CANCEL_JOB },
	{ "pull-request", CANCEL_PULL },
	{ "repository", CANCEL_REPOSITORY },
};

static int parse_scope(const char *word, enum cancel_scope *out, struct bl_err *err)
{
	for (size_t i = 0; i < BL_COUNT(scopes); i++) {
		if (!strcmp(word, scopes[i].word)) {
			*out = scopes[i].scope;
			return 0;
		}
	}
	bl_fail(err, BL_EINPUT, "--scope: '%.32s' is no scope", word);
	return bl_next(err, "it is job, pull-request or repository");
}

static int scope_of(const struct cancel_asked *asked, bool in_workflow, enum cancel_scope *out,
                    struct bl_err *err)
{
	if ((asked->named + asked->all + (asked->pr > 0)) > 1)
		return bl_fail(err, BL_EINPUT, "a RUN, --pr and --all exclude each other");
	if (asked->named)
		*out = CANCEL_RUN;
	else if (asked->all)
		*out = CANCEL_REPOSITORY;
	else if (asked->pr)
		*out = CANCEL_PULL;
	else if (asked->scope)
		return parse_scope(asked->scope, out, err);
	else if (in_workflow)
		*out = CANCEL_JOB;
	else {
		bl_fail(err, BL_EINPUT, "say what is to be ended");
		return bl_next(err, "a RUN, --pr N, or --all for every run of this repository");
	}
	return 0;
}

/* "train:big" names its job, "train" none; a job that has not the form of one is no job of ours. */
static void take_label(const char *label, struct cancel_what *out)
{
	const char *job = strchr(label, ':');

	if (job && strlen(job + 1) < sizeof(out->job))
		snprintf(out->job, sizeof(out->job), "%s", job + 1);
}

/* A pull request's event says more about what is meant than any step could. */
static void take_event(const struct bl_value *event, struct cancel_what *out)
{
	const char *action = bl_value_text_or(event, "action", "");

	if (!out->pr)
		out->pr = bl_value_int_or(event, "pull_request.number", 0);
	if (out->scope != CANCEL_PULL)
		return;
	if (!strcmp(action, "unlabeled")) {
		snprintf(out->why, sizeof(out->why), "the label was removed");
		if (!*out->job)
			take_label(bl_value_text_or(event, "label.name", ""), out);
	} else if (!strcmp(action, "closed")) {
		snprintf(out->why, sizeof(out->why), "the pull request was closed");
	} else if (!strcmp(action, "synchronize")) {
		snprintf(out->why, sizeof(out->why), "a new commit was pushed");
		snprintf(out->head, sizeof(out->head), "%s",
		         bl_value_text_or(event, "pull_request.head.sha", ""));
	}
}

int cancel_decide(const struct cancel_asked *asked, const struct bl_value *event, bool in_workflow,
                  struct cancel_what *out, struct bl_err *err)
{
	struct cancel_what what = { .pr = asked->pr };

	if (scope_of(asked, in_workflow, &what.scope, err))
		return -1;
	if (asked->job && strlen(asked->job) >= sizeof(what.job))
		return bl_fail(err, BL_EINPUT, "--job: '%.32s...' is no job", asked->job);
	snprintf(what.job, sizeof(what.job), "%s", asked->job ? asked->job : "");
	snprintf(what.why, sizeof(what.why), "%s",
	         what.scope == CANCEL_JOB ? "the workflow was cancelled" : "cancelled on request");
	if (event)
		take_event(event, &what);
	if (what.scope == CANCEL_PULL && !what.pr) {
		bl_fail(err, BL_EINPUT, "this event is of no pull request");
		return bl_next(err, "name it with --pr, or choose another --scope");
	}
	*out = what;
	return 0;
}

bool cancel_is_meant(const struct cancel_what *what, const struct bl_run *run, const char *job_url)
{
	if (*what->job && strcmp(what->job, run->job) != 0)
		return false;
	if (*what->head && !strcmp(what->head, run->head))
		return false;
	switch (what->scope) {
	case CANCEL_RUN:
		return true;
	case CANCEL_JOB:
		return *job_url && !strcmp(bl_value_text_or(run->doc, "actions.url", ""), job_url);
	case CANCEL_PULL:
		return run->pr == what->pr;
	case CANCEL_REPOSITORY:
		return true;
	}
	return false;
}
