/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec_env.h"

#include "codec/json.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bl_value *json(const char *text)
{
	struct bl_value *value;
	struct bl_err err = { 0 };

	if (!text)
		return NULL;
	if (bl_json_parse(text, strlen(text), "test", &value, &err))
		fail_msg("%s", err.text);
	return value;
}

static const char *var(const struct exec_env *env, const char *name)
{
	const char *found = NULL;
	size_t len = strlen(name);

	for (char **at = env->vars; *at; at++) {
		if (strncmp(*at, name, len) || (*at)[len] != '=')
			continue;
		assert_null(found); /* twice would be anybody's guess */
		found = *at + len + 1;
	}
	return found;
}

static const char *const told[][2] = {
	{ "PATH", "/bin" },
	{ "PYTHONPATH", "/opt/ml/code:/lib" },
	{ "PYTHONUNBUFFERED", "0" },
	{ EXEC_MARK_NAME, "m" },
	{ "SM_MODEL_DIR", "/mine" },
	{ "SM_OUTPUT_DATA_DIR", "/opt/ml/output/data" },
	{ "SM_CHANNELS", "[\"train\",\"val-set\"]" },
	{ "SM_CHANNEL_TRAIN", "/opt/ml/input/data/train" },
	{ "SM_CHANNEL_VAL-SET", "/opt/ml/input/data/val-set" },
	{ "SM_HPS", "{\"lr\":0.5,\"name\":\"x\",\"on\":true}" },
	{ "SM_HP_LR", "0.5" },
	{ "SM_HP_NAME", "x" },
	{ "SM_HP_ON", "true" },
	{ "SM_HOSTS", "[\"algo-1\"]" },
	{ "SM_CURRENT_HOST", "algo-1" },
	{ "SM_NUM_GPUS", "2" },
	{ "SM_NUM_CPUS", "8" },
	{ "BRANCHLINE_METRICS", "/opt/ml/output/branchline/metrics.in.jsonl" },
	{ "BRANCHLINE_CHECKPOINT_DIR", "/opt/ml/checkpoints" },
	{ "RESUME_FROM_CHECKPOINT", "" },
	{ "TORCHELASTIC_ERROR_FILE", "/opt/ml/output/branchline/error.json" },
};

static void the_tree_is_told_in_sagemakers_names(void **state)
{
	static const char *const channels[] = { "train", "val-set" };
	static char path[] = "PATH=/bin", python[] = "PYTHONPATH=/lib",
		    unbuffered[] = "PYTHONUNBUFFERED=0", old[] = EXEC_MARK_NAME "=outer",
		    keep[] = "SM_MODEL_DIR=/mine";
	char *base[] = { path, python, unbuffered, old, keep, NULL };
	BL_VALUE hps = json("{\"lr\":0.5,\"name\":\"x\",\"on\":true}");
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct bl_err err = { 0 };
	struct exec_env_facts facts = {
		.root = "/opt/ml",
		.channels = channels,
		.n_channels = 2,
		.hyperparameters = hps,
		.gpus = 2,
		.cpus = 8,
		.has_code = true,
		.mark = "m",
	};
	static const char *const never[] = { "RANK",        "WORLD_SIZE",  "LOCAL_RANK",
		                             "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID",
		                             "WANDB_RUN_ID" };

	(void)state;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), 0);
	for (size_t i = 0; i < BL_COUNT(told); i++) {
		const char *got = var(&env, told[i][0]);

		if (!got || strcmp(got, told[i][1]) != 0)
			fail_msg("%s is %s", told[i][0], got ? got : "unset");
	}
	for (size_t i = 0; i < BL_COUNT(never); i++)
		assert_null(var(&env, never[i]));
	BL_VALUE whole = json(var(&env, "SM_TRAINING_ENV"));
	assert_string_equal(bl_value_text_or(whole, "channel_input_dirs.train", ""),
	                    "/opt/ml/input/data/train");
	assert_int_equal(bl_value_int_or(whole, "num_cpus", 0), 8);
}

static void a_sagemaker_job_gives_run_and_hosts(void **state)
{
	static char job[] = "TRAINING_JOB_NAME=job-7";
	char *base[] = { job, NULL };
	BL_VALUE resources = json("{\"current_host\":\"algo-2\",\"hosts\":[\"algo-1\",\"algo-2\"],"
	                          "\"network_interface_name\":\"eth1\"}");
	struct exec_env_facts facts = { .root = "/r", .resources = resources, .mark = "m" };
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), 0);
	assert_string_equal(var(&env, "BRANCHLINE_RUN_ID"), "job-7");
	assert_string_equal(var(&env, "WANDB_RUN_ID"), "job-7");
	assert_string_equal(var(&env, "WANDB_RESUME"), "allow");
	assert_string_equal(var(&env, "SM_HOSTS"), "[\"algo-1\",\"algo-2\"]");
	assert_string_equal(var(&env, "SM_CURRENT_HOST"), "algo-2");
	assert_string_equal(var(&env, "SM_NETWORK_INTERFACE_NAME"), "eth1");
	assert_string_equal(var(&env, "SM_CHANNELS"), "[]");
	assert_string_equal(var(&env, "SM_HPS"), "{}");
	assert_null(var(&env, "PYTHONPATH"));
}

static void configured_variables_win(void **state)
{
	static char a[] = "A=ours", run[] = "BRANCHLINE_RUN_ID=r";
	char *base[] = { a, run, NULL };
	BL_VALUE map = json("{\"A\":\"theirs\",\"N\":4,\"B\":true,\"E\":null,\"PYTHONPATH\":\"/p\","
	                    "\"WANDB_RUN_ID\":\"own\",\"" EXEC_MARK_NAME "\":\"forged\"}");
	BL_VALUE bad_name = json("{\"A=B\":\"1\"}");
	BL_VALUE bad_type = json("{\"A\":[1]}");
	struct exec_env_facts facts = { .root = "/r", .env = map, .mark = "m", .has_code = true };
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), 0);
	assert_string_equal(var(&env, "A"), "theirs");
	assert_string_equal(var(&env, "N"), "4");
	assert_string_equal(var(&env, "B"), "true");
	assert_string_equal(var(&env, "E"), "");
	assert_string_equal(var(&env, "PYTHONPATH"), "/r/code:/p");
	assert_string_equal(var(&env, "WANDB_RUN_ID"), "own");
	assert_string_equal(var(&env, EXEC_MARK_NAME), "m");
	facts.env = bad_name;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	facts.env = bad_type;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void a_value_too_long_for_a_variable_is_left_out(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	char *base[] = { NULL };
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&text, "{\"long\":\"");
	for (int i = 0; i < 20000; i++)
		bl_buf_adds(&text, "0123456789");
	bl_buf_adds(&text, "\",\"short\":1}");
	BL_VALUE hps = json(bl_buf_text(&text));
	struct exec_env_facts facts = { .root = "/r", .hyperparameters = hps, .mark = "m" };
	assert_int_equal(exec_env_build(&facts, base, &env, &err), 0);
	assert_null(var(&env, "SM_HP_LONG"));
	assert_null(var(&env, "SM_HPS"));
	assert_string_equal(var(&env, "SM_HP_SHORT"), "1");
}

static int build(struct bl_err *err)
{
	static char path[] = "PATH=/bin";
	static const char *const channels[] = { "c" };
	char *base[] = { path, NULL };
	BL_VALUE map = bl_value_new(BL_MAP);
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct exec_env_facts facts = { .root = "/r",
		                        .channels = channels,
		                        .n_channels = 1,
		                        .hyperparameters = map,
		                        .env = map,
		                        .mark = "m" };
	struct bl_value *text;

	if (!map)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (bl_value_string("v", &text, err) || bl_value_set(map, "K", text, err))
		return -1;
	return exec_env_build(&facts, base, &env, err);
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(build, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tree_is_told_in_sagemakers_names),
		cmocka_unit_test(a_sagemaker_job_gives_run_and_hosts),
		cmocka_unit_test(configured_variables_win),
		cmocka_unit_test(a_value_too_long_for_a_variable_is_left_out),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("exec_env", tests, NULL, NULL);
}
