/* SPDX-License-Identifier: Apache-2.0 */
/* The table in words: what a key allows, docs/configuration.md, the help. */
#include "base/str.h"
#include "run/config_parts.h"

#include <stdio.h>
#include <string.h>

/* "spot, on-demand or spot-then-on-demand" */
void bl_config_add_words(struct bl_buf *out, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, "|");
		const char *rest = words + len;

		bl_buf_add(out, words, len);
		if (*rest)
			bl_buf_adds(out, strchr(rest + 1, '|') ? ", " : " or ");
		words = *rest ? rest + 1 : rest;
	}
}

/* In the unit that one would write: "30d", "1TiB". */
static void add_number(struct bl_buf *out, const struct bl_config_key *key, double number)
{
	static const struct unit {
		enum bl_config_type type;
		const char *name;
		double factor;
	} units[] = {
		{ BL_CONFIG_DURATION, "d", 86400e3 },       { BL_CONFIG_DURATION, "h", 3600e3 },
		{ BL_CONFIG_DURATION, "m", 60e3 },          { BL_CONFIG_DURATION, "s", 1e3 },
		{ BL_CONFIG_SIZE, "TiB", 1099511627776.0 }, { BL_CONFIG_SIZE, "GiB", 1073741824 },
		{ BL_CONFIG_SIZE, "MiB", 1048576 },         { BL_CONFIG_SIZE, "KiB", 1024 },
	};
	const struct unit *best = NULL;

	for (size_t i = 0; i < BL_COUNT(units); i++)
		if (units[i].type == key->type && (!best || number < best->factor))
			best = &units[i];
	bl_buf_addf(out, "%.10g%s", best ? number / best->factor : number, best ? best->name : "");
}

void bl_config_allowed(const struct bl_config_key *key, struct bl_buf *out)
{
	static const char *const names[] = {
		[BL_CONFIG_VERSION] = "1",
		[BL_CONFIG_TEXT] = "text",
		[BL_CONFIG_PATH] = "a relative path",
		[BL_CONFIG_BOOL] = "true or false",
		[BL_CONFIG_INT] = "a whole number",
		[BL_CONFIG_REAL] = "a number",
		[BL_CONFIG_DURATION] = "a duration",
		[BL_CONFIG_SIZE] = "a size",
		[BL_CONFIG_WORD] = "",
		[BL_CONFIG_SWITCH] = "a map of keys, or ",
		[BL_CONFIG_COMMAND] = "a list of text, or text",
		[BL_CONFIG_TEXTS] = "a list of text",
		[BL_CONFIG_WORDS] = "a list of ",
		[BL_CONFIG_CONDITIONS] = "a list of conditions",
		[BL_CONFIG_SCALARS] = "a map of text, numbers, true and false",
		[BL_CONFIG_ENV] = "a map of text",
		[BL_CONFIG_SECRETS] = "a map of text",
		[BL_CONFIG_GOALS] = "a map of ",
		[BL_CONFIG_NOISE] = "a map of numbers or per cent",
		[BL_CONFIG_PATTERNS] = "a map of patterns",
		[BL_CONFIG_CHANNELS] = "a map of channels",
		[BL_CONFIG_JOBS] = "a map of jobs",
	};

	bl_buf_adds(out, names[key->type]);
	if (key->words)
		bl_config_add_words(out, key->words);
	if (key->min == key->max)
		return;
	bl_buf_adds(out, " from ");
	add_number(out, key, key->min);
	bl_buf_adds(out, " to ");
	add_number(out, key, key->max);
}

/* A cell of a Markdown table: no bar may end it. */
static void add_cell(struct bl_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			bl_buf_addc(out, '\\');
		bl_buf_addc(out, *text);
	}
}

static void add_row(struct bl_buf *out, const struct bl_config_key *key)
{
	BL_AUTO(bl_buf) allowed = BL_BUF(1024);

	bl_config_allowed(key, &allowed);
	bl_buf_addf(out, "| `%s` | ", key->name);
	add_cell(out, bl_buf_text(&allowed));
	bl_buf_addf(out, " | %s%s%s | ", key->fallback ? "`" : "",
	            key->fallback ? key->fallback : "", key->fallback ? "`" : "");
	add_cell(out, key->help);
	bl_buf_adds(out, " |\n");
}

static const char example[] =
	"```yaml\n"
	"version: 1\n"
	"command: [python, train.py]\n"
	"hyperparameters: {lr: 3e-4, epochs: 3}\n"
	"data:\n"
	"  train: s3://my-bucket/chat/train.jsonl\n"
	"  eval: {uri: s3://my-bucket/chat/eval.jsonl, local: data/eval.jsonl}\n"
	"metrics:\n"
	"  primary: eval_loss\n"
	"  noise: {eval_loss: 1%}\n"
	"max_runtime: 2h\n"
	"max_cost_usd: 5\n"
	"jobs:\n"
	"  full: {}\n"
	"  smoke:\n"
	"    hyperparameters: {epochs: 1}\n"
	"    max_runtime: 10m\n"
	"default_job: full\n"
	"```\n";

static const char introduction[] =
	"# Configuration\n"
	"\n"
	"<!-- Made by `branchline config --docs`; `make lint` compares. -->\n"
	"\n"
	"`branchline.yaml` stands at the root of the repository. Only `version` must be there.\n"
	"\n";

static const char rules[] =
	"\n"
	"Each key can also be given as a flag (`metrics.fail_if` is `--metrics-fail-if`), as an\n"
	"action's input of that name (`INPUT_METRICS_FAIL_IF`) and in the environment\n"
	"(`BRANCHLINE_METRICS_FAIL_IF`). A flag wins over an input, an input over the "
	"environment,\n"
	"the environment over the file, the file over the default; within the file, a job wins "
	"over\n"
	"the keys above it. Maps merge, lists replace. An empty input counts as not given.\n"
	"\n"
	"As one text a list is written `a, b` or `[a, b]`, a map as lines of `NAME=VALUE` or as\n"
	"`{NAME: VALUE}`; a flag for a list or a map may be repeated. `--no-auto-shutdown` is\n"
	"`--auto-shutdown=false`; `--param lr=1e-4` sets one hyperparameter; `--data train=PATH`\n"
	"sets where one channel's data is.\n"
	"\n"
	"Durations are `500ms`, `90s`, `30m`, `6h`, `2d` or `1h30m`; sizes `512MiB`, `2GiB` or "
	"`1GB`.\n"
	"`branchline config` prints every value and where it came from. An unknown key, a wrong "
	"type\n"
	"or a value out of range ends every verb with exit status 2 and a line that says where it "
	"is\n"
	"and what is allowed. The ceilings of the stack (cost, runtime, instance types, secrets)\n"
	"cannot be raised from here.\n"
	"\n"
	"This release trains on one machine, with `branchline local`, from files, and makes "
	"images\n"
	"with `branchline push-image`, which *The image* is for ([images.md](images.md)). These "
	"keys\n"
	"are read, checked and recorded with the run, and have no effect there yet: all of *The\n"
	"machine* and of *Around the run* but `store`; `max_cost_usd`, `aws_access`, "
	"`metrics.files`,\n"
	"`metrics.definitions` and `metrics.fail_if`; and data by `s3://` or `run://`.\n";

void bl_config_docs(struct bl_buf *out)
{
	bl_buf_adds(out, introduction);
	bl_buf_adds(out, example);
	bl_buf_adds(out, rules);
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];

		if (key->group)
			bl_buf_addf(out,
			            "\n## %s\n\n| key | allowed | default | |\n|---|---|---|---|\n",
			            key->group);
		add_row(out, key);
	}
}

void bl_config_help(struct bl_buf *out)
{
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		BL_AUTO(bl_buf) allowed = BL_BUF(1024);

		if (key->group)
			bl_buf_addf(out, "\n%s\n", key->group);
		bl_config_allowed(key, &allowed);
		bl_buf_addf(out, "  %-22s %s", key->name, bl_buf_text(&allowed));
		if (key->fallback)
			bl_buf_addf(out, "; default %s", key->fallback);
		bl_buf_addc(out, '\n');
	}
}
