/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/tell.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/hash.h"
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 60000      /* for what GitHub asks us to wait, over the whole verb */
#define LAST_PATIENCE_MS 10000 /* when the job ends */
#define MARKER_ROOM 512

/* A failure is not told over the verb's own last word. */
static bool had_last_word;

void tell_told(void)
{
	had_last_word = true;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void warn(struct tell *tell, struct bl_err *err)
{
	if (!tell->failed) {
		bl_wrap(err, "the comment on pull request #%lld", (long long)tell->sticky.number);
		bl_log_err(BL_LOG_WARN, err);
	}
	tell->failed = true;
	bl_err_clear(err);
}

static void prepare(struct tell *tell, const struct guarded *guarded, int64_t pr, const char *key)
{
	*tell = (struct tell){ .guarded = *guarded };
	workflow_job_url(tell->job_url);
	if (!key || !*key)
		key = *guarded->key ? guarded->key : "default";
	tell->sticky.number = pr ? pr : guarded->pr;
	snprintf(tell->sticky.key, sizeof(tell->sticky.key), "%s", key);
	if (tell->sticky.number == guarded->pr && !strcmp(key, guarded->key))
		tell->sticky.id = guarded->comment_id;
}

static void open_for(struct tell *tell, const struct guarded *guarded, int64_t pr, const char *key,
                     int64_t patience_ms)
{
	const struct bl_github_options options = { .patience_ms = patience_ms };
	struct bl_err err = { 0 };

	prepare(tell, guarded, pr, key);
	if (tell->sticky.number && bl_github_open(&options, &tell->github, &err))
		warn(tell, &err);
}

void tell_with(struct tell *tell, const struct guarded *guarded, struct bl_github *github)
{
	prepare(tell, guarded, 0, NULL);
	if (tell->sticky.number)
		tell->github = github;
	else
		bl_github_close(github);
}

void tell_open(struct tell *tell, const struct guarded *guarded, int64_t pr, const char *key)
{
	open_for(tell, guarded, pr, key, PATIENCE_MS);
}

void tell_done(struct tell *tell)
{
	bl_github_close(tell->github);
	tell->github = NULL;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* *wrote: it stands there now. */
static int put(struct tell *tell, const char *markdown, bool final, bool *wrote, struct bl_err *err)
{
	int64_t now = bl_mono_ms();

	*wrote = false;
	if (!tell->github)
		return -1;
	/* what failed is not tried at each look at the run */
	if (!final && tell->tried_mono_ms && now - tell->tried_mono_ms < BL_STICKY_EVERY_MS)
		return 0;
	tell->tried_mono_ms = 0;
	if (!bl_sticky_put(tell->github, &tell->sticky, markdown, final, wrote, err)) {
		tell->failed = false;
		return 0;
	}
	tell->tried_mono_ms = now;
	return -1;
}

static void summarise(const char *markdown)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)1 << 20);
	struct bl_err err = { 0 };

	had_last_word = true;
	bl_buf_adds(&text, markdown);
	bl_buf_addc(&text, '\n');
	if (bl_buf_check(&text, "summary", &err) || workflow_summary(&text, &err))
		bl_log_err(BL_LOG_WARN, &err);
}

static bool say(struct tell *tell, const char *markdown, bool final)
{
	struct bl_err err = { 0 };
	bool wrote;

	if (put(tell, markdown, final, &wrote, &err) && err.code)
		warn(tell, &err);
	if (final && tell->github)
		had_last_word = true;
	return wrote;
}

void tell_text(struct tell *tell, const char *markdown, bool final)
{
	say(tell, markdown, final);
	if (final && tell->failed)
		summarise(markdown);
}

static const char *unless_set(const char *text, const char *otherwise)
{
	return text && *text ? text : otherwise;
}

/* The text with its time, and the hash of it without. */
static int write_comment(const struct tell *tell, const struct bl_comment *comment,
                         struct bl_buf *text, char said[65], struct bl_err *err)
{
	BL_AUTO(bl_buf) timeless = BL_BUF(text->max);
	const struct guarded *guarded = &tell->guarded;
	struct bl_comment full = *comment;

	full.sha = unless_set(comment->sha, guarded->sha);
	full.job = unless_set(comment->job, guarded->job);
	full.actor =
		unless_set(comment->actor, *guarded->labeller ? guarded->labeller : guarded->actor);
	full.job_url = unless_set(comment->job_url, tell->job_url);
	full.at_ms = 0;
	if (bl_comment_write(&full, &timeless, err) ||
	    bl_sha256_of(bl_buf_text(&timeless), timeless.len, said, err))
		return -1;
	full.at_ms = comment->at_ms ? comment->at_ms : bl_wall_ms();
	return bl_comment_write(&full, text, err);
}

void tell_comment(struct tell *tell, const struct bl_comment *comment, bool final)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_GITHUB_COMMENT_MAX - MARKER_ROOM);
	struct bl_err err = { 0 };
	char said[65];

	if (!tell->github && !(final && (tell->failed || tell->guarded.in_workflow)))
		return;
	if (write_comment(tell, comment, &text, said, &err)) {
		warn(tell, &err);
		return;
	}
	if (!final && !strcmp(said, tell->said))
		return;
	if (say(tell, bl_buf_text(&text), final))
		memcpy(tell->said, said, sizeof(said));
	if (final && (tell->failed || !tell->github))
		summarise(bl_buf_text(&text));
}

void tell_reaction(struct tell *tell, const char *content)
{
	struct bl_err err = { 0 };

	if (tell->github && bl_github_react(tell->github, tell->sticky.number, content, &err))
		bl_log_err(BL_LOG_DEBUG, &err); /* it is an ornament */
}

/* --- The last word about a failure ------------------------------------------------------------ */

bool tell_failure_comment(const char *verb, const struct bl_err *failure,
                          struct bl_comment *comment)
{
	static const char *const steps[] = { "push-image", "launch", "wait", "report" };
	const char *message = failure->text;
	bool known = false, follows;

	for (size_t i = 0; i < BL_COUNT(steps); i++)
		known |= !strcmp(steps[i], verb);
	/* how the training ended is the report's to tell; a missing image has that code, too */
	follows = !strcmp(verb, "wait") || !strcmp(verb, "report");
	if (!known || (follows && (failure->code == BL_ETRAIN || failure->code == BL_EDEADLINE)))
		return false;
	if (bl_str_starts(message, verb) && bl_str_starts(message + strlen(verb), ": "))
		message += strlen(verb) + 2;
	bl_comment_init(comment);
	comment->state = BL_COMMENT_FAILED;
	if (failure->code == BL_ECANCELLED)
		comment->state = BL_COMMENT_CANCELLED;
	else if (!strcmp(verb, "wait") && bl_exit_status(failure->code) == 75)
		comment->state = BL_COMMENT_HANDED_OVER; /* it goes on without us */
	comment->stage = verb;
	comment->message = message;
	comment->next = failure->next;
	return true;
}

void tell_failure(const char *verb, const struct bl_err *failure)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_GITHUB_COMMENT_MAX - MARKER_ROOM);
	BL_AUTO(tell) tell = { .failed = false };
	struct guarded guarded;
	struct told_run run = { .run = "" };
	struct bl_comment comment;
	struct bl_err err = { 0 };
	char said[65];

	if (had_last_word || !tell_failure_comment(verb, failure, &comment))
		return;
	bl_http_stop_when(NULL); /* also of a verb that a signal ended */
	if (guarded_read(&guarded, &err) || !guarded.has_guard)
		return;
	if (tell_run_read(&run, &err))
		bl_err_clear(&err); /* it failed before there was one */
	comment.run = run.run;
	comment.store = run.store;
	comment.place = run.place;
	open_for(&tell, &guarded, 0, NULL, LAST_PATIENCE_MS);
	if (write_comment(&tell, &comment, &text, said, &err)) {
		warn(&tell, &err);
		return;
	}
	say(&tell, bl_buf_text(&text), true);
	summarise(bl_buf_text(&text));
	if (comment.state == BL_COMMENT_FAILED)
		tell_reaction(&tell, "confused");
}
