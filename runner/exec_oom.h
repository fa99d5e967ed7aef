/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_EXEC_OOM_H
#define BL_RUNNER_EXEC_OOM_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Pure: which file counts the out-of-memory kills of the own control group, from
 * the texts of /proc/self/cgroup and /proc/self/mountinfo (proc(5), cgroups(7)). Version 1's memory
 * controller wins where both are mounted: then version 2 has no memory events. false: none.
 */
bool oom_path(const char *cgroup, const char *mountinfo, char *path, size_t size);

/* Pure: the number after "oom_kill " in memory.events, memory.oom_control or vmstat; -1: none. */
int64_t oom_count(const char *text);

/*
 * Holds the counter open: afterwards a look allocates nothing. Without a group's file it is the
 * whole machine's (/proc/vmstat); without that, fd stays -1 and every look says 0.
 */
struct oom_watch {
	int fd;
	int64_t before;
};
void oom_watch_open(struct oom_watch *watch);
int64_t oom_watch_delta(const struct oom_watch *watch);
void oom_watch_done(struct oom_watch *watch);

#endif
