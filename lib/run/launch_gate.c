/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_gate.h"

#include <inttypes.h>
#include <math.h>

double bl_gate_spent(const struct bl_gate_facts *facts)
{
	double ours = isnan(facts->ours_usd) ? 0 : facts->ours_usd;

	return !isnan(facts->budgets_usd) && facts->budgets_usd > ours ? facts->budgets_usd : ours;
}

static int over_budget(const struct bl_gate_facts *facts, double spent, struct bl_err *err)
{
	bl_fail(err, BL_EDEADLINE,
	        "the month's budget of %.2f USD does not hold this run: %.2f spent, up to %.2f "
	        "more",
	        facts->limit_usd, spent, facts->estimate_usd);
	return bl_next(err,
	               "lower max_runtime or max_cost_usd, or raise the budget of stack '%.64s'",
	               facts->stack);
}

static int too_many(const struct bl_gate_facts *facts, struct bl_err *err)
{
	bl_fail(err, BL_ECAPACITY,
	        "%" PRId64 " machines of stack '%.64s' are on, and its ceiling is %" PRId64,
	        facts->live, facts->stack, facts->live_max);
	return bl_next(err,
	               "wait for one to end, or end one: `branchline runs --live`, `branchline "
	               "cancel RUN`; or have the ceiling `live` raised");
}

int bl_launch_gate(const struct bl_gate_facts *facts, enum bl_class *class, struct bl_err *err)
{
	double spent = bl_gate_spent(facts);
	double estimate = isnan(facts->estimate_usd) ? 0 : facts->estimate_usd;

	if (facts->live_max && facts->live >= facts->live_max) {
		*class = BL_CLASS_QUOTA;
		return too_many(facts, err);
	}
	if (!isnan(facts->limit_usd) && spent + estimate > facts->limit_usd) {
		*class = BL_CLASS_BUDGET;
		return over_budget(facts, spent, err);
	}
	return 0;
}
