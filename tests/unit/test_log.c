/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "codec/json.h"
#include "tests/unit/failalloc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr = -1, reader = -1;

/* What is written to stderr from here on comes back from captured(). */
static void capture(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
}

static const char *captured(void)
{
	static char text[32768];
	ssize_t n = read(reader, text, sizeof(text) - 1);

	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int clear_environment(void **state)
{
	static const char *const names[] = { "BRANCHLINE_LOG",   "GITHUB_ACTIONS",
		                             "BRANCHLINE_DEBUG", "RUNNER_DEBUG",
		                             "NO_COLOR",         "FORCE_COLOR",
		                             "CLICOLOR_FORCE",   "TERM" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(names); i++)
		unsetenv(names[i]);
	return 0;
}

static const char *logged(enum bl_log_level level, const char *text, const char *next)
{
	struct bl_err err = { .code = BL_EIO };

	strncpy(err.text, text, sizeof(err.text) - 1);
	strncpy(err.next, next, sizeof(err.next) - 1);
	capture();
	bl_log_err(level, &err);
	return captured();
}

static void the_environment_chooses_the_format(void **state)
{
	static const struct {
		const char *log, *actions;
		enum bl_log_format format;
	} table[] = {
		{ NULL, NULL, BL_LOG_HUMAN },      { NULL, "true", BL_LOG_GITHUB },
		{ "json", "true", BL_LOG_JSON },   { "human", "true", BL_LOG_HUMAN },
		{ "github", NULL, BL_LOG_GITHUB }, { "", "true", BL_LOG_GITHUB },
		{ "what", NULL, BL_LOG_HUMAN },
	};

	for (size_t i = 0; i < BL_COUNT(table); i++) {
		clear_environment(state);
		if (table[i].log)
			setenv("BRANCHLINE_LOG", table[i].log, 1);
		if (table[i].actions)
			setenv("GITHUB_ACTIONS", table[i].actions, 1);
		bl_log_init("branchline");
		assert_int_equal(bl_log_format(), table[i].format);
	}
}

static void debug_is_shown_on_demand(void **state)
{
	(void)state;
	bl_log_init("branchline");
	assert_string_equal(logged(BL_LOG_DEBUG, "x", ""), "");
	setenv("RUNNER_DEBUG", "1", 1);
	bl_log_init("branchline");
	assert_string_equal(logged(BL_LOG_DEBUG, "x", ""), "branchline: debug: x\n");
}

static void people_get_one_line(void **state)
{
	(void)state;
	bl_log_init("branchline");
	assert_string_equal(logged(BL_LOG_ERROR, "no store", "give --store"),
	                    "branchline: no store; give --store\n");
	assert_string_equal(logged(BL_LOG_WARN, "a\nb\tc", ""), "branchline: warning: a b c\n");
	assert_string_equal(logged(BL_LOG_INFO, "\033[2J\r\x7f", ""),
	                    "branchline: \\x1b[2J\\x0d\\x7f\n");
	assert_string_equal(logged(BL_LOG_INFO, "\xc2\x9b\xff\xc3\xa9", ""),
	                    "branchline: \\x9b\\xff\xc3\xa9\n");
	capture();
	bl_log(BL_LOG_INFO, "%d of %s", 3, "four");
	assert_string_equal(captured(), "branchline: 3 of four\n");
	setenv("FORCE_COLOR", "1", 1);
	assert_string_equal(logged(BL_LOG_ERROR, "x", ""), "\033[31mbranchline: x\033[0m\n");
	assert_string_equal(logged(BL_LOG_INFO, "x", ""), "branchline: x\n");
}

static void github_gets_commands(void **state)
{
	(void)state;
	setenv("GITHUB_ACTIONS", "true", 1);
	bl_log_init("branchline");
	assert_string_equal(logged(BL_LOG_ERROR, "50% of\r\n::x", "do\nthis"),
	                    "::error title=branchline::50%25 of%0D%0A::x%0Ado%0Athis\n");
	assert_string_equal(logged(BL_LOG_WARN, "w", ""), "::warning title=branchline::w\n");
	bl_log_title("launch");
	assert_string_equal(logged(BL_LOG_WARN, "w", ""), "::warning title=launch::w\n");
	bl_log_title("branchline");
	bl_log_set(BL_LOG_GITHUB, BL_LOG_DEBUG);
	assert_string_equal(logged(BL_LOG_DEBUG, "d", ""), "::debug::d\n");
}

static void a_message_cannot_command_the_runner(void **state)
{
	(void)state;
	bl_log_set(BL_LOG_GITHUB, BL_LOG_INFO);
	assert_string_equal(logged(BL_LOG_INFO, "50% done", ""), "branchline: 50% done\n");
	assert_string_equal(logged(BL_LOG_INFO, "a\n::add-mask::x", ""),
	                    "branchline: a ::add-mask::x\n");
	assert_string_equal(logged(BL_LOG_INFO, "##[group]x ##[error]", "##["),
	                    "branchline: # #[group]x # #[error]; # #[\n");
}

static int64_t fixed_time(void)
{
	return 1795507381000;
}

static void programs_get_json(void **state)
{
	static const struct bl_clock clock = { fixed_time, fixed_time };

	(void)state;
	bl_clock_replace(&clock);
	bl_log_init("branchline");
	bl_log_set(BL_LOG_JSON, BL_LOG_INFO);
	assert_string_equal(logged(BL_LOG_WARN, "a\"\\\n\xff", "n"),
	                    "{\"at\":\"2026-11-24T08:03:01Z\",\"level\":\"warn\","
	                    "\"program\":\"branchline\",\"text\":\"a\\\"\\\\\\u000a\xef\xbf\xbd\","
	                    "\"next\":\"n\"}\n");
	bl_clock_replace(NULL);
}

static void the_longest_message_is_whole_json(void **state)
{
	struct bl_err err = { 0 };
	BL_VALUE value = NULL;
	char text[5000];
	const char *line;

	(void)state;
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bl_log_set(BL_LOG_JSON, BL_LOG_INFO);
	capture();
	bl_log(BL_LOG_INFO, "%s", text);
	line = captured();
	assert_int_equal(bl_json_parse(line, strlen(line), "line", &value, &err), 0);
	assert_int_equal(strlen(bl_value_text_or(value, "text", "")), 2047);
}

static void colour_obeys_the_environment(void **state)
{
	static const struct {
		const char *name, *value, *also;
		bool colour;
	} table[] = {
		{ "TERM", "xterm", NULL, false }, /* no terminal */
		{ "FORCE_COLOR", "1", NULL, true },
		{ "FORCE_COLOR", "0", NULL, false },
		{ "CLICOLOR_FORCE", "1", NULL, true },
		{ "CLICOLOR_FORCE", "0", NULL, false },
		{ "GITHUB_ACTIONS", "true", NULL, true },
		{ "FORCE_COLOR", "1", "NO_COLOR", false },
		{ "GITHUB_ACTIONS", "true", "NO_COLOR", false },
	};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; i < BL_COUNT(table); i++) {
		clear_environment(state);
		setenv(table[i].name, table[i].value, 1);
		if (table[i].also)
			setenv(table[i].also, "1", 1);
		assert_int_equal(bl_log_colour(null), table[i].colour);
	}
	close(null);
}

/* Whatever fails, the words come through. */
static int log_both(struct bl_err *err)
{
	static const enum bl_log_level levels[] = { BL_LOG_INFO, BL_LOG_ERROR };

	(void)err;
	for (size_t i = 0; i < BL_COUNT(levels); i++) {
		const char *line;

		capture();
		bl_log(levels[i], "out of memory");
		line = captured();
		if (!strstr(line, "out of memory") || !strchr(line, '\n'))
			return -1;
	}
	return 0;
}

static void a_message_needs_no_memory(void **state)
{
	(void)state;
	bl_log_set(BL_LOG_HUMAN, BL_LOG_INFO);
	each_allocation_fails(log_both, 20);
	bl_log_set(BL_LOG_GITHUB, BL_LOG_INFO);
	each_allocation_fails(log_both, 20);
	bl_log_set(BL_LOG_JSON, BL_LOG_INFO);
	each_allocation_fails(log_both, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_environment_chooses_the_format, clear_environment),
		cmocka_unit_test_setup(debug_is_shown_on_demand, clear_environment),
		cmocka_unit_test_setup(people_get_one_line, clear_environment),
		cmocka_unit_test_setup(github_gets_commands, clear_environment),
		cmocka_unit_test_setup(a_message_cannot_command_the_runner, clear_environment),
		cmocka_unit_test_setup(programs_get_json, clear_environment),
		cmocka_unit_test_setup(the_longest_message_is_whole_json, clear_environment),
		cmocka_unit_test_setup(colour_obeys_the_environment, clear_environment),
		cmocka_unit_test_setup(a_message_needs_no_memory, clear_environment),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
