/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec_env.h"

#include "base/str.h"
#include "codec/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX ((size_t)120 << 10) /* execve() refuses a text of 128 KiB */

struct build {
	const struct exec_env_facts *facts;
	char *const *base;
	struct bl_buf *text;
};

static bool is_named(const char *entry, const char *name, size_t len)
{
	return !strncmp(entry, name, len) && entry[len] == '=';
}

/* The value that the command would get so far: the map's, else ours. */
static const char *find(const struct build *b, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = b->text->data; at && at < b->text->data + b->text->len;
	     at += strlen(at) + 1)
		if (is_named(at, name, len))
			return at + len + 1;
	for (char *const *entry = b->base; *entry; entry++)
		if (is_named(*entry, name, len))
			return *entry + len + 1;
	return NULL;
}

static void set(struct build *b, const char *name, const char *value)
{
	bl_buf_addf(b->text, "%s=", name);
	bl_buf_add(b->text, value, strlen(value) + 1);
}

static void set_unless(struct build *b, const char *name, const char *value)
{
	if (!find(b, name))
		set(b, name, value);
}

static void set_path(struct build *b, const char *name, const char *below)
{
	BL_AUTO(bl_buf) path = BL_BUF(VALUE_MAX);

	bl_buf_addf(&path, "%s/%s", b->facts->root, below);
	set_unless(b, name, bl_buf_text(&path));
}

static void set_number(struct build *b, const char *name, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	set_unless(b, name, text);
}

/* What does not fit into one variable is left out: scripts that need it read the file. */
static void set_buf(struct build *b, const char *name, const struct bl_buf *value)
{
	if (value->failed == BL_ENOMEM)
		b->text->failed = BL_ENOMEM;
	else if (!value->failed)
		set_unless(b, name, bl_buf_text(value));
}

/* As sagemaker-training names them: upper case, nothing else changed. */
static void upper_name(struct bl_buf *name, const char *prefix, const char *word)
{
	bl_buf_adds(name, prefix);
	for (; *word; word++)
		bl_buf_addc(name, *word == '=' ? '_' : (char)toupper((unsigned char)*word));
}

static void set_channels(struct build *b)
{
	BL_AUTO(bl_buf) list = BL_BUF(VALUE_MAX);
	struct bl_json json = BL_JSON(&list);

	bl_json_list(&json, NULL);
	for (size_t i = 0; i < b->facts->n_channels; i++) {
		BL_AUTO(bl_buf) name = BL_BUF(1024);
		BL_AUTO(bl_buf) below = BL_BUF(4096);

		bl_json_text(&json, NULL, b->facts->channels[i]);
		upper_name(&name, "SM_CHANNEL_", b->facts->channels[i]);
		bl_buf_addf(&below, "input/data/%s", b->facts->channels[i]);
		set_path(b, bl_buf_text(&name), bl_buf_text(&below));
	}
	bl_json_end_list(&json);
	set_buf(b, "SM_CHANNELS", &list);
}

static void set_hyperparameters(struct build *b)
{
	const struct bl_value *map = b->facts->hyperparameters;
	BL_AUTO(bl_buf) all = BL_BUF(VALUE_MAX);
	struct bl_json json = BL_JSON(&all);

	if (map)
		bl_json_value(&json, NULL, map);
	else
		bl_buf_adds(&all, "{}");
	set_buf(b, "SM_HPS", &all);
	for (size_t i = 0; map && i < map->n; i++) {
		const struct bl_value *one = map->items[i];
		BL_AUTO(bl_buf) name = BL_BUF(1024);
		BL_AUTO(bl_buf) text = BL_BUF(VALUE_MAX);
		struct bl_json value = BL_JSON(&text);

		upper_name(&name, "SM_HP_", one->key);
		if (one->type == BL_STRING)
			bl_buf_adds(&text, one->text);
		else
			bl_json_value(&value, NULL, one);
		set_buf(b, bl_buf_text(&name), &text);
	}
}

static void write_hosts(struct build *b, struct bl_json *json, const char *key)
{
	const struct bl_value *hosts = bl_value_get(b->facts->resources, "hosts");

	if (hosts) {
		bl_json_value(json, key, hosts);
		return;
	}
	bl_json_list(json, key);
	bl_json_text(json, NULL, "algo-1");
	bl_json_end_list(json);
}

static const char *resource(struct build *b, const char *key, const char *fallback)
{
	return b->facts->resources ? bl_value_text_or(b->facts->resources, key, fallback)
	                           : fallback;
}

static void set_hosts(struct build *b)
{
	BL_AUTO(bl_buf) hosts = BL_BUF(VALUE_MAX);
	struct bl_json json = BL_JSON(&hosts);

	write_hosts(b, &json, NULL);
	set_buf(b, "SM_HOSTS", &hosts);
	set_unless(b, "SM_CURRENT_HOST", resource(b, "current_host", "algo-1"));
	set_unless(b, "SM_NETWORK_INTERFACE_NAME", resource(b, "network_interface_name", "eth0"));
	set_number(b, "SM_NUM_GPUS", b->facts->gpus);
	set_number(b, "SM_NUM_CPUS", b->facts->cpus);
}

static void write_path(struct build *b, struct bl_json *json, const char *key, const char *below)
{
	BL_AUTO(bl_buf) path = BL_BUF(VALUE_MAX);

	bl_buf_addf(&path, "%s/%s", b->facts->root, below);
	bl_json_text(json, key, bl_buf_text(&path));
}

static void set_training_env(struct build *b)
{
	const struct exec_env_facts *facts = b->facts;
	BL_AUTO(bl_buf) all = BL_BUF(VALUE_MAX);
	struct bl_json json = BL_JSON(&all);

	bl_json_map(&json, NULL);
	bl_json_map(&json, "channel_input_dirs");
	for (size_t i = 0; i < facts->n_channels; i++) {
		BL_AUTO(bl_buf) below = BL_BUF(4096);

		bl_buf_addf(&below, "input/data/%s", facts->channels[i]);
		write_path(b, &json, facts->channels[i], bl_buf_text(&below));
	}
	bl_json_end_map(&json);
	bl_json_text(&json, "current_host", resource(b, "current_host", "algo-1"));
	write_hosts(b, &json, "hosts");
	if (facts->hyperparameters) {
		bl_json_value(&json, "hyperparameters", facts->hyperparameters);
	} else {
		bl_json_map(&json, "hyperparameters");
		bl_json_end_map(&json);
	}
	write_path(b, &json, "input_config_dir", "input/config");
	write_path(b, &json, "input_dir", "input");
	write_path(b, &json, "model_dir", "model");
	bl_json_text(&json, "network_interface_name",
	             resource(b, "network_interface_name", "eth0"));
	bl_json_int(&json, "num_cpus", facts->cpus);
	bl_json_int(&json, "num_gpus", facts->gpus);
	write_path(b, &json, "output_data_dir", "output/data");
	write_path(b, &json, "output_dir", "output");
	bl_json_end_map(&json);
	set_buf(b, "SM_TRAINING_ENV", &all);
}

static void set_sagemaker(struct build *b)
{
	set_path(b, "SM_MODEL_DIR", "model");
	set_path(b, "SM_INPUT_DIR", "input");
	set_path(b, "SM_INPUT_CONFIG_DIR", "input/config");
	set_path(b, "SM_OUTPUT_DIR", "output");
	set_path(b, "SM_OUTPUT_DATA_DIR", "output/data");
	set_channels(b);
	set_hyperparameters(b);
	set_hosts(b);
	set_training_env(b);
}

static void set_branchline(struct build *b)
{
	const char *run = find(b, "BRANCHLINE_RUN_ID"), *job = find(b, "TRAINING_JOB_NAME");
	BL_AUTO(bl_buf) run_id = BL_BUF(VALUE_MAX);

	bl_buf_adds(&run_id, run ? run : job ? job : "");
	if (run_id.len) {
		set_unless(b, "BRANCHLINE_RUN_ID", bl_buf_text(&run_id));
		set_unless(b, "WANDB_RUN_ID", bl_buf_text(&run_id));
		set_unless(b, "WANDB_RESUME", "allow");
	}
	set_path(b, "BRANCHLINE_METRICS", "output/branchline/metrics.in.jsonl");
	set_path(b, "BRANCHLINE_CHECKPOINT_DIR", "checkpoints");
	set_unless(b, "RESUME_FROM_CHECKPOINT", "");
	set_path(b, "TORCHELASTIC_ERROR_FILE", "output/branchline/error.json");
	set_unless(b, "PYTHONUNBUFFERED", "1");
	set(b, EXEC_MARK_NAME, b->facts->mark);
}

/* The code first, then what the map or else our environment has. */
static void set_python_path(struct build *b, const char *configured)
{
	BL_AUTO(bl_buf) python = BL_BUF(VALUE_MAX);
	const char *path = configured ? configured : find(b, "PYTHONPATH");

	if (b->facts->has_code)
		bl_buf_addf(&python, "%s/code%s%s", b->facts->root, path && *path ? ":" : "",
		            path ? path : "");
	else if (configured)
		bl_buf_adds(&python, configured);
	if (python.failed == BL_ENOMEM)
		b->text->failed = BL_ENOMEM;
	else if (!python.failed && python.len)
		set(b, "PYTHONPATH", bl_buf_text(&python));
}

/* The map's variables, as they are. */
static int set_configured(struct build *b, struct bl_err *err)
{
	const struct bl_value *map = b->facts->env;
	const char *python = NULL;

	for (size_t i = 0; map && i < map->n; i++) {
		const struct bl_value *one = map->items[i];
		BL_AUTO(bl_buf) text = BL_BUF(VALUE_MAX);
		struct bl_json json = BL_JSON(&text);

		if (!one->key[0] || strchr(one->key, '='))
			return bl_fail(err, BL_EINPUT, "env: '%s' cannot name a variable",
			               one->key);
		if (one->type == BL_LIST || one->type == BL_MAP)
			return bl_fail(err, BL_EINPUT, "env.%s must be a text", one->key);
		if (!strcmp(one->key, EXEC_MARK_NAME))
			continue;
		if (one->text)
			bl_buf_adds(&text, one->text);
		else if (one->type != BL_NULL)
			bl_json_value(&json, NULL, one);
		if (bl_buf_check(&text, one->key, err))
			return -1;
		if (strcmp(one->key, "PYTHONPATH") != 0)
			set(b, one->key, bl_buf_text(&text));
		else
			python = one->text;
	}
	set_python_path(b, python);
	return 0;
}

static size_t count_texts(const struct bl_buf *text)
{
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += !text->data[i];
	return n;
}

/* Whether base's entry is replaced by one of ours. */
static bool is_replaced(const char *entry, const struct bl_buf *text)
{
	size_t name = strcspn(entry, "=") + 1;

	for (const char *at = text->data; at < text->data + text->len; at += strlen(at) + 1)
		if (!strncmp(at, entry, name))
			return true;
	return false;
}

void exec_env_done(struct exec_env *env)
{
	free(env->vars);
	bl_buf_done(&env->text);
	env->vars = NULL;
}

int exec_env_build(const struct exec_env_facts *facts, char *const *base, struct exec_env *out,
                   struct bl_err *err)
{
	BL_AUTO(exec_env) made = EXEC_ENV;
	struct build b = { facts, base, &made.text };
	size_t n_base = 0, n = 0;

	if (set_configured(&b, err))
		return -1;
	set_branchline(&b);
	set_sagemaker(&b);
	if (bl_buf_check(&made.text, "environment", err))
		return -1;
	while (base[n_base])
		n_base++;
	made.vars = calloc(n_base + count_texts(&made.text) + 1, sizeof(*made.vars));
	if (!made.vars)
		return bl_fail(err, BL_ENOMEM, "environment: out of memory");
	for (size_t i = 0; i < n_base; i++)
		if (!is_replaced(base[i], &made.text))
			made.vars[n++] = base[i];
	for (char *at = made.text.data; at < made.text.data + made.text.len; at += strlen(at) + 1)
		made.vars[n++] = at;
	*out = made;
	made = EXEC_ENV;
	return 0;
}
