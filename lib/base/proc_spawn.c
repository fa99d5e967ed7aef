/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"
#define SIGNALS 64

enum step { STEP_SETUP, STEP_DIR, STEP_EXEC };

/* What the child says when it could not become the command. */
struct complaint {
	int errnum;
	enum step step;
};

struct plan {
	const struct bl_spawn *how;
	char *const *envp;
	const char *path; /* to search; NULL: file is the path */
	pid_t parent;
	int complaint_fd;
};

/* From here to `become`: only async-signal-safe calls, in the child. */

static void reset_signals(bool hold)
{
	static const int held[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction fresh = { .sa_handler = SIG_DFL };
	sigset_t mask;

	for (int signum = 1; signum <= SIGNALS; signum++)
		sigaction(signum, &fresh, NULL); /* EINVAL for those that cannot be set */
	sigemptyset(&mask);
	for (size_t i = 0; i < BL_COUNT(held) && hold; i++)
		sigaddset(&mask, held[i]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* First all out of the way, then each to its place: an own number may be another's target. */
static int place_fds(struct plan *plan)
{
	const struct bl_spawn *how = plan->how;
	int moved[BL_SPAWN_FDS_MAX], floor = 3;

	for (size_t i = 0; i < how->n_fds; i++)
		if (how->fds[i][1] >= floor)
			floor = how->fds[i][1] + 1;
	int complaint_fd = fcntl(plan->complaint_fd, F_DUPFD_CLOEXEC, floor);
	if (complaint_fd < 0)
		return -1;
	plan->complaint_fd = complaint_fd;
	for (size_t i = 0; i < how->n_fds; i++) {
		moved[i] = fcntl(how->fds[i][0], F_DUPFD_CLOEXEC, floor);
		if (moved[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < how->n_fds; i++)
		if (dup2(moved[i], how->fds[i][1]) < 0)
			return -1;
	return 0;
}

/* execvpe() may allocate; this does not. Returns the errno to report. */
static int search_exec(const struct plan *plan)
{
	size_t file_len = strlen(plan->how->file);
	int why = ENOENT;

	for (const char *at = plan->path; at; at = strchr(at, ':')) {
		char full[PATH_MAX];

		at += *at == ':' && at != plan->path;
		size_t len = strcspn(at, ":");
		if (len + file_len + 2 > sizeof(full))
			continue;
		memcpy(full, at, len);
		full[len] = '/';
		memcpy(full + len + 1, plan->how->file, file_len + 1);
		/* an empty entry is the current directory */
		execve(len ? full : plan->how->file, plan->how->argv, plan->envp);
		if (errno == EACCES)
			why = EACCES; /* perhaps a later one may be executed */
		else if (errno != ENOENT && errno != ENOTDIR)
			return errno;
	}
	return why;
}

static void complain(const struct plan *plan, int errnum, enum step step)
{
	struct complaint complaint = { errnum, step };
	ssize_t n;

	do
		n = write(plan->complaint_fd, &complaint, sizeof(complaint));
	while (n < 0 && errno == EINTR);
	_exit(127);
}

static void become(struct plan *plan)
{
	const struct bl_spawn *how = plan->how;

	if (how->parent_signal) {
		if (prctl(PR_SET_PDEATHSIG, how->parent_signal))
			complain(plan, errno, STEP_SETUP);
		if (getppid() != plan->parent)
			_exit(127); /* it died before the prctl */
	}
	if ((how->own_group && setpgid(0, 0)) || (how->own_session && setsid() < 0) ||
	    place_fds(plan))
		complain(plan, errno, STEP_SETUP);
	if (how->dir_fd >= 0 && fchdir(how->dir_fd))
		complain(plan, errno, STEP_DIR);
	reset_signals(how->hold_signals);
	if (plan->path)
		complain(plan, search_exec(plan), STEP_EXEC);
	execve(how->file, how->argv, plan->envp);
	complain(plan, errno, STEP_EXEC);
}

/* The parent again. */

static const char *find_path(char *const *envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			return *envp + 5;
	return DEFAULT_PATH;
}

static int fail_exec(const struct plan *plan, const struct complaint *complaint, int *exec_status,
                     struct bl_err *err)
{
	const char *file = plan->how->file;
	bool missing = complaint->errnum == ENOENT || complaint->errnum == ENOTDIR;

	if (complaint->step != STEP_EXEC) {
		*exec_status = 126;
		return bl_fail_errno(err, complaint->errnum, "start '%s': %s", file,
		                     complaint->step == STEP_DIR ? "enter its working directory"
		                                                 : "set up its process");
	}
	*exec_status = missing ? 127 : 126;
	bl_fail_errno(err, complaint->errnum, "execute '%s'", file);
	if (complaint->errnum == ENOEXEC)
		return bl_next(err,
		               "begin the script with a line such as #!/bin/sh, or give a list "
		               "that starts with its interpreter");
	if (complaint->errnum == E2BIG)
		return bl_next(err, "shorten its arguments and environment: one text may have "
		                    "128 KiB");
	if (complaint->errnum != EACCES && !missing)
		return -1;
	if (!missing)
		return bl_next(err, "make it executable (chmod +x), or give a list that starts "
		                    "with its interpreter");
	if (plan->path)
		return bl_next(err, "install it, or give its path; PATH is %s", plan->path);
	if (!access(file, F_OK))
		return bl_next(err, "it is there: the interpreter of its #! line, or its dynamic "
		                    "loader, is not");
	return bl_next(err, "check the path and the working directory");
}

/* Returns 1 when the child could not become the command. */
static int read_complaint(int fd, struct complaint *out)
{
	ssize_t n;

	do
		n = read(fd, out, sizeof(*out));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*out);
}

static void end_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Signals stay blocked across the fork: a handler of ours must not run in the child. */
static pid_t fork_into(struct plan *plan)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	plan->parent = getpid();
	pid = fork();
	if (!pid)
		become(plan);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int start(struct plan *plan, int from_child, int *to_parent, struct bl_child *child,
                 int *exec_status, struct bl_err *err)
{
	struct complaint complaint;
	pid_t pid;
	int pidfd = -1;

	plan->complaint_fd = *to_parent;
	pid = fork_into(plan);
	if (pid < 0)
		return bl_fail_errno(err, errno, "fork");
	bl_fd_done(to_parent);
	if (read_complaint(from_child, &complaint)) {
		end_and_reap(pid);
		return fail_exec(plan, &complaint, exec_status, err);
	}
	if (!plan->how->no_pidfd)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
	if (pidfd < 0 && !plan->how->no_pidfd) {
		bl_fail_errno(err, errno, "pidfd_open");
		end_and_reap(pid);
		return bl_next(err, "Linux 5.3 or newer is needed");
	}
	*child = (struct bl_child){ .pid = pid, .pidfd = pidfd };
	return 0;
}

int bl_proc_spawn(const struct bl_spawn *how, struct bl_child *child, int *exec_status,
                  struct bl_err *err)
{
	struct plan plan = { .how = how, .envp = how->envp ? how->envp : environ };
	BL_FD from_child = -1;
	BL_FD to_parent = -1;
	int ends[2];

	*exec_status = 0;
	if (how->n_fds > BL_SPAWN_FDS_MAX)
		return bl_fail(err, BL_EBUG, "%zu descriptors for '%s'", how->n_fds, how->file);
	if (how->search && !strchr(how->file, '/'))
		plan.path = find_path(plan.envp);
	if (pipe2(ends, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	from_child = ends[0];
	to_parent = ends[1];
	return start(&plan, from_child, &to_parent, child, exec_status, err);
}
