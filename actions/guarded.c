/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guarded.h"

#include "actions/kept.h"
#include "actions/workflow.h"
#include "base/env.h"
#include "base/str.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define HEADS "refs/heads/"

static const struct kept_text texts[] = {
	KEPT_TEXT(struct guarded, sha),      KEPT_TEXT(struct guarded, job),
	KEPT_TEXT(struct guarded, label),    KEPT_TEXT(struct guarded, labeller),
	KEPT_TEXT(struct guarded, actor),    KEPT_TEXT(struct guarded, head_ref),
	KEPT_TEXT(struct guarded, base_ref), KEPT_TEXT(struct guarded, base_sha),
	KEPT_TEXT(struct guarded, key),
};

int guarded_decision(const struct bl_value *doc, const char *event, struct guarded *out,
                     struct bl_err *err)
{
	struct guarded guarded = *out;

	if (!bl_value_bool_or(doc, "accepted", false)) {
		bl_fail(err, BL_EDENIED, "guard did not accept this event: %.200s",
		        bl_value_text_or(doc, "reason", "no reason is given"));
		return bl_next(err, "run this step only if guard's output `launched` is true");
	}
	if (strcmp(bl_value_text_or(doc, "event", event), event) != 0)
		return bl_fail(err, BL_ECORRUPT, "guard.json: of another event, '%.64s'",
		               bl_value_text_or(doc, "event", ""));
	if (kept_texts(doc, KEPT_GUARD, texts, BL_COUNT(texts), &guarded, err))
		return -1;
	if (!bl_str_is_sha(guarded.sha))
		return bl_fail(err, BL_ECORRUPT, "guard.json: sha '%s'", guarded.sha);
	if (guarded.base_sha[0] && !bl_str_is_sha(guarded.base_sha))
		return bl_fail(err, BL_ECORRUPT, "guard.json: base_sha '%s'", guarded.base_sha);
	guarded.pr = bl_value_int_or(doc, "pr", 0);
	guarded.comment_id = bl_value_int_or(doc, "comment_id", 0);
	guarded.job_started_ms = bl_value_int_or(doc, "job_started_ms", 0);
	guarded.has_guard = true;
	*out = guarded;
	return 0;
}

static int read_guard(struct guarded *out, const char *event, struct bl_err *err)
{
	BL_VALUE doc = NULL;

	if (kept_read(KEPT_GUARD, &doc, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		if (!out->is_pull_request)
			return 0;
		bl_fail(err, BL_EDENIED, "a pull request that guard has not looked at");
		return bl_next(err, "put a step with actions/guard before this one");
	}
	return guarded_decision(doc, event, out, err);
}

/* The default branch is in the event alone. */
static int read_main(struct guarded *out, const char *event, struct bl_err *err)
{
	static const char *const events[] = { "push", "workflow_dispatch", "schedule" };
	const char *ref = bl_env("GITHUB_REF");
	BL_AUTO(bl_buf) bytes = BL_BUF(WORKFLOW_EVENT_MAX);
	BL_VALUE doc = NULL;
	bool known = false, there;

	for (size_t i = 0; i < BL_COUNT(events); i++)
		known |= !strcmp(event, events[i]);
	if (!known || !bl_str_starts(ref, HEADS))
		return 0;
	if (workflow_event(&bytes, &there, err))
		return -1;
	if (!there)
		return 0;
	if (bl_json_parse(bl_buf_text(&bytes), bytes.len, "the event", &doc, err))
		return bl_wrap(err, "GITHUB_EVENT_PATH");
	out->is_main = !strcmp(ref + strlen(HEADS),
	                       bl_value_text_or(doc, "repository.default_branch", ""));
	return 0;
}

static int64_t wished_pr;
static char wished_key[129];

void guarded_report_on(int64_t pr, const char *key)
{
	wished_pr = pr;
	snprintf(wished_key, sizeof(wished_key), "%s", key);
}

int guarded_read(struct guarded *out, struct bl_err *err)
{
	struct guarded guarded = { .in_workflow = !strcmp(bl_env("GITHUB_ACTIONS"), "true") };
	const char *event = bl_env("GITHUB_EVENT_NAME"), *sha = bl_env("GITHUB_SHA");

	if (!guarded.in_workflow) {
		guarded.pr = wished_pr;
		memcpy(guarded.key, wished_key, sizeof(guarded.key));
	} else {
		guarded.is_pull_request = bl_str_starts(event, "pull_request");
		if (!guarded.is_pull_request && bl_str_is_sha(sha))
			memcpy(guarded.sha, sha, sizeof(guarded.sha));
		if (!guarded.is_pull_request && read_main(&guarded, event, err))
			return -1;
		if (read_guard(&guarded, event, err))
			return -1;
	}
	*out = guarded;
	return 0;
}
