/* SPDX-License-Identifier: Apache-2.0 */
/* What guard leaves for later steps. */
#include "actions/guard/guard_parts.h"
#include "actions/kept.h"
#include "actions/workflow.h"
#include "codec/json.h"

#include <inttypes.h>
#include <stdio.h>

static int write_document(const struct guarding *guarding, struct bl_err *err)
{
	const struct guarded *guarded = &guarding->guarded;
	bool accepted = guarding->guard.verdict == BL_GUARD_ACCEPT;
	BL_AUTO(bl_buf) text = BL_BUF(KEPT_MAX);
	struct bl_json json = BL_JSON(&text);

	bl_json_begin(&json, 1);
	bl_json_bool(&json, "accepted", accepted);
	bl_json_bool(&json, "launched", accepted);
	bl_json_text(&json, "reason", guarding->guard.reason);
	bl_json_text(&json, "next", guarding->guard.next);
	bl_json_text(&json, "event", guarding->event.name);
	bl_json_text(&json, "sha", guarded->sha);
	bl_json_text(&json, "job", guarded->job);
	bl_json_int(&json, "pr", guarded->pr);
	bl_json_int(&json, "comment_id", guarded->comment_id);
	bl_json_text(&json, "key", guarded->key);
	bl_json_text(&json, "label", guarded->label);
	bl_json_text(&json, "labeller", guarded->labeller);
	bl_json_text(&json, "actor", guarded->actor);
	bl_json_text(&json, "head_ref", guarded->head_ref);
	bl_json_text(&json, "base_ref", guarded->base_ref);
	bl_json_text(&json, "base_sha", guarded->base_sha);
	bl_json_int(&json, "job_started_ms", guarded->job_started_ms);
	bl_json_end_map(&json);
	return kept_write(KEPT_GUARD, &text, err);
}

static void number_text(int64_t number, char text[24])
{
	text[0] = '\0';
	if (number)
		snprintf(text, 24, "%" PRId64, number);
}

int guard_write(const struct guarding *guarding, struct bl_err *err)
{
	const struct guarded *guarded = &guarding->guarded;
	bool accepted = guarding->guard.verdict == BL_GUARD_ACCEPT;
	char pr[24], comment[24];
	const struct workflow_pair pairs[] = {
		{ "launched", accepted ? "true" : "false" },
		{ "sha", accepted ? guarded->sha : "" },
		{ "job", accepted ? guarded->job : "" },
		{ "pull-request", pr },
		{ "comment-id", comment },
	};

	number_text(guarded->pr, pr);
	number_text(guarded->comment_id, comment);
	if (write_document(guarding, err))
		return -1;
	return workflow_write(WORKFLOW_OUTPUT, pairs, BL_COUNT(pairs), err);
}
