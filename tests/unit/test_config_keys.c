/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the table, from every source. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read_from_every_source),
		cmocka_unit_test(every_key_is_documented),
	};

	return cmocka_run_group_tests_name("config_keys", tests, NULL, NULL);
}
