/* SPDX-License-Identifier: Apache-2.0 */
/* What GitHub's settings and a workflow file mean. */
#include "codec/json.h"
#include "codec/yaml.h"
#include "run/doctor_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bl_checks checks;

static struct bl_value *json(const char *text)
{
	struct bl_value *value = NULL;
	struct bl_err err = { 0 };

	if (text && bl_json_parse(text, strlen(text), "test", &value, &err))
		fail_msg("%s", err.text);
	return value;
}

static void only(size_t i, enum bl_check_state state, const char *seen, const char *next)
{
	const struct bl_check *check = &checks.items[0];

	assert_int_equal(checks.n, 1);
	if (check->state != state || !strstr(check->seen, seen) || !strstr(check->next, next))
		fail_msg("%zu: %s: %s / %s", i, bl_check_state_name(check->state), check->seen,
		         check->next);
}

#define REVIEWERS "{\"type\":\"required_reviewers\",\"reviewers\":[{},{}]}"
#define BRANCHES "{\"type\":\"branch_policy\"}"
#define RULES(rules, policy)                                                                       \
	"{\"name\":\"gpu\",\"protection_rules\":[" rules "],\"deployment_branch_policy\":" policy  \
	"}"
#define CUSTOM "{\"protected_branches\":false,\"custom_branch_policies\":true}"
#define NAMED(name) "{\"branch_policies\":[{\"name\":\"main\"},{\"name\":\"" name "\"}]}"

static void environments(void **state)
{
	static const struct {
		const char *environment, *policies;
		enum bl_check_state state;
		const char *seen, *next;
	} table[] = {
		{ NULL, NULL, BL_CHECK_WARN, "'gpu' does not exist", "create it" },
		{ RULES("", "null"), NULL, BL_CHECK_WARN, "stops nobody", "reviewers" },
		{ RULES("{\"type\":\"wait_timer\"}", "null"), NULL, BL_CHECK_WARN, "neither", "" },
		{ RULES(REVIEWERS, "null"), NULL, BL_CHECK_OK, "with 2 reviewers", "" },
		{ RULES(REVIEWERS "," BRANCHES, CUSTOM), NAMED("refs/pull/*/merge"), BL_CHECK_OK,
		  "with 2 reviewers and a rule for branches", "" },
		{ RULES(BRANCHES, CUSTOM), NAMED("refs/pull/*/merge"), BL_CHECK_OK,
		  "with a rule for branches", "" },
		{ RULES(REVIEWERS "," BRANCHES, CUSTOM), NAMED("release/*"), BL_CHECK_WARN,
		  "lets in no pull request", "refs/pull/*/merge" },
		{ RULES(REVIEWERS "," BRANCHES, CUSTOM), NULL, BL_CHECK_OK, "2 reviewers", "" },
		{ RULES(REVIEWERS "," BRANCHES, "{\"protected_branches\":true}"), NULL,
		  BL_CHECK_WARN, "lets in no pull request", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_value *environment = json(table[i].environment);
		struct bl_value *policies = json(table[i].policies);

		checks.n = 0;
		bl_doctor_judge_environment("gpu", environment, policies, &checks);
		only(i, table[i].state, table[i].seen, table[i].next);
		bl_value_free(environment);
		bl_value_free(policies);
	}
}

static void forks(void **state)
{
	struct bl_value *on = json("{\"send_write_tokens_to_workflows\":true}");
	struct bl_value *off = json("{\"send_write_tokens_to_workflows\":false}");

	(void)state;
	checks.n = 0;
	bl_doctor_judge_forks(on, &checks);
	only(0, BL_CHECK_FAIL, "write tokens", "Send write tokens");
	assert_int_equal(checks.items[0].code, BL_EDENIED);
	checks.n = 0;
	bl_doctor_judge_forks(off, &checks);
	only(1, BL_CHECK_OK, "read-only", "");
	bl_value_free(on);
	bl_value_free(off);
}

/* --- Workflow files --------------------------------------------------------------------------- */

#define LABELED "on: {pull_request: {types: [labeled]}}\n"
#define GRANTS                                                                                     \
	"    permissions: {contents: read, id-token: write, pull-requests: write, "                \
	"statuses: write}\n"
#define JOB "jobs:\n  train:\n"
#define CALL "    uses: o/branchline/.github/workflows/train.yml@v1\n"
#define STEPS "    steps:\n      - run: x\n      - uses: o/branchline/actions/launch@v1\n"

static const struct {
	const char *text;
	enum bl_check_state state; /* of the first check */
	size_t n;                  /* 0: it is not about us */
	const char *seen, *next;
} files[] = {
	{ LABELED JOB GRANTS CALL, BL_CHECK_OK, 1, "w.yml, job train: permissions", "" },
	{ LABELED JOB GRANTS STEPS, BL_CHECK_OK, 1, "right", "" },
	{ LABELED JOB "    permissions: write-all\n" CALL, BL_CHECK_OK, 1, "right", "" },
	{ LABELED "permissions: write-all\n" JOB CALL, BL_CHECK_OK, 1, "right", "" },
	{ LABELED JOB GRANTS CALL "    concurrency: {group: a, cancel-in-progress: false}\n",
	  BL_CHECK_OK, 1, "right", "" },
	{ LABELED JOB GRANTS CALL "    concurrency: a\n", BL_CHECK_OK, 1, "right", "" },
	{ LABELED JOB CALL, BL_CHECK_FAIL, 1, "no permission id-token: write",
	  "{id-token: write, contents: read, pull-requests: write, statuses: write}" },
	{ LABELED JOB "    permissions: read-all\n" CALL, BL_CHECK_FAIL, 1, "id-token",
	  "{id-token: write, pull-requests: write, statuses: write}" },
	{ LABELED JOB "    permissions: {id-token: write, contents: write, statuses: write}\n" CALL,
	  BL_CHECK_FAIL, 1, "pull-requests: write: no comment", "{pull-requests: write}" },
	{ LABELED "concurrency: a\n" JOB GRANTS CALL, BL_CHECK_WARN, 1,
	  "concurrency for the whole workflow", "move it to the job" },
	{ LABELED JOB GRANTS CALL "    concurrency: {group: a, cancel-in-progress: true}\n",
	  BL_CHECK_WARN, 1, "cancel-in-progress ends a run", "false" },
	{ "on: pull_request_target\n" JOB GRANTS CALL, BL_CHECK_FAIL, 1, "pull_request_target",
	  "labeled" },
	{ "on: [push, pull_request_target]\n" JOB GRANTS CALL, BL_CHECK_FAIL, 1,
	  "pull_request_target", "labeled" },
	{ "on: {pull_request_target: {}}\n" JOB CALL, BL_CHECK_FAIL, 2, "no permission", "" },
	{ LABELED JOB "    uses: o/other/.github/workflows/train.yml@v1\n", BL_CHECK_OK, 0, "",
	  "" },
	{ LABELED JOB "    steps: [{uses: actions/checkout@v4}, {run: branchline}]\n", BL_CHECK_OK,
	  0, "", "" },
	{ "[]", BL_CHECK_OK, 0, "", "" },
	{ "jobs: 7", BL_CHECK_OK, 0, "", "" },
	{ "", BL_CHECK_OK, 0, "", "" },
};

static void workflows(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(files); i++) {
		struct bl_value *workflow = NULL;
		struct bl_err err = { 0 };

		checks.n = 0;
		if (bl_yaml_parse(files[i].text, strlen(files[i].text), "w.yml", &workflow, &err))
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(bl_doctor_judge_workflow("w.yml", workflow, &checks),
		                 files[i].n != 0);
		bl_value_free(workflow);
		if (checks.n != files[i].n)
			fail_msg("%zu: %zu checks", i, checks.n);
		if (checks.n)
			checks.n = 1;
		if (files[i].n)
			only(i, files[i].state, files[i].seen, files[i].next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environments),
		cmocka_unit_test(forks),
		cmocka_unit_test(workflows),
	};

	return cmocka_run_group_tests_name("doctor_github", tests, NULL, NULL);
}
