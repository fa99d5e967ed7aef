/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guard.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEPENDABOT "dependabot[bot]"
#define JOB_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool is_pull_request(const struct bl_guard_event *event)
{
	return bl_str_starts(event->name, "pull_request");
}

/* --- Answers ---------------------------------------------------------------------------------- */

BL_PRINTF(2) static void say_no(struct bl_guard *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, args);
	va_end(args);
}

BL_PRINTF(2) static void not_for_us(struct bl_guard *out, const char *fmt, ...)
{
	va_list args;

	out->verdict = BL_GUARD_NEUTRAL;
	va_start(args, fmt);
	vsnprintf(out->reason, sizeof(out->reason), fmt, args);
	va_end(args);
}

static void refuse_fork(const struct bl_guard_event *event, struct bl_guard *out)
{
	out->is_fork = true;
	say_no(out, "%s",
	       event->head_repository_id
	               ? "pull requests from forks cannot train: their code must not meet this "
	                 "repository's credentials"
	               : "the repository of this pull request's branch is gone, so it counts as a "
	                 "fork, and forks cannot train");
	snprintf(out->next, sizeof(out->next),
	         "push the branch to this repository, and set the label on a pull request from "
	         "there");
}

static void refuse_no_token(struct bl_guard *out)
{
	say_no(out, "this job gets no identity token, as a job of a fork would not");
	snprintf(out->next, sizeof(out->next),
	         "add `id-token: write` to the job's permissions; a fork's branch must be pushed "
	         "to this repository");
}

static void refuse_bot(const struct bl_guard_event *event, struct bl_guard *out)
{
	say_no(out, "%s is a bot, and bots may not start a training", event->sender);
	snprintf(out->next, sizeof(out->next),
	         "let a person do it, or set the input `allow-bots: true`");
}

/* --- What the event alone decides ------------------------------------------------------------- */

bool bl_guard_is_label(const char *label, const char *ours)
{
	size_t len = strlen(ours);

	return !strncasecmp(label, ours, len) && (!label[len] || label[len] == ':');
}

/* The input's, else the label's. */
static bool choose_job(const struct bl_guard_event *event, const struct bl_guard_rules *rules,
                       struct bl_guard *out)
{
	const char *job = rules->job, *of_label = "";
	bool names_one = false;

	if (is_pull_request(event)) {
		of_label = event->label + strlen(rules->label);
		names_one = *of_label == ':';
		of_label += names_one;
	}
	if (!*job)
		job = of_label;
	if (strlen(job) < sizeof(out->job) && strspn(job, JOB_LETTERS) == strlen(job) &&
	    (*job || !names_one)) {
		snprintf(out->job, sizeof(out->job), "%s", job);
		return true;
	}
	say_no(out, "'%.60s' is no job's name", job);
	if (names_one && !*rules->job)
		snprintf(out->next, sizeof(out->next),
		         "set the label `%.60s:JOB` with a job of branchline.yaml", rules->label);
	else
		snprintf(out->next, sizeof(out->next),
		         "let the input `job` name one of branchline.yaml");
	return false;
}

/* True: nothing but facts is missing. */
static bool look_at_pull(const struct bl_guard_event *event, const struct bl_guard_rules *rules,
                         struct bl_guard *out)
{
	if (strcmp(event->action, "labeled") != 0)
		not_for_us(out, "the event is '%.30s', and no label was set", event->action);
	else if (!bl_guard_is_label(event->label, rules->label))
		not_for_us(out, "the label is another one than `%.60s`", rules->label);
	else if (!strcmp(event->actor, DEPENDABOT) || !strcmp(event->sender, DEPENDABOT))
		not_for_us(out, "Dependabot's events come without credentials");
	else if (event->head_repository_id != event->repository_id)
		refuse_fork(event, out);
	else if (!event->can_authenticate)
		refuse_no_token(out);
	else if (event->sender_is_bot && !rules->allow_bots)
		refuse_bot(event, out);
	else
		return choose_job(event, rules, out);
	return false;
}

static void look_at_others(const struct bl_guard_event *event, const struct bl_guard_rules *rules,
                           struct bl_guard *out)
{
	bool is_main = *event->branch && !strcmp(event->branch, event->default_branch);

	if (!strcmp(event->name, "push") && event->deleted)
		not_for_us(out, "the push removed a branch");
	else if (!strcmp(event->name, "push") && !is_main)
		not_for_us(out, "the push is not to the default branch");
	else if (!strcmp(event->name, "push") && !rules->on_push)
		not_for_us(out, "a push trains only with the input `on-push: true`");
	else if (!strcmp(event->name, "workflow_dispatch") && event->sender_is_bot &&
	         !rules->allow_bots)
		refuse_bot(event, out);
	else if (strcmp(event->name, "push") != 0 && strcmp(event->name, "schedule") != 0 &&
	         strcmp(event->name, "workflow_dispatch") != 0)
		not_for_us(out, "'%.30s' starts no training", event->name);
	else if (choose_job(event, rules, out))
		out->verdict = BL_GUARD_ACCEPT;
}

/* --- What GitHub has to say to it ------------------------------------------------------------- */

static void refuse_labeller(const struct bl_guard_event *event, const struct bl_guard_facts *facts,
                            struct bl_guard *out)
{
	say_no(out,
	       "%s may not write to this repository (permission: %.15s), and this label spends "
	       "its money",
	       event->sender, *facts->permission ? facts->permission : "unknown");
	snprintf(out->next, sizeof(out->next),
	         "ask somebody who may write to take the label off and set it again");
}

static void refuse_moved(const struct bl_guard_event *event, const struct bl_guard_facts *facts,
                         struct bl_guard *out)
{
	out->remove_label = true;
	say_no(out, "the label was set on commit %.7s, and the branch is at %.7s now", event->sha,
	       facts->pull.head_sha);
	snprintf(out->next, sizeof(out->next), "look at the new commit, and set the label again");
}

static void weigh(const struct bl_guard_event *event, const struct bl_guard_facts *facts,
                  struct bl_guard *out)
{
	const struct bl_github_pull *pull = &facts->pull;

	if (pull->head_repository_id != event->repository_id) {
		refuse_fork(event, out);
	} else if (!event->sender_is_bot && strcmp(facts->permission, "admin") != 0 &&
	           strcmp(facts->permission, "write") != 0) {
		refuse_labeller(event, facts, out);
	} else if (!pull->open) {
		say_no(out, "the pull request is closed");
		snprintf(out->next, sizeof(out->next), "open it again, and set the label again");
	} else if (strcmp(pull->head_sha, event->sha) != 0) {
		refuse_moved(event, facts, out);
	} else {
		out->verdict = BL_GUARD_ACCEPT;
	}
}

void bl_guard_decide(const struct bl_guard_event *event, const struct bl_guard_rules *rules,
                     const struct bl_guard_facts *facts, struct bl_guard *out)
{
	struct bl_guard guard = { .verdict = BL_GUARD_REFUSE };

	if (!is_pull_request(event)) {
		look_at_others(event, rules, &guard);
	} else if (look_at_pull(event, rules, &guard)) {
		if (facts)
			weigh(event, facts, &guard);
		else
			guard.verdict = BL_GUARD_ASK;
	}
	*out = guard;
}
