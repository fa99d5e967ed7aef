/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "tests/unit/failalloc.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000
#define S(text) ((char *)(uintptr_t)(text)) /* exec takes char *, and changes nothing */

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

/* Starts "sh -c script" with fd 1 on a pipe whose reading end is returned. */
static struct bl_child start(const char *script, char *const *envp, int *out)
{
	char *argv[] = { S("sh"), S("-c"), S(script), NULL };
	int ends[2], pair[1][2], status;
	struct bl_err err = { 0 };
	struct bl_child child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pair[0][0] = ends[1];
	pair[0][1] = 1;
	struct bl_spawn how = {
		.file = "sh",
		.argv = argv,
		.envp = envp,
		.search = true,
		.own_group = true,
		.dir_fd = -1,
		.fds = pair,
		.n_fds = 1,
		.parent_signal = SIGKILL,
	};
	if (bl_proc_spawn(&how, &child, &status, &err))
		fail_msg("%s", err.text);
	close(ends[1]);
	*out = ends[0];
	return child;
}

/* What it printed until it closed its output. */
static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

static int wait_for(struct bl_child *child)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
	int status;

	if (poll(&ended, 1, PATIENCE_MS) != 1)
		fail_msg("process %d did not end", child->pid);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	close(child->pidfd);
	return status;
}

static int spawn_status(const char *file, int dir_fd, bool search, struct bl_err *err)
{
	char *argv[] = { S(file), NULL };
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
	struct bl_child child = start("grep -E 'Sig(Blk|Ign)|NSpid' /proc/self/status;"
	                              "ls /proc/$$/fd | tr '\\n' ,; cut -d' ' -f5 /proc/$$/stat",
	                              NULL, &out);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	read_all(out, text, sizeof(text));
	assert_int_equal(wait_for(&child), 0);
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
	char *argv[] = { S("grep"), S("SigBlk"), S("/proc/self/status"), NULL };
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
	read_all(out[0], text, sizeof(text));
	assert_int_equal(wait_for(&child), 0);
	assert_non_null(strstr(text, "SigBlk:\t0000000000004003"));
}

static void overlapping_descriptors_find_their_places(void **state)
{
	char *argv[] = { S("sh"), S("-c"), S("echo three >&3; echo four >&4"), NULL };
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
	assert_int_equal(wait_for(&child), 0);
	read_all(a[0], text, sizeof(text));
	assert_string_equal(text, "three\n");
	read_all(b[0], text, sizeof(text));
	assert_string_equal(text, "four\n");
}

static void the_path_and_directory_given_are_used(void **state)
{
	char *argv[] = { S("pwd"), S("-P"), NULL };
	char *env[] = { S("PATH=/nowhere:/bin:/usr/bin"), NULL };
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
	assert_int_equal(wait_for(&child), 0);
	read_all(ends[0], text, sizeof(text));
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
	struct bl_child child = start("exec sleep 60", NULL, &out);
	gone.pid = child.pid;
	gone.start_ticks = bl_proc_start_ticks(child.pid);
	assert_true(gone.start_ticks > 0);
	assert_int_equal(bl_proc_probe(&gone, &judged, &err), 0);
	assert_int_equal(judged, BL_ALIVE);
	kill(child.pid, SIGKILL);
	struct pollfd ended = { .fd = child.pidfd, .events = POLLIN };
	assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
	assert_int_equal(bl_proc_start_ticks(child.pid), 0); /* a zombie */
	assert_int_equal(bl_proc_probe(&gone, &judged, &err), 0);
	assert_int_equal(judged, BL_DEAD);
	wait_for(&child);
	close(out);
}

static void children_are_counted_beyond_the_room(void **state)
{
	int out;
	struct bl_child child = start("sleep 60 & sleep 60 & sleep 60 & echo up; wait", NULL, &out);
	char up[4] = "";
	pid_t found[2] = { 0 };

	(void)state;
	assert_int_equal(read(out, up, 3), 3);
	assert_int_equal(bl_proc_children(child.pid, found, 2), 3);
	for (int i = 0; i < 2; i++)
		assert_true(bl_proc_start_ticks(found[i]) > 0);
	kill(-child.pid, SIGKILL);
	wait_for(&child);
	close(out);
}

/* The pipe of a family is held by each member: its end of file says that all are gone. */
static void assert_all_gone(int out)
{
	struct pollfd closed = { .fd = out };
	char rest[256];

	if (poll(&closed, 1, PATIENCE_MS) != 1)
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
	char *mine[] = { S("PATH=/usr/bin:/bin"), S("BL_T_RUN=r1"), S("BL_T_TRY=2"), NULL };
	char *other[] = { S("PATH=/usr/bin:/bin"), S("BL_T_RUN=r1"), S("BL_T_TRY=23"), NULL };
	const char *const pairs[] = { "BL_T_RUN=r1", "BL_T_TRY=2", NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;
	int out, spared_out;

	struct bl_child child = start(FAMILY, mine, &out);
	struct bl_child spared = start("echo; sleep 60", other, &spared_out);
	await_lines(out, 4);
	await_lines(spared_out, 1);
	assert_int_equal(bl_proc_end_all(pairs, bl_mono_ms() + PATIENCE_MS, &killed, &err), 0);
	assert_true(killed >= 5);
	assert_all_gone(out);
	assert_true(WIFSIGNALED(wait_for(&child)));
	assert_true(bl_proc_start_ticks(spared.pid) > 0);
	kill(-spared.pid, SIGKILL);
	wait_for(&spared);
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
		char *argv[] = { S("sh"), S("-c"), S("\"$1\" end-all BL_T_SELF=1; exit $?"),
			         S("sh"), NULL,    NULL };
		char exe[256];
		char *envp[] = { S("BL_T_SELF=1"), S("PATH=/usr/bin:/bin"), NULL };
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
	char *bare[] = { S("PATH=/usr/bin:/bin"), NULL };
	const char *const pairs[] = { "BL_T_RUN=none", NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;
	int out, kept_out;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	struct bl_child child = start(FAMILY, bare, &out);
	struct bl_child kept = start("echo; sleep 60", bare, &kept_out);
	await_lines(out, 4);
	await_lines(kept_out, 1);
	assert_int_equal(
		bl_proc_end_offspring(pairs, kept.pid, bl_mono_ms() + PATIENCE_MS, &killed, &err),
		0);
	assert_all_gone(out);
	assert_true(WIFSIGNALED(wait_for(&child)));
	assert_true(bl_proc_start_ticks(kept.pid) > 0);
	kill(-kept.pid, SIGKILL);
	wait_for(&kept);
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
	assert_int_equal(bl_proc_end_all(none, bl_mono_ms() + PATIENCE_MS, &killed, &err), 0);
	assert_int_equal(killed, 0);
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
	char *argv[] = { S("true"), NULL };
	struct bl_spawn how = { .file = "true", .argv = argv, .search = true, .dir_fd = -1 };
	const char *const pairs[] = { "BL_T_RUN=none", NULL };
	struct bl_proc_id self;
	struct bl_child child;
	enum bl_liveness judged;
	unsigned killed;
	int status;

	if (bl_proc_self(&self, err) || bl_proc_probe(&self, &judged, err) ||
	    bl_proc_end_all(pairs, bl_mono_ms() + PATIENCE_MS, &killed, err) ||
	    bl_proc_end_offspring(pairs, 0, bl_mono_ms() + PATIENCE_MS, &killed, err) ||
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

/* Also the program that `ourselves_and_our_ancestors_are_never_ended` starts. */
static int end_all_by_name(const char *pair)
{
	const char *const pairs[] = { pair, NULL };
	struct bl_err err = { 0 };
	unsigned killed = 0;

	if (!getenv("BL_T_SELF"))
		return 3;
	if (bl_proc_end_all(pairs, bl_mono_ms() + PATIENCE_MS, &killed, &err))
		return 2;
	return killed != 0;
}

int main(int argc, char **argv)
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
		cmocka_unit_test(everything_of_a_run_is_ended),
		cmocka_unit_test(ourselves_and_our_ancestors_are_never_ended),
		cmocka_unit_test(offspring_is_ended_also_without_the_mark),
		cmocka_unit_test(no_pairs_end_nobody),
		cmocka_unit_test(a_program_beside_us_is_found),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(allocations_may_fail),
	};

	if (argc == 3 && !strcmp(argv[1], "end-all"))
		return end_all_by_name(argv[2]);
	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
