/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_ESTIMATE_H
#define BL_RUN_LAUNCH_ESTIMATE_H

#include "run/launch_pools.h"

/* What a run will cost, before anything is bought: pure. */

#define BL_HOURS_A_MONTH 730.0
/* GitHub's price of a minute of a Linux runner with 2 cores: docs.github.com, "Actions runner
 * pricing", from 2026. Public repositories pay nothing. */
#define BL_CI_USD_MINUTE 0.006

struct bl_estimate_input {
	const struct bl_pools *pools;
	const struct bl_fits *fits;
	enum bl_market market;
	int64_t max_runtime_ms, flush_reserve_ms, wait_ms; /* wait_ms: of the waiting CI job */
	double max_cost_usd;                               /* NaN: none */
	int64_t disk_gb;
	double disk_usd_gb_month; /* NaN: unknown */
};

/* NaN: a price is not known. */
struct bl_estimate {
	double usd_hour_low, usd_hour_high; /* of the machine: cheapest and dearest pool */
	double disk_usd_hour;
	double usd_low, usd_high; /* all of max_runtime, disk too, never over max_cost_usd */
	double usd_max;           /* what the budget is asked for: usd_high, else max_cost_usd */
	int64_t money_lasts_ms;   /* at usd_hour_high; 0: longer than max_runtime */
	int64_t ci_minutes;
	double ci_usd; /* said apart: GitHub's bill, not AWS's */
};
void bl_launch_estimate(const struct bl_estimate_input *input, struct bl_estimate *out);

/* "0.42 to 1.90 USD for 6 h (at most 10 USD)": for people. */
void bl_estimate_line(const struct bl_estimate *estimate, const struct bl_estimate_input *input,
                      struct bl_buf *out);

/* An amount as people write it: two digits behind the point, four below 0.10; "?" for NaN. */
void bl_add_usd(struct bl_buf *out, double usd);

#endif
