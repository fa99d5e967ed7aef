/* SPDX-License-Identifier: Apache-2.0 */
#include "run/config.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/cases.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What is not a default, one a line: value and origin. */
static void show_config(struct bl_buf *out, const struct bl_config *config)
{
	bl_buf_addf(out, "job: %s\n", config->job);
	for (size_t i = 0; i < config->origins->n; i++) {
		const char *name = config->origins->items[i]->key;
		const char *origin = config->origins->items[i]->text;
		const struct bl_value *value = bl_value_path(config->tree, name);
		struct bl_json json = BL_JSON(out);

		if (!strcmp(origin, "default"))
			continue;
		bl_buf_addf(out, "%s = ", name);
		bl_json_value(&json, NULL, value);
		bl_buf_addf(out, " (%s)\n", origin);
	}
}

static void play(const char *text, size_t len, struct bl_buf *out)
{
	const struct bl_config_input input = { .bytes = text, .len = len, .file = "f.yaml" };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };

	if (!bl_config_resolve(&input, &config, &err)) {
		show_config(out, &config);
		return;
	}
	assert_null(config.tree);
	assert_int_equal(err.code, BL_EINPUT);
	show_error(out, &err);
}

static void files_read_as_expected(void **state)
{
	(void)state;
	each_case("config", play);
}

/* --- Every key, from every source ------------------------------------------------------------- */

/* Two values for a key, neither its default, in a form that every source reads. */
static const char *sample(const struct bl_config_key *key, bool other)
{
	static const struct {
		const char *name, *one, *two;
	} own[] = {
		{ "stop_on", "[stall]", "[nan, stall]" },
		{ "hyperparameters_as", "values", "none" },
		{ "launcher", "torchrun", "accelerate" },
		{ "market", "on-demand", "spot-then-on-demand" },
		{ "data_check", "exists", "off" },
		{ "notify", "always", "never" },
		{ "metrics.value", "best", "best" },
		{ "details", "full", "full" },
		{ "aws_access", "data", "data" },
		{ "image.code", "baked", "baked" },
		{ "checkpoints", "none", "none" },
		{ "max_runtime", "1h", "2h" },
	};
	static const char *const by_type[][2] = {
		[BL_CONFIG_TEXT] = { "one", "two" },
		[BL_CONFIG_PATH] = { "a/one", "b/two" },
		[BL_CONFIG_BOOL] = { "false", "false" },
		[BL_CONFIG_INT] = { "11", "12" },
		[BL_CONFIG_REAL] = { "3.5", "4.5" },
		[BL_CONFIG_DURATION] = { "11s", "12s" },
		[BL_CONFIG_SIZE] = { "3MiB", "4MiB" },
		[BL_CONFIG_COMMAND] = { "[a, b]", "[c]" },
		[BL_CONFIG_TEXTS] = { "[a, b]", "[c]" },
		[BL_CONFIG_CONDITIONS] = { "[a < 1]", "[a < 2]" },
		[BL_CONFIG_SCALARS] = { "{a: 1}", "{a: 2}" },
		[BL_CONFIG_ENV] = { "{A: x}", "{A: y}" },
		[BL_CONFIG_SECRETS] = { "{B: x}", "{B: y}" },
		[BL_CONFIG_GOALS] = { "{a: min}", "{a: max}" },
		[BL_CONFIG_NOISE] = { "{a: 1}", "{a: 2%}" },
		[BL_CONFIG_PATTERNS] = { "{a: x}", "{a: y}" },
		[BL_CONFIG_CHANNELS] = { "{a: s3://b/one}", "{a: s3://b/two}" },
	};

	for (size_t i = 0; i < BL_COUNT(own); i++)
		if (!strcmp(own[i].name, key->name))
			return other ? own[i].two : own[i].one;
	assert_true(key->type < BL_COUNT(by_type));
	assert_non_null(by_type[key->type][other]);
	return by_type[key->type][other];
}

/* What one key is set to: in the file, a variable, an input, a flag; NULL: not there. */
struct sources {
	const char *file, *variable, *input, *flag;
};

static void resolve_key(const struct bl_config_key *key, const struct sources *from,
                        struct bl_config *out)
{
	char flag[BL_CONFIG_NAME], name[BL_CONFIG_NAME], file[256] = "version: 1\n";
	char variable[256], input_variable[256], section[64];
	const char *dot = strchr(key->name, '.'), *environ[3] = { 0 };
	struct bl_err err = { 0 };
	size_t n = 0;

	snprintf(section, sizeof(section), "%.*s: {", dot ? (int)(dot - key->name) : 0, key->name);
	if (from->file)
		snprintf(file + 11, sizeof(file) - 11, "%s%s: %s%s\n", dot ? section : "",
		         dot ? dot + 1 : key->name, from->file, dot ? "}" : "");
	bl_config_flag_name(key, flag);
	if (from->variable) {
		bl_config_variable_name(key, "BRANCHLINE", name);
		snprintf(variable, sizeof(variable), "%s=%s", name, from->variable);
		environ[n++] = variable;
	}
	if (from->input) {
		bl_config_variable_name(key, "INPUT", name);
		snprintf(input_variable, sizeof(input_variable), "%s=%s", name, from->input);
		environ[n++] = input_variable;
	}
	const struct bl_config_flag given = { flag, from->flag };
	const struct bl_config_input input = {
		.bytes = file,
		.len = strlen(file),
		.file = "f.yaml",
		.flags = &given,
		.n_flags = from->flag ? 1 : 0,
		.environ = environ,
	};
	if (bl_config_resolve(&input, out, &err))
		fail_msg("%s: %s", key->name, err.text);
}

static const char *origin_of(const struct bl_config *config, const struct bl_config_key *key)
{
	const struct bl_value *value = bl_config_value(config, key->name);
	char name[256];

	if (!bl_config_is_map(key->type))
		return bl_config_origin(config, key->name);
	assert_true(value->n == 1);
	snprintf(name, sizeof(name), "%s.%s", key->name, value->items[0]->key);
	return bl_config_origin(config, name);
}

static void must_come_from(const struct bl_config_key *key, const struct sources *from,
                           const char *origin, const struct bl_config *alike)
{
	BL_AUTO(bl_config) config = { 0 };

	resolve_key(key, from, &config);
	if (strcmp(origin_of(&config, key), origin) != 0)
		fail_msg("%s: from %s, not %s", key->name, origin_of(&config, key), origin);
	if (!bl_value_equal(bl_config_value(&config, key->name), bl_config_value(alike, key->name)))
		fail_msg("%s from %s has another value", key->name, origin);
}

static void every_key_is_read_from_every_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < bl_config_table_n; i++) {
		const struct bl_config_key *key = &bl_config_table[i];
		const char *one, *two;
		char flag[BL_CONFIG_NAME + 8], variable[BL_CONFIG_NAME + 16];
		BL_AUTO(bl_config) first = { 0 };
		BL_AUTO(bl_config) second = { 0 };

		if (key->traits & BL_CONFIG_FILE_ONLY)
			continue;
		one = sample(key, false);
		two = sample(key, true);
		resolve_key(key, &(struct sources){ .file = one }, &first);
		resolve_key(key, &(struct sources){ .file = two }, &second);
		if (strcmp(one, two) != 0)
			assert_string_not_equal(first.digest, second.digest);
		memcpy(flag, "flag --", 7);
		bl_config_flag_name(key, flag + 7);
		must_come_from(key, &(struct sources){ .file = one }, "f.yaml:2", &first);
		must_come_from(key, &(struct sources){ one, two, NULL, NULL },
		               (snprintf(variable, sizeof(variable), "environment "),
		                bl_config_variable_name(key, "BRANCHLINE", variable + 12),
		                variable),
		               &second);
		must_come_from(key, &(struct sources){ one, one, two, NULL },
		               (bl_config_variable_name(key, "INPUT", variable), variable),
		               &second);
		must_come_from(key, &(struct sources){ one, one, one, two }, flag, &second);
		must_come_from(key, &(struct sources){ .flag = one }, flag, &first);
		must_come_from(key, &(struct sources){ one, NULL, "", NULL }, "f.yaml:2", &first);
	}
}

static void every_key_is_documented(void **state)
{
	BL_AUTO(bl_buf) docs = BL_BUF(1 << 20);
	BL_AUTO(bl_buf) help = BL_BUF(1 << 20);

	(void)state;
	bl_config_docs(&docs);
	bl_config_help(&help);
	for (size_t i = 0; i < bl_config_table_n; i++) {
		char row[BL_CONFIG_NAME + 8];

		snprintf(row, sizeof(row), "\n| `%s` |", bl_config_table[i].name);
		assert_non_null(strstr(bl_buf_text(&docs), row));
		snprintf(row, sizeof(row), "\n  %s ", bl_config_table[i].name);
		assert_non_null(strstr(bl_buf_text(&help), row));
		assert_true(strlen(bl_config_table[i].help) > 10);
		assert_ptr_equal(bl_config_find(bl_config_table[i].name), &bl_config_table[i]);
	}
}

/* --- Flags ------------------------------------------------------------------------------------ */

struct flag_case {
	struct bl_config_flag flags[3];
	const char *name, *value; /* what the key then is, as JSON; or the error */
};

static void run_flag_case(const struct flag_case *c, struct bl_buf *out)
{
	struct bl_config_input input = { .flags = c->flags, .cwd = "/here" };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_json json = BL_JSON(out);
	struct bl_err err = { 0 };

	while (input.n_flags < 3 && c->flags[input.n_flags].name)
		input.n_flags++;
	if (bl_config_resolve(&input, &config, &err))
		bl_buf_adds(out, err.text);
	else
		bl_json_value(&json, NULL, bl_config_value(&config, c->name));
}

static void flags_say_what_they_mean(void **state)
{
	static const struct flag_case cases[] = {
		{ { { "param", "lr=1e-4" }, { "param", "n=x" } },
		  "hyperparameters",
		  "{\"lr\":0.0001,\"n\":\"x\"}" },
		{ { { "param", "a=null" }, { "param", "b=1 # c" }, { "param", "c=[1]" } },
		  "hyperparameters",
		  "{\"a\":\"null\",\"b\":\"1 # c\",\"c\":\"[1]\"}" },
		{ { { "param", "a=" },
		    { "param", "b=x=y" },
		    { "param", "c=99999999999999999999" } },
		  "hyperparameters",
		  "{\"a\":\"\",\"b\":\"x=y\",\"c\":\"99999999999999999999\"}" },
		{ { { "param", "lr" } }, NULL, "flag --param: expected NAME=VALUE, found 'lr'" },
		{ { { "param", "=1" } }, NULL, "flag --param: expected NAME=VALUE, found '=1'" },
		{ { { "data", "train=x.jsonl" } },
		  "data",
		  "{\"train\":{\"local\":\"/here/x.jsonl\",\"uri\":null,\"version\":null,"
		  "\"include\":[],\"format\":\"auto\"}}" },
		{ { { "data", "train=/x.jsonl" }, { "data", "train=s3://b/x" } },
		  "data",
		  "{\"train\":{\"local\":null,\"uri\":\"s3://b/x\",\"version\":null,\"include\":[],"
		  "\"format\":\"auto\"}}" },
		{ { { "data", "train=" } },
		  NULL,
		  "flag --data: data.train.local: expected one line of text, not empty" },
		{ { { "--", "[\"a\",\"1\",\"true\",\"x y\"]" } },
		  "command",
		  "[\"a\",\"1\",\"true\",\"x y\"]" },
		{ { { "command", "echo hi" } }, "command", "\"echo hi\"" },
		{ { { "outputs", "a, b" }, { "outputs", "c" } }, "outputs", "[\"a\",\"b\",\"c\"]" },
		{ { { "outputs", "" } }, "outputs", "[]" },
		{ { { "outputs", "[a" } },
		  NULL,
		  "flag --outputs:2:1: did not find expected ',' or ']' while parsing a flow "
		  "sequence" },
		{ { { "gpus", "1" }, { "gpus", "2" } }, "gpus", "2" },
		{ { { "gpus", "many" } },
		  NULL,
		  "flag --gpus: expected a whole number from 0 to 16, found text 'many'" },
		{ { { "max-runtime", "90m" } }, "max_runtime", "\"90m\"" },
		{ { { "max-runtime", "abc" } },
		  NULL,
		  "flag --max-runtime: 'abc' is not a duration like 90s, 30m, 6h or 1h30m" },
		{ { { "auto-shutdown", "maybe" } },
		  NULL,
		  "flag --auto-shutdown: expected true or false, found text 'maybe'" },
		{ { { "region", "\xff" } }, NULL, "flag --region: the value is not UTF-8" },
		{ { { "grase", "1s" } }, NULL, "unknown flag --grase; did you mean --grace?" },
		{ { { "jobs", "{}" } }, NULL, "unknown flag --jobs" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(65536);

		run_flag_case(&cases[i], &out);
		assert_string_equal(bl_buf_text(&out), cases[i].value);
	}
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static const char two_jobs[] =
	"version: 1\ngpus: 1\njobs:\n  train: {gpus: 2}\n  eval: {gpus: 3}\n";

static void check_job(const char *file, const char *job, int64_t gpus, const char *error)
{
	const struct bl_config_input input = {
		.bytes = file, .len = file ? strlen(file) : 0, .file = "f.yaml", .job = job
	};
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };

	if (bl_config_resolve(&input, &config, &err)) {
		assert_string_equal(err.text, error);
		return;
	}
	assert_null(error);
	assert_int_equal(bl_config_int(&config, "gpus"), gpus);
	assert_string_equal(config.job, job ? job : "default");
}

static void a_job_is_chosen_by_name(void **state)
{
	struct bl_err err = { 0 };
	BL_VALUE names = NULL;
	const struct bl_config_input input = { .bytes = two_jobs,
		                               .len = strlen(two_jobs),
		                               .file = "f.yaml" };

	(void)state;
	check_job(two_jobs, "train", 2, NULL);
	check_job(two_jobs, "eval", 3, NULL);
	check_job(two_jobs, NULL, 0, "f.yaml: which job: train, eval?");
	check_job(two_jobs, "evil", 0,
	          "f.yaml: there is no job 'evil' (jobs: train, eval); did you mean 'eval'?");
	check_job("version: 1\n", "x", 0, "f.yaml: there is no job 'x': it has no jobs");
	check_job(NULL, "x", 0, "f.yaml: there is no job 'x': it has no jobs");
	check_job(NULL, NULL, 1, NULL);
	assert_int_equal(bl_config_jobs(&input, &names, &err), 0);
	assert_int_equal(names->n, 2);
	assert_string_equal(names->items[1]->text, "eval");
}

/* --- Ceilings --------------------------------------------------------------------------------- */

static void obey(const char *file, const char *flag, const char *value, const char *error)
{
	static const char json[] = "{\"max_cost_usd\":5,\"max_runtime\":\"4h\",\"live\":2,"
				   "\"instance_types\":[\"g6.*\",\"g5.xlarge\"],"
				   "\"secrets\":[\"hf\"]}";
	const struct bl_config_flag given = { flag, value };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };
	BL_VALUE ceilings = NULL;

	assert_int_equal(bl_json_parse(json, strlen(json), "c", &ceilings, &err), 0);
	const struct bl_config_input input = {
		.bytes = file,
		.len = strlen(file),
		.file = "f.yaml",
		.flags = &given,
		.n_flags = flag ? 1 : 0,
		.ceilings = ceilings,
	};
	int rc = bl_config_resolve(&input, &config, &err);
	if (error) {
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_string_equal(err.text, error);
		assert_string_equal(err.next, "lower it, or have the stack's ceiling raised");
		return;
	}
	assert_string_equal(err.text, "");
	assert_true(bl_config_real(&config, "max_cost_usd") <= 5);
	assert_true(bl_config_duration_ms(&config, "max_runtime") <= 4 * 3600000);
}

static void nothing_raises_a_ceiling(void **state)
{
	BL_AUTO(bl_config) config = { 0 };

	(void)state;
	obey("version: 1\n", NULL, NULL, NULL); /* the defaults are above and give way */
	obey("version: 1\nmax_cost_usd: 5\nmax_runtime: 4h\n", NULL, NULL, NULL);
	obey("version: 1\nmax_cost_usd: 6\n", NULL, NULL,
	     "f.yaml:2: max_cost_usd: 6 is over the stack's ceiling of 5");
	obey("version: 1\nmax_cost_usd: 4\n", "max-cost-usd", "5.5",
	     "flag --max-cost-usd: max_cost_usd: 5.5 is over the stack's ceiling of 5");
	obey("version: 1\n", "max-runtime", "5h",
	     "flag --max-runtime: max_runtime: 5h is over the stack's ceiling of 4h");
	obey("version: 1\n", "instance-types", "g6.xlarge, g5.xlarge", NULL);
	obey("version: 1\n", "instance-types", "p5.48xlarge",
	     "flag --instance-types: instance_types: p5.48xlarge is not among the stack's: g6.*, "
	     "g5.xlarge");
	obey("version: 1\nsecrets: {A: hf#key}\n", NULL, NULL, NULL);
	obey("version: 1\nsecrets: {A: other}\n", NULL, NULL,
	     "f.yaml:2: secrets.A: other is not among the stack's: hf");
}

/* --- Overrides, digest, storage --------------------------------------------------------------- */

static void resolve_text(const char *file, const struct bl_config_flag *flags, size_t n,
                         struct bl_config *out)
{
	const struct bl_config_input input = {
		.bytes = file, .len = strlen(file), .flags = flags, .n_flags = n
	};
	struct bl_err err = { 0 };

	if (bl_config_resolve(&input, out, &err))
		fail_msg("%s", err.text);
}

static void overrides_are_what_changes_the_result(void **state)
{
	static const char file[] = "version: 1\nhyperparameters: {lr: 1, n: 2}\nmax_runtime: 60m\n"
				   "checkpoints: none\n";
	static const struct bl_config_flag flags[] = {
		{ "param", "lr=1.0" },    { "param", "n=3" }, { "max-runtime", "1h" },
		{ "store", "elsewhere" }, { "gpus", "1" },    { "max-cost-usd", "3" },
		{ "data", "train=/x" },   { "env", "A=1" },
	};
	static const char *const expect[] = { "hyperparameters.n", "env.A", "data.train",
		                              "max_cost_usd" };
	BL_AUTO(bl_config) config = { 0 };

	(void)state;
	resolve_text(file, flags, BL_COUNT(flags), &config);
	assert_int_equal(config.overrides->n, BL_COUNT(expect));
	for (size_t i = 0; i < BL_COUNT(expect); i++)
		assert_string_equal(config.overrides->items[i]->text, expect[i]);
}

static void switching_checkpoints_on_or_off_is_one_override(void **state)
{
	static const struct bl_config_flag off[] = { { "checkpoints", "none" } };
	static const struct bl_config_flag on[] = { { "checkpoints-keep", "7" } };
	BL_AUTO(bl_config) config = { 0 };
	BL_AUTO(bl_config) again = { 0 };

	(void)state;
	resolve_text("version: 1\ncheckpoints: {path: x}\n", off, 1, &config);
	assert_false(bl_config_checkpoints(&config));
	assert_int_equal(config.overrides->n, 1);
	assert_string_equal(config.overrides->items[0]->text, "checkpoints");
	assert_int_equal(bl_config_int(&config, "checkpoints.keep"), 2);
	assert_true(bl_config_bool(&config, "checkpoints.keep_best"));
	assert_null(bl_config_text(&config, "checkpoints.path"));
	resolve_text("version: 1\ncheckpoints: none\n", on, 1, &again);
	assert_true(bl_config_checkpoints(&again));
	assert_int_equal(bl_config_int(&again, "checkpoints.keep"), 7);
	assert_int_equal(bl_config_duration_ms(&again, "checkpoints.quiet"), 10000);
}

static void the_digest_is_of_the_meaning(void **state)
{
	static const char *const alike[] = {
		"version: 1\nmax_runtime: 60m\nhyperparameters: {a: 1, b: 2}\n",
		"version: 1\nhyperparameters:\n  b: 2\n  a: 1\nmax_runtime: 1h\ngpus: 1\n",
	};
	BL_AUTO(bl_config) a = { 0 };
	BL_AUTO(bl_config) b = { 0 };
	BL_AUTO(bl_config) other = { 0 };

	(void)state;
	resolve_text(alike[0], NULL, 0, &a);
	resolve_text(alike[1], NULL, 0, &b);
	resolve_text("version: 1\nmax_runtime: 61m\n", NULL, 0, &other);
	assert_string_equal(a.digest, b.digest);
	assert_string_not_equal(a.digest, other.digest);
	assert_int_equal(strlen(a.digest), 64);
}

static void a_stored_tree_reads_back(void **state)
{
	static const char file[] = "version: 1\ncommand: [a]\nhyperparameters: {lr: 1e-5, s: '1'}\n"
				   "data: {train: s3://b/x}\nmetrics: {noise: {a: 1%}}\n"
				   "checkpoints: none\nmax_log_bytes: 10MB\nmin_compute: 8.5\n";
	BL_AUTO(bl_config) config = { 0 };
	BL_AUTO(bl_config) back = { 0 };
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	struct bl_json json = BL_JSON(&text);
	struct bl_err err = { 0 };
	BL_VALUE tree = NULL;

	(void)state;
	resolve_text(file, NULL, 0, &config);
	bl_json_value(&json, NULL, config.tree);
	assert_int_equal(bl_json_parse(bl_buf_text(&text), text.len, "t", &tree, &err), 0);
	assert_int_equal(bl_config_from_tree(tree, &back, &err), 0);
	assert_true(bl_value_equal(config.tree, back.tree));
	assert_string_equal(config.digest, back.digest);
	assert_false(bl_config_checkpoints(&back));
}

static void refuse_tree(const char *json, const char *error)
{
	BL_AUTO(bl_config) back = { 0 };
	struct bl_err err = { 0 };
	BL_VALUE tree = NULL;

	assert_int_equal(bl_json_parse(json, strlen(json), "t", &tree, &err), 0);
	assert_int_equal(bl_config_from_tree(tree, &back, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_string_equal(err.text, error);
}

static void a_stored_tree_is_checked(void **state)
{
	BL_AUTO(bl_config) back = { 0 };
	struct bl_err err = { 0 };
	BL_VALUE tree = NULL;
	static const char later[] = "{\"version\":1,\"of_the_future\":{\"x\":1},\"gpus\":4}";

	(void)state;
	refuse_tree("[]", "stored configuration: not a map");
	refuse_tree("{\"gpus\":\"x\"}", "stored configuration: expected a whole number from 0 to "
	                                "16, found text 'x'");
	refuse_tree("{\"max_runtime\":6}", "stored configuration: expected a duration from 1s to "
	                                   "30d, found a whole number");
	assert_int_equal(bl_json_parse(later, strlen(later), "t", &tree, &err), 0);
	assert_int_equal(bl_config_from_tree(tree, &back, &err), 0);
	assert_int_equal(bl_config_int(&back, "gpus"), 4);
	assert_int_equal(bl_config_duration_ms(&back, "max_runtime"), 6 * 3600000);
}

static void values_are_read_by_type(void **state)
{
	static const char file[] = "version: 1\ndata: {a: s3://b/x, c: {uri: file:///y, local: z, "
				   "include: ['*.x']}}\nmax_log_bytes: 3MiB\n";
	BL_AUTO(bl_config) config = { 0 };
	struct bl_channel channel;

	(void)state;
	resolve_text(file, NULL, 0, &config);
	assert_true(bl_config_bytes(&config, "max_log_bytes") == 3 * 1048576);
	assert_true(bl_config_real(&config, "max_cost_usd") == 10);
	assert_int_equal(bl_config_duration_ms(&config, "grace"), 100000);
	assert_true(bl_config_lists(&config, "stop_on", "nan"));
	assert_false(bl_config_lists(&config, "stop_on", "stall"));
	assert_true(bl_config_bool(&config, "auto_shutdown"));
	assert_false(bl_config_has(&config, "gpu"));
	assert_null(bl_config_text(&config, "gpu"));
	assert_true(bl_config_checkpoints(&config));
	assert_int_equal(bl_config_channels(&config), 2);
	bl_config_channel(&config, 0, &channel);
	assert_string_equal(channel.name, "a");
	assert_string_equal(channel.uri, "s3://b/x");
	assert_null(channel.local);
	assert_string_equal(channel.format, "auto");
	bl_config_channel(&config, 1, &channel);
	assert_string_equal(channel.local, "z");
	assert_int_equal(channel.include->n, 1);
	assert_null(channel.version);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int whole_story(struct bl_err *err)
{
	static const char file[] = "version: 1\ndata: {a: s3://b/x}\nenv: {A: 1}\noutputs: [a]\n"
				   "jobs: {j: {gpus: 2}}\n";
	static const struct bl_config_flag flags[] = { { "param", "a=1" },
		                                       { "outputs", "x,y" },
		                                       { "outputs", "z" },
		                                       { "data", "a=/x" },
		                                       { "--", "[\"x\"]" } };
	static const char *const environ[] = { "INPUT_GRACE=1s", "BRANCHLINE_ENV={B: 2}", NULL };
	static const char json[] = "{\"max_cost_usd\":5,\"max_runtime\":\"1h\"}";
	BL_AUTO(bl_config) config = { 0 };
	BL_AUTO(bl_config) back = { 0 };
	BL_VALUE ceilings = NULL;
	BL_VALUE names = NULL;

	if (bl_json_parse(json, strlen(json), "c", &ceilings, err))
		return -1;
	const struct bl_config_input input = {
		.bytes = file,
		.len = strlen(file),
		.flags = flags,
		.n_flags = BL_COUNT(flags),
		.environ = environ,
		.cwd = "/here",
		.ceilings = ceilings,
	};
	if (bl_config_jobs(&input, &names, err) || bl_config_resolve(&input, &config, err))
		return -1;
	return bl_config_from_tree(config.tree, &back, err);
}

static int refused_story(struct bl_err *err)
{
	static const char file[] = "version: 1\ngpus: 99\n";
	const struct bl_config_input input = { .bytes = file, .len = strlen(file) };
	BL_AUTO(bl_config) config = { 0 };

	if (!bl_config_resolve(&input, &config, err) || err->code != BL_EINPUT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	each_allocation_fails(whole_story, 8000);
	each_allocation_fails(refused_story, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_read_as_expected),
		cmocka_unit_test(every_key_is_read_from_every_source),
		cmocka_unit_test(every_key_is_documented),
		cmocka_unit_test(flags_say_what_they_mean),
		cmocka_unit_test(a_job_is_chosen_by_name),
		cmocka_unit_test(nothing_raises_a_ceiling),
		cmocka_unit_test(overrides_are_what_changes_the_result),
		cmocka_unit_test(switching_checkpoints_on_or_off_is_one_override),
		cmocka_unit_test(the_digest_is_of_the_meaning),
		cmocka_unit_test(a_stored_tree_reads_back),
		cmocka_unit_test(a_stored_tree_is_checked),
		cmocka_unit_test(values_are_read_by_type),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
