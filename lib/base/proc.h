/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_PROC_H
#define BL_BASE_PROC_H

/* Linux only: processes, their identity and their end. */

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Who a process is, beyond its number: design 4.2 `owner`.
 *
 *   machine_id   /etc/machine-id, or "" (containers often have none)
 *   boot_id      /proc/sys/kernel/random/boot_id
 *   pidns        inode of /proc/self/ns/pid: a pid means nothing in another namespace
 *   pid, start_ticks  field 22 of /proc/PID/stat: a reused pid has another start
 */
struct bl_proc_id {
	char machine_id[40];
	char boot_id[40];
	uint64_t pidns;
	int64_t pid;
	uint64_t start_ticks;
};

BL_MUST int bl_proc_self(struct bl_proc_id *out, struct bl_err *err);

enum bl_liveness { BL_ALIVE, BL_DEAD, BL_UNKNOWN };

/*
 * Pure: what can be said of `owner` by `reader`, given what /proc showed.
 *   ticks  start ticks of owner->pid now, 0 when there is no such process (a zombie counts as none)
 * DEAD: same boot and pid namespace, and no such pid or other ticks; or another
 * boot of the same machine. UNKNOWN: anything that only its heartbeat can tell.
 */
enum bl_liveness bl_proc_judge(const struct bl_proc_id *owner, const struct bl_proc_id *reader,
                               uint64_t ticks);

/* bl_proc_judge() with /proc read. */
BL_MUST int bl_proc_probe(const struct bl_proc_id *owner, enum bl_liveness *out,
                          struct bl_err *err);

/* Start ticks of a live process; 0 when there is none or only its zombie. */
uint64_t bl_proc_start_ticks(int64_t pid);

/*
 * What to start, and how. Between fork and exec only async-signal-safe calls.
 *
 *   argv, envp    NULL-terminated; envp NULL: ours
 *   file          path to execute; searched in PATH only when `search` is set
 *   dir_fd        working directory, -1: ours
 *   fds           n_fds pairs {ours, its}: dup'ed in the child, not close-on-exec; at most
 *                 BL_SPAWN_FDS_MAX, in any order and overlap
 *   own_group     its own process group
 *   own_session   its own session: no terminal's end reaches it
 *   no_pidfd      the caller reaps by SIGCHLD: works where a sandbox refuses pidfd_open too
 *   parent_signal PR_SET_PDEATHSIG, 0: none
 *   hold_signals  TERM, INT and HUP stay blocked: for our own programs, which take them when they
 *                 are ready, so that one that comes before does not end them
 * Signal mask and dispositions are those of a fresh process. PATH is envp's when given. A file
 * without a #! line is not handed to a shell: 126.
 */
struct bl_spawn {
	const char *file;
	char *const *argv;
	char *const *envp;
	bool search, own_group, own_session, no_pidfd, hold_signals;
	int dir_fd;
	int (*fds)[2];
	size_t n_fds;
	int parent_signal;
};

struct bl_child {
	pid_t pid;
	int pidfd; /* close it; -1: not wanted */
};

#define BL_SPAWN_FDS_MAX 16

/*
 * Returns 0 once exec has succeeded. On -1 nothing runs, and exec_status is 126
 * (found, not executable) or 127 (not found), 0 when fork itself failed.
 */
BL_MUST int bl_proc_spawn(const struct bl_spawn *how, struct bl_child *child, int *exec_status,
                          struct bl_err *err);

/* Direct children of pid as read now, without zombies, at most n; returns how many there are. */
size_t bl_proc_children(pid_t pid, pid_t *out, size_t n);

/*
 * Ends every process of this uid whose environment holds name=value for all
 * pairs (NULL-terminated "NAME=VALUE", at most 8), and what descends from such a process (some
 * overwrite their environment with a title): SIGSTOP then SIGKILL by pidfd (by number where a
 * sandbox refuses those), until a pass finds none or the deadline has passed (BL_ETIMEOUT). Never
 * ourselves, nor a process that we descend from. killed: how many. No pairs: none.
 */
BL_MUST int bl_proc_end_all(const char *const *pairs, int64_t deadline_mono_ms, unsigned *killed,
                            struct bl_err *err);

/*
 * The same, and all that descends from us as well (what we adopted as PID 1 or subreaper too), but
 * not `except` and what descends from it (0: nobody). Allocates nothing but a directory stream.
 */
BL_MUST int bl_proc_end_offspring(const char *const *pairs, pid_t except, int64_t deadline_mono_ms,
                                  unsigned *killed, struct bl_err *err);

/* Path of a program beside our own executable ("branchline-runner"); BL_ENOENT when absent. */
BL_MUST int bl_proc_beside(const char *name, char *path, size_t size, struct bl_err *err);

/* A name such as SIGKILL for messages; "signal 40" when it has none. */
const char *bl_signal_name(int signum);

#endif
