/* SPDX-License-Identifier: Apache-2.0 */
#include "run/guard.h"

#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/markdown.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d"
#define BASE "b0b1b2b3b4b5b6b7b8b9b0b1b2b3b4b5b6b7b8b9"

static const char *const verdicts[] = {
	[BL_GUARD_ACCEPT] = "accept",
	[BL_GUARD_REFUSE] = "refuse",
	[BL_GUARD_NEUTRAL] = "neutral",
	[BL_GUARD_ASK] = "ask",
};

static void show(const struct bl_guard_event *event, const struct bl_guard *guard,
                 struct bl_buf *out)
{
	bl_buf_addf(out, "%s\n", verdicts[guard->verdict]);
	if (guard->verdict == BL_GUARD_ACCEPT)
		bl_buf_addf(out, "sha: %s\njob: %s\n", event->sha,
		            *guard->job ? guard->job : "(default)");
	if (*guard->reason)
		bl_buf_addf(out, "reason: %s\n", guard->reason);
	if (*guard->next)
		bl_buf_addf(out, "next: %s\n", guard->next);
	if (guard->remove_label)
		bl_buf_adds(out, "the label is taken off\n");
}

static void read_facts(const struct bl_value *doc, struct bl_guard_facts *facts)
{
	struct bl_github_pull *pull = &facts->pull;

	snprintf(facts->permission, sizeof(facts->permission), "%s",
	         bl_value_text_or(doc, "permission", ""));
	pull->open = bl_value_bool_or(doc, "open", true);
	snprintf(pull->head_sha, sizeof(pull->head_sha), "%s",
	         bl_value_text_or(doc, "head_sha", HEAD));
	pull->head_repository_id = bl_value_int_or(doc, "head_repository_id", 7);
}

/*
 * {"env": {event, ref, sha, actor, no_token}, "rules": {label, job, allow_bots, on_push}, "event":
 * what GITHUB_EVENT_PATH holds, "facts": {permission, open, head_sha, head_repository_id}}. Facts
 * that are there and not asked for fail.
 */
static void decide(const char *input, size_t len, struct bl_buf *out)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(1u << 20);
	struct bl_json json = BL_JSON(&bytes);
	struct bl_guard_event event;
	struct bl_guard_facts facts = { .permission = "" };
	struct bl_guard guard;
	struct bl_err err = { 0 };
	BL_VALUE doc = NULL;

	if (bl_json_parse(input, len, "case", &doc, &err))
		fail_msg("%s", err.text);
	const struct bl_guard_env env = {
		.event = bl_value_text_or(doc, "env.event", "pull_request"),
		.ref = bl_value_text_or(doc, "env.ref", "refs/pull/12/merge"),
		.sha = bl_value_text_or(doc, "env.sha", BASE),
		.actor = bl_value_text_or(doc, "env.actor", "ann"),
		.can_authenticate = !bl_value_bool_or(doc, "env.no_token", false),
	};
	const struct bl_guard_rules rules = {
		.label = bl_value_text_or(doc, "rules.label", "train"),
		.job = bl_value_text_or(doc, "rules.job", ""),
		.allow_bots = bl_value_bool_or(doc, "rules.allow_bots", false),
		.on_push = bl_value_bool_or(doc, "rules.on_push", false),
	};

	bl_json_value(&json, NULL, bl_value_get(doc, "event"));
	if (bl_guard_event_read(bl_buf_text(&bytes), bytes.len, &env, &event, &err)) {
		show_error(out, &err);
		return;
	}
	bl_guard_decide(&event, &rules, NULL, &guard);
	if (guard.verdict == BL_GUARD_ASK && bl_value_get(doc, "facts")) {
		read_facts(bl_value_get(doc, "facts"), &facts);
		bl_guard_decide(&event, &rules, &facts, &guard);
	} else if (bl_value_get(doc, "facts")) {
		bl_buf_adds(out, "(nothing was asked) ");
	}
	show(&event, &guard, out);
}

static void each_event_has_its_answer(void **state)
{
	(void)state;
	each_case("guard", decide);
}

/* A pull request whose texts are all `text`, by somebody who may. */
static void hostile_event(const char *text, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "action", "labeled");
	bl_json_map(&json, "label");
	bl_json_text(&json, "name", text);
	bl_json_end_map(&json);
	bl_json_map(&json, "sender");
	bl_json_text(&json, "login", text);
	bl_json_end_map(&json);
	bl_json_map(&json, "repository");
	bl_json_int(&json, "id", 7);
	bl_json_end_map(&json);
	bl_json_map(&json, "pull_request");
	bl_json_int(&json, "number", 12);
	bl_json_text(&json, "title", text);
	bl_json_map(&json, "head");
	bl_json_text(&json, "sha", HEAD);
	bl_json_text(&json, "ref", text);
	bl_json_end_map(&json);
	bl_json_map(&json, "base");
	bl_json_text(&json, "sha", BASE);
	bl_json_text(&json, "ref", text);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
}

static void no_text_talks_its_way_in(void **state)
{
	static const struct bl_guard_env env = { "pull_request", "", "", "ann", true };
	static const struct bl_guard_rules rules = { .label = "train", .job = "" };

	(void)state;
	for (size_t i = 0; i < n_hostile_texts; i++) {
		BL_AUTO(bl_buf) bytes = BL_BUF(65536);
		struct bl_guard_event event;
		struct bl_guard guard;
		struct bl_err err = { 0 };

		hostile_event(hostile_texts[i], &bytes);
		if (bl_guard_event_read(bl_buf_text(&bytes), bytes.len, &env, &event, &err)) {
			assert_int_equal(err.code, BL_EINPUT);
			continue;
		}
		bl_guard_decide(&event, &rules, NULL, &guard);
		assert_true(guard.verdict == BL_GUARD_NEUTRAL || guard.verdict == BL_GUARD_REFUSE);
	}
}

static void what_is_no_event_is_refused(void **state)
{
	static const char *const bytes[] = {
		"", "{", "[]", "null", "{\"pull_request\": 1}", "{\"a\":1,\"a\":1}"
	};
	static const struct bl_guard_env env = { "pull_request", "", "", "ann", true };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bytes); i++) {
		struct bl_guard_event event = { .name = "kept" };
		struct bl_err err = { 0 };

		assert_int_equal(
			bl_guard_event_read(bytes[i], strlen(bytes[i]), &env, &event, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_string_equal(event.name, "kept");
	}
}

static int story(struct bl_err *err)
{
	static const struct bl_guard_env env = { "workflow_dispatch", "refs/heads/x", HEAD, "ann",
		                                 true };
	static const char bytes[] = "{\"sender\":{\"login\":\"ann\"},\"repository\":{\"id\":7}}";
	struct bl_guard_event event;

	return bl_guard_event_read(bytes, strlen(bytes), &env, &event, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_has_its_answer),
		cmocka_unit_test(no_text_talks_its_way_in),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
