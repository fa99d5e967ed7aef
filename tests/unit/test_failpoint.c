/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/failpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void nothing_is_armed_by_default(void **state)
{
	(void)state;
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(BL_FAULT("test.unarmed"), 0);
}

#ifdef BL_TESTING
static int fault(const char *armed)
{
	setenv("BRANCHLINE_FAILPOINT", armed, 1);
	int got = BL_FAULT("test.fault");

	unsetenv("BRANCHLINE_FAILPOINT");
	return got;
}

static void a_name_is_matched_whole(void **state)
{
	static const struct {
		const char *armed;
		int errnum;
	} table[] = {
		{ "test.fault=ENOSPC", ENOSPC },
		{ "test.fault=EIO", EIO },
		{ "test.fault.x=EIO", 0 },
		{ "test.faul=EIO", 0 },
		{ "a=EIO,test.fault=EIO", EIO },
		{ "test.fault", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_int_equal(fault(table[i].armed), table[i].errnum);
}

static void a_pass_is_counted(void **state)
{
	(void)state;
	setenv("BRANCHLINE_FAILPOINT", "test.third=EIO@3", 1);
	for (int pass = 1; pass <= 5; pass++)
		assert_int_equal(BL_FAULT("test.third"), pass == 3 ? EIO : 0);
	unsetenv("BRANCHLINE_FAILPOINT");
}

static int status_at(const char *armed)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setenv("BRANCHLINE_FAILPOINT", armed, 1);
		BL_FAILPOINT("test.place");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return status;
}

static void a_place_kills_or_stops(void **state)
{
	(void)state;
	int killed = status_at("test.place=kill"), stopped = status_at("test.place=stop");

	assert_true(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGKILL);
	assert_true(WIFSTOPPED(stopped));
	assert_int_equal(status_at("test.other=kill"), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_armed_by_default),
#ifdef BL_TESTING
		cmocka_unit_test(a_name_is_matched_whole),
		cmocka_unit_test(a_pass_is_counted),
		cmocka_unit_test(a_place_kills_or_stops),
#endif
	};

	return cmocka_run_group_tests_name("failpoint", tests, NULL, NULL);
}
