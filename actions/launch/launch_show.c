/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/launch/launching.h"
#include "base/str.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX 20 /* of a table that people read */

/* "g6.xlarge  1 x L4, 24 GB, 8.9": memory as its makers count it. */
static void add_gpu(const struct bl_fit *fit, struct bl_buf *out)
{
	if (!fit->type.gpus) {
		bl_buf_adds(out, "no GPU");
		return;
	}
	bl_buf_addf(out, "%" PRId64 " x %s %" PRId64 " GB", fit->type.gpus, fit->type.gpu,
	            (int64_t)llround((double)fit->type.gpu_memory_mib * 1048576 / 1e9));
}

static void add_price(double usd, int width, struct bl_buf *out)
{
	BL_AUTO(bl_buf) text = BL_BUF(64);

	if (isnan(usd))
		bl_buf_adds(&text, "-");
	else
		bl_buf_addf(&text, "%.4f", usd);
	bl_buf_addf(out, "%*s", width, bl_buf_text(&text));
}

static void add_saving(const struct bl_pool *pool, int width, struct bl_buf *out)
{
	double saved = 1 - pool->spot_usd_hour / pool->on_demand_usd_hour;
	char text[32] = "-";

	if (!isnan(saved))
		snprintf(text, sizeof(text), "%.0f %%", saved * 100);
	bl_buf_addf(out, "%*s", width, text);
}

static void add_row(const struct launching *launching, size_t i, enum launch_form form,
                    struct bl_buf *out)
{
	const struct bl_pool *pool = &launching->pools.items[i];
	const struct bl_fit *fit = &launching->fits.items[pool->fit];
	const char *bar = form == LAUNCH_MARKDOWN ? " | " : "  ";
	BL_AUTO(bl_buf) gpu = BL_BUF(128);

	add_gpu(fit, &gpu);
	if (form == LAUNCH_MARKDOWN)
		bl_buf_adds(out, "| ");
	else
		bl_buf_adds(out, "  ");
	bl_buf_addf(out, "%-14s%s%-14s%s%-16s%s", pool->type, bar, pool->zone, bar,
	            bl_buf_text(&gpu), bar);
	add_price(fit->type.spot ? pool->spot_usd_hour : (double)NAN, 8, out);
	bl_buf_adds(out, bar);
	add_price(fit->type.on_demand ? pool->on_demand_usd_hour : (double)NAN, 9, out);
	bl_buf_adds(out, bar);
	add_saving(pool, 6, out);
	bl_buf_adds(out, form == LAUNCH_MARKDOWN ? " |\n" : "\n");
}

void launch_show_prices(const struct launching *launching, enum launch_form form,
                        struct bl_buf *out)
{
	size_t n = launching->pools.n;

	if (!n)
		return;
	if (form == LAUNCH_MARKDOWN)
		bl_buf_adds(out, "| type | zone | GPU | spot USD/h | on-demand USD/h | saves |\n"
		                 "|---|---|---|---:|---:|---:|\n");
	else
		bl_buf_addf(out, "  %-14s  %-14s  %-16s  %8s  %9s  %6s\n", "type", "zone", "GPU",
		            "spot $/h", "on-demand", "saves");
	for (size_t i = 0; i < n && i < ROWS_MAX; i++)
		add_row(launching, i, form, out);
	if (n > ROWS_MAX)
		bl_buf_addf(out, "%s%zu dearer ones are not shown\n",
		            form == LAUNCH_MARKDOWN ? "\n" : "  ", n - ROWS_MAX);
}

void launch_show_estimate(const struct launching *launching, enum launch_form form,
                          struct bl_buf *out)
{
	const struct bl_estimate *estimate = &launching->estimate;
	const char *dash = form == LAUNCH_MARKDOWN ? "- " : "  ";

	if (launching->is_local)
		return;
	bl_buf_addf(out, "%sAWS: ", dash);
	bl_estimate_line(estimate, &launching->estimate_input, out);
	if (!isnan(estimate->disk_usd_hour)) {
		bl_buf_adds(out, "; of that the disk ");
		bl_add_usd(out, estimate->disk_usd_hour);
		bl_buf_adds(out, " USD an hour");
	}
	bl_buf_addf(out, "\n%sGitHub, beside it: up to %" PRId64 " minutes of the job that waits, ",
	            dash, estimate->ci_minutes);
	bl_add_usd(out, estimate->ci_usd);
	bl_buf_adds(out, " USD (nothing in public repositories)\n");
	if (!estimate->money_lasts_ms)
		return;
	bl_buf_addf(out, "%sNote: max_cost_usd may end the run after ", dash);
	bl_str_add_duration(out, estimate->money_lasts_ms);
	bl_buf_adds(out, " at the dearest price, before max_runtime\n");
}
