/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "tests/unit/child.h"
#include "tests/unit/failalloc.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct bl_proc_id id(const char *machine, const char *boot, uint64_t pidns, uint64_t ticks)
{
	struct bl_proc_id made = { .pidns = pidns, .pid = 42, .start_ticks = ticks };

	snprintf(made.machine_id, sizeof(made.machine_id), "%s", machine);
	snprintf(made.boot_id, sizeof(made.boot_id), "%s", boot);
	return made;
}

static void only_proof_makes_an_owner_dead(void **state)
{
	static const struct {
		const char *machine, *boot;
		uint64_t pidns, ticks;
		enum bl_liveness judged;
	} table[] = {
		/* the owner has machine m, boot b, namespace 7, ticks 100 */
		{ "m", "b", 7, 100, BL_ALIVE }, { "m", "b", 7, 0, BL_DEAD },
		{ "m", "b", 7, 101, BL_DEAD },  { "m", "b", 8, 100, BL_UNKNOWN },
		{ "m", "b", 8, 0, BL_UNKNOWN }, { "m", "B", 7, 100, BL_DEAD },
		{ "m", "B", 8, 0, BL_DEAD },    { "M", "B", 7, 100, BL_UNKNOWN },
		{ "", "B", 7, 0, BL_UNKNOWN },  { "", "b", 7, 0, BL_DEAD },
		{ "m", "", 7, 0, BL_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_proc_id owner = id("m", "b", 7, 100);
		struct bl_proc_id reader = id(table[i].machine, table[i].boot, table[i].pidns, 1);

		if (bl_proc_judge(&owner, &reader, table[i].ticks) != table[i].judged)
			fail_msg("row %zu", i);
	}
	struct bl_proc_id nobody = id("", "", 0, 100), reader = id("", "", 0, 1);
	assert_int_equal(bl_proc_judge(&nobody, &reader, 0), BL_UNKNOWN);
}

static int spawn_status(const char *file, int dir_fd, bool search, struct bl_err *err)
{
	char *argv[] = { CHILD_ARG(file), NULL };
	struct bl_spawn how = { .file = file, .argv = argv, .search = search, .dir_fd = dir_fd };
	struct bl_child child = { .pid = -7 };
	int status = -1;

	assert_int_equal(bl_proc_spawn(&how, &child, &status, err), -1);
	assert_int_equal(child.pid, -7);
	assert_true(err->text[0] && err->next[0]);
	return status;
}

static void what_cannot_be_executed_is_named(void **state)
{
	char dir[] = "/tmp/bl-proc-XXXXXX", script[64], bare[64];
	struct bl_err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(script, sizeof(script), "%s/script", dir);
	snprintf(bare, sizeof(bare), "%s/bare", dir);
	int fd = open(script, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "#!/no/such/interpreter\n", 23), 23);
	close(fd);
	fd = open(bare, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "echo\n", 5), 5);
	close(fd);

	assert_int_equal(spawn_status("/no/such/program", -1, false, &err), 127);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(spawn_status("no-such-program-here", -1, true, &err), 127);
	assert_non_null(strstr(err.next, "PATH"));
	bl_err_clear(&err);
	assert_int_equal(spawn_status("/etc/passwd", -1, false, &err), 126);
	assert_int_equal(err.code, BL_EDENIED);
	bl_err_clear(&err);
	assert_int_equal(spawn_status(dir, -1, false, &err), 126);
	bl_err_clear(&err);
	assert_int_equal(spawn_status(script, -1, false, &err), 127);
	assert_non_null(strstr(err.next, "interpreter"));
	bl_err_clear(&err);
	assert_int_equal(spawn_status(bare, -1, false, &err), 126);
	assert_non_null(strstr(err.next, "#!/bin/sh"));
	unlink(script);
	unlink(bare);
	rmdir(dir);
}

static void a_failed_spawn_leaves_no_child(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	spawn_status("/no/such/program", -1, false, &err);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void the_child_is_as_fresh(void **state)
{
	char text[4096], expect[64];
	sigset_t blocked, before;
	int out, ours = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(dup3(ours, 200, O_CLOEXEC), 200);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	struct bl_child child =
		child_start("grep -E 'Sig(Blk|Ign)|NSpid' /proc/self/status;"
	                    "ls /proc/$$/fd | tr '\\n' ,; cut -d' ' -f5 /proc/$$/stat",
	                    NULL, &out);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	child_read(out, text, sizeof(text));
	assert_int_equal(child_wait(&child), 0);
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
	const char *ignored = strstr(text, "SigIgn:\t");
	assert_non_null(ignored);
	/* glibc keeps 32 and 33 to itself, and its posix_spawn (make's) leaves them ignored */
	assert_int_equal(strtoull(ignored + 8, NULL, 16) & ~0x180000000u, 0);
	assert_null(strstr(text, ",200,")); /* nothing of ours leaked */
	close(200);
	close(ours);
	snprintf(expect, sizeof(expect), ",%d\n", child.pid); /* its own group */
	assert_non_null(strstr(text, expect));
}

/* A stop that comes before our own program is ready for it waits, and does not end it. (A shell
 * would unblock them.) */
static void held_signals_are_blocked(void **state)
{
	char *argv[] = { CHILD_ARG("grep"), CHILD_ARG("SigBlk"), CHILD_ARG("/proc/self/status"),
		         NULL };
	struct bl_err err = { 0 };
	struct bl_child child;
	int out[2], status;
	char text[4096];

	(void)state;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	int fds[][2] = { { out[1], STDOUT_FILENO } };
	const struct bl_spawn how = { .file = "grep",
		                      .search = true,
		                      .argv = argv,
		                      .dir_fd = -1,
		                      .fds = fds,
		                      .n_fds = 1,
		                      .hold_signals = true };
	assert_int_equal(bl_proc_spawn(&how, &child, &status, &err), 0);
	close(out[1]);
	child_read(out[0], text, sizeof(text));
	assert_int_equal(child_wait(&child), 0);
	assert_non_null(strstr(text, "SigBlk:\t0000000000004003"));
}

static void overlapping_descriptors_find_their_places(void **state)
{
	char *argv[] = { CHILD_ARG("sh"), CHILD_ARG("-c"),
		         CHILD_ARG("echo three >&3; echo four >&4"), NULL };
	struct bl_err err = { 0 };
	struct bl_child child;
	int a[2], b[2], status;
	char text[64];

	(void)state;
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	assert_int_equal(dup3(a[1], 20, O_CLOEXEC), 20);
	assert_int_equal(dup3(b[1], 21, O_CLOEXEC), 21);
	/* 21 -> 20 -> 3 and 20 -> 21 -> 4: each own number is another's target */
	int fds[][2] = { { 20, 3 }, { 21, 4 }, { 20, 21 }, { 21, 20 } };
	struct bl_spawn how = {
		.file = "/bin/sh", .argv = argv, .dir_fd = -1, .fds = fds, .n_fds = BL_COUNT(fds)
	};
	assert_int_equal(bl_proc_spawn(&how, &child, &status, &err), 0);
	close(a[1]);
	close(b[1]);
	close(20);
	close(21);
	assert_int_equal(child_wait(&child), 0);
	child_read(a[0], text, sizeof(text));
	assert_string_equal(text, "three\n");
	child_read(b[0], text, sizeof(text));
	assert_string_equal(text, "four\n");
}

static void the_path_and_directory_given_are_used(void **state)
{
	char *argv[] = { CHILD_ARG("pwd"), CHILD_ARG("-P"), NULL };
	char *env[] = { CHILD_ARG("PATH=/nowhere:/bin:/usr/bin"), NULL };
	int ends[2], pair[1][2], status, dir = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bl_err err = { 0 };
	struct bl_child child;
	char text[64];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pair[0][0] = ends[1];
	pair[0][1] = 1;
	struct bl_spawn how = { .file = "pwd",
		                .argv = argv,
		                .envp = env,
		                .search = true,
		                .dir_fd = dir,
		                .fds = pair,
		                .n_fds = 1 };
	assert_int_equal(bl_proc_spawn(&how, &child, &status, &err), 0);
	close(ends[1]);
	close(dir);
	assert_int_equal(child_wait(&child), 0);
	child_read(ends[0], text, sizeof(text));
	assert_string_equal(text, "/usr\n");
}

static void we_are_alive_and_a_reaped_child_is_dead(void **state)
{
	struct bl_proc_id self, gone;
	struct bl_err err = { 0 };
	enum bl_liveness judged;
	int out;

	(void)state;
	assert_int_equal(bl_proc_self(&self, &err), 0);
	assert_int_equal(self.pid, getpid());
	assert_true(self.start_ticks == bl_proc_start_ticks(getpid()));
	assert_int_equal(bl_proc_probe(&self, &judged, &err), 0);
	assert_int_equal(judged, BL_ALIVE);

	gone = self;
	struct bl_child child = child_start("exec sleep 60", NULL, &out);
	gone.pid = child.pid;
	gone.start_ticks = bl_proc_start_ticks(child.pid);
	assert_true(gone.start_ticks > 0);
	assert_int_equal(bl_proc_probe(&gone, &judged, &err), 0);
	assert_int_equal(judged, BL_ALIVE);
	kill(child.pid, SIGKILL);
	struct pollfd ended = { .fd = child.pidfd, .events = POLLIN };
	assert_int_equal(poll(&ended, 1, CHILD_PATIENCE_MS), 1);
	assert_int_equal(bl_proc_start_ticks(child.pid), 0); /* a zombie */
	assert_int_equal(bl_proc_probe(&gone, &judged, &err), 0);
	assert_int_equal(judged, BL_DEAD);
	child_wait(&child);
	close(out);
}

static void children_are_counted_beyond_the_room(void **state)
{
	int out;
	struct bl_child child =
		child_start("sleep 60 & sleep 60 & sleep 60 & echo up; wait", NULL, &out);
	char up[4] = "";
	pid_t found[2] = { 0 };

	(void)state;
	assert_int_equal(read(out, up, 3), 3);
	assert_int_equal(bl_proc_children(child.pid, found, 2), 3);
	for (int i = 0; i < 2; i++)
		assert_true(bl_proc_start_ticks(found[i]) > 0);
	kill(-child.pid, SIGKILL);
	child_wait(&child);
	close(out);
}

static void a_program_beside_us_is_found(void **state)
{
	struct bl_err err = { 0 };
	char path[512] = "unset", tiny[8] = "unset";

	(void)state;
	assert_int_equal(bl_proc_beside("test_proc", path, sizeof(path), &err), 0);
	assert_int_equal(access(path, X_OK), 0);
	assert_int_equal(bl_proc_beside("test_proc", tiny, sizeof(tiny), &err), -1);
	assert_string_equal(tiny, "unset");
	bl_err_clear(&err);
	assert_int_equal(bl_proc_beside("no-such-program", path, sizeof(path), &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void signals_have_names(void **state)
{
	(void)state;
	assert_string_equal(bl_signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(bl_signal_name(SIGSYS), "SIGSYS");
	assert_string_equal(bl_signal_name(40), "signal 40");
	assert_string_equal(bl_signal_name(0), "signal 0");
	for (int signum = 1; signum < 32; signum++)
		assert_memory_equal(bl_signal_name(signum), "SIG", 3);
}

static int every_call(struct bl_err *err)
{
	char *argv[] = { CHILD_ARG("true"), NULL };
	struct bl_spawn how = { .file = "true", .argv = argv, .search = true, .dir_fd = -1 };
	const char *const pairs[] = { "BL_T_RUN=none", NULL };
	struct bl_proc_id self;
	struct bl_child child;
	enum bl_liveness judged;
	unsigned killed;
	int status;

	if (bl_proc_self(&self, err) || bl_proc_probe(&self, &judged, err) ||
	    bl_proc_end_all(pairs, bl_mono_ms() + CHILD_PATIENCE_MS, &killed, err) ||
	    bl_proc_end_offspring(pairs, 0, bl_mono_ms() + CHILD_PATIENCE_MS, &killed, err) ||
	    bl_proc_spawn(&how, &child, &status, err))
		return -1;
	waitpid(child.pid, NULL, 0);
	close(child.pidfd);
	return 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(every_call, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_proof_makes_an_owner_dead),
		cmocka_unit_test(what_cannot_be_executed_is_named),
		cmocka_unit_test(a_failed_spawn_leaves_no_child),
		cmocka_unit_test(the_child_is_as_fresh),
		cmocka_unit_test(held_signals_are_blocked),
		cmocka_unit_test(overlapping_descriptors_find_their_places),
		cmocka_unit_test(the_path_and_directory_given_are_used),
		cmocka_unit_test(we_are_alive_and_a_reaped_child_is_dead),
		cmocka_unit_test(children_are_counted_beyond_the_room),
		cmocka_unit_test(a_program_beside_us_is_found),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
