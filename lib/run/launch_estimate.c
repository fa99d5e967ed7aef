/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_estimate.h"

#include "base/str.h"

#include <inttypes.h>
#include <math.h>

#define HOUR_MS 3600000.0

void bl_add_usd(struct bl_buf *out, double usd)
{
	if (isnan(usd))
		bl_buf_adds(out, "?");
	else
		bl_buf_addf(out, "%.*f", fabs(usd) < 0.0995 && fabs(usd) > 0 ? 4 : 2, usd);
}

/* Widens [low, high] by a price; an unknown one makes the dearer end unknown. */
static void widen(double price, double *low, double *high, bool *first)
{
	if (*first || isnan(*low) || price < *low)
		*low = price;
	if (*first || isnan(price) || price > *high)
		*high = price;
	*first = false;
}

static void range_of(const struct bl_estimate_input *input, struct bl_estimate *out)
{
	bool first = true;

	out->usd_hour_low = out->usd_hour_high = (double)NAN;
	for (size_t i = 0; i < input->pools->n; i++) {
		const struct bl_pool *pool = &input->pools->items[i];
		const struct bl_ec2_type *type = &input->fits->items[pool->fit].type;

		if (input->market != BL_MARKET_ON_DEMAND && type->spot)
			widen(pool->spot_usd_hour, &out->usd_hour_low, &out->usd_hour_high, &first);
		if (input->market != BL_MARKET_SPOT && type->on_demand)
			widen(pool->on_demand_usd_hour, &out->usd_hour_low, &out->usd_hour_high,
			      &first);
	}
}

/* An unknown disk price counts nothing: it is a few per cent. */
static double whole(const struct bl_estimate_input *input, const struct bl_estimate *out,
                    double usd_hour)
{
	double disk = isnan(out->disk_usd_hour) ? 0 : out->disk_usd_hour;
	double usd = (usd_hour + disk) * (double)(input->max_runtime_ms + input->flush_reserve_ms) /
	             HOUR_MS;

	return !isnan(usd) && usd > input->max_cost_usd ? input->max_cost_usd : usd;
}

static int64_t money_lasts(const struct bl_estimate_input *input, const struct bl_estimate *out)
{
	double disk = isnan(out->disk_usd_hour) ? 0 : out->disk_usd_hour;
	double hours = input->max_cost_usd / (out->usd_hour_high + disk);

	if (isnan(hours) || hours * HOUR_MS >= (double)input->max_runtime_ms)
		return 0;
	return (int64_t)(hours * HOUR_MS);
}

void bl_launch_estimate(const struct bl_estimate_input *input, struct bl_estimate *out)
{
	int64_t waited =
		input->max_runtime_ms < input->wait_ms ? input->max_runtime_ms : input->wait_ms;
	struct bl_estimate made = {
		.disk_usd_hour =
			(double)input->disk_gb * input->disk_usd_gb_month / BL_HOURS_A_MONTH,
		.ci_minutes = (waited + 59999) / 60000,
	};

	range_of(input, &made);
	made.usd_low = whole(input, &made, made.usd_hour_low);
	made.usd_high = whole(input, &made, made.usd_hour_high);
	made.usd_max = isnan(made.usd_high) ? input->max_cost_usd : made.usd_high;
	made.money_lasts_ms = money_lasts(input, &made);
	made.ci_usd = (double)made.ci_minutes * BL_CI_USD_MINUTE;
	*out = made;
}

void bl_estimate_line(const struct bl_estimate *estimate, const struct bl_estimate_input *input,
                      struct bl_buf *out)
{
	bl_add_usd(out, estimate->usd_low);
	if (isnan(estimate->usd_high) || estimate->usd_high - estimate->usd_low > 0.005) {
		bl_buf_adds(out, " to ");
		bl_add_usd(out, estimate->usd_high);
	}
	bl_buf_adds(out, " USD for ");
	if (input->max_runtime_ms % 3600000)
		bl_str_add_duration(out, input->max_runtime_ms);
	else /* as it was asked for */
		bl_buf_addf(out, "%" PRId64 " h", input->max_runtime_ms / 3600000);
	if (!isnan(input->max_cost_usd))
		bl_buf_addf(out, ", never over %g USD", input->max_cost_usd);
}
