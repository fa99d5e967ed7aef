/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/budgets.h"

#include "aws/json_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct bl_aws_service service = { "budgets", "AWSBudgetServiceGateway." };

/* {"Amount":"12.34","Unit":"USD"}: NaN unless it is that. */
static double spend(const struct bl_value *budget, const char *name, bool *foreign)
{
	const struct bl_value *member = bl_value_path(budget, name);
	const char *amount = bl_value_text_or(member, "Amount", "");
	double usd;
	char *end;

	if (!*amount)
		return NAN;
	if (strcmp(bl_value_text_or(member, "Unit", ""), "USD") != 0) {
		*foreign = true;
		return NAN;
	}
	usd = strtod(amount, &end);
	return *end || !isfinite(usd) ? NAN : usd;
}

static int read_budget(const struct bl_value *budget, const char *name, struct bl_budget *out,
                       struct bl_err *err)
{
	const char *period = bl_value_text_or(budget, "TimeUnit", "");
	const char *kind = bl_value_text_or(budget, "BudgetType", "");
	bool foreign = false;
	struct bl_budget got = {
		.limit_usd = spend(budget, "BudgetLimit", &foreign),
		.actual_usd = spend(budget, "CalculatedSpend.ActualSpend", &foreign),
	};

	if (!budget || !*period || !*kind)
		return bl_fail(err, BL_ECORRUPT, "budgets DescribeBudget: a reply without Budget");
	if (strcmp(period, "MONTHLY") != 0 || strcmp(kind, "COST") != 0 || foreign) {
		bl_fail(err, BL_EINPUT,
		        "budget %s is %.16s, of %.32s%s: it must be monthly, of costs in USD", name,
		        period, kind, foreign ? ", in another currency" : "");
		return bl_next(err, "name another one in the stack, or make one: period Monthly, "
		                    "type Cost budget");
	}
	if (isnan(got.actual_usd))
		return bl_fail(err, BL_ECORRUPT,
		               "budgets DescribeBudget: a reply without "
		               "CalculatedSpend.ActualSpend");
	*out = got;
	return 0;
}

int bl_budget_get(struct bl_aws *aws, const char *account, const char *name, struct bl_budget *out,
                  struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(1024);
	struct bl_json json = BL_JSON(&body);
	BL_VALUE root = NULL;

	bl_json_map(&json, NULL);
	bl_json_text(&json, "AccountId", account);
	bl_json_text(&json, "BudgetName", name);
	bl_json_end_map(&json);
	if (bl_aws_json_value(aws, &service, "DescribeBudget", &body, &root, err))
		return -1;
	return read_budget(bl_value_get(root, "Budget"), name, out, err);
}
