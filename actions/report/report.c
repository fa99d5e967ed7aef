/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"
#include "actions/options.h"
#include "actions/place.h"
#include "actions/show.h"
#include "actions/verbs.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *baseline, *previous, *format, *output, *store;
	bool json;
};

static const struct bl_option table[] = {
	{ "baseline", 0, BL_OPT_TEXT, offsetof(struct options, baseline), "RUN",
	  "compare with this run; default the branch's baseline" },
	{ "previous", 0, BL_OPT_TEXT, offsetof(struct options, previous), "RUN",
	  "the run before; default the newest success on its branch" },
	{ "format", 'f', BL_OPT_TEXT, offsetof(struct options, format), "FORMAT",
	  "md, html, json or term; default by FILE's name, else term on a terminal and md "
	  "elsewhere" },
	{ "output", 'o', BL_OPT_TEXT, offsetof(struct options, output), "FILE",
	  "write there; an existing file is replaced as a whole" },
	PLACE_OPT_STORE(struct options),
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "report",
	.example = "branchline report latest\nbranchline report q7xk --baseline JOB@main -o "
		   "report.html",
	.about =
		"Shows what a run achieved: verdict, metrics beside the baseline and the previous\n"
		"run, curves, what differs, and for a failure its cause and last log lines.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

enum format { FORMAT_MD, FORMAT_HTML, FORMAT_JSON, FORMAT_TERM };

static int format_named(const char *name, enum format *out, struct bl_err *err)
{
	static const struct {
		const char *name;
		enum format format;
	} names[] = { { "md", FORMAT_MD },
		      { "html", FORMAT_HTML },
		      { "json", FORMAT_JSON },
		      { "term", FORMAT_TERM } };

	for (size_t i = 0; i < BL_COUNT(names); i++) {
		if (!strcmp(names[i].name, name)) {
			*out = names[i].format;
			return 0;
		}
	}
	bl_fail(err, BL_EINPUT, "--format '%.40s' is none of md, html, json, term", name);
	return bl_next(err, "leave it out: the name after -o tells it");
}

/* Given, else by the file's name, else by who reads. */
static int choose_format(const struct options *opt, enum format *out, struct bl_err *err)
{
	if (opt->format)
		return format_named(opt->format, out, err);
	if (opt->json || (opt->output && bl_str_ends(opt->output, ".json")))
		*out = FORMAT_JSON;
	else if (opt->output &&
	         (bl_str_ends(opt->output, ".html") || bl_str_ends(opt->output, ".htm")))
		*out = FORMAT_HTML;
	else if (opt->output && bl_str_ends(opt->output, ".txt"))
		*out = FORMAT_TERM;
	else
		*out = !opt->output && isatty(STDOUT_FILENO) ? FORMAT_TERM : FORMAT_MD;
	return 0;
}

static int show(const struct bl_report *report, enum format format, bool to_file,
                struct bl_buf *text, struct bl_err *err)
{
	switch (format) {
	case FORMAT_MD:
		return bl_report_md(report, text, err);
	case FORMAT_HTML:
		return bl_report_html(report, text, err);
	case FORMAT_JSON:
		return bl_report_json(report, text, err);
	case FORMAT_TERM:
		break;
	}
	return bl_report_term(report, !to_file && bl_log_colour(STDOUT_FILENO),
	                      to_file ? 100 : show_columns(), text, err);
}

static int write_file(const char *path, const struct bl_buf *text, struct bl_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	char dir[4096] = ".";
	BL_FD fd = -1;

	if (len >= sizeof(dir))
		return bl_fail(err, BL_EINPUT, "'%.64s...': the path is too long", path);
	if (slash) {
		memcpy(dir, len ? path : "/", len ? len : 1);
		dir[len ? len : 1] = '\0';
	}
	if (bl_fs_open_dir(dir, &fd, err) ||
	    bl_fs_replace(fd, slash ? slash + 1 : path, bl_buf_text(text), text->len, 0666, err))
		return bl_wrap(err, "write '%s'", path);
	return 0;
}

static int write_text(const struct options *opt, const struct bl_buf *text, struct bl_err *err)
{
	if (opt->output && strcmp(opt->output, "-") != 0)
		return write_file(opt->output, text, err);
	if (fwrite(bl_buf_text(text), 1, text->len, stdout) != text->len || fflush(stdout))
		return bl_fail_errno(err, errno, "write the report");
	return 0;
}

static int run_named(struct place *place, const char *word, char run[BL_RUN_SIZE],
                     struct bl_err *err)
{
	run[0] = '\0';
	return word ? place_run(place, word, run, err) : 0;
}

static int make_report(struct place *place, const char *word, const struct options *opt,
                       struct bl_report *report, struct bl_err *err)
{
	char run[BL_RUN_SIZE], baseline[BL_RUN_SIZE], previous[BL_RUN_SIZE];
	struct bl_baseline_place where = { .root = place->git.found ? place->root : NULL };

	if (place_run(place, word, run, err))
		return -1;
	if (run_named(place, opt->baseline, baseline, err))
		return bl_wrap(err, "--baseline");
	if (run_named(place, opt->previous, previous, err))
		return bl_wrap(err, "--previous");
	return bl_report_build(place->store, run, baseline[0] ? baseline : NULL,
	                       previous[0] ? previous : NULL, &where, report, err);
}

int verb_report(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	struct options opt = { 0 };
	enum format format;
	bool to_file;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	to_file = opt.output && strcmp(opt.output, "-") != 0;
	if (choose_format(&opt, &format, err) ||
	    place_open(&place, opt.store, BL_STORE_READ, err) ||
	    make_report(&place, args.n_words ? args.words[0] : NULL, &opt, &report, err) ||
	    show(&report, format, to_file, &text, err))
		return -1;
	return write_text(&opt, &text, err);
}
