/* SPDX-License-Identifier: Apache-2.0 */
/* On what it trains and for how much: types, prices, the account's limits, the budget. */
#include "actions/launch/launching.h"
#include "aws/budgets.h"
#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONG_MS 3600000 /* of a run on spot without checkpoints */

/* Templates whose driver does not serve the image leave with their types. */
static void drop_undriven(struct launching *launching)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	struct bl_fits *fits = &launching->fits;
	size_t kept = 0;
	char why[160];

	for (size_t i = 0; i < fits->n; i++) {
		const struct bl_stack_template *template =
			&stack->templates[fits->items[i].template];

		if (!fits->items[i].type.gpus ||
		    bl_image_runs_on(&launching->needs, template->driver, template->cuda_max, why))
			fits->items[kept++] = fits->items[i];
		else
			bl_buf_addf(&launching->notes, "%s: %s\n", fits->items[i].type.name, why);
	}
	fits->n = kept;
}

int phase_types(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	const char *arch = launching->wanted.arch;
	BL_AUTO(bl_buf) left_out = BL_BUF(16384);
	struct bl_candidates candidates;
	struct bl_ec2_type *facts = NULL;
	size_t n = 0;
	int rc;

	if (launching->is_local) {
		bl_buf_adds(said, "this machine");
		return 0;
	}
	bl_wanted_of(&launching->config, &launching->wanted);
	launching->wanted.arch = arch;
	if (bl_launch_candidates(&launching->wanted, stack, &candidates, err) ||
	    bl_launch_ask_types(launching->cloud.aws, &candidates, &facts, &n, err))
		return -1;
	rc = bl_launch_fits(&launching->wanted, stack, &candidates, facts, n, &launching->fits,
	                    &left_out, err);
	free(facts);
	if (rc)
		return -1;
	drop_undriven(launching);
	if (!launching->fits.n)
		return launch_fail(
			launching, BL_CLASS_DRIVER, err,
			"no driver of the stack's launch templates serves the image: %.300s",
			bl_buf_text(&launching->notes));
	for (size_t i = 0; i < launching->fits.n; i++)
		bl_buf_addf(said, "%s%s", i ? ", " : "", launching->fits.items[i].type.name);
	if (left_out.len)
		bl_buf_addf(&launching->notes, "left out: %s\n", bl_buf_text(&left_out));
	return 0;
}

/* --- The account ------------------------------------------------------------------------------ */

static void check_quotas(struct launching *launching)
{
	struct bl_check_type types[BL_LAUNCH_TYPES_MAX];
	const struct bl_fits *fits = &launching->fits;

	for (size_t i = 0; i < fits->n; i++)
		types[i] = (struct bl_check_type){ fits->items[i].type.name,
			                           fits->items[i].type.vcpus };
	if (launching->market != BL_MARKET_ON_DEMAND)
		bl_check_quota(launching->cloud.aws, types, fits->n, true, &launching->checks);
	if (launching->market != BL_MARKET_SPOT)
		bl_check_quota(launching->cloud.aws, types, fits->n, false, &launching->checks);
}

/* Types whose family's quota is too small for them in every market that may be asked. */
static void drop_short(struct launching *launching)
{
	struct bl_fits *fits = &launching->fits;
	size_t kept = 0;

	for (size_t i = 0; i < fits->n; i++) {
		struct bl_ec2_type *type = &fits->items[i].type;

		if (launching->market != BL_MARKET_ON_DEMAND &&
		    bl_check_is_short(&launching->checks, type->name, true))
			type->spot = false;
		if (launching->market != BL_MARKET_SPOT &&
		    bl_check_is_short(&launching->checks, type->name, false))
			type->on_demand = false;
		if ((launching->market != BL_MARKET_ON_DEMAND && type->spot) ||
		    (launching->market != BL_MARKET_SPOT && type->on_demand))
			fits->items[kept++] = fits->items[i];
	}
	fits->n = kept;
}

/* A template that no type is left of may be as it likes. */
static bool is_wanted(const struct bl_fits *fits, size_t template)
{
	for (size_t i = 0; i < fits->n; i++)
		if (fits->items[i].template == template)
			return true;
	return false;
}

static void note_warnings(struct launching *launching)
{
	for (size_t i = 0; i < launching->checks.n; i++) {
		const struct bl_check *check = &launching->checks.items[i];

		if (check->state == BL_CHECK_WARN)
			bl_buf_addf(&launching->notes, "%s: %s\n", bl_checkup_title(check->what),
			            check->seen);
	}
}

int phase_checks(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	struct bl_checks *checks = &launching->checks;
	struct bl_aws *aws = launching->cloud.aws;
	size_t ok = 0;

	if (launching->is_local) {
		bl_buf_adds(said, "none for engine local");
		return 0;
	}
	check_quotas(launching);
	if (launching->market != BL_MARKET_ON_DEMAND)
		bl_check_spot_role(aws, checks);
	if (*stack->instance_profile)
		bl_check_instance_profile(aws, stack->instance_profile, checks);
	for (size_t i = 0; i < stack->n_templates; i++)
		if (is_wanted(&launching->fits, i))
			bl_check_template(aws, &stack->templates[i], checks);
	bl_check_bucket(aws, bl_store_uri(launching->cloud.store), stack->region, checks);
	bl_check_clock(aws, checks);
	note_warnings(launching);
	drop_short(launching);
	for (size_t i = 0; i < checks->n; i++)
		ok += checks->items[i].state == BL_CHECK_OK;
	bl_buf_addf(said, "%zu of %zu ok", ok, checks->n);
	if (!bl_checks_verdict(checks, err))
		return 0;
	if (err->code == BL_ECAPACITY)
		launching->class = BL_CLASS_QUOTA;
	return -1;
}

/* --- Money ------------------------------------------------------------------------------------ */

static void estimate(struct launching *launching)
{
	const struct bl_config *config = &launching->config;

	launching->estimate_input = (struct bl_estimate_input){
		.pools = &launching->pools,
		.fits = &launching->fits,
		.market = launching->market,
		.max_runtime_ms = bl_config_duration_ms(config, "max_runtime"),
		.flush_reserve_ms = bl_config_duration_ms(config, "flush_reserve"),
		.wait_ms = bl_config_int(config, "wait_minutes") * 60000,
		.max_cost_usd = bl_config_real(config, "max_cost_usd"),
		.disk_gb = bl_config_int(config, "disk_gb"),
		.disk_usd_gb_month = launching->cloud.stack.disk_usd_gb_month,
	};
	bl_launch_estimate(&launching->estimate_input, &launching->estimate);
}

/* An interruption is likely in a long run, and without checkpoints each one starts it over. */
static void warn_of_spot(struct launching *launching)
{
	if (launching->market == BL_MARKET_ON_DEMAND || bl_config_checkpoints(&launching->config) ||
	    launching->estimate_input.max_runtime_ms <= LONG_MS)
		return;
	bl_buf_adds(&launching->notes,
	            "checkpoints: none on spot: an interruption starts the run over; "
	            "save checkpoints, or use market: on-demand\n");
}

int phase_prices(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	struct bl_market_facts facts;

	if (launching->is_local) {
		launching->estimate.usd_max = (double)NAN;
		bl_buf_adds(said, "nothing is bought");
		return 0;
	}
	if (bl_launch_ask_market(launching->cloud.aws, &launching->fits, &launching->answers,
	                         &launching->notes, err))
		return -1;
	facts = bl_market_facts_of(&launching->answers);
	if (bl_launch_pools(stack, &launching->fits, &facts, &launching->pools, err))
		return -1;
	bl_launch_purchases(stack, &launching->fits, &launching->pools, launching->market,
	                    &launching->purchases);
	estimate(launching);
	warn_of_spot(launching);
	bl_buf_addf(said, "%zu pool%s, ", launching->pools.n, launching->pools.n == 1 ? "" : "s");
	bl_add_usd(said, launching->estimate.usd_hour_low);
	bl_buf_adds(said, " to ");
	bl_add_usd(said, launching->estimate.usd_hour_high);
	bl_buf_adds(said, " USD an hour; ");
	bl_estimate_line(&launching->estimate, &launching->estimate_input, said);
	return 0;
}

static int count_live(struct launching *launching, int64_t *live, struct bl_err *err)
{
	const struct bl_ec2_filter filters[] = {
		{ "tag:branchline:stack", launching->cloud.stack.name },
		{ "instance-state-name", "pending,running,stopping,shutting-down" },
	};
	BL_AUTO(bl_ec2_instances) boxes = { 0 };

	if (bl_ec2_describe(launching->cloud.aws, NULL, 0, filters, BL_COUNT(filters), &boxes, err))
		return -1;
	*live = 0;
	for (size_t i = 0; i < boxes.n; i++)
		*live += bl_ec2_is_live(&boxes.items[i]);
	return 0;
}

/* AWS's figure may be denied or late: then our own counts. */
static void ask_budget(struct launching *launching)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	struct bl_err failed = { 0 };
	struct bl_budget budget;

	launching->gate.limit_usd = stack->budget_usd;
	launching->gate.budgets_usd = (double)NAN;
	if (!*stack->budget_name)
		return;
	if (bl_budget_get(launching->cloud.aws, stack->account, stack->budget_name, &budget,
	                  &failed)) {
		bl_buf_addf(&launching->notes, "AWS Budgets: %s\n", failed.text);
		return;
	}
	launching->gate.budgets_usd = budget.actual_usd;
	if (isnan(launching->gate.limit_usd))
		launching->gate.limit_usd = budget.limit_usd;
}

int phase_budget(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	struct bl_gate_facts *gate = &launching->gate;
	const struct bl_stack *stack = &launching->cloud.stack;

	if (launching->is_local) {
		bl_buf_adds(said, "not asked for engine local");
		return 0;
	}
	gate->stack = stack->name;
	gate->live_max = stack->live_max;
	gate->estimate_usd = launching->estimate.usd_max;
	gate->ours_usd = (double)NAN;
	ask_budget(launching);
	if (!isnan(gate->limit_usd) &&
	    bl_month_usd(launching->cloud.store, bl_wall_ms(), &gate->ours_usd, err))
		return -1;
	if (gate->live_max && count_live(launching, &gate->live, err))
		return -1;
	bl_add_usd(said, bl_gate_spent(gate));
	bl_buf_adds(said, " USD spent this month");
	if (!isnan(gate->limit_usd))
		bl_buf_addf(said, " of %.2f", gate->limit_usd);
	if (gate->live_max)
		bl_buf_addf(said, ", %" PRId64 " of %" PRId64 " machines on", gate->live,
		            gate->live_max);
	return bl_launch_gate(gate, &launching->class, err);
}
