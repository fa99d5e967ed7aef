/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/plan.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

static size_t refusals(const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_lines; i++)
		n += plan->lines[i].refused;
	return n;
}

static void add_title(const struct plan *plan, struct bl_buf *out)
{
	const struct launching *launching = &plan->launching;

	bl_buf_addf(out, "%.12s", launching->commit.sha);
	if (launching->git.branch[0])
		bl_buf_addf(out, " (%.100s)", launching->git.branch);
	bl_buf_addf(out, ", job %s", launching->config.job);
	if (launching->cloud.has_stack)
		bl_buf_addf(out, ", stack %s in %s", launching->cloud.stack.name,
		            launching->cloud.stack.region);
	bl_buf_adds(out, "\n\n");
}

static void add_lines(const struct plan *plan, struct bl_buf *out)
{
	bl_buf_adds(out, "What launch would look at\n");
	for (size_t i = 0; i < plan->n_lines; i++) {
		const struct plan_line *line = &plan->lines[i];

		bl_buf_addf(out, "  %-6s %-8s %s\n", line->refused ? "REFUSE" : "ok", line->name,
		            line->refused ? line->err.text : line->said);
		if (line->refused && line->err.next[0])
			bl_buf_addf(out, "  %-6s %-8s -> %s\n", "", "", line->err.next);
	}
	bl_buf_addc(out, '\n');
}

static void add_notes(const struct launching *launching, struct bl_buf *out)
{
	const char *line = bl_buf_text(&launching->notes), *end;

	if (!*line)
		return;
	bl_buf_adds(out, "Notes\n");
	while ((end = strchr(line, '\n'))) {
		bl_buf_addf(out, "  %.*s\n", (int)(end - line), line);
		line = end + 1;
	}
	bl_buf_addc(out, '\n');
}

/* "Name=value" a line, indented. */
static void add_indented(const char *text, struct bl_buf *out)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		bl_buf_addf(out, "     %.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static int add_requests(const struct plan *plan, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_start *start = &plan->start;
	char deadline[BL_UTC_SIZE];

	if (!start->n_purchases)
		return 0;
	bl_utc_text(start->deadline_ms, deadline);
	bl_buf_addf(out,
	            "What would be bought\n"
	            "  One machine, on until %s at most. Asked for in this order until one is "
	            "there;\n"
	            "  run id, deadline, token and hashes are those of a launch at this moment.\n",
	            deadline);
	for (size_t i = 0; i < start->n_purchases; i++) {
		const struct bl_purchase *one = &start->purchases[i];
		BL_AUTO(bl_buf) text = BL_BUF(1u << 20);

		bl_buf_addf(out, "\n  %zu. CreateFleet, %s, %zu pool%s\n", i + 1,
		            one->spot ? "spot" : "on-demand", one->n_pools,
		            one->n_pools == 1 ? "" : "s");
		if (bl_compute_request_text(plan->launching.cloud.stack.name, start, i, &text, err))
			return -1;
		add_indented(bl_buf_text(&text), out);
	}
	return 0;
}

int plan_show(const struct plan *plan, struct bl_buf *out, struct bl_err *err)
{
	const struct launching *launching = &plan->launching;
	size_t refused = refusals(plan);

	add_title(plan, out);
	add_lines(plan, out);
	if (launching->pools.n) {
		bl_buf_adds(out, "Machines that fit, cheapest spot first\n");
		launch_show_prices(launching, LAUNCH_TEXT, out);
		bl_buf_adds(out, "\nWhat it would cost\n");
		launch_show_estimate(launching, LAUNCH_TEXT, out);
		bl_buf_addc(out, '\n');
	}
	add_notes(launching, out);
	if (add_requests(plan, out, err))
		return -1;
	if (refused)
		bl_buf_addf(out, "\nlaunch would refuse: %zu thing%s above to put right first\n",
		            refused, refused == 1 ? "" : "s");
	else
		bl_buf_adds(out, "\nlaunch would go ahead\n");
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_lines(struct bl_json *json, const struct plan *plan)
{
	bl_json_list(json, "phases");
	for (size_t i = 0; i < plan->n_lines; i++) {
		const struct plan_line *line = &plan->lines[i];

		bl_json_map(json, NULL);
		bl_json_text(json, "name", line->name);
		bl_json_bool(json, "ok", !line->refused);
		bl_json_text(json, "text", line->refused ? line->err.text : line->said);
		bl_json_text(json, "next",
		             line->refused && line->err.next[0] ? line->err.next : NULL);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static void json_pools(struct bl_json *json, const struct launching *launching)
{
	bl_json_list(json, "pools");
	for (size_t i = 0; i < launching->pools.n; i++) {
		const struct bl_pool *pool = &launching->pools.items[i];
		const struct bl_fit *fit = &launching->fits.items[pool->fit];

		bl_json_map(json, NULL);
		bl_json_text(json, "type", pool->type);
		bl_json_text(json, "zone", pool->zone);
		bl_json_text(json, "subnet", pool->subnet);
		bl_json_text(json, "gpu", fit->type.gpu);
		bl_json_int(json, "gpus", fit->type.gpus);
		bl_json_real_or_null(json, "spot_usd_hour", pool->spot_usd_hour);
		bl_json_real_or_null(json, "on_demand_usd_hour", pool->on_demand_usd_hour);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static void json_estimate(struct bl_json *json, const struct bl_estimate *estimate)
{
	bl_json_map(json, "estimate");
	bl_json_real_or_null(json, "usd_low", estimate->usd_low);
	bl_json_real_or_null(json, "usd_high", estimate->usd_high);
	bl_json_real_or_null(json, "usd_max", estimate->usd_max);
	bl_json_real_or_null(json, "disk_usd_hour", estimate->disk_usd_hour);
	bl_json_int(json, "ci_minutes", estimate->ci_minutes);
	bl_json_real_or_null(json, "ci_usd", estimate->ci_usd);
	bl_json_end_map(json);
}

static int json_requests(struct bl_json *json, const struct plan *plan, struct bl_err *err)
{
	bl_json_list(json, "requests");
	for (size_t i = 0; i < plan->start.n_purchases; i++) {
		BL_AUTO(bl_buf) text = BL_BUF(1u << 20);

		if (bl_compute_request_text(plan->launching.cloud.stack.name, &plan->start, i,
		                            &text, err))
			return -1;
		bl_json_text(json, NULL, bl_buf_text(&text));
	}
	bl_json_end_list(json);
	return 0;
}

int plan_show_json(const struct plan *plan, struct bl_buf *out, struct bl_err *err)
{
	const struct launching *launching = &plan->launching;
	struct bl_json json = { .buf = out, .indent = 2 };
	int rc;

	bl_json_begin(&json, 1);
	bl_json_text(&json, "commit", launching->commit.sha);
	bl_json_text(&json, "job", launching->config.job);
	bl_json_text(&json, "stack",
	             launching->cloud.has_stack ? launching->cloud.stack.name : NULL);
	bl_json_bool(&json, "would_launch", !refusals(plan));
	bl_json_text(&json, "market", bl_config_text(&launching->config, "market"));
	json_lines(&json, plan);
	json_pools(&json, launching);
	json_estimate(&json, &launching->estimate);
	bl_json_text(&json, "notes", bl_buf_text(&launching->notes));
	rc = json_requests(&json, plan, err);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
	return rc;
}
