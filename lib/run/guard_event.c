/* SPDX-License-Identifier: Apache-2.0 */
/* The event's document, which anybody who opens a pull request has written in part. */
#include "base/str.h"
#include "codec/json.h"
#include "run/guard.h"

#include <string.h>

#define HEADS "refs/heads/"
#define LOGIN_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

/* A person's, an app's ("name[bot]"), or "": nobody's. */
static bool is_login(const char *text)
{
	size_t n = strspn(text, LOGIN_LETTERS);

	return !text[n] || (n && !strcmp(text + n, "[bot]"));
}

static int copy(const char *what, const char *text, char *to, size_t size, struct bl_err *err)
{
	size_t len = strlen(text);

	if (len >= size)
		return bl_fail(err, BL_EINPUT, "the event: %s is over %zu bytes", what, size - 1);
	memcpy(to, text, len + 1);
	return 0;
}

static int copy_member(const struct bl_value *doc, const char *path, char *to, size_t size,
                       struct bl_err *err)
{
	return copy(path, bl_value_text_or(doc, path, ""), to, size, err);
}

/* No label of ours is cut by it. */
static void copy_label(const char *text, char *to, size_t size)
{
	size_t len = strlen(text);

	if (len >= size)
		len = size - 1;
	memcpy(to, text, len);
	to[len] = '\0';
}

static int read_people(const struct bl_value *doc, const struct bl_guard_env *env,
                       struct bl_guard_event *event, struct bl_err *err)
{
	if (copy_member(doc, "sender.login", event->sender, sizeof(event->sender), err) ||
	    copy("GITHUB_ACTOR", env->actor, event->actor, sizeof(event->actor), err))
		return -1;
	if (!is_login(event->sender) || !is_login(event->actor))
		return bl_fail(err, BL_EINPUT, "the event: '%s' is no login",
		               is_login(event->sender) ? event->actor : event->sender);
	event->sender_is_bot = !strcmp(bl_value_text_or(doc, "sender.type", ""), "Bot") ||
	                       bl_str_ends(event->sender, "[bot]");
	return 0;
}

static int read_pull(const struct bl_value *doc, struct bl_guard_event *event, struct bl_err *err)
{
	const struct bl_value *pull = bl_value_get(doc, "pull_request");

	event->pr = bl_value_int_or(pull, "number", 0);
	event->head_repository_id = bl_value_int_or(pull, "head.repo.id", 0);
	copy_label(bl_value_text_or(doc, "label.name", ""), event->label, sizeof(event->label));
	if (copy_member(pull, "head.sha", event->sha, sizeof(event->sha), err) ||
	    copy_member(pull, "head.ref", event->head_ref, sizeof(event->head_ref), err) ||
	    copy_member(pull, "base.ref", event->base_ref, sizeof(event->base_ref), err) ||
	    copy_member(pull, "base.sha", event->base_sha, sizeof(event->base_sha), err))
		return -1;
	if (event->pr <= 0 || !event->repository_id || !bl_str_is_sha(event->sha) ||
	    !bl_str_is_sha(event->base_sha))
		return bl_fail(err, BL_EINPUT,
		               "the event: it has no pull request's number, "
		               "repository and commits");
	if (!strcmp(event->action, "labeled") && !*event->sender)
		return bl_fail(err, BL_EINPUT, "the event: it does not say who set the label");
	return 0;
}

static int read_branch(const struct bl_value *doc, const struct bl_guard_env *env,
                       struct bl_guard_event *event, struct bl_err *err)
{
	event->deleted = bl_value_bool_or(doc, "deleted", false);
	if (copy_member(doc, "repository.default_branch", event->default_branch,
	                sizeof(event->default_branch), err) ||
	    (bl_str_starts(env->ref, HEADS) && copy("GITHUB_REF", env->ref + strlen(HEADS),
	                                            event->branch, sizeof(event->branch), err)) ||
	    copy("GITHUB_SHA", env->sha, event->sha, sizeof(event->sha), err))
		return -1;
	if (!bl_str_is_sha(event->sha))
		return bl_fail(err, BL_EINPUT, "GITHUB_SHA '%s' is no commit", event->sha);
	memcpy(event->head_ref, event->branch, sizeof(event->head_ref));
	return 0;
}

int bl_guard_event_read(const char *bytes, size_t len, const struct bl_guard_env *env,
                        struct bl_guard_event *out, struct bl_err *err)
{
	struct bl_guard_event event = { .can_authenticate = env->can_authenticate };
	BL_VALUE doc = NULL;

	if (bl_json_parse(bytes, len, "the event", &doc, err)) {
		if (err->code == BL_ECORRUPT)
			bl_recode(err, BL_EINPUT);
		return -1;
	}
	if (copy("GITHUB_EVENT_NAME", env->event, event.name, sizeof(event.name), err) ||
	    copy_member(doc, "action", event.action, sizeof(event.action), err) ||
	    read_people(doc, env, &event, err))
		return -1;
	event.repository_id = bl_value_int_or(doc, "repository.id", 0);
	if (bl_str_starts(event.name, "pull_request") ? read_pull(doc, &event, err)
	                                              : read_branch(doc, env, &event, err))
		return -1;
	*out = event;
	return 0;
}
