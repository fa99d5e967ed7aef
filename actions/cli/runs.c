/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/json.h"
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>

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

enum { COL_RUN, COL_JOB, COL_BRANCH, COL_STATE, COL_STEP, COL_METRIC, COL_STARTED, COLUMNS };

/* At most this wide; a column is as wide as its widest text. */
static const size_t widest[COLUMNS] = { 30, 16, 24, 24, 20, 28, 24 };

struct row {
	char text[COLUMNS][256];
	size_t columns[COLUMNS];
};

static void set_cell(struct row *row, size_t column, const char *text)
{
	BL_AUTO(bl_buf) cell = BL_BUF(sizeof(row->text[0]) - 1);

	row->columns[column] = show_text(text, widest[column], &cell);
	snprintf(row->text[column], sizeof(row->text[column]), "%s", bl_buf_text(&cell));
}

static void fill_row(const struct bl_run_summary *run, int64_t now_ms, struct row *row)
{
	BL_AUTO(bl_buf) age = BL_BUF(64);
	BL_AUTO(bl_buf) step = BL_BUF(1024);
	BL_AUTO(bl_buf) metric = BL_BUF(1024);

	bl_str_add_duration(&age, now_ms > run->created_ms ? now_ms - run->created_ms : 0);
	bl_buf_adds(&age, " ago");
	show_step(run->step, run->total_steps, &step);
	show_metric(run->primary, run->primary_value, &metric);
	set_cell(row, COL_RUN, run->id);
	set_cell(row, COL_JOB, run->job);
	set_cell(row, COL_BRANCH, *run->branch ? run->branch : "-");
	set_cell(row, COL_STATE, run->word);
	set_cell(row, COL_STEP, step.len ? bl_buf_text(&step) : "-");
	set_cell(row, COL_METRIC, metric.len ? bl_buf_text(&metric) : "-");
	set_cell(row, COL_STARTED, bl_buf_text(&age));
}

static void print_rows(const struct row *rows, size_t n)
{
	size_t width[COLUMNS] = { 0 };

	for (size_t i = 0; i < n * COLUMNS; i++)
		if (rows[i / COLUMNS].columns[i % COLUMNS] > width[i % COLUMNS])
			width[i % COLUMNS] = rows[i / COLUMNS].columns[i % COLUMNS];
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k + 1 < COLUMNS; k++)
			printf("%s%*s  ", rows[i].text[k], (int)(width[k] - rows[i].columns[k]),
			       "");
		puts(rows[i].text[COLUMNS - 1]);
	}
}

static int print_table(const struct bl_runs *runs, struct bl_err *err)
{
	static const char *const titles[COLUMNS] = { "RUN",  "JOB",    "BRANCH", "STATE",
		                                     "STEP", "METRIC", "STARTED" };
	struct row *rows = calloc(runs->n + 1, sizeof(*rows));

	if (!rows)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t k = 0; k < COLUMNS; k++)
		set_cell(&rows[0], k, titles[k]);
	for (size_t i = 0; i < runs->n; i++)
		fill_row(&runs->runs[i], bl_wall_ms(), &rows[i + 1]);
	print_rows(rows, runs->n + 1);
	free(rows);
	return 0;
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
	if (runs.unreadable)
		bl_log(BL_LOG_WARN,
		       "%zu runs are left out: their run.json is torn or of a newer version",
		       runs.unreadable);
	if (runs.n)
		return print_table(&runs, err);
	bl_log(BL_LOG_INFO, "%s",
	       opt.live ? "no run is live" : "no runs yet; the first one: branchline local");
	return 0;
}
