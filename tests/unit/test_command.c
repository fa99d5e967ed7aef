/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command.h"

#include "codec/json.h"
#include "runner/exec_config.h"
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

#define HPS "{\"lr\":0.001,\"b\":true,\"a\":false,\"n\":3,\"name\":\"x y\",\"l\":[1,2],\"z\":null}"

static const struct command_case {
	const char *command, *hps, *style, *launcher;
	int64_t gpus;
	const char *argv; /* joined by '|'; NULL: refused */
	const char *says; /* part of the error or next step */
} commands[] = {
	{ "[\"python\",\"t.py\"]", NULL, "flags", "none", 0, "python|t.py", NULL },
	{ "[\"python\",\"t.py\"]", "{}", "flags", "none", 0, "python|t.py", NULL },
	{ "[\"p\",3,true,1.5]", NULL, "flags", "none", 0, "p|3|true|1.5", NULL },
	{ "[\"p\"]", HPS, "flags", "none", 0, "p|--b|--l|[1,2]|--lr|0.001|--n|3|--name|x y", NULL },
	{ "[\"p\"]", HPS, "values", "none", 0,
	  "p|-a|False|-b|True|-l|[1,2]|--lr|0.001|-n|3|--name|x y|-z|None", NULL },
	{ "[\"p\"]", HPS, "equals", "none", 0,
	  "p|a=false|b=true|l=[1,2]|lr=0.001|n=3|name=x y|z=null", NULL },
	{ "[\"p\"]", HPS, "none", "none", 0, "p", NULL },
	{ "[\"p\"]", "{\"sagemaker_program\":\"t.py\",\"k\":1}", "values", "none", 0, "p|-k|1",
	  NULL },
	{ "[\"p\"]", "{\"Z\":1,\"a\":2,\"_\":3}", "flags", "none", 0, "p|--Z|1|--_|3|--a|2", NULL },
	{ "\"python t.py\"", NULL, "flags", "none", 0, "/bin/sh|-c|python t.py|sh", NULL },
	{ "\"python t.py \\\"$@\\\"\"", "{\"lr\":1}", "flags", "none", 0,
	  "/bin/sh|-c|python t.py \"$@\"|sh|--lr|1", NULL },
	{ "\"python t.py\"", "{\"lr\":1}", "flags", "none", 0, NULL, "$@" },
	{ "\"python t.py\"", "{\"lr\":1}", "none", "none", 0, "/bin/sh|-c|python t.py|sh", NULL },
	{ "\"python t.py\"", "{\"sagemaker_job_name\":\"j\"}", "values", "none", 0,
	  "/bin/sh|-c|python t.py|sh", NULL },
	{ "[\"t.py\"]", "{\"lr\":1}", "flags", "torchrun", 0,
	  "torchrun|--standalone|--nproc_per_node=1|--no_python|t.py|--lr|1", NULL },
	{ "[\"t.py\"]", NULL, "flags", "torchrun", 4,
	  "torchrun|--standalone|--nproc_per_node=4|--no_python|t.py", NULL },
	{ "[\"t.py\"]", NULL, "flags", "accelerate", 2,
	  "accelerate|launch|--num_processes=2|--no_python|t.py", NULL },
	{ "\"t.py\"", NULL, "flags", "torchrun", 2, NULL, "needs a command that is a list" },
	{ NULL, NULL, "flags", "none", 0, NULL, "no command" },
	{ "[]", NULL, "flags", "none", 0, NULL, "empty" },
	{ "[\"\"]", NULL, "flags", "none", 0, NULL, "empty" },
	{ "\" \\n\"", NULL, "flags", "none", 0, NULL, "empty" },
	{ "[\"p\",[1]]", NULL, "flags", "none", 0, NULL, "command[1]" },
	{ "7", NULL, "flags", "none", 0, NULL, "list or a text" },
};

static int build(const struct command_case *row, struct command *out, struct bl_err *err)
{
	BL_VALUE command = json(row->command);
	BL_VALUE hps = json(row->hps);
	struct command_plan plan = { .command = command,
		                     .hyperparameters = hps,
		                     .gpus = row->gpus };

	if (command_style_parse(row->style, &plan.style, err) ||
	    command_launcher_parse(row->launcher, &plan.launcher, err))
		return -1;
	return command_build(&plan, out, err);
}

static void commands_are_built_by_the_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(commands); i++) {
		const struct command_case *row = &commands[i];
		BL_AUTO(bl_buf) joined = BL_BUF(4096);
		BL_AUTO(command) command = { 0 };
		struct bl_err err = { 0 };
		int rc = build(row, &command, &err);

		for (size_t k = 0; k < command.argc; k++)
			bl_buf_addf(&joined, "%s%s", k ? "|" : "", command.argv[k]);
		if (!row->argv) {
			if (!rc || err.code != BL_EINPUT ||
			    (!strstr(err.text, row->says) && !strstr(err.next, row->says)))
				fail_msg("row %zu: %d '%s' '%s'", i, rc, err.text, err.next);
			continue;
		}
		if (rc || strcmp(bl_buf_text(&joined), row->argv) != 0)
			fail_msg("row %zu: '%s' %s", i, bl_buf_text(&joined), err.text);
		assert_null(command.argv[command.argc]);
		assert_int_equal(command.is_shell, row->command[0] == '"');
	}
}

static void unknown_words_are_refused(void **state)
{
	enum command_launcher launcher;
	enum command_style style;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(command_style_parse("flag", &style, &err), -1);
	assert_non_null(strstr(err.text, "flags, values, equals, none"));
	bl_err_clear(&err);
	assert_int_equal(command_launcher_parse("mpi", &launcher, &err), -1);
	assert_non_null(strstr(err.text, "none, torchrun, accelerate"));
}

static void sagemakers_texts_become_values(void **state)
{
	BL_VALUE texts = json("{\"n\":\"3\",\"b\":\"true\",\"q\":\"\\\"adam\\\"\",\"w\":\"adam\","
	                      "\"l\":\"[1,2]\",\"e\":\"\",\"v\":7}");
	BL_VALUE want = json("{\"n\":3,\"b\":true,\"q\":\"adam\",\"w\":\"adam\",\"l\":[1,2],"
	                     "\"e\":\"\",\"v\":7}");
	BL_VALUE got = NULL;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(command_decode_texts(texts, &got, &err), 0);
	assert_true(bl_value_equal(got, want));
}

static int parse(const char *text, struct exec_config *out, struct bl_err *err)
{
	return exec_config_parse(text, strlen(text), "branchline.json", out, err);
}

static void a_config_is_read_and_has_defaults(void **state)
{
	BL_AUTO(exec_config) bare = EXEC_CONFIG;
	BL_AUTO(exec_config) full = EXEC_CONFIG;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(parse("{\"schema\":1}", &bare, &err), 0);
	assert_null(bare.command);
	assert_int_equal(bare.grace_ms, 100000);
	assert_true(bare.max_log_bytes == (int64_t)2 << 30);
	assert_true(bare.echo);
	assert_int_equal(bare.style, STYLE_FLAGS);
	assert_int_equal(parse("{\"schema\":1,\"command\":[\"a\"],\"hyperparameters\":{\"k\":1},"
	                       "\"hyperparameters_as\":\"equals\",\"launcher\":\"torchrun\","
	                       "\"workdir\":\"src\",\"gpus\":2,\"grace_ms\":5,\"max_log_bytes\":6,"
	                       "\"echo\":false,\"env\":{\"A\":\"b\"},\"later\":1}",
	                       &full, &err),
	                 0);
	assert_int_equal(full.command->n, 1);
	assert_int_equal(full.hyperparameters->n, 1);
	assert_int_equal(full.style, STYLE_EQUALS);
	assert_int_equal(full.launcher, LAUNCH_TORCHRUN);
	assert_string_equal(full.workdir, "src");
	assert_int_equal(full.gpus, 2);
	assert_int_equal(full.grace_ms, 5);
	assert_int_equal(full.max_log_bytes, 6);
	assert_int_equal(full.env->n, 1);
	assert_false(full.echo);
}

static void a_bad_config_names_its_key(void **state)
{
	static const struct {
		const char *text, *says;
		enum bl_code code;
	} table[] = {
		{ "{\"schema\":1,\"grace_ms\":-1}", "grace_ms", BL_EINPUT },
		{ "{\"schema\":1,\"gpus\":\"two\"}", "gpus", BL_EINPUT },
		{ "{\"schema\":1,\"echo\":1}", "echo", BL_EINPUT },
		{ "{\"schema\":1,\"workdir\":[]}", "workdir", BL_EINPUT },
		{ "{\"schema\":1,\"env\":[]}", "env", BL_EINPUT },
		{ "{\"schema\":1,\"hyperparameters\":[]}", "hyperparameters", BL_EINPUT },
		{ "{\"schema\":1,\"hyperparameters_as\":\"x\"}", "hyperparameters_as", BL_EINPUT },
		{ "{\"schema\":1,\"launcher\":\"x\"}", "launcher", BL_EINPUT },
		{ "{\"schema\":2}", "branchline.json", BL_ECORRUPT },
		{ "{\"schema\":1", "branchline.json", BL_ECORRUPT },
		{ "[]", "branchline.json", BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct exec_config config = EXEC_CONFIG;
		struct bl_err err = { 0 };

		assert_int_equal(parse(table[i].text, &config, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].says))
			fail_msg("%s: %d %s", table[i].text, err.code, err.text);
		assert_null(config.doc);
	}
}

static int every_call(struct bl_err *err)
{
	static const char text[] = "{\"schema\":1,\"command\":[\"p\"],\"hyperparameters\":{\"a\":1,"
				   "\"b\":\"x\"}}";
	static char name[] = "p";
	char *argv[] = { name, NULL };
	BL_AUTO(exec_config) config = EXEC_CONFIG;
	BL_AUTO(exec_config) read = EXEC_CONFIG;
	BL_AUTO(command) command = { 0 };
	BL_AUTO(command) copied = { 0 };
	BL_VALUE decoded = NULL;

	if (exec_config_parse(text, sizeof(text) - 1, "t", &config, err) ||
	    exec_config_read(-1, &read, err))
		return -1;
	struct command_plan plan = { .command = config.command,
		                     .hyperparameters = config.hyperparameters };
	return command_build(&plan, &command, err) || command_copy(1, argv, &copied, err) ||
	                       command_decode_texts(config.hyperparameters, &decoded, err)
	               ? -1
	               : 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(every_call, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_built_by_the_rules),
		cmocka_unit_test(unknown_words_are_refused),
		cmocka_unit_test(sagemakers_texts_become_values),
		cmocka_unit_test(a_config_is_read_and_has_defaults),
		cmocka_unit_test(a_bad_config_names_its_key),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
