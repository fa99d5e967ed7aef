/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "run/run.h"

#include <stdio.h>

struct options {
	const char *store, *job;
	bool json, live;
	int64_t limit;
};

static const struct bl_option table[] = {
	{ "live", 0, BL_OPT_SWITCH, offsetof(struct options, live), NULL,
	  "only those that have not ended" },
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, job), "JOB", "only this job's" },
	{ "limit", 'n', BL_OPT_NUMBER, offsetof(struct options, limit), "N",
	  "how many, newest first; default 20, 0 all" },
	PLACE_OPT_STORE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "runs",
	.example = "branchline runs --live",
	.about = "Lists the runs of the store, newest first.",
	.options = table,
	.n_options = BL_COUNT(table),
};

static void print_row(const struct bl_run_summary *run, int64_t now_ms)
{
	BL_AUTO(bl_buf) age = BL_BUF(64);
	BL_AUTO(bl_buf) step = BL_BUF(64);
	BL_AUTO(bl_buf) metric = BL_BUF(128);

	bl_str_add_duration(&age, now_ms - run->created_ms);
	show_step(run->step, run->total_steps, &step);
	show_metric(run->primary, run->primary_value, &metric);
	printf("%-30s  %-12.12s  %-16.16s  %-24s  %-12s  %-22s  %s ago\n", run->id, run->job,
	       *run->branch ? run->branch : "-", run->word, bl_buf_text(&step),
	       bl_buf_text(&metric), bl_buf_text(&age));
}

static int print_json(const struct bl_runs *runs, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(64u << 20);
	struct bl_json json = { .buf = &text, .indent = 2 };

	bl_json_begin(&json, 1);
	bl_json_list(&json, "runs");
	for (size_t i = 0; i < runs->n; i++)
		show_summary_json(&json, &runs->runs[i]);
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "runs", err))
		return -1;
	puts(bl_buf_text(&text));
	return 0;
}

int verb_runs(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	BL_AUTO(bl_runs) runs = { 0 };
	struct options opt = { .limit = 20 };
	struct bl_runs_filter filter = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	filter.job = opt.job;
	filter.live = opt.live;
	filter.limit = (size_t)opt.limit;
	if (place_open(&place, opt.store, BL_STORE_READ, err) ||
	    bl_runs_list(place.store, &filter, &runs, err))
		return bl_wrap(err, "runs");
	if (opt.json)
		return print_json(&runs, err);
	if (!runs.n) {
		fputs("no runs yet; the first one: branchline local\n", stderr);
		return 0;
	}
	printf("%-30s  %-12s  %-16s  %-24s  %-12s  %-22s  %s\n", "RUN", "JOB", "BRANCH", "STATE",
	       "STEP", "METRIC", "STARTED");
	for (size_t i = 0; i < runs.n; i++)
		print_row(&runs.runs[i], bl_wall_ms());
	return 0;
}
