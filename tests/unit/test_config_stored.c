/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides, the digest, and configurations that were stored. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overrides_are_what_changes_the_result),
		cmocka_unit_test(switching_checkpoints_on_or_off_is_one_override),
		cmocka_unit_test(the_digest_is_of_the_meaning),
		cmocka_unit_test(a_stored_tree_reads_back),
		cmocka_unit_test(a_stored_tree_is_checked),
		cmocka_unit_test(values_are_read_by_type),
	};

	return cmocka_run_group_tests_name("config_stored", tests, NULL, NULL);
}
