/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens of GitHub a role's trust policy lets in. */
#include "codec/json.h"
#include "run/doctor_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "\"token.actions.githubusercontent.com:"
#define AUD "\"StringEquals\":{" KEY "aud\":\"sts.amazonaws.com\"}"
#define STATEMENT(condition)                                                                       \
	"{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRoleWithWebIdentity\",\"Condition\":"        \
	"{" condition "}}"
#define POLICY(condition) "{\"Statement\":[" STATEMENT(condition) "]}"
#define EQUALS(subs) "\"StringEquals\":{" KEY "sub\":" subs "}"
#define LIKE(subs) "\"StringLike\":{" KEY "sub\":" subs "}"
#define PULL "\"repo:o/r:pull_request\""
#define MAIN "\"repo:o/r:ref:refs/heads/main\""
#define PULL_ID "\"repo:o@7/r@9:pull_request\""
#define MAIN_ID "\"repo:o@7/r@9:ref:refs/heads/main\""
#define ALL "[" PULL "," MAIN "," PULL_ID "," MAIN_ID "]"

static const struct bl_trust_wanted repository = {
	.repository = "o/r", .branch = "main", .repository_id = 9, .owner_id = 7
};
static const struct bl_trust_wanted without_ids = { .repository = "o/r", .branch = "main" };
static const struct bl_trust_wanted environment = {
	.repository = "o/r",
	.branch = "main",
	.environment = "a:b",
	.repository_id = 9,
	.owner_id = 7,
};

static const struct {
	const struct bl_trust_wanted *wanted;
	const char *policy;
	enum bl_check_state state;
	const char *seen, *next;
} judged[] = {
	{ &repository, POLICY(EQUALS(ALL)), BL_CHECK_OK, "r1 trusts o/r, in both forms", "" },
	{ &without_ids, POLICY(EQUALS("[" PULL "," MAIN "]")), BL_CHECK_OK, "in the classic form",
	  "" },
	{ &repository, "{\"Statement\":" STATEMENT(EQUALS(ALL)) "}", BL_CHECK_OK, "both", "" },
	{ &repository, POLICY(EQUALS("[" PULL "," MAIN "]")), BL_CHECK_WARN, "one form only",
	  "repo:o@7/r@9:pull_request, repo:o@7/r@9:ref:refs/heads/main" },
	{ &repository, POLICY(EQUALS("[" PULL "," PULL_ID "]")), BL_CHECK_FAIL,
	  "does not trust all", "repo:o/r:ref:refs/heads/main" },
	{ &repository, POLICY(EQUALS("\"repo:o/other:pull_request\"")), BL_CHECK_FAIL,
	  "does not trust all that o/r", "repo:o/r:pull_request" },
	{ &repository, POLICY(EQUALS("\"repo:O/R:pull_request\"")), BL_CHECK_FAIL, "", "" },
	{ &repository, POLICY(LIKE("\"repo:o/r:*\"")), BL_CHECK_WARN,
	  "trusts the pattern repo:o/r:*", "exact subs" },
	{ &repository, POLICY(LIKE("\"repo:o*:*\"")), BL_CHECK_WARN, "the pattern", "" },
	/* one that lets in others, but not us */
	{ &repository, POLICY(LIKE("\"repo:o/r:ref:*\"")), BL_CHECK_FAIL, "not trust",
	  "repo:o/r:pull_request" },
	{ &repository, POLICY(LIKE("\"repo:*:environment:x\"")), BL_CHECK_FAIL, "not trust",
	  "repo:o/r:pull_request" },
	{ &repository, POLICY("\"ForAnyValue:StringEquals\":{" KEY "sub\":" ALL "}"), BL_CHECK_OK,
	  "both forms", "" },
	{ &repository, POLICY("\"StringNotEquals\":{" KEY "sub\":" ALL "}"), BL_CHECK_FAIL,
	  "without sub", "" },
	{ &repository, POLICY(LIKE(ALL)), BL_CHECK_OK, "both forms", "" },
	/* a star under StringEquals is a star: nobody has it */
	{ &repository, POLICY(EQUALS("\"repo:o/r:*\"")), BL_CHECK_FAIL, "not trust", "" },
	{ &repository, POLICY(AUD), BL_CHECK_FAIL, "without sub: any repository",
	  "StringEquals on sub" },
	{ &repository, "{\"Statement\":[" STATEMENT(EQUALS(ALL)) "," STATEMENT(AUD) "]}",
	  BL_CHECK_FAIL, "without sub", "" },
	{ &repository,
	  "{\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"sts:"
	  "AssumeRoleWithWebIdentity\""
	  "}]}",
	  BL_CHECK_FAIL, "does not trust", "" },
	{ &repository, "{}", BL_CHECK_FAIL, "does not trust", "" },
	{ &repository, "{\"Statement\":[7]}", BL_CHECK_FAIL, "does not trust", "" },
	{ &environment,
	  POLICY(EQUALS("[\"repo:o/r:environment:a%3Ab\","
	                "\"repo:o@7/r@9:environment:a%3Ab\"]")),
	  BL_CHECK_OK, "both forms", "" },
	{ &environment, POLICY(EQUALS(ALL)), BL_CHECK_FAIL, "does not trust",
	  "repo:o/r:environment:a%3Ab, repo:o@7/r@9:environment:a%3Ab" },
};

static void policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(judged); i++) {
		struct bl_checks *checks = calloc(1, sizeof(*checks));
		struct bl_err err = { 0 };
		BL_VALUE policy = NULL;

		assert_non_null(checks);
		if (bl_json_parse(judged[i].policy, strlen(judged[i].policy), "p", &policy, &err))
			fail_msg("%zu: %s", i, err.text);
		bl_doctor_judge_trust("r1", policy, judged[i].wanted, checks);
		assert_int_equal(checks->n, 1);
		if (checks->items[0].state != judged[i].state ||
		    !strstr(checks->items[0].seen, judged[i].seen) ||
		    !strstr(checks->items[0].next, judged[i].next))
			fail_msg("%zu: %s: %s / %s", i, bl_check_state_name(checks->items[0].state),
			         checks->items[0].seen, checks->items[0].next);
		free(checks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies),
	};

	return cmocka_run_group_tests_name("doctor_trust", tests, NULL, NULL);
}
