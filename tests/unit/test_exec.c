/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/fs.h"
#include "base/str.h"
#include "codec/json.h"
#include "run/outcome.h"
#include "tests/unit/failalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- The table ------------------------------------------------------------------------------- */

#define STAY(state) { ACT_IGNORE, state }
#define KILL { ACT_KILL_ALL, EXEC_KILLING }

static const struct exec_step cells[EXEC_STATES][EXEC_EVENTS] = {
	/* SPAWNED, SPAWN_FAILED, STOP, KILL_NOW, COMMAND_EXIT, GRACE_OVER, STRAYS_OVER, ALL_GONE */
	[EXEC_START] = { { ACT_MOVE, EXEC_RUNNING }, { ACT_EXIT, EXEC_DONE },
	                 { ACT_MOVE, EXEC_STOP_PENDING }, KILL, STAY(EXEC_START), STAY(EXEC_START),
	                 STAY(EXEC_START), STAY(EXEC_START) },
	[EXEC_STOP_PENDING] = { { ACT_TERM, EXEC_STOPPING }, { ACT_EXIT, EXEC_DONE },
	                        STAY(EXEC_STOP_PENDING), KILL, STAY(EXEC_STOP_PENDING),
	                        STAY(EXEC_STOP_PENDING), STAY(EXEC_STOP_PENDING),
	                        STAY(EXEC_STOP_PENDING) },
	[EXEC_RUNNING] = { STAY(EXEC_RUNNING), STAY(EXEC_RUNNING), { ACT_TERM, EXEC_STOPPING },
	                   KILL, { ACT_MOVE, EXEC_LEAVING }, STAY(EXEC_RUNNING),
	                   STAY(EXEC_RUNNING), STAY(EXEC_RUNNING) },
	[EXEC_STOPPING] = { STAY(EXEC_STOPPING), STAY(EXEC_STOPPING), STAY(EXEC_STOPPING), KILL,
	                    { ACT_MOVE, EXEC_LEAVING }, KILL, STAY(EXEC_STOPPING),
	                    STAY(EXEC_STOPPING) },
	[EXEC_LEAVING] = { STAY(EXEC_LEAVING), STAY(EXEC_LEAVING), STAY(EXEC_LEAVING), KILL,
	                   STAY(EXEC_LEAVING), STAY(EXEC_LEAVING), KILL, { ACT_EXIT, EXEC_DONE } },
	[EXEC_KILLING] = { STAY(EXEC_KILLING), STAY(EXEC_KILLING), STAY(EXEC_KILLING), KILL,
	                   STAY(EXEC_KILLING), STAY(EXEC_KILLING), { ACT_EXIT, EXEC_DONE },
	                   { ACT_EXIT, EXEC_DONE } },
	[EXEC_DONE] = { STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE),
	                STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE) },
};

static void every_cell_is_as_decided(void **state)
{
	(void)state;
	for (int now = 0; now < EXEC_STATES; now++) {
		for (int ev = 0; ev < EXEC_EVENTS; ev++) {
			struct exec_step step = exec_next((enum exec_state)now, (enum exec_event)ev);

			if (step.act != cells[now][ev].act || step.next != cells[now][ev].next)
				fail_msg("state %d, event %d: act %d, next %d", now, ev, step.act,
				         step.next);
		}
	}
}

static void stop_before_the_spawn_is_remembered(void **state)
{
	static const struct {
		enum exec_event ev;
		enum exec_act act;
	} story[] = {
		{ EV_STOP, ACT_MOVE },           { EV_SPAWNED, ACT_TERM },
		{ EV_STOP, ACT_IGNORE },         { EV_GRACE_OVER, ACT_KILL_ALL },
		{ EV_STRAYS_OVER, ACT_EXIT },
	};
	struct exec_step at = { ACT_IGNORE, EXEC_START };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(story); i++) {
		at = exec_next(at.next, story[i].ev);
		assert_int_equal(at.act, story[i].act);
	}
	assert_int_equal(at.next, EXEC_DONE);
}

/* Whatever happens in whatever order, three events end it. */
static void no_state_is_a_trap(void **state)
{
	(void)state;
	for (int now = EXEC_RUNNING; now < EXEC_DONE; now++) {
		struct exec_step at = exec_next((enum exec_state)now, EV_KILL_NOW);

		at = exec_next(at.next, EV_STRAYS_OVER);
		assert_int_equal(at.next, EXEC_DONE);
	}
}

/* --- Commands -------------------------------------------------------------------------------- */

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
	{ "[\"p\"]", "{\"sagemaker_program\":\"t.py\",\"k\":1}", "values", "none", 0, "p|-k|1", NULL },
	{ "[\"p\"]", "{\"Z\":1,\"a\":2,\"_\":3}", "flags", "none", 0, "p|--Z|1|--_|3|--a|2", NULL },
	{ "\"python t.py\"", NULL, "flags", "none", 0, "/bin/sh|-c|python t.py|sh", NULL },
	{ "\"python t.py \\\"$@\\\"\"", "{\"lr\":1}", "flags", "none", 0,
	  "/bin/sh|-c|python t.py \"$@\"|sh|--lr|1", NULL },
	{ "\"python t.py\"", "{\"lr\":1}", "flags", "none", 0, NULL, "$@" },
	{ "\"python t.py\"", "{\"lr\":1}", "none", "none", 0, "/bin/sh|-c|python t.py|sh", NULL },
	{ "\"python t.py\"", "{\"sagemaker_job_name\":\"j\"}", "values", "none", 0,
	  "/bin/sh|-c|python t.py|sh", NULL },
	{ "[\"t.py\"]", "{\"lr\":1}", "flags", "torchrun", 0,
	  "torchrun|--standalone|--nproc-per-node=1|--no-python|t.py|--lr|1", NULL },
	{ "[\"t.py\"]", NULL, "flags", "torchrun", 4,
	  "torchrun|--standalone|--nproc-per-node=4|--no-python|t.py", NULL },
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
	struct command_plan plan = { .command = command, .hyperparameters = hps, .gpus = row->gpus };

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

/* --- Configuration --------------------------------------------------------------------------- */

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

/* --- Environment ----------------------------------------------------------------------------- */

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

static void the_tree_is_told_in_sagemakers_names(void **state)
{
	static const char *const channels[] = { "train", "val-set" };
	static char path[] = "PATH=/bin", python[] = "PYTHONPATH=/lib", unbuffered[] = "PYTHONUNBUFFERED=0",
	            old[] = EXEC_MARK_NAME "=outer", keep[] = "SM_MODEL_DIR=/mine";
	char *base[] = { path, python, unbuffered, old, keep, NULL };
	BL_VALUE hps = json("{\"lr\":0.5,\"name\":\"x\",\"on\":true}");
	BL_AUTO(exec_env) env = EXEC_ENV;
	struct bl_err err = { 0 };
	struct exec_env_facts facts = {
		.root = "/opt/ml", .channels = channels, .n_channels = 2, .hyperparameters = hps,
		.gpus = 2, .cpus = 8, .has_code = true, .mark = "m",
	};
	static const char *const want[][2] = {
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
	static const char *const never[] = { "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR",
		                             "MASTER_PORT", "TORCHELASTIC_RUN_ID", "WANDB_RUN_ID" };

	(void)state;
	assert_int_equal(exec_env_build(&facts, base, &env, &err), 0);
	for (size_t i = 0; i < BL_COUNT(want); i++) {
		const char *got = var(&env, want[i][0]);

		if (!got || strcmp(got, want[i][1]) != 0)
			fail_msg("%s is %s", want[i][0], got ? got : "unset");
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

/* --- Out-of-memory kills --------------------------------------------------------------------- */

static void the_counters_file_is_found(void **state)
{
	static const struct {
		const char *cgroup, *mountinfo, *path;
	} table[] = {
		/* version 2: a service on a host */
		{ "0::/system.slice/docker.service\n",
		  "25 30 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
		  "/sys/fs/cgroup/system.slice/docker.service/memory.events" },
		/* version 2: a container with its own cgroup namespace */
		{ "0::/\n", "900 899 0:23 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
		  "/sys/fs/cgroup/memory.events" },
		/* version 1 in a container without one: the host's path is the mount's root */
		{ "12:memory:/docker/4f5e\n11:cpu,cpuacct:/docker/4f5e\n",
		  "812 810 0:28 /docker/4f5e /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup "
		  "rw,cpu,cpuacct\n"
		  "813 810 0:29 /docker/4f5e /sys/fs/cgroup/memory ro master:9 - cgroup cgroup "
		  "rw,memory\n",
		  "/sys/fs/cgroup/memory/memory.oom_control" },
		{ "12:memory:/docker/4f5e/job\n",
		  "813 810 0:29 /docker/4f5e /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
		  "/sys/fs/cgroup/memory/job/memory.oom_control" },
		/* both mounted: the memory controller is version 1's */
		{ "4:memory:/user\n0::/user.slice\n",
		  "33 32 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		  "34 32 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		  "/sys/fs/cgroup/memory/user/memory.oom_control" },
		/* a foreign path below another root, and blanks in the mount point */
		{ "3:memory:/../other\n",
		  "34 32 0:31 / /mnt/c\\040g rw - cgroup cgroup rw,memory\n",
		  "/mnt/c g/memory.oom_control" },
		/* a controller whose name only begins alike */
		{ "3:memoryx:/a\n", "34 32 0:31 / /m rw - cgroup cgroup rw,memory\n", NULL },
		{ "", "", NULL },
		{ "0::/a\n", "", NULL },
		{ "garbage\n::\n", "more garbage\n - cgroup\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char path[256] = "";
		bool found = oom_path(table[i].cgroup, table[i].mountinfo, path, sizeof(path));

		if (found != (table[i].path != NULL) || (found && strcmp(path, table[i].path)))
			fail_msg("row %zu: '%s'", i, path);
	}
}

static void kills_are_counted(void **state)
{
	(void)state;
	assert_int_equal(oom_count("low 0\nhigh 7\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"), 2);
	assert_int_equal(oom_count("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), 5);
	assert_int_equal(oom_count("oom_kill_disable 0\nunder_oom 0\n"), -1); /* Linux before 4.13 */
	assert_int_equal(oom_count(""), -1);
}

static void a_watch_sees_what_was_added(void **state)
{
	char path[] = "/tmp/bl-oom-XXXXXX";
	int fd = mkstemp(path);
	struct oom_watch watch = { .fd = fd, .before = 2 }, none = { .fd = -1 };

	(void)state;
	assert_int_equal(pwrite(fd, "oom_kill 4\n", 11, 0), 11);
	assert_int_equal(oom_watch_delta(&watch), 2);
	assert_int_equal(pwrite(fd, "oom_kill 1\n", 11, 0), 11);
	assert_int_equal(oom_watch_delta(&watch), 0);
	assert_int_equal(oom_watch_delta(&none), 0);
	oom_watch_done(&watch);
	unlink(path);
	oom_watch_open(&watch); /* whatever this machine has: nothing was killed */
	assert_int_equal(oom_watch_delta(&watch), 0);
	oom_watch_done(&watch);
}

/* --- The record ------------------------------------------------------------------------------ */

/* Also what the reader of records understands of it. */
static void record_of(const struct exec_run *run, struct bl_exit_record *out, struct bl_value **doc)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_err err = { 0 };

	if (exec_record_write(run, 1, 100, 7, &text, &err) ||
	    bl_exit_record_parse(text.data, text.len, out, &err) ||
	    bl_json_document(text.data, text.len, "exit.json", 1, doc, &err))
		fail_msg("%s", err.text);
}

static void a_record_says_how_it_ended(void **state)
{
	static const struct {
		int status;
		bool exited;
		int code, signal;
	} table[] = {
		{ 0, true, 0, 0 }, { 255 << 8, true, 255, 0 }, { SIGKILL, false, 137, SIGKILL },
		{ SIGSEGV | 0x80, false, 139, SIGSEGV },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct exec_run run = { .child = { .pid = 5 }, .reaped = true,
			                .status = table[i].status, .started_ms = 10, .ended_ms = 20 };
		struct bl_exit_record record;
		BL_VALUE doc = NULL;

		record_of(&run, &record, &doc);
		assert_true(record.spawned);
		assert_int_equal(record.exited, table[i].exited);
		assert_int_equal(record.code, table[i].code);
		assert_int_equal(record.signal, table[i].signal);
		assert_false(record.stop_delivered);
		assert_int_equal(record.oom_kills, 1);
		assert_int_equal(record.dropped_bytes, 7);
		assert_int_equal(bl_value_int_or(doc, "captured_bytes", 0), 100);
		assert_int_equal(bl_value_int_or(doc, "ended_at", 0), 20);
		assert_int_equal(exec_code(&run), table[i].code);
	}
}

static void a_record_says_why_it_did_not_start(void **state)
{
	struct exec_run run = { .exec_status = 127 };
	struct bl_exit_record record;
	BL_VALUE doc = NULL;

	(void)state;
	bl_fail(&run.failed, BL_ENOENT, "execute 'x': none");
	bl_next(&run.failed, "install it");
	record_of(&run, &record, &doc);
	assert_false(record.spawned);
	assert_int_equal(record.code, 127);
	assert_string_equal(record.error, "execute 'x': none");
	assert_string_equal(bl_value_text_or(doc, "next_step", ""), "install it");
}

static void a_record_tells_of_the_stop(void **state)
{
	struct exec_run run = { .child = { .pid = 5 }, .reaped = true, .stop_delivered_ms = 77,
		                .stop_reason = "timeout" };
	struct exec_run stuck = { .child = { .pid = 5 }, .stop_delivered_ms = 1,
		                  .stop_reason = "cancelled" };
	struct bl_exit_record record;
	BL_VALUE doc = NULL;
	BL_VALUE stuck_doc = NULL;

	(void)state;
	record_of(&run, &record, &doc);
	assert_true(record.stop_delivered);
	assert_string_equal(record.stop_reason, "timeout");
	assert_int_equal(bl_value_int_or(doc, "stop_delivered_at", 0), 77);
	record_of(&stuck, &record, &stuck_doc); /* it never came back from the kernel */
	assert_false(record.exited);
	assert_int_equal(record.signal, SIGKILL);
}

/* --- Without memory -------------------------------------------------------------------------- */

static int every_call(struct bl_err *err)
{
	static const char text[] = "{\"schema\":1,\"command\":[\"p\"],\"hyperparameters\":{\"a\":1,"
	                           "\"b\":\"x\"},\"env\":{\"V\":1}}";
	static char path[] = "PATH=/bin", name[] = "p";
	static const char *const channels[] = { "c" };
	char *base[] = { path, NULL }, *argv[] = { name, NULL };
	BL_AUTO(exec_config) config = EXEC_CONFIG;
	BL_AUTO(exec_config) read = EXEC_CONFIG;
	BL_AUTO(command) command = { 0 };
	BL_AUTO(command) copied = { 0 };
	BL_AUTO(exec_env) env = EXEC_ENV;
	BL_AUTO(bl_buf) record = BL_BUF(4096);
	BL_AUTO(ring) ring = RING;
	BL_VALUE decoded = NULL;
	struct exec_run run = { .child = { .pid = 5 }, .reaped = true };

	if (exec_config_parse(text, sizeof(text) - 1, "t", &config, err) ||
	    exec_config_read(-1, &read, err))
		return -1;
	struct command_plan plan = { .command = config.command,
		                     .hyperparameters = config.hyperparameters };
	struct exec_env_facts facts = { .root = "/r", .channels = channels, .n_channels = 1,
		                        .hyperparameters = config.hyperparameters,
		                        .env = config.env, .mark = "m" };
	return command_build(&plan, &command, err) || command_copy(1, argv, &copied, err) ||
	                       command_decode_texts(config.hyperparameters, &decoded, err) ||
	                       exec_env_build(&facts, base, &env, err) || ring_create(&ring, err) ||
	                       exec_record_write(&run, 0, 0, 0, &record, err)
	               ? -1
	               : 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(every_call, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_as_decided),
		cmocka_unit_test(stop_before_the_spawn_is_remembered),
		cmocka_unit_test(no_state_is_a_trap),
		cmocka_unit_test(commands_are_built_by_the_rules),
		cmocka_unit_test(unknown_words_are_refused),
		cmocka_unit_test(sagemakers_texts_become_values),
		cmocka_unit_test(a_config_is_read_and_has_defaults),
		cmocka_unit_test(a_bad_config_names_its_key),
		cmocka_unit_test(the_tree_is_told_in_sagemakers_names),
		cmocka_unit_test(a_sagemaker_job_gives_run_and_hosts),
		cmocka_unit_test(configured_variables_win),
		cmocka_unit_test(a_value_too_long_for_a_variable_is_left_out),
		cmocka_unit_test(the_counters_file_is_found),
		cmocka_unit_test(kills_are_counted),
		cmocka_unit_test(a_watch_sees_what_was_added),
		cmocka_unit_test(a_record_says_how_it_ended),
		cmocka_unit_test(a_record_says_why_it_did_not_start),
		cmocka_unit_test(a_record_tells_of_the_stop),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
