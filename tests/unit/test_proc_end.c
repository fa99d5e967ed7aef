/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/proc.h"
#include "tests/unit/child.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The pipe of a family is held by each member: its end of file says that all are gone. */
static void assert_all_gone(int out)
{
	struct pollfd closed = { .fd = out };
	char rest[256];

	if (poll(&closed, 1, CHILD_PATIENCE_MS) != 1)
		fail_msg("somebody still holds the pipe");
	while (read(out, rest, sizeof(rest)) > 0)
		;
	close(out);
}

static void await_lines(int out, int n)
{
	char c;

	while (n && read(out, &c, 1) == 1)
		n -= c == '\n';
	assert_int_equal(n, 0);
}

#define FAMILY                                                                                     \
	"setsid sh -c 'trap \"\" TERM; echo; sleep 60; true' &"                                    \
	"env -i sh -c 'echo; sleep 60; true' & (setsid sh -c 'echo; exec sleep 60' &); echo; wait"

static void end_a_family(void)
{
	char *mine[] = { CHILD_ARG("PATH=/usr/bin:/bin"), CHILD_ARG("BL_T_RUN=r1"),
		         CHILD_ARG("BL_T_TRY=2"), NULL };
	char *other[] = { CHILD_ARG("PATH=/usr/bin:/bin"), CHILD_ARG("BL_T_RUN=r1"),
		          CHILD_ARG("BL_T_TRY=23"), NULL };
	const char *const pairs[] = { "BL_T_RUN=r1", "BL_T_TRY=2", NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;
	int out, spared_out;

	struct bl_child child = child_start(FAMILY, mine, &out);
	struct bl_child spared = child_start("echo; sleep 60", other, &spared_out);
	await_lines(out, 4);
	await_lines(spared_out, 1);
	assert_int_equal(bl_proc_end_all(pairs, bl_mono_ms() + CHILD_PATIENCE_MS, &killed, &err),
	                 0);
	assert_true(killed >= 5);
	assert_all_gone(out);
	assert_true(WIFSIGNALED(child_wait(&child)));
	assert_true(bl_proc_start_ticks(spared.pid) > 0);
	kill(-spared.pid, SIGKILL);
	child_wait(&spared);
	close(spared_out);
}

static void everything_of_a_run_is_ended(void **state)
{
	(void)state;
	end_a_family();
	setenv("BRANCHLINE_FAILPOINT", "proc.pidfd.missing=EIO", 1); /* and in a strict sandbox */
	end_a_family();
	unsetenv("BRANCHLINE_FAILPOINT");
}

static void ourselves_and_our_ancestors_are_never_ended(void **state)
{
	pid_t parent = fork();
	int status;

	(void)state;
	if (!parent) { /* parent and child both carry the mark: execve puts it into /proc */
		char *argv[] = { CHILD_ARG("sh"),
			         CHILD_ARG("-c"),
			         CHILD_ARG("\"$1\" end-all BL_T_SELF=1; exit $?"),
			         CHILD_ARG("sh"),
			         NULL,
			         NULL };
		char exe[256];
		char *envp[] = { CHILD_ARG("BL_T_SELF=1"), CHILD_ARG("PATH=/usr/bin:/bin"), NULL };
		ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

		exe[n > 0 ? n : 0] = '\0';
		argv[4] = exe;
		execve("/bin/sh", argv, envp);
		_exit(99);
	}
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void offspring_is_ended_also_without_the_mark(void **state)
{
	char *bare[] = { CHILD_ARG("PATH=/usr/bin:/bin"), NULL };
	const char *const pairs[] = { "BL_T_RUN=none", NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;
	int out, kept_out;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct bl_child child = child_start(FAMILY, bare, &out);
	struct bl_child kept = child_start("echo; sleep 60", bare, &kept_out);
	await_lines(out, 4);
	await_lines(kept_out, 1);
	assert_int_equal(bl_proc_end_offspring(pairs, kept.pid, bl_mono_ms() + CHILD_PATIENCE_MS,
	                                       &killed, &err),
	                 0);
	assert_all_gone(out);
	assert_true(WIFSIGNALED(child_wait(&child)));
	assert_true(bl_proc_start_ticks(kept.pid) > 0);
	kill(-kept.pid, SIGKILL);
	child_wait(&kept);
	close(kept_out);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void no_pairs_end_nobody(void **state)
{
	const char *const none[] = { NULL };
	struct bl_err err = { 0 };
	unsigned killed = 7;

	(void)state;
	assert_int_equal(bl_proc_end_all(none, bl_mono_ms() + CHILD_PATIENCE_MS, &killed, &err), 0);
	assert_int_equal(killed, 0);
}

/* Also the program that `ourselves_and_our_ancestors_are_never_ended` starts. */
static int end_all_by_name(const char *pair)
{
	const char *const pairs[] = { pair, NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;

	if (!getenv("BL_T_SELF"))
		return 3;
	if (bl_proc_end_all(pairs, bl_mono_ms() + CHILD_PATIENCE_MS, &killed, &err))
		return 2;
	return killed != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_of_a_run_is_ended),
		cmocka_unit_test(ourselves_and_our_ancestors_are_never_ended),
		cmocka_unit_test(offspring_is_ended_also_without_the_mark),
		cmocka_unit_test(no_pairs_end_nobody),
	};

	if (argc == 3 && !strcmp(argv[1], "end-all"))
		return end_all_by_name(argv[2]);
	return cmocka_run_group_tests_name("proc: ends", tests, NULL, NULL);
}
