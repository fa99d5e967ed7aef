/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/workflow.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_value_keeps_its_lines(void **state)
{
	static const char expect[] = "A_b-1<<end\none\nB=2\nC<<x\n::set-env name=D::1\n\nend\n";
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	must(workflow_entry("A_b-1", "one\nB=2\nC<<x\n::set-env name=D::1\n", "end", &out, &err),
	     &err);
	assert_string_equal(bl_buf_text(&out), expect);
}

static void a_value_never_ends_early(void **state)
{
	static const struct {
		const char *value;
		bool refused;
	} table[] = {
		{ "", false },           { "end", true },
		{ "a\nend\nX=1", true }, { "a\r\nend\r\n", true },
		{ "a\rend\rb", true },   { "end\n", true },
		{ "\nend", true },       { "ends", false },
		{ " end", false },       { "an end", false },
		{ "en\nd", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(workflow_entry("A", table[i].value, "end", &out, &err),
		                 table[i].refused ? -1 : 0);
		assert_int_equal(err.code, table[i].refused ? BL_EINPUT : BL_OK);
	}
}

static void only_names_are_names(void **state)
{
	static const char *const bad[] = {
		"", "1A", "A B", "A=B", "A<<B", "A\nB", "\xc3\xa9", "-A"
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(workflow_entry(bad[i], "v", "end", &out, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
}

static void commands_hold_no_line_break(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(4096);

	(void)state;
	workflow_escape(&out, "50% \r\n::add-mask::x:,");
	assert_string_equal(bl_buf_text(&out), "50%25 %0D%0A::add-mask::x:,");
}

static void a_page_is_the_same_for_whoever_names_it(void **state)
{
	static const struct {
		const char *server, *repository, *run, *url;
	} table[] = {
		{ "https://ghes.example", "o/r", "7", "https://ghes.example/o/r/actions/runs/7" },
		{ "", "o/r", "7", "https://github.com/o/r/actions/runs/7" },
		{ "https://github.com", "", "7", "" },
		{ "https://github.com", "o/r", "", "" },
		{ "https://github.com", "o/r", "7) [x](http://evil", "" },
		{ "javascript:", "o/r", "7", "" },
	};
	char url[WORKFLOW_URL_SIZE], longest[WORKFLOW_URL_SIZE];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		setenv("GITHUB_SERVER_URL", table[i].server, 1);
		setenv("GITHUB_REPOSITORY", table[i].repository, 1);
		setenv("GITHUB_RUN_ID", table[i].run, 1);
		workflow_job_url(url);
		assert_string_equal(url, table[i].url);
	}
	/* a part of it would be another's */
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	setenv("GITHUB_SERVER_URL", "https://github.com", 1);
	setenv("GITHUB_RUN_ID", longest, 1);
	workflow_job_url(url);
	assert_string_equal(url, "");
}

/* --- Files ------------------------------------------------------------------------------------ */

static size_t read_whole(const char *name, char *text, size_t size)
{
	FILE *file = fopen(folder_path(name), "r");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
	return n;
}

/* Appended to what other steps wrote, each with a delimiter that nobody can guess. */
static void entries_are_appended(void **state)
{
	const struct workflow_pair pairs[] = { { "A", "1" }, { "B", "2\n3" } };
	char text[1024], first[64], second[64], a[64], b[64];
	struct bl_err err = { 0 };

	(void)state;
	put_text("env", "OLD=1\n");
	setenv("GITHUB_ENV", folder_path("env"), 1);
	must(workflow_write(WORKFLOW_ENV, pairs, BL_COUNT(pairs), &err), &err);
	read_whole("env", text, sizeof(text));
	assert_int_equal(
		sscanf(text, "OLD=1\nA<<%63s\n1\n%63s\nB<<%63s\n2\n3\n%63s\n", first, a, second, b),
		4);
	assert_string_equal(first, a);
	assert_string_equal(second, b);
	assert_string_not_equal(first, second);
	assert_int_equal(strlen(first), strlen("branchline_") + 32);
}

static void what_is_not_for_steps_is_refused_as_a_whole(void **state)
{
	static const char *const names[] = { "GITHUB_PATH", "RUNNER_TEMP", "NODE_OPTIONS" };
	char text[64];

	(void)state;
	put_text("env", "");
	setenv("GITHUB_ENV", folder_path("env"), 1);
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		const struct workflow_pair pairs[] = { { "A", "1" }, { names[i], "x" } };
		struct bl_err err = { 0 };

		assert_int_equal(workflow_write(WORKFLOW_ENV, pairs, 2, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_int_equal(read_whole("env", text, sizeof(text)), 0);
	}
	struct bl_err err = { 0 };
	setenv("GITHUB_OUTPUT", "", 1);
	assert_int_equal(workflow_write(WORKFLOW_OUTPUT, NULL, 0, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err); /* a step whose outputs are lost is no other than a step */
	setenv("GITHUB_OUTPUT", "/nonexistent/outputs", 1);
	assert_int_equal(workflow_write(WORKFLOW_OUTPUT, NULL, 0, &err), -1);
	assert_int_equal(err.code, BL_EIO);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int story(struct bl_err *err)
{
	const struct workflow_pair pairs[] = { { "A", "1" } };

	if (workflow_write(WORKFLOW_ENV, pairs, 1, err))
		return -1;
	return workflow_mask("", err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	put_text("env", "");
	setenv("GITHUB_ENV", folder_path("env"), 1);
	must(story(&err), &err);
	each_allocation_fails(story, 100);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_keeps_its_lines),
		cmocka_unit_test(a_value_never_ends_early),
		cmocka_unit_test(only_names_are_names),
		cmocka_unit_test(commands_hold_no_line_break),
		cmocka_unit_test(a_page_is_the_same_for_whoever_names_it),
		IN_FOLDER(entries_are_appended),
		IN_FOLDER(what_is_not_for_steps_is_refused_as_a_whole),
		IN_FOLDER(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("workflow", tests, NULL, NULL);
}
