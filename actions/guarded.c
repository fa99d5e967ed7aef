/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/guarded.h"

#include "base/fs.h"
#include "base/str.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD_MAX ((size_t)64 << 10)
#define EVENT_MAX ((size_t)8 << 20)
#define HEADS "refs/heads/"

static const char *variable(const char *name)
{
	const char *text = getenv(name);

	return text ? text : "";
}

static bool is_sha(const char *text)
{
	return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

int guarded_decision(const char *bytes, size_t len, char sha[41], struct bl_err *err)
{
	BL_VALUE doc = NULL;
	const char *accepted;

	if (bl_json_document(bytes, len, "guard.json", 1, &doc, err))
		return -1;
	if (!bl_value_bool_or(doc, "accepted", false)) {
		bl_fail(err, BL_EDENIED, "guard did not accept this pull request: %.200s",
		        bl_value_text_or(doc, "reason", "no reason is given"));
		return bl_next(err, "run this step only if guard's output `launched` is true");
	}
	accepted = bl_value_text_or(doc, "sha", "");
	if (!is_sha(accepted))
		return bl_fail(err, BL_ECORRUPT, "guard.json: sha '%.64s'", accepted);
	memcpy(sha, accepted, 41);
	return 0;
}

static int read_guard(struct guarded *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(GUARD_MAX);
	char path[4096];

	snprintf(path, sizeof(path), "%s/branchline/guard.json", variable("RUNNER_TEMP"));
	if (bl_fs_read_path(path, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_EDENIED, "a pull request that guard has not looked at");
		return bl_next(err, "put a step with actions/guard before this one");
	}
	return guarded_decision(bl_buf_text(&bytes), bytes.len, out->sha, err);
}

/* The default branch is in the event alone. */
static int read_main(struct guarded *out, struct bl_err *err)
{
	static const char *const events[] = { "push", "workflow_dispatch", "schedule" };
	const char *event = variable("GITHUB_EVENT_NAME"), *ref = variable("GITHUB_REF");
	BL_AUTO(bl_buf) bytes = BL_BUF(EVENT_MAX);
	BL_VALUE doc = NULL;
	bool known = false;

	for (size_t i = 0; i < BL_COUNT(events); i++)
		known |= !strcmp(event, events[i]);
	if (!known || !bl_str_starts(ref, HEADS) || !*variable("GITHUB_EVENT_PATH"))
		return 0;
	if (bl_fs_read_path(variable("GITHUB_EVENT_PATH"), &bytes, err) ||
	    bl_json_parse(bl_buf_text(&bytes), bytes.len, "the event", &doc, err))
		return bl_wrap(err, "GITHUB_EVENT_PATH");
	out->is_main = !strcmp(ref + strlen(HEADS),
	                       bl_value_text_or(doc, "repository.default_branch", ""));
	return 0;
}

int guarded_read(struct guarded *out, struct bl_err *err)
{
	struct guarded guarded = { .in_workflow = !strcmp(variable("GITHUB_ACTIONS"), "true") };
	const char *sha = variable("GITHUB_SHA");

	if (guarded.in_workflow) {
		guarded.is_pull_request =
			bl_str_starts(variable("GITHUB_EVENT_NAME"), "pull_request");
		if (guarded.is_pull_request ? read_guard(&guarded, err) : read_main(&guarded, err))
			return -1;
		if (!guarded.is_pull_request && is_sha(sha))
			memcpy(guarded.sha, sha, sizeof(guarded.sha));
	}
	*out = guarded;
	return 0;
}
