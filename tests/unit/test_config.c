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

static const struct flag_case flag_cases[] = {
	{ { { "param", "lr=1e-4" }, { "param", "n=x" } },
	  "hyperparameters",
	  "{\"lr\":0.0001,\"n\":\"x\"}" },
	{ { { "param", "a=null" }, { "param", "b=1 # c" }, { "param", "c=[1]" } },
	  "hyperparameters",
	  "{\"a\":\"null\",\"b\":\"1 # c\",\"c\":\"[1]\"}" },
	{ { { "param", "a=" }, { "param", "b=x=y" }, { "param", "c=99999999999999999999" } },
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

static void flags_say_what_they_mean(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(flag_cases); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(65536);

		run_flag_case(&flag_cases[i], &out);
		assert_string_equal(bl_buf_text(&out), flag_cases[i].value);
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
		cmocka_unit_test(flags_say_what_they_mean),
		cmocka_unit_test(a_job_is_chosen_by_name),
		cmocka_unit_test(nothing_raises_a_ceiling),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
