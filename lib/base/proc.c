/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include "base/proc_stat.h"
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line of a small file without its line end; "" when there is none. */
static void read_word(const char *path, char *word, size_t size)
{
	FILE *file = fopen(path, "re");

	word[0] = '\0';
	if (!file)
		return;
	if (fgets(word, (int)size, file))
		word[strcspn(word, "\r\n")] = '\0';
	else
		word[0] = '\0';
	fclose(file);
}

int bl_proc_self(struct bl_proc_id *out, struct bl_err *err)
{
	struct bl_proc_stat stat_now;
	struct bl_proc_id id = { .pid = getpid() };
	struct stat st;

	read_word("/etc/machine-id", id.machine_id, sizeof(id.machine_id));
	read_word("/proc/sys/kernel/random/boot_id", id.boot_id, sizeof(id.boot_id));
	if (stat("/proc/self/ns/pid", &st) || !bl_proc_stat_of(0, &stat_now)) {
		bl_fail_errno(err, errno ? errno : ENOENT, "read /proc/self");
		return bl_next(err, "mount /proc in this container or namespace");
	}
	id.pidns = st.st_ino;
	id.start_ticks = stat_now.start_ticks;
	*out = id;
	return 0;
}

enum bl_liveness bl_proc_judge(const struct bl_proc_id *owner, const struct bl_proc_id *reader,
                               uint64_t ticks)
{
	bool same_machine = owner->machine_id[0] && !strcmp(owner->machine_id, reader->machine_id);

	if (!owner->boot_id[0] || !reader->boot_id[0])
		return BL_UNKNOWN;
	if (strcmp(owner->boot_id, reader->boot_id) != 0)
		return same_machine ? BL_DEAD : BL_UNKNOWN;
	if (!owner->pidns || owner->pidns != reader->pidns)
		return BL_UNKNOWN;
	return ticks && ticks == owner->start_ticks ? BL_ALIVE : BL_DEAD;
}

int bl_proc_probe(const struct bl_proc_id *owner, enum bl_liveness *out, struct bl_err *err)
{
	struct bl_proc_id self;

	if (bl_proc_self(&self, err))
		return bl_wrap(err, "probe process %" PRId64, owner->pid);
	*out = bl_proc_judge(owner, &self, bl_proc_start_ticks(owner->pid));
	return 0;
}

uint64_t bl_proc_start_ticks(int64_t pid)
{
	struct bl_proc_stat now;

	if (pid <= 0 || pid > INT_MAX || !bl_proc_stat_of((pid_t)pid, &now) || now.is_zombie)
		return 0;
	return now.start_ticks;
}

int bl_proc_beside(const char *name, char *path, size_t size, struct bl_err *err)
{
	char self[PATH_MAX], full[PATH_MAX + NAME_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return bl_fail_errno(err, errno, "read /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return bl_fail(err, BL_ENOENT, "'%s' has no directory", self);
	*slash = '\0';
	int len = snprintf(full, sizeof(full), "%s/%s", self, name);
	if (len < 0 || (size_t)len >= sizeof(full) || (size_t)len >= size)
		return bl_fail(err, BL_ELIMIT, "the path of %s is over %zu bytes", name, size);
	if (access(full, X_OK)) {
		bl_fail_errno(err, errno, "'%s'", full);
		return bl_next(err, "install %s beside the program that starts it", name);
	}
	memcpy(path, full, (size_t)len + 1);
	return 0;
}

const char *bl_signal_name(int signum)
{
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
		[SIGILL] = "SIGILL",       [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
		[SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",   [SIGKILL] = "SIGKILL",
		[SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
		[SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
		[SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT", [SIGSTOP] = "SIGSTOP",
		[SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN", [SIGTTOU] = "SIGTTOU",
		[SIGURG] = "SIGURG",       [SIGXCPU] = "SIGXCPU", [SIGXFSZ] = "SIGXFSZ",
		[SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF", [SIGWINCH] = "SIGWINCH",
		[SIGIO] = "SIGIO",         [SIGSYS] = "SIGSYS",
#ifdef SIGSTKFLT
		[SIGSTKFLT] = "SIGSTKFLT",
#endif
#ifdef SIGPWR
		[SIGPWR] = "SIGPWR",
#endif
	};
	static _Thread_local char other[24];

	if (signum > 0 && (size_t)signum < BL_COUNT(names) && names[signum])
		return names[signum];
	snprintf(other, sizeof(other), "signal %d", signum);
	return other;
}
