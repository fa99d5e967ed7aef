/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/log.h"
#include "codec/git.h"
#include "codec/json.h"
#include "run/report.h"
#include "run/report_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DIFFSTAT_MAX (1u << 20) /* bytes */

struct options {
	const char *store;
	bool json;
};

static const struct bl_option table[] = {
	PLACE_OPT_STORE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "diff",
	.example = "branchline diff q7xk latest",
	.about = "Compares run B with run A: parameters, data, code and metrics.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "A B",
	.words_min = 2,
	.words_max = 2,
};

/* The files between two commits; empty when this repository does not have both. */
static int read_diffstat(const struct place *place, const struct bl_report *report,
                         struct bl_buf *out, struct bl_err *err)
{
	const char *from = report->baseline.sha, *to = report->now.sha;

	if (!place->git.found || !from[0] || !to[0] || !strcmp(from, to))
		return 0;
	if (!bl_git_diffstat(place->root, from, to, out, err))
		return 0;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	bl_buf_reset(out);
	return 0;
}

static void add_differences(const struct bl_report *report, struct bl_buf *out)
{
	const struct bl_differences *all = &report->differences;

	for (size_t i = 0; i < all->n; i++) {
		const struct bl_difference *one = &all->items[i];
		size_t chars = bl_difference_chars(one, 200);

		bl_buf_addf(out, "%-9s ", bl_difference_word(one));
		bl_text_term(out, one->name, 80);
		bl_buf_adds(out, "  ");
		bl_text_term(out, one->from ? one->from : "–", chars);
		bl_buf_adds(out, " → ");
		bl_text_term(out, one->to ? one->to : "–", chars);
		bl_buf_addc(out, '\n');
	}
	if (!all->n)
		bl_buf_adds(out, "parameters, data and code are the same\n");
}

/* Lines of libgit2's own making around paths of the repository's. */
static void add_files(const char *stat, struct bl_buf *out)
{
	while (*stat) {
		BL_AUTO(bl_buf) line = BL_BUF(8192);
		size_t len = strcspn(stat, "\n");

		bl_buf_add(&line, stat, len);
		bl_buf_adds(out, "file      ");
		bl_text_term(out, bl_buf_text(&line), 200);
		bl_buf_addc(out, '\n');
		stat += len + (stat[len] == '\n');
	}
}

static const char *colour_of(enum bl_change change)
{
	switch (change) {
	case BL_CHANGE_BETTER:
		return "\x1b[32m";
	case BL_CHANGE_WORSE:
	case BL_CHANGE_DIVERGED:
		return "\x1b[31m";
	default:
		return "\x1b[2m";
	}
}

static void add_metrics(const struct bl_report *report, bool colour, struct bl_buf *out)
{
	for (size_t i = 0; i < report->n_rows; i++) {
		const struct bl_row *row = &report->rows[i];

		bl_buf_adds(out, "metric    ");
		bl_text_term(out, row->name, 80);
		bl_buf_addf(out, "  %s → ",
		            isnan(row->baseline) ? "–" : bl_number_text(row->baseline).text);
		bl_buf_addf(out, "%s  %s", row->has_now ? bl_number_text(row->now).text : "–",
		            colour ? colour_of(row->word) : "");
		bl_report_change(row, out);
		bl_buf_adds(out, colour ? "\x1b[0m\n" : "\n");
	}
}

static void add_json(const struct bl_report *report, const char *stat, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);

	json.indent = 1;
	bl_json_begin(&json, 1);
	bl_json_text(&json, "a", report->baseline.run);
	bl_json_text(&json, "b", report->now.run);
	bl_report_json_differences(&json, &report->differences);
	bl_report_json_rows(&json, report->rows, report->n_rows);
	bl_json_list(&json, "files");
	while (*stat) {
		size_t len = strcspn(stat, "\n");

		bl_json_bytes(&json, NULL, stat, len);
		stat += len + (stat[len] == '\n');
	}
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
}

static int print_diff(const struct bl_report *report, const char *stat, bool json,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_REPORT_MAX);

	if (json) {
		add_json(report, stat, &out);
	} else {
		bl_buf_addf(&out, "%s → %s\n", report->baseline.run, report->now.run);
		add_differences(report, &out);
		add_files(stat, &out);
		add_metrics(report, bl_log_colour(STDOUT_FILENO), &out);
	}
	if (bl_buf_check(&out, "diff", err))
		return -1;
	if (fwrite(bl_buf_text(&out), 1, out.len, stdout) != out.len || fflush(stdout))
		return bl_fail_errno(err, errno, "write the comparison");
	return 0;
}

int verb_diff(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_buf) stat = BL_BUF(DIFFSTAT_MAX);
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	char a[BL_RUN_SIZE], b[BL_RUN_SIZE];
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (place_open(&place, opt.store, BL_STORE_READ, err) ||
	    place_run(&place, args.words[0], a, err) || place_run(&place, args.words[1], b, err))
		return -1;
	if (!strcmp(a, b))
		return bl_fail(err, BL_EINPUT, "'%s' and '%s' are the same run %s", args.words[0],
		               args.words[1], a);
	/* A as the previous run, too: then none is looked for */
	if (bl_report_build(place.store, b, a, a, NULL, &report, err) ||
	    read_diffstat(&place, &report, &stat, err))
		return -1;
	return print_diff(&report, bl_buf_text(&stat), opt.json, err);
}
