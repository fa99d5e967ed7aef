/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guard/guard_parts.h"
#include "actions/tell.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 10000 /* the comment is to be there within 15 s; launch writes it otherwise */

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct guard_options, job), "NAME",
	  "of branchline.yaml; default the label's, else its default_job" },
	{ "allow-bots", 0, BL_OPT_SWITCH, offsetof(struct guard_options, allow_bots), NULL,
	  "a bot may set the label, or dispatch" },
	{ "on-push", 0, BL_OPT_SWITCH, offsetof(struct guard_options, on_push), NULL,
	  "a push to the default branch trains" },
};

static void more_help(struct bl_buf *out)
{
	bl_buf_adds(out, "\nKeys of branchline.yaml are flags, too, as --label NAME; those of a "
	                 "dispatch are looked\nat here and used by `branchline launch`.\n");
}

static const struct bl_usage usage = {
	.verb = "guard",
	.example = "branchline guard            the first step of a workflow's job",
	.about = "Decides from the event whether it may train, pins the commit that was meant, and "
		 "says so\non the pull request. Asks GitHub, and nobody else.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
	.more = more_help,
};

static void guarding_done(struct guarding *guarding)
{
	bl_args_done(&guarding->args);
	bl_github_close(guarding->github);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int read_event(struct guarding *guarding, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(WORKFLOW_EVENT_MAX);
	const struct bl_guard_env env = {
		.event = bl_env("GITHUB_EVENT_NAME"),
		.ref = bl_env("GITHUB_REF"),
		.sha = bl_env("GITHUB_SHA"),
		.actor = bl_env("GITHUB_ACTOR"),
		/* keys take the place of OIDC where somebody gave the job some */
		.can_authenticate =
			*bl_env("ACTIONS_ID_TOKEN_REQUEST_URL") || *bl_env("AWS_ACCESS_KEY_ID"),
	};
	bool there;

	if (workflow_event(&bytes, &there, err))
		return -1;
	if (!*env.event || !there) {
		bl_fail(err, BL_EINPUT,
		        "GITHUB_EVENT_PATH is not set: this is no step of a workflow");
		return bl_next(err, "`branchline run` trains a pushed commit from a laptop");
	}
	return bl_guard_event_read(bl_buf_text(&bytes), bytes.len, &env, &guarding->event, err);
}

/* What is known without asking. */
static void fill_in(struct guarding *guarding)
{
	const struct bl_guard_event *event = &guarding->event;
	struct guarded *guarded = &guarding->guarded;

	guarded->in_workflow = true;
	guarded->pr = event->pr;
	memcpy(guarded->sha, event->sha, sizeof(guarded->sha));
	memcpy(guarded->label, event->label, sizeof(guarded->label));
	memcpy(guarded->labeller, event->sender, sizeof(guarded->labeller));
	memcpy(guarded->actor, event->actor, sizeof(guarded->actor));
	memcpy(guarded->head_ref, event->head_ref, sizeof(guarded->head_ref));
	memcpy(guarded->base_ref, event->base_ref, sizeof(guarded->base_ref));
	memcpy(guarded->base_sha, event->base_sha, sizeof(guarded->base_sha));
	memcpy(guarded->job, guarding->guard.job, sizeof(guarded->job));
	snprintf(guarded->key, sizeof(guarded->key), "%s",
	         *guarded->job ? guarded->job : "default");
}

/* --- Asking ----------------------------------------------------------------------------------- */

static int open_github(struct guarding *guarding, struct bl_err *err)
{
	const struct bl_github_options options = { .patience_ms = PATIENCE_MS };

	return bl_github_open(&options, &guarding->github, err);
}

static int ask(struct guarding *guarding, struct bl_guard_facts *facts, struct bl_err *err)
{
	const struct bl_guard_event *event = &guarding->event;

	if (bl_github_pull_get(guarding->github, event->pr, &facts->pull, err))
		return bl_wrap(err, "pull request #%lld cannot be looked at", (long long)event->pr);
	if (!event->sender_is_bot &&
	    bl_github_permission(guarding->github, event->sender, facts->permission, err))
		return bl_wrap(err, "what %s may do cannot be checked", event->sender);
	return 0;
}

/* Where a dispatch reports: the one open pull request of its branch. */
static int find_pull(struct guarding *guarding, struct bl_err *err)
{
	const struct bl_guard_event *event = &guarding->event;
	struct guarded *guarded = &guarding->guarded;
	struct bl_github_pull pull;
	int64_t numbers[2];
	size_t n;

	if (strcmp(event->name, "workflow_dispatch") != 0 || !*event->branch ||
	    !strcmp(event->branch, event->default_branch))
		return 0;
	if (bl_github_pulls_of_branch(guarding->github, event->branch, numbers, BL_COUNT(numbers),
	                              &n, err))
		return -1;
	if (n != 1)
		return 0;
	if (bl_github_pull_get(guarding->github, numbers[0], &pull, err))
		return -1;
	guarded->pr = pull.number;
	memcpy(guarded->base_ref, pull.base_ref, sizeof(guarded->base_ref));
	memcpy(guarded->base_sha, pull.base_sha, sizeof(guarded->base_sha));
	return 0;
}

static int decide(struct guarding *guarding, struct bl_err *err)
{
	struct bl_guard_facts facts = { .permission = "" };
	char label[128];
	struct bl_guard_rules rules = {
		.label = label,
		.job = guarding->opt.job ? guarding->opt.job : "",
		.allow_bots = guarding->opt.allow_bots,
		.on_push = guarding->opt.on_push,
	};

	guard_label(guarding, label);
	bl_guard_decide(&guarding->event, &rules, NULL, &guarding->guard);
	fill_in(guarding);
	if (guarding->guard.verdict == BL_GUARD_NEUTRAL || open_github(guarding, err))
		return err->code ? -1 : 0;
	if (guarding->guard.verdict != BL_GUARD_ASK)
		return 0;
	if (ask(guarding, &facts, err))
		return -1;
	bl_guard_decide(&guarding->event, &rules, &facts, &guarding->guard);
	return 0;
}

/* --- Telling ---------------------------------------------------------------------------------- */

static void warn_and_go_on(struct bl_err *err)
{
	bl_log_err(BL_LOG_WARN, err);
	bl_err_clear(err);
}

static void accept(struct guarding *guarding)
{
	BL_AUTO(tell) tell = { .failed = false };
	struct bl_comment comment;

	tell_with(&tell, &guarding->guarded, guarding->github);
	guarding->github = NULL;
	bl_comment_init(&comment);
	comment.state = BL_COMMENT_ACCEPTED;
	tell_comment(&tell, &comment, false);
	tell_reaction(&tell, "eyes");
	guarding->guarded.comment_id = tell.sticky.id;
	if (tell.github)
		bl_log(BL_LOG_DEBUG, "%u requests to GitHub", bl_github_requests(tell.github));
}

/* Of a fork the token can write nothing; the summary has it then. */
static void refuse(struct guarding *guarding, const struct bl_err *why)
{
	BL_AUTO(tell) tell = { .failed = false };
	struct bl_comment comment;
	struct bl_err err = { 0 };

	if (!guarding->github && open_github(guarding, &err))
		warn_and_go_on(&err);
	if (guarding->guard.remove_label &&
	    bl_github_label_remove(guarding->github, guarding->event.pr, guarding->event.label,
	                           &err))
		warn_and_go_on(&err);
	tell_with(&tell, &guarding->guarded, guarding->github);
	guarding->github = NULL;
	bl_comment_init(&comment);
	comment.state = BL_COMMENT_REFUSED;
	comment.message = why->text;
	comment.next = why->next;
	tell_comment(&tell, &comment, true);
	guarding->guarded.comment_id = tell.sticky.id;
}

/* Where to report, and whether the configuration is one; a refusal needs it for the comment's key
 * alone. */
static int look_closer(struct guarding *guarding, struct bl_err *err)
{
	struct bl_err unsaid = { 0 };

	if (find_pull(guarding, err))
		warn_and_go_on(err);
	if (guarding->guard.verdict == BL_GUARD_ACCEPT && !guard_config(guarding, err))
		return 0;
	if (guarding->guard.verdict == BL_GUARD_ACCEPT)
		return bl_next(err, "correct it, and %s",
		               *guarding->event.label ? "set the label again" : "start it again");
	if (!guarding->guard.is_fork && guard_config(guarding, &unsaid))
		bl_log_err(BL_LOG_DEBUG, &unsaid);
	bl_fail(err, BL_EDENIED, "%s", guarding->guard.reason);
	return bl_next(err, "%s", guarding->guard.next);
}

static int act(struct guarding *guarding, struct bl_err *err)
{
	if (guarding->guard.verdict == BL_GUARD_NEUTRAL) {
		bl_log(BL_LOG_INFO, "not for us: %s", guarding->guard.reason);
		return guard_write(guarding, err);
	}
	if (look_closer(guarding, err))
		return -1;
	accept(guarding);
	bl_log(BL_LOG_INFO, "accepted: commit %.7s, job %s, for %s", guarding->guarded.sha,
	       guarding->guarded.key,
	       *guarding->event.sender ? guarding->event.sender : guarding->event.name);
	return guard_write(guarding, err);
}

static int end_refused(struct guarding *guarding, struct bl_err *err)
{
	struct bl_err unwritten = { 0 };

	if (!*guarding->event.name) /* there was no event */
		return -1;
	refuse(guarding, err);
	guarding->guard.verdict = BL_GUARD_REFUSE;
	snprintf(guarding->guard.reason, sizeof(guarding->guard.reason), "%.*s",
	         (int)sizeof(guarding->guard.reason) - 1, err->text);
	snprintf(guarding->guard.next, sizeof(guarding->guard.next), "%.*s",
	         (int)sizeof(guarding->guard.next) - 1, err->next);
	if (guard_write(guarding, &unwritten))
		bl_log_err(BL_LOG_WARN, &unwritten);
	return -1;
}

int verb_guard(int argc, char **argv, struct bl_err *err)
{
	__attribute__((cleanup(guarding_done))) struct guarding guarding = { .github = NULL };

	guarding.guarded.job_started_ms = bl_wall_ms();
	if (bl_options_read(&usage, argc, argv, &guarding.opt, &guarding.args, err) ||
	    guarding.args.helped)
		return err->code ? -1 : 0;
	if (read_event(&guarding, err))
		return -1;
	if (!strcmp(guarding.event.name, "workflow_run"))
		return guard_fork(&guarding, err);
	if (decide(&guarding, err) || act(&guarding, err))
		return end_refused(&guarding, err);
	return 0;
}
