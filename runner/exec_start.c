/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20) /* what an ordinary user may have */

/* Those of a fault of our own are not taken: a blocked one would end us all the same. */
static bool is_taken(int signum)
{
	static const int not_taken[] = { SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
		                         SIGSYS,  SIGABRT, SIGPIPE, SIGKILL, SIGSTOP };

	for (size_t i = 0; i < BL_COUNT(not_taken); i++)
		if (signum == not_taken[i])
			return false;
	return true;
}

static bool is_ignored(int signum)
{
	struct sigaction now;

	return !sigaction(signum, NULL, &now) && now.sa_handler == SIG_IGN;
}

int exec_take_signals(struct exec_run *run, struct bl_err *err)
{
	struct sigaction fresh = { .sa_handler = SIG_DFL };
	bool hup_ignored = is_ignored(SIGHUP); /* nohup */
	sigset_t taken;

	sigfillset(&taken);
	for (int signum = 1; signum < SIGRTMIN; signum++)
		if (!is_taken(signum) || (signum == SIGHUP && hup_ignored))
			sigdelset(&taken, signum);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	/* an ignored SIGCHLD, inherited, would reap our children for us */
	sigaction(SIGCHLD, &fresh, NULL);
	fresh.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &fresh, NULL); /* observe may die; writing to it is no reason to */
	run->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signal_fd < 0)
		return bl_fail_errno(err, errno, "signalfd");
	if (getpid() != 1)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

static uint32_t attempt_number(void)
{
	const char *text = getenv("BRANCHLINE_ATTEMPT");
	struct bl_err none = { 0 };
	uint64_t number;

	if (!text || bl_str_u64(text, 1, 999999, &number, &none))
		return 1;
	return (uint32_t)number;
}

/* As the command's, without the mark: what ends the command's processes must spare it. */
static char **observe_environment(const struct exec_run *run)
{
	size_t n = 0, at = 0;
	char **env;

	while (run->env.vars[n])
		n++;
	env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (strcmp(run->env.vars[i], run->mark) != 0)
			env[at++] = run->env.vars[i];
	return env;
}

static int spawn_observe(struct exec_run *run, int null_fd, int wake_end, struct bl_err *err)
{
	static char name[] = "branchline-runner", role[] = "observe";
	char *argv[] = { name, role, run->root, NULL };
	char **env = observe_environment(run);
	int fds[][2] = {
		{ null_fd, 0 },
		{ run->ring.fd, OBSERVE_RING_FD },
		{ wake_end, OBSERVE_WAKE_FD },
		{ run->config.echo ? 1 : null_fd, 1 },
		{ run->record_dir, OBSERVE_DIR_FD },
	};
	struct bl_spawn how = {
		.file = "/proc/self/exe",
		.argv = argv,
		.envp = env,
		.dir_fd = -1,
		.own_group = true, /* a terminal's Ctrl-C is not for it */
		.no_pidfd = true,
		.fds = fds,
		.n_fds = run->record_dir >= 0 ? 5 : 4,
	};
	int exec_status, rc;

	if (!env)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	rc = bl_proc_spawn(&how, &run->observe, &exec_status, err);
	free(env);
	return rc;
}

void exec_start_observe(struct exec_run *run)
{
	BL_FD null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct ring_shared *shared = run->ring.shared;
	struct bl_err err = { 0 };
	BL_FD wake_end = -1;
	int ends[2];

	shared->max_log_bytes = (uint64_t)run->config.max_log_bytes;
	shared->started_ms = run->started_ms;
	shared->attempt = attempt_number();
	shared->echo = run->config.echo;
	shared->records = run->record_dir >= 0;
	if (null_fd < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		bl_fail_errno(&err, errno, "start observe");
	} else {
		wake_end = ends[0];
		run->wake_fd = ends[1];
		if (!spawn_observe(run, null_fd, wake_end, &err))
			return;
	}
	run->observe.pid = 0;
	bl_wrap(&err, "no metrics, and only the end of the output");
	bl_log_err(BL_LOG_WARN, &err);
}

/* Where the command starts: workdir, of the code first and then of here; without one, here. */
static int open_workdir(const struct exec_run *run, int *out, struct bl_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const char *workdir = run->config.workdir;
	BL_FD code = -1;
	int fd = -1;

	if (!workdir || !*workdir)
		return 0;
	if (run->root_fd >= 0)
		code = openat(run->root_fd, "code", flags);
	if (code >= 0)
		fd = openat(code, workdir, flags);
	if (fd < 0)
		fd = open(workdir, flags);
	if (fd < 0) {
		bl_fail_errno(err, errno, "workdir '%s'", workdir);
		return bl_next(err, "name a directory of the repository in `workdir`");
	}
	*out = fd;
	return 0;
}

/* Remembers which program the shell is: one that has replaced itself has no children of its own. */
static void note_shell(struct exec_run *run)
{
	char path[48];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)run->child.pid);
	if (!run->command.is_shell || stat("/bin/sh", &st))
		return;
	run->shell_dev = st.st_dev;
	run->shell_ino = st.st_ino;
}

int exec_start_command(struct exec_run *run, struct bl_err *err)
{
	BL_FD null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	BL_FD workdir = -1;
	BL_FD output = -1;
	int ends[2], from_tty = isatty(0);

	if (open_workdir(run, &workdir, err))
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	run->pipe_fd = ends[0];
	output = ends[1];
	fcntl(run->pipe_fd, F_SETFL, O_NONBLOCK);
	/* more room for bursts; the default of 64 KiB also works */
	(void)fcntl(output, F_SETPIPE_SZ, PIPE_BYTES);
	/* in its own group it may not read the terminal: it would be stopped */
	int fds[][2] = { { output, 1 }, { output, 2 }, { null_fd, 0 } };
	struct bl_spawn how = {
		.file = run->command.argv[0],
		.argv = run->command.argv,
		.envp = run->env.vars,
		.search = true,
		.own_group = true,
		.no_pidfd = true,
		.dir_fd = workdir,
		.fds = fds,
		.n_fds = from_tty && null_fd >= 0 ? 3 : 2,
		.parent_signal = SIGKILL,
	};
	run->started_ms = bl_wall_ms();
	if (bl_proc_spawn(&how, &run->child, &run->exec_status, err)) {
		run->child.pid = 0;
		return -1;
	}
	note_shell(run);
	return 0;
}
