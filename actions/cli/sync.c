/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync.h"
#include "actions/cli/sync_show.h"
#include "actions/options.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define AT_ONCE_MAX 256

struct options {
	bool delete, checksum, dry_run, json, sha256;
	struct bl_each rules;
	int64_t at_once;
	const char *manifest, *bucket_owner;
};

static const struct bl_option table[] = {
	{ "delete", 0, BL_OPT_SWITCH, offsetof(struct options, delete), NULL,
	  "remove from DST what SRC does not have" },
	{ "exclude", 0, BL_OPT_EACH, offsetof(struct options, rules), "GLOB",
	  "leave these names alone, on both sides" },
	{ "include", 0, BL_OPT_EACH, offsetof(struct options, rules), "GLOB",
	  "but not these; the last that matches decides" },
	{ "checksum", 0, BL_OPT_SWITCH, offsetof(struct options, checksum), NULL,
	  "compare CRC64NVME, not size and time" },
	{ "dry-run", 0, BL_OPT_SWITCH, offsetof(struct options, dry_run), NULL,
	  "only say what would be done" },
	{ "manifest", 0, BL_OPT_TEXT, offsetof(struct options, manifest), "FILE",
	  "append a line of JSON for each name done" },
	{ "at-once", 0, BL_OPT_NUMBER, offsetof(struct options, at_once), "N",
	  "requests under way; default 16" },
	{ "bucket-owner", 0, BL_OPT_TEXT, offsetof(struct options, bucket_owner), "ID",
	  "account (12 digits) that must own the buckets" },
	{ "sha256", 0, BL_OPT_SWITCH, offsetof(struct options, sha256), NULL,
	  "uploads carry SHA-256 instead of CRC64NVME" },
	BL_OPT_JSON(struct options),
};

static void more_help(struct bl_buf *out)
{
	bl_buf_adds(
		out,
		"\nSRC and DST are s3://bucket[/prefix] or a directory, at least one of them S3.\n"
		"What lies below SRC comes to lie below DST. A GLOB without '/' is compared with\n"
		"each part of a name, as *.pt; * and ? stop at '/', ** does not. Nothing is\n"
		"touched that has the same size and is not older; run it again after any "
		"failure.\n");
}

static const struct bl_usage usage = {
	.verb = "sync",
	.example = "branchline sync s3://bucket/data data\n"
		   "branchline sync out s3://bucket/out --delete --exclude '*.tmp'",
	.about = "Makes DST hold what SRC holds: whole files only, each verified.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "SRC DST",
	.words_min = 2,
	.words_max = 2,
	.more = more_help,
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/* The first asks to end cleanly: uploads ended, what is whole kept. The second ends at once. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int print_json(const struct bl_sync_totals *totals, const struct options *opt, int64_t ms,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_json json = { .buf = &text, .indent = 2 };

	bl_json_begin(&json, 1);
	bl_json_bool(&json, "dry_run", opt->dry_run);
	bl_json_int(&json, "moved", (int64_t)totals->moved);
	bl_json_int(&json, "moved_bytes", (int64_t)totals->moved_bytes);
	bl_json_int(&json, "equal", (int64_t)totals->equal);
	bl_json_int(&json, "deleted", (int64_t)totals->deleted);
	bl_json_int(&json, "excluded", (int64_t)totals->excluded);
	bl_json_int(&json, "skipped", (int64_t)totals->skipped);
	bl_json_int(&json, "refused", (int64_t)totals->refused);
	bl_json_int(&json, "failed", (int64_t)totals->failed);
	bl_json_int(&json, "listed_src", (int64_t)totals->listed_src);
	bl_json_int(&json, "listed_dst", (int64_t)totals->listed_dst);
	bl_json_bool(&json, "all_listed", totals->all_listed);
	bl_json_real(&json, "seconds", (double)ms / 1000);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, "totals", err))
		return -1;
	puts(bl_buf_text(&text));
	return 0;
}

/* "+GLOB" and "-GLOB", as the library wants them. */
static int make_rules(const struct bl_each *each, struct bl_buf *text, const char **rules,
                      struct bl_err *err)
{
	size_t at[BL_EACH_MAX];

	for (size_t i = 0; i < each->n; i++) {
		at[i] = text->len;
		bl_buf_addc(text, each->flags[i][0] == 'i' ? '+' : '-');
		bl_buf_add(text, each->texts[i], strlen(each->texts[i]) + 1);
	}
	if (bl_buf_check(text, "GLOBs", err))
		return -1;
	for (size_t i = 0; i < each->n; i++)
		rules[i] = text->data + at[i];
	return 0;
}

static int sync_them(const struct bl_args *args, const struct options *opt, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	const char *rules[BL_EACH_MAX];
	struct bl_sync_totals totals = { 0 };
	struct bl_err unsaid = { 0 };
	struct sync_show show;
	struct bl_sync_options options = {
		.src = args->words[0],
		.dst = args->words[1],
		.delete_extra = opt->delete,
		.checksum = opt->checksum,
		.dry_run = opt->dry_run,
		.rules = rules,
		.n_rules = opt->rules.n,
		.manifest = opt->manifest,
		.at_once = (unsigned)opt->at_once,
		.bucket_owner = opt->bucket_owner,
		.sha256 = opt->sha256,
		.stop = &stop,
	};
	struct bl_sync_watch watch = { sync_show_said, sync_show_progress, &show };
	int64_t since_ms = bl_mono_ms();
	int rc;

	if (make_rules(&opt->rules, &text, rules, err))
		return -1;
	catch_signals();
	sync_show_init(&show, opt->dry_run && !opt->json, opt->dry_run);
	rc = bl_sync(&options, &watch, &totals, err);
	sync_show_end(&show, &totals, rc != 0);
	if (opt->json && print_json(&totals, opt, bl_mono_ms() - since_ms, rc ? &unsaid : err))
		return -1;
	return rc;
}

int verb_sync(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (opt.at_once > AT_ONCE_MAX)
		return bl_fail(err, BL_EINPUT, "--at-once: 1 to %d", AT_ONCE_MAX);
	return sync_them(&args, &opt, err) ? bl_wrap(err, "sync") : 0;
}
