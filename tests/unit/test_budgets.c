/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/budgets.h"

#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNT "111122223333"
#define BUDGET(period, kind, rest)                                                                 \
	"{\"Budget\":{\"TimeUnit\":\"" period "\",\"BudgetType\":\"" kind "\"," rest "}}"
#define USD(amount) "{\"Amount\":\"" amount "\",\"Unit\":\"USD\"}"
#define SPENT(amount) "\"CalculatedSpend\":{\"ActualSpend\":" USD(amount) "}"

static void a_month_so_far(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1,
		  .body = BUDGET("MONTHLY", "COST",
		                 "\"BudgetLimit\":" USD("500.0") "," SPENT("12.34")) },
		/* planned month by month */
		{ .body = BUDGET("MONTHLY", "COST", SPENT("0.0")) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));
	struct bl_budget budget;
	size_t len;

	(void)state;
	must(bl_budget_get(aws, ACCOUNT, "b", &budget, &err), &err);
	assert_true(budget.limit_usd == 500 && budget.actual_usd == 12.34);
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"AccountId\":\"" ACCOUNT "\",\"BudgetName\":\"b\"}");
	assert_non_null(strcasestr(canned_head(server, 0), "\r\nx-amz-target: "
	                                                   "AWSBudgetServiceGateway."
	                                                   "DescribeBudget\r\n"));
	must(bl_budget_get(aws, ACCOUNT, "b", &budget, &err), &err);
	assert_true(isnan(budget.limit_usd) && budget.actual_usd == 0);
	canned_stop(server);
}

static void what_is_no_monthly_budget(void **state)
{
	static const struct {
		struct canned_reply reply;
		enum bl_code code;
		const char *why;
	} table[] = {
		{ { .body = BUDGET("QUARTERLY", "COST", SPENT("1")) }, BL_EINPUT, "QUARTERLY" },
		{ { .body = BUDGET("MONTHLY", "USAGE", SPENT("1")) }, BL_EINPUT, "of USAGE" },
		{ { .body = BUDGET("MONTHLY", "COST",
		                   "\"CalculatedSpend\":{\"ActualSpend\":{\"Amount\":\"1\","
		                   "\"Unit\":\"CNY\"}}") },
		  BL_EINPUT,
		  "another currency" },
		{ { .body = BUDGET("MONTHLY", "COST", SPENT("much")) },
		  BL_ECORRUPT,
		  "ActualSpend" },
		{ { .body = BUDGET("MONTHLY", "COST", SPENT("nan")) }, BL_ECORRUPT, "ActualSpend" },
		{ { .body = BUDGET("MONTHLY", "COST", "\"x\":1") }, BL_ECORRUPT, "ActualSpend" },
		{ { .body = "{}" }, BL_ECORRUPT, "without Budget" },
		{ { .status = 400, .body = "{\"__type\":\"NotFoundException\"}" },
		  BL_ENOENT,
		  "NotFoundException" },
		{ { .status = 400, .body = "{\"__type\":\"AccessDeniedException\"}" },
		  BL_EDENIED,
		  "AccessDeniedException" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_budget budget = { .limit_usd = 7 };
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));

		assert_int_equal(bl_budget_get(aws, ACCOUNT, "b", &budget, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why))
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
		assert_true(err.code == BL_ECORRUPT || err.next[0]);
		assert_true(budget.limit_usd == 7);
		canned_stop(server);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	struct bl_budget budget;

	return bl_budget_get(open_already, ACCOUNT, "b", &budget, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply reply = { .body = BUDGET("MONTHLY", "COST", SPENT("1.5")) };

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_month_so_far),
		cmocka_unit_test(what_is_no_monthly_budget),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
