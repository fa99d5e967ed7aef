/* SPDX-License-Identifier: Apache-2.0 */
#include "run/keys.h"
#include "run/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AT_MS INT64_C(1795507381123) /* 2026-11-24T08:03:01.123Z */
#define SHA "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"

static void an_id_names_its_second_and_commit(void **state)
{
	char id[BL_RUN_SIZE], bare[BL_RUN_SIZE];
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_run_id_make(AT_MS, SHA, id, &err), 0);
	assert_memory_equal(id, "20261124T080301Z-1a2b3c4d-", 26);
	assert_int_equal(strlen(id), 30);
	assert_true(bl_run_id_valid(id));
	assert_true(bl_run_id_wall_ms(id) == AT_MS - 123);
	assert_int_equal(bl_run_id_make(AT_MS, NULL, bare, &err), 0);
	assert_memory_equal(bare, "20261124T080301Z-00000000-", 26);
	assert_int_equal(bl_run_id_make(AT_MS, "", bare, &err), 0);
	assert_memory_equal(bare, "20261124T080301Z-00000000-", 26);
}

static void ids_of_one_second_differ(void **state)
{
	char ids[64][BL_RUN_SIZE];
	struct bl_err err = { 0 };
	size_t same = 0;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(ids); i++) {
		assert_int_equal(bl_run_id_make(AT_MS, SHA, ids[i], &err), 0);
		for (size_t j = 0; j < i; j++)
			same += !strcmp(ids[i], ids[j]);
	}
	assert_true(same < 3); /* of 2016 pairs, each alike once in a million */
}

static void what_cannot_be_in_an_id_is_refused(void **state)
{
	char id[BL_RUN_SIZE] = "untouched";
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_run_id_make(-1000, SHA, id, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_run_id_make(AT_MS, "1a2", id, &err), -1);
	assert_int_equal(err.code, BL_EBUG);
	bl_err_clear(&err);
	assert_int_equal(bl_run_id_make(AT_MS, "../../..", id, &err), -1);
	assert_string_equal(id, "untouched");
}

static void only_ids_are_valid(void **state)
{
	static const char *const bad[] = {
		"",
		"latest",
		"20261124T080301Z-1a2b3c4d-q7x",
		"20261124T080301Z-1a2b3c4d-q7xkk",
		"20261124T080301Z-1A2b3c4d-q7xk",
		"20261124T080301Z-1a2b3c4g-q7xk",
		"20261124T080301Z-1a2b3c4d-q8xk",
		"20261124T080301Z-1a2b3c4d-Q7xk",
		"20261124 080301Z-1a2b3c4d-q7xk",
		"20261324T080301Z-1a2b3c4d-q7xk",
		"20261132T080301Z-1a2b3c4d-q7xk",
		"20261124T240301Z-1a2b3c4d-q7xk",
		"20261124T086001Z-1a2b3c4d-q7xk",
		"19691124T080301Z-1a2b3c4d-q7xk",
		"../../../../../../../etc/passwd",
	};

	(void)state;
	assert_true(bl_run_id_valid("20261124T080301Z-1a2b3c4d-q7xk"));
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		if (bl_run_id_valid(bad[i]))
			fail_msg("'%s' passes for an id", bad[i]);
		assert_true(bl_run_id_wall_ms(bad[i]) == 0);
	}
}

static void keys_sort_as_time(void **state)
{
	struct bl_key nine = bl_key_run("R", BL_KEY_LOG, 9u, 999ull);
	struct bl_key next = bl_key_run("R", BL_KEY_LOG, 9u, 1000ull);
	struct bl_key ten = bl_key_run("R", BL_KEY_LOG, 10u, 0ull);

	(void)state;
	assert_string_equal(nine.text, "runs/R/logs/009/0000000000000999.log");
	assert_true(strcmp(nine.text, next.text) < 0);
	assert_true(strcmp(next.text, ten.text) < 0);
	assert_string_equal(bl_key_run("R", BL_KEY_MANIFEST, 1u, 12u).text,
	                    "runs/R/checkpoints/001-000012.manifest.json");
	assert_string_equal(bl_key_run("R", "run.json").text, "runs/R/run.json");
}

/* The path in a checkpoint comes from the training: it must not silently become another key. */
static void a_key_too_long_is_no_key(void **state)
{
	char path[3000];
	struct bl_key key;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	key = bl_key_run("R", BL_KEY_CHECKPOINT, 1u, 1u, path);
	assert_true(strlen(key.text) > BL_KEY_MAX);
	path[1024 - strlen("runs/R/checkpoints/001-000001/")] = '\0';
	key = bl_key_run("R", BL_KEY_CHECKPOINT, 1u, 1u, path);
	assert_int_equal(strlen(key.text), BL_KEY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_names_its_second_and_commit),
		cmocka_unit_test(ids_of_one_second_differ),
		cmocka_unit_test(what_cannot_be_in_an_id_is_refused),
		cmocka_unit_test(only_ids_are_valid),
		cmocka_unit_test(keys_sort_as_time),
		cmocka_unit_test(a_key_too_long_is_no_key),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
