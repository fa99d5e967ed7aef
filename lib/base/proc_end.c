/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 8
#define DEPTH_MAX 64     /* of parents: a chain longer than this belongs to nobody we know */
#define COUNTED_MAX 1024 /* pids remembered, so that a dying process is counted once */
#define STOP_SWEEPS 16   /* a process that forks faster than we stop it is killed anyway */

struct hunt {
	const char *const *pairs;
	bool offspring; /* our descendants too, whatever their environment says */
	pid_t self, except;
	pid_t ancestors[DEPTH_MAX];
	size_t n_ancestors;
	int signum;
	unsigned found, signalled;
	pid_t counted[COUNTED_MAX];
	size_t n_counted;
};

static int pidfd_open_(pid_t pid)
{
	if (BL_FAULT("proc.pidfd.missing")) {
		errno = ENOSYS;
		return -1;
	}
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int pidfd_signal(int pidfd, int signum)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0);
}

static void find_ancestors(struct hunt *hunt)
{
	struct bl_proc_stat now;
	pid_t at = hunt->self;

	while (hunt->n_ancestors < DEPTH_MAX && bl_proc_stat_of(at, &now) && now.parent > 0) {
		hunt->ancestors[hunt->n_ancestors++] = now.parent;
		at = now.parent;
	}
}

static bool is_spared(const struct hunt *hunt, pid_t pid)
{
	if (pid == hunt->self || pid == hunt->except)
		return true;
	for (size_t i = 0; i < hunt->n_ancestors; i++)
		if (hunt->ancestors[i] == pid)
			return true;
	return false;
}

/*
 * Whether every pair is an entry of the environment read from fd. An environment
 * can be megabytes long, so it is matched as it passes by.
 */
static bool environment_has(int fd, const char *const *pairs)
{
	bool still[PAIRS_MAX], seen[PAIRS_MAX] = { false };
	size_t n_pairs = 0, at = 0, n_seen = 0;
	char chunk[4096];
	ssize_t n;

	while (n_pairs < PAIRS_MAX && pairs[n_pairs])
		still[n_pairs++] = true;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			for (size_t p = 0; p < n_pairs; p++) {
				/* at never passes the pair's NUL: after it still[p] is false */
				bool equal = still[p] && pairs[p][at] == chunk[i];

				if (equal && !chunk[i] && !seen[p]) {
					seen[p] = true;
					n_seen++;
				}
				still[p] = !chunk[i] || equal;
			}
			at = chunk[i] ? at + 1 : 0;
		}
	}
	return n_pairs && n_seen == n_pairs;
}

static bool has_pairs(pid_t pid, const char *const *pairs)
{
	char path[48];
	struct stat st;

	if (!pairs || !pairs[0])
		return false;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	BL_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid())
		return false;
	return environment_has(fd, pairs);
}

/* It, or a process that it descends from, is one of those to end. */
static bool is_wanted(const struct hunt *hunt, pid_t pid)
{
	struct bl_proc_stat now;

	for (int depth = 0; depth < DEPTH_MAX && pid > 0; depth++) {
		if (pid == hunt->self)
			return hunt->offspring && depth > 0;
		if (is_spared(hunt, pid))
			return false;
		if (has_pairs(pid, hunt->pairs))
			return true;
		if (!bl_proc_stat_of(pid, &now))
			return false;
		pid = now.parent;
	}
	return false;
}

static void count_once(struct hunt *hunt, pid_t pid)
{
	for (size_t i = 0; i < hunt->n_counted; i++)
		if (hunt->counted[i] == pid)
			return;
	if (hunt->n_counted < COUNTED_MAX)
		hunt->counted[hunt->n_counted++] = pid;
	hunt->signalled++;
}

static void hunt_one(void *arg, pid_t pid)
{
	struct hunt *hunt = arg;
	struct bl_proc_stat now;

	if (is_spared(hunt, pid))
		return;
	/* Held before it is judged: while pidfd answers, the number was not given to another. */
	BL_FD pidfd = pidfd_open_(pid);
	if (pidfd < 0 && errno == ESRCH)
		return;
	if (!is_wanted(hunt, pid) || !bl_proc_stat_of(pid, &now) || now.is_zombie)
		return;
	if (pidfd >= 0 ? pidfd_signal(pidfd, hunt->signum) : kill(pid, hunt->signum))
		return; /* gone, or (EPERM) another user's by now */
	hunt->found++;
	count_once(hunt, pid);
}

/* Signals all that are wanted now. */
static int sweep(struct hunt *hunt, int signum, struct bl_err *err)
{
	hunt->signum = signum;
	hunt->found = 0;
	if (!bl_proc_each(hunt_one, hunt)) {
		bl_fail_errno(err, errno, "read /proc");
		return bl_next(err, "mount /proc in this container or namespace");
	}
	return 0;
}

/* Stops what is wanted until a sweep meets nobody new: from then on none of it can fork. */
static int stop_all(struct hunt *hunt, struct bl_err *err)
{
	for (int i = 0; i < STOP_SWEEPS; i++) {
		unsigned before = hunt->signalled;

		if (sweep(hunt, SIGSTOP, err))
			return -1;
		if (hunt->signalled == before)
			break;
	}
	return 0;
}

static int end_hunt(struct hunt *hunt, int64_t deadline_mono_ms, unsigned *killed,
                    struct bl_err *err)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	hunt->self = getpid();
	find_ancestors(hunt);
	for (;;) {
		if (stop_all(hunt, err) || sweep(hunt, SIGKILL, err))
			return -1;
		if (!hunt->found)
			break;
		if (bl_mono_ms() >= deadline_mono_ms)
			return bl_fail(err, BL_ETIMEOUT, "%u processes outlive SIGKILL",
			               hunt->found);
		nanosleep(&pause, NULL);
	}
	*killed = hunt->signalled;
	return 0;
}

int bl_proc_end_all(const char *const *pairs, int64_t deadline_mono_ms, unsigned *killed,
                    struct bl_err *err)
{
	struct hunt hunt = { .pairs = pairs };

	return end_hunt(&hunt, deadline_mono_ms, killed, err);
}

int bl_proc_end_offspring(const char *const *pairs, pid_t except, int64_t deadline_mono_ms,
                          unsigned *killed, struct bl_err *err)
{
	struct hunt hunt = { .pairs = pairs, .offspring = true, .except = except };

	return end_hunt(&hunt, deadline_mono_ms, killed, err);
}
