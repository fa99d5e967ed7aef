/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"
#include "actions/options.h"
#include "actions/place.h"
#include "actions/report/post.h"
#include "actions/report/publish.h"
#include "actions/show.h"
#include "actions/tell.h"
#include "actions/verbs.h"
#include "actions/workflow.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *baseline, *previous, *format, *output, *notify, *details, *run;
	struct post_options post;
	struct cloud_options cloud;
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
	CLOUD_OPTION(struct options, store, "store", "STORE",
	             "a directory or s3://BUCKET; default .branchline/store, in a workflow the "
	             "stack's bucket"),
	BL_OPT_JSON(struct options),
	{ "details", 0, BL_OPT_TEXT, offsetof(struct options, details), "HOW",
	  "of the comment: brief or full; default the file's" },
	{ "notify", 0, BL_OPT_TEXT, offsetof(struct options, notify), "WHEN",
	  "mention the labeller: failure, always or never; default the file's" },
	{ "run", 0, BL_OPT_TEXT, offsetof(struct options, run), "RUN",
	  "the same as the word; default the run of this job" },
	{ "post", 0, BL_OPT_TEXT, offsetof(struct options, post.path), "FILE",
	  "post this Markdown of a workflow without rights, as hostile text" },
	{ "pr", 0, BL_OPT_NUMBER, offsetof(struct options, post.number), "N",
	  "with --post: to this pull request; default the one of the workflow_run" },
	{ "key", 0, BL_OPT_TEXT, offsetof(struct options, post.key), "KEY",
	  "with --post: of the sticky comment; default fork" },
	CLOUD_OPTION(struct options, stack, "stack", "NAME", "default branchline"),
	CLOUD_OPTION(struct options, region, "region", "NAME", "default AWS_REGION"),
	CLOUD_OPTION(struct options, role_arn, "role-arn", "ARN",
	             "assume it by GitHub's OIDC; default AWS_ROLE_ARN"),
};

static const struct bl_usage usage = {
	.verb = "report",
	.example = "branchline report latest\nbranchline report q7xk --baseline JOB@main -o "
		   "report.html",
	.about =
		"Shows what a run achieved: verdict, metrics beside the baseline and the previous\n"
		"run, curves, what differs, and for a failure its cause and last log lines.\n"
		"In a workflow without --format or --json it publishes that of a run that has "
		"ended:\n"
		"comment, summary, commit status, reaction, files; then it exits as the run did.\n"
		"Exit 1: a condition of metrics.fail_if holds.",
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

/* --- In a workflow ---------------------------------------------------------------------------- */

/* As the action, or in a job that launched: a command in anybody's step prints, as on a laptop. */
static bool publishes(const struct options *opt)
{
	const char *actions = getenv("GITHUB_ACTIONS");
	struct bl_err none = { 0 };
	struct told_run told;

	if (!actions || strcmp(actions, "true") != 0 || opt->format || opt->json)
		return false;
	return getenv("INPUT_RUN") || !tell_run_read(&told, &none);
}

static int check_word(const char *flag, const char *word, const char *const allowed[3],
                      struct bl_err *err)
{
	for (size_t i = 0; word && i < 3; i++)
		if (allowed[i] && !strcmp(allowed[i], word))
			return 0;
	if (!word)
		return 0;
	return bl_fail(err, BL_EINPUT, "--%s '%.40s' is none of %s, %s%s%s", flag, word, allowed[0],
	               allowed[1], allowed[2] ? ", " : "", allowed[2] ? allowed[2] : "");
}

/* Into a file, too, when one was named. */
static int write_named(struct cloud *cloud, const char *run, const struct options *opt,
                       struct bl_err *err)
{
	struct place place = { .store = cloud->store, .git = cloud->git };
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MAX);
	enum format format;

	if (!opt->output)
		return 0;
	memcpy(place.root, cloud->root, sizeof(place.root));
	memcpy(place.repo_key, cloud->repo_key, sizeof(place.repo_key));
	if (choose_format(opt, &format, err) || make_report(&place, run, opt, &report, err) ||
	    show(&report, format, true, &text, err))
		return -1;
	return write_text(opt, &text, err);
}

static int say_published(const struct report_published *done, struct bl_err *err)
{
	const struct workflow_pair outputs[] = {
		{ "status", bl_status_word(done->result.status) },
		{ "verdict", done->word },
		{ "files", done->folder },
	};
	BL_AUTO(bl_buf) line = BL_BUF(8192);

	bl_log_add_text(&line, done->verdict);
	if (bl_buf_check(&line, "verdict", err))
		return -1;
	printf("%s\n", bl_buf_text(&line));
	if (done->folder[0])
		printf("files: %s\n", done->folder);
	if (!workflow_write(WORKFLOW_OUTPUT, outputs, BL_COUNT(outputs), err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err); /* no step */
	return 0;
}

/* The job is red exactly when the run is. */
static int end_as(const char *run, const struct report_published *done, struct bl_err *err)
{
	enum bl_code code = report_code(done);

	if (code == BL_OK)
		return 0;
	bl_fail(err, code, "run %s: %.400s", bl_run_short(run), done->verdict);
	return bl_next(err, "%s",
	               done->result.next_step[0] ? done->result.next_step
	                                         : "the job's summary has the report");
}

static int publish(struct cloud *cloud, const char *word, const struct options *opt,
                   struct bl_err *err)
{
	char run[BL_RUN_SIZE], baseline[BL_RUN_SIZE] = "", previous[BL_RUN_SIZE] = "";
	struct report_choices choices = { .notify = opt->notify, .details = opt->details };
	struct report_published done;

	if (cloud_run(cloud, word, run, err))
		return -1;
	if (opt->baseline && cloud_run(cloud, opt->baseline, baseline, err))
		return bl_wrap(err, "--baseline");
	if (opt->previous && cloud_run(cloud, opt->previous, previous, err))
		return bl_wrap(err, "--previous");
	choices.baseline = baseline[0] ? baseline : NULL;
	choices.previous = previous[0] ? previous : NULL;
	if (report_publish_as(cloud, run, &choices, &done, err) ||
	    write_named(cloud, run, opt, err) || say_published(&done, err))
		return -1;
	tell_told();
	return end_as(run, &done, err);
}

static int publish_in(const char *word, struct options *opt, struct bl_err *err)
{
	static const char *const notify[] = { "failure", "always", "never" };
	static const char *const details[] = { "brief", "full", NULL };
	BL_AUTO(cloud) cloud = { 0 };
	struct told_run told;

	if (check_word("notify", opt->notify, notify, err) ||
	    check_word("details", opt->details, details, err))
		return -1;
	if (!opt->cloud.store && !word && !tell_run_read(&told, err))
		opt->cloud.store = told.store[0] ? told.store : NULL;
	bl_err_clear(err);
	if (opt->cloud.store)
		opt->cloud.compute = "local"; /* nothing is started: no stack is needed */
	if (cloud_open(&cloud, &opt->cloud, BL_STORE_WRITE, err))
		return bl_wrap(err, "report");
	return publish(&cloud, word, opt, err);
}

/* --- Anywhere --------------------------------------------------------------------------------- */

static int print(const char *word, const struct options *opt, struct bl_err *err)
{
	bool to_file = opt->output && strcmp(opt->output, "-") != 0;
	BL_AUTO(bl_report) report = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(BL_REPORT_MAX);
	BL_AUTO(place) place = { 0 };
	enum format format;

	if (choose_format(opt, &format, err) ||
	    place_open(&place, opt->cloud.store, BL_STORE_READ, err) ||
	    make_report(&place, word, opt, &report, err) ||
	    show(&report, format, to_file, &text, err) || write_text(opt, &text, err))
		return -1;
	if (!report.gate_failed)
		return 0;
	return bl_fail(err, BL_ETRAIN, "run %s: %.400s", bl_run_short(report.now.run),
	               report.verdict);
}

int verb_report(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	struct options opt = { 0 };
	const char *word;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	word = args.n_words ? args.words[0] : opt.run;
	if (opt.post.path)
		return post_report(&opt.post, err);
	return publishes(&opt) ? publish_in(word, &opt, err) : print(word, &opt, err);
}
