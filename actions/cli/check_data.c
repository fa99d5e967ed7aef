/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/channels.h"
#include "actions/options.h"
#include "actions/verbs.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

struct options {
	const char *job, *file;
	bool json;
};

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct options, job), "JOB",
	  "job of branchline.yaml; default its default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct options, file), "PATH",
	  "read this file; default branchline.yaml, here or above" },
	BL_OPT_JSON(struct options),
};

static const struct bl_usage usage = {
	.verb = "check-data",
	.example = "branchline check-data\n"
		   "branchline check-data --data train=data/train.jsonl",
	.about = "Reads every data channel as a run would before it starts: each file is there, "
		 "each\n"
		 "JSON line parses, files and records are counted. The first bad record is named "
		 "by\n"
		 "file, line and column; exit status 2.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
};

static void write_json(struct bl_json *json, const struct bl_data_channel *channel,
                       const struct bl_data_found *found)
{
	bl_json_map(json, NULL);
	bl_json_text(json, "name", channel->name);
	bl_json_text(json, "uri", channel->uri);
	bl_json_int(json, "files", (int64_t)found->files);
	bl_json_int(json, "bytes", (int64_t)found->bytes);
	bl_json_int(json, "records", (int64_t)found->records);
	bl_json_int(json, "longest_line", (int64_t)found->longest_line);
	bl_json_text(json, "digest", found->digest);
	bl_json_end_map(json);
}

/* Both forms at once: one of the buffers is printed. */
static int check_all(const struct bl_config *config, const char *root, struct bl_buf *lines,
                     struct bl_json *json, struct bl_err *err)
{
	size_t n = bl_config_channels(config);

	for (size_t i = 0; i < n; i++) {
		struct bl_data_channel channel;
		struct bl_data_found found;

		if (channel_check(config, root, i, &channel, &found, err))
			return -1;
		channel_describe(channel.name, &found, lines);
		bl_buf_addf(lines, "  sha256:%.16s\n", found.digest);
		write_json(json, &channel, &found);
	}
	if (n)
		return 0;
	bl_fail(err, BL_EINPUT, "no data channel is configured");
	return bl_next(err,
	               "name one: --data train=data/train.jsonl, or `data` in branchline.yaml");
}

int verb_check_data(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(bl_buf) lines = BL_BUF(1u << 20);
	BL_AUTO(bl_buf) text = BL_BUF(1u << 20);
	struct bl_json json = BL_JSON(&text);
	struct options opt = { 0 };
	struct bl_found found;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (bl_options_config(opt.file, opt.job, &args, NULL, &config, &found, err))
		return -1;
	bl_json_begin(&json, 1);
	bl_json_list(&json, "channels");
	if (check_all(&config, found.root, &lines, &json, err))
		return -1;
	bl_json_end_list(&json);
	bl_json_end_map(&json);
	if (bl_buf_check(&lines, "answer", err) || bl_buf_check(&text, "answer", err))
		return -1;
	fputs(opt.json ? bl_buf_text(&text) : bl_buf_text(&lines), stdout);
	if (opt.json)
		putchar('\n');
	if (fflush(stdout))
		return bl_fail(err, BL_EIO, "write to stdout");
	return 0;
}
