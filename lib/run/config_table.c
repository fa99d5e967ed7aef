/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/config_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1e3
#define HOUR 3600e3
#define DAY 86400e3
#define RESULT BL_CONFIG_RESULT
#define ONLY BL_CONFIG_FILE_ONLY

/* name, type, default, words, min, max, traits, help, heading */
const struct bl_config_key bl_config_table[] = {
	{ "version", BL_CONFIG_VERSION, NULL, NULL, 1, 1, ONLY,
	  "Format of this file. Every file begins with it.", "The command" },
	{ "command", BL_CONFIG_COMMAND, NULL, NULL, 0, 0, RESULT,
	  "What trains. A list is executed as it is, with the hyperparameters appended; a text "
	  "runs "
	  "as `/bin/sh -c TEXT sh FLAGS...`, and the hyperparameters stand where it says \"$@\".",
	  NULL },
	{ "hyperparameters", BL_CONFIG_SCALARS, NULL, NULL, 0, 0, RESULT,
	  "Values for the command. On the command line: `--param NAME=VALUE`.", NULL },
	{ "hyperparameters_as", BL_CONFIG_WORD, "flags", "flags|values|equals|none", 0, 0, RESULT,
	  "How the command gets them: flags `--name value` (true is a bare `--name`, false "
	  "nothing), "
	  "values `--name value` always (SageMaker's way), equals `name=value`, none.",
	  NULL },
	{ "launcher", BL_CONFIG_WORD, "none", "none|torchrun|accelerate", 0, 0, RESULT,
	  "What starts one process per GPU. Needs a command that is a list.", NULL },
	{ "workdir", BL_CONFIG_PATH, ".", NULL, 0, 0, RESULT,
	  "Working directory of the command, below this file's directory.", NULL },
	{ "env", BL_CONFIG_ENV, NULL, NULL, 0, 0, RESULT,
	  "Environment of the command. No secrets here.", NULL },
	{ "secrets", BL_CONFIG_SECRETS, NULL, NULL, 0, 0, 0,
	  "Environment from secrets below `branchline/STACK/`, as `secret` or `secret#json_key`. "
	  "`branchline local` takes the variable of the same name.",
	  NULL },
	{ "aws_access", BL_CONFIG_WORD, "none", "none|data", 0, 0, RESULT,
	  "Credentials in the training container: none, or read-only ones for the data.", NULL },

	{ "image.base", BL_CONFIG_TEXT, NULL, NULL, 0, 0, RESULT,
	  "Image that the code is put on, by tag or digest.", "The image" },
	{ "image.requirements", BL_CONFIG_PATH, NULL, NULL, 0, 0, RESULT,
	  "Installed on the base: requirements*.txt, pylock.toml or uv.lock. Excludes "
	  "`image.dockerfile`.",
	  NULL },
	{ "image.dockerfile", BL_CONFIG_PATH, NULL, NULL, 0, 0, RESULT,
	  "Dockerfile to build the base from. Excludes `image.requirements` and `image.base`.",
	  NULL },
	{ "image.context", BL_CONFIG_PATH, ".", NULL, 0, 0, RESULT,
	  "What of the commit goes into the image, at the same paths; also the Dockerfile's "
	  "context.",
	  NULL },
	{ "image.code", BL_CONFIG_WORD, "layer", "layer|baked", 0, 0, RESULT,
	  "Whether the commit's tree is appended as a layer, or already is in the image.", NULL },

	{ "data", BL_CONFIG_CHANNELS, NULL, NULL, 0, 0, RESULT,
	  "Channels: `NAME: uri`, or `NAME: {uri, format, include, version, local}`. uri is "
	  "`s3://bucket/prefix`, `file:///path` or `run://RUN/outputs` (or `/checkpoints/newest`, "
	  "`/checkpoints/best`); format is auto, jsonl, parquet, tar or files; include is a list "
	  "of "
	  "globs; local is the path that `branchline local` uses instead. On the command line: "
	  "`--data NAME=PATH`.",
	  "Data, checkpoints and outputs" },
	{ "data_check", BL_CONFIG_WORD, "first", "first|full|exists|off", 0, 0, 0,
	  "What is checked before anything starts: every record of files here and the first MiB of "
	  "each object in S3; every record there too; only that the files are there; nothing.",
	  NULL },
	{ "checkpoints", BL_CONFIG_SWITCH, NULL, "none", 0, 0, RESULT,
	  "`none` in the place of the keys below: nothing is saved and nothing restored.", NULL },
	{ "checkpoints.path", BL_CONFIG_TEXT, NULL, NULL, 0, 0, RESULT,
	  "Where the command writes checkpoints. Default: `/opt/ml/checkpoints`, in `branchline "
	  "local` a directory of the attempt; the command finds it in `BRANCHLINE_CHECKPOINT_DIR`.",
	  NULL },
	{ "checkpoints.keep", BL_CONFIG_INT, "2", NULL, 1, 1000, 0,
	  "How many of the newest are kept.", NULL },
	{ "checkpoints.keep_best", BL_CONFIG_BOOL, "true", NULL, 0, 0, 0,
	  "Keep the best by `metrics.primary`, too.", NULL },
	{ "checkpoints.quiet", BL_CONFIG_DURATION, "10s", NULL, 0, HOUR, 0,
	  "How long a file of unknown format must be unchanged to count as complete.", NULL },
	{ "outputs", BL_CONFIG_TEXTS, NULL, NULL, 0, 0, RESULT,
	  "Globs of files to keep, beside what is in `/opt/ml/model` and `/opt/ml/output`.", NULL },

	{ "metrics.primary", BL_CONFIG_TEXT, NULL, NULL, 0, 0, 0,
	  "The metric that the verdict, the chart and the commit status are about.", "Metrics" },
	{ "metrics.goals", BL_CONFIG_GOALS, NULL, "min|max", 0, 0, 0,
	  "Which way is better, by metric. Default by name: min for loss, error, perplexity, wer.",
	  NULL },
	{ "metrics.value", BL_CONFIG_WORD, "last", "last|best", 0, 0, 0,
	  "Which value of a curve stands for the run.", NULL },
	{ "metrics.noise", BL_CONFIG_NOISE, NULL, NULL, 0, 0, 0,
	  "How large a change means nothing, by metric: a number, or per cent of the baseline as "
	  "`2%`.",
	  NULL },
	{ "metrics.show", BL_CONFIG_TEXTS, NULL, NULL, 0, 0, 0,
	  "The metrics in the report's table, in this order. Default: all, the primary first.",
	  NULL },
	{ "metrics.files", BL_CONFIG_TEXTS, NULL, NULL, 0, 0, RESULT,
	  "Globs of more files to read metrics from.", NULL },
	{ "metrics.definitions", BL_CONFIG_PATTERNS, NULL, NULL, 0, 0, RESULT,
	  "Patterns that find a metric in the output, by name; the first group is the value.",
	  NULL },
	{ "metrics.fail_if", BL_CONFIG_CONDITIONS, NULL, NULL, 0, 0, 0,
	  "Conditions that fail a run that ended well: `METRIC OP LIMIT`, OP one of `<` `<=` `>` "
	  "`>=` "
	  "`==` `!=`, LIMIT a number, or `baseline` or `previous`, alone or with `*`, `+` or `-` "
	  "and a "
	  "number: `eval_loss > baseline * 1.02`. Without a baseline such a condition does not "
	  "hold, "
	  "and the report says so; a metric that is NaN, infinite or never reported fails the run.",
	  NULL },

	{ "gpu", BL_CONFIG_TEXT, NULL, NULL, 0, 0, RESULT, "Kind of GPU, as `l4` or `a10g`.",
	  "The machine" },
	{ "gpus", BL_CONFIG_INT, "1", NULL, 0, 16, RESULT, "How many; 0: a machine without.",
	  NULL },
	{ "gpu_memory_gb", BL_CONFIG_INT, NULL, NULL, 1, 10000, RESULT, "Least memory of each.",
	  NULL },
	{ "min_compute", BL_CONFIG_REAL, NULL, NULL, 3, 20, RESULT,
	  "Least CUDA compute capability, as 8.0.", NULL },
	{ "disk_gb", BL_CONFIG_INT, "100", NULL, 8, 16384, RESULT, "Disk of the machine.", NULL },
	{ "instance_types", BL_CONFIG_TEXTS, NULL, NULL, 0, 0, RESULT,
	  "The instance types to choose from. Default: all of the stack's that fit.", NULL },
	{ "market", BL_CONFIG_WORD, "spot", "spot|on-demand|spot-then-on-demand", 0, 0, 0,
	  "How the machine is bought.", NULL },
	{ "wait_for_capacity", BL_CONFIG_DURATION, "0s", NULL, 0, 7 * DAY, 0,
	  "How long to go on asking when there is no capacity.", NULL },

	{ "max_runtime", BL_CONFIG_DURATION, "6h", NULL, SECOND, 30 * DAY, RESULT,
	  "Limit over all attempts of a run.", "Limits" },
	{ "max_cost_usd", BL_CONFIG_REAL, "10", NULL, 0.01, 1e6, RESULT,
	  "Limit over all attempts of a run.", NULL },
	{ "retries", BL_CONFIG_INT, "3", NULL, 0, 100, 0,
	  "How often an interrupted run is started again.", NULL },
	{ "grace", BL_CONFIG_DURATION, "100s", NULL, 0, HOUR, 0,
	  "Time between the request to stop (TERM) and the end (KILL).", NULL },
	{ "flush_reserve", BL_CONFIG_DURATION, "8m", NULL, 0, 6 * HOUR, 0,
	  "Time after the command's end to upload what it left.", NULL },
	{ "stop_on", BL_CONFIG_WORDS, "[nan]", "nan|stall", 0, 0, RESULT,
	  "What stops a run early: a metric that is NaN or infinite; no progress for `stall`.",
	  NULL },
	{ "stall", BL_CONFIG_DURATION, "30m", NULL, 0, 7 * DAY, 0,
	  "Silence after which a warning is given; 0s: never.", NULL },
	{ "max_log_bytes", BL_CONFIG_SIZE, "2GiB", NULL, 1024, 1099511627776.0, 0,
	  "How much of the command's output is kept.", NULL },

	{ "keep_failed", BL_CONFIG_DURATION, "0s", NULL, 0, 7 * DAY, 0,
	  "How long the machine of a failed run stays for a look.", "Around the run" },
	{ "auto_shutdown", BL_CONFIG_BOOL, "true", NULL, 0, 0, 0,
	  "End the machine when the run ends.", NULL },
	{ "wait_minutes", BL_CONFIG_INT, "330", NULL, 1, 330, 0,
	  "How long a workflow job waits for the run before it hands over.", NULL },
	{ "label", BL_CONFIG_TEXT, "train", NULL, 0, 0, 0,
	  "The pull request label that starts a run; `LABEL:JOB` starts that job.", NULL },
	{ "notify", BL_CONFIG_WORD, "failure", "failure|always|never", 0, 0, 0,
	  "When the author is mentioned.", NULL },
	{ "details", BL_CONFIG_WORD, "brief", "brief|full", 0, 0, 0,
	  "How much the comment on a pull request shows.", NULL },
	{ "store", BL_CONFIG_TEXT, NULL, NULL, 0, 0, 0,
	  "Where runs are kept: `s3://bucket` or a directory. Default: the stack's bucket; in "
	  "`branchline local` `.branchline/store`.",
	  NULL },
	{ "stack", BL_CONFIG_TEXT, "branchline", NULL, 0, 0, 0,
	  "Name of the stack: parameter `/branchline/STACK`.", NULL },
	{ "region", BL_CONFIG_TEXT, NULL, NULL, 0, 0, 0,
	  "AWS region. Default: `AWS_REGION`, else the profile's.", NULL },
	{ "github_environment", BL_CONFIG_TEXT, NULL, NULL, 0, 0, 0,
	  "The GitHub environment whose approval a launch needs.", NULL },

	{ "jobs", BL_CONFIG_JOBS, NULL, NULL, 0, 0, ONLY,
	  "`NAME: {...}`: keys from above for one job. Maps merge, lists replace.", "Jobs" },
	{ "default_job", BL_CONFIG_TEXT, NULL, NULL, 0, 0, ONLY,
	  "The job that runs when none is named.", NULL },
};
const size_t bl_config_table_n = BL_COUNT(bl_config_table);

const struct bl_config_key *bl_config_find(const char *name)
{
	for (size_t i = 0; i < bl_config_table_n; i++)
		if (!strcmp(bl_config_table[i].name, name))
			return &bl_config_table[i];
	return NULL;
}

void bl_config_flag_name(const struct bl_config_key *key, char out[BL_CONFIG_NAME])
{
	size_t n = 0;

	for (const char *p = key->name; *p && n + 1 < BL_CONFIG_NAME; p++)
		out[n++] = *p == '.' || *p == '_' ? '-' : *p;
	out[n] = '\0';
}

void bl_config_variable_name(const struct bl_config_key *key, const char *prefix,
                             char out[BL_CONFIG_NAME])
{
	size_t n = 0;

	snprintf(out, BL_CONFIG_NAME, "%s_%s", prefix, key->name);
	for (; out[n]; n++)
		out[n] = out[n] == '.' ? '_' : (char)toupper((unsigned char)out[n]);
}

const struct bl_config_key *bl_config_find_flag(const char *flag)
{
	char name[BL_CONFIG_NAME];

	if (!strcmp(flag, "param"))
		return bl_config_find("hyperparameters");
	for (size_t i = 0; i < bl_config_table_n; i++) {
		bl_config_flag_name(&bl_config_table[i], name);
		if (!strcmp(name, flag))
			return bl_config_table[i].traits & ONLY ? NULL : &bl_config_table[i];
	}
	return NULL;
}

bool bl_config_is_map(enum bl_config_type type)
{
	return type >= BL_CONFIG_SCALARS && type <= BL_CONFIG_CHANNELS;
}

bool bl_config_is_list(enum bl_config_type type)
{
	return type >= BL_CONFIG_TEXTS && type <= BL_CONFIG_CONDITIONS;
}

/* The name's last part; section: what is before it. */
static const char *last_part(const char *name, size_t *section)
{
	const char *dot = strrchr(name, '.');

	*section = dot ? (size_t)(dot - name) : 0;
	return dot ? dot + 1 : name;
}

static const char *const sections[] = { "image", "checkpoints", "metrics" };

bool bl_config_is_section(const char *name)
{
	for (size_t i = 0; i < BL_COUNT(sections); i++)
		if (!strcmp(sections[i], name))
			return true;
	return false;
}

/* A word that is right but in the wrong section is worth more than one that is merely near. */
static const char *elsewhere(const char *word)
{
	size_t section;

	for (size_t i = 0; i < bl_config_table_n; i++)
		if (!strcmp(last_part(bl_config_table[i].name, &section), word))
			return bl_config_table[i].name;
	return NULL;
}

/* The nearest last part of the names in this section, or of all names; as a full name. */
static const char *nearest_in(const char *section, const char *word)
{
	const char *last[BL_COUNT(bl_config_table)], *full[BL_COUNT(bl_config_table)], *found;
	size_t n = 0, len;

	for (size_t i = 0; i < bl_config_table_n; i++) {
		const char *name = bl_config_table[i].name, *part = last_part(name, &len);

		if (section && (len != strlen(section) || strncmp(name, section, len) != 0))
			continue;
		full[n] = name;
		last[n++] = part;
	}
	found = bl_str_nearest(word, last, n);
	for (size_t i = 0; found && i < n; i++)
		if (last[i] == found)
			return full[i];
	return NULL;
}

const char *bl_config_nearest(const char *section, const char *word)
{
	const char *found = elsewhere(word);

	if (!found)
		found = nearest_in(section, word);
	if (!found && !*section)
		found = bl_str_nearest(word, sections, BL_COUNT(sections));
	return found ? found : nearest_in(NULL, word);
}
