/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/clock.h"
#include "base/fs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILDREN_MAX 256

/* One word that host wrote before it signalled; without it somebody else asked. */
static void read_stop_reason(struct exec_run *run)
{
	char text[sizeof(run->stop_reason)] = "";
	BL_FD fd = -1;
	size_t n = 0;

	if (run->record_dir >= 0)
		fd = openat(run->record_dir, "stop",
		            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		while (islower((unsigned char)text[n]) || text[n] == '_')
			n++;
	text[n] = '\0';
	snprintf(run->stop_reason, sizeof(run->stop_reason), "%s", n ? text : "cancelled");
}

/* False also when its program cannot be read: then it alone gets the signal. */
static bool is_still_shell(const struct exec_run *run)
{
	char path[48];
	struct stat st;

	if (!run->command.is_shell || !run->shell_ino)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)run->child.pid);
	return !stat(path, &st) && st.st_dev == run->shell_dev && st.st_ino == run->shell_ino;
}

static bool is_listed(pid_t pid, const pid_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == pid)
			return true;
	return false;
}

/* By number where a sandbox refuses pidfds. */
static int signal_one(int pidfd, pid_t pid, int signum)
{
	if (pidfd < 0)
		return kill(pid, signum);
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0);
}

/*
 * Sends signum to each child that the shell has now, and keeps their pidfds when told to.
 * A number is safe once its pidfd is open and the shell still lists it. Returns how many.
 */
static size_t signal_shell_children(struct exec_run *run, int signum, bool keep)
{
	pid_t first[CHILDREN_MAX], again[CHILDREN_MAX];
	size_t sent = 0, n = bl_proc_children(run->child.pid, first, CHILDREN_MAX), n_again;
	int pidfds[CHILDREN_MAX];

	if (n > CHILDREN_MAX)
		n = CHILDREN_MAX;
	for (size_t i = 0; i < n; i++)
		pidfds[i] = (int)syscall(SYS_pidfd_open, first[i], 0);
	n_again = bl_proc_children(run->child.pid, again, CHILDREN_MAX);
	if (n_again > CHILDREN_MAX)
		n_again = CHILDREN_MAX;
	for (size_t i = 0; i < n; i++) {
		if (is_listed(first[i], again, n_again) &&
		    !signal_one(pidfds[i], first[i], signum)) {
			if (signum == SIGTERM)
				signal_one(pidfds[i], first[i], SIGCONT);
			sent++;
			if (keep && pidfds[i] >= 0 && run->n_termed < EXEC_TERMED_MAX)
				run->termed[run->n_termed++] = bl_fd_take(&pidfds[i]);
		}
		bl_fd_done(&pidfds[i]);
	}
	return sent;
}

void exec_deliver_stop(struct exec_run *run)
{
	if (!run->stop_delivered_ms) {
		read_stop_reason(run);
		run->stop_delivered_ms = bl_wall_ms();
	}
	if (is_still_shell(run))
		signal_shell_children(run, SIGTERM, true);
	kill(run->child.pid, SIGTERM);
	kill(run->child.pid, SIGCONT); /* a stopped process would sleep through its grace */
}

void exec_forward(struct exec_run *run, int signum)
{
	if (run->child.pid <= 0 || run->reaped)
		return;
	/* most signals would end the shell, while what it runs is meant */
	if (is_still_shell(run) && signal_shell_children(run, signum, false))
		return;
	kill(run->child.pid, signum);
}

void exec_kill_all(struct exec_run *run)
{
	const char *const marks[] = { run->mark, NULL };
	struct bl_err err = { 0 };
	unsigned killed;

	if (!run->reaped && !run->stop_delivered_ms) {
		read_stop_reason(run);
		run->stop_delivered_ms = bl_wall_ms();
	}
	if (run->child.pid <= 0)
		return;
	/* the deadline bounds this call; who outlives it is awaited by the loop */
	if (!bl_proc_end_offspring(marks, run->observe.pid, bl_mono_ms() + 1000, &killed, &err) ||
	    err.code == BL_ETIMEOUT)
		return;
	/* no /proc */
	if (!run->reaped)
		kill(run->child.pid, SIGKILL);
	kill(-run->child.pid, SIGKILL);
	if (getpid() == 1)
		kill(-1, SIGKILL);
}

bool exec_has_strays(const struct exec_run *run)
{
	pid_t children[2];
	size_t n = bl_proc_children(getpid(), children, 2);
	bool observing = run->observe.pid > 0 && !run->observe_reaped;

	return n > 1 || (n == 1 && !(observing && children[0] == run->observe.pid));
}
