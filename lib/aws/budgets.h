/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_BUDGETS_H
#define BL_AWS_BUDGETS_H

#include "aws/client.h"

struct bl_budget {
	double limit_usd;  /* of a month; NaN: it is planned month by month */
	double actual_usd; /* so far this month; hours late */
};
/*
 * DescribeBudget of a monthly cost budget in USD. account: 12 digits. BL_ENOENT: no budget of that
 * name; BL_EDENIED; BL_EINPUT: it is of another period, kind or currency.
 */
BL_MUST int bl_budget_get(struct bl_aws *aws, const char *account, const char *name,
                          struct bl_budget *out, struct bl_err *err);

#endif
