/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_PROC_STAT_H
#define BL_BASE_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc/PID/stat says; inside lib/base only. */
struct bl_proc_stat {
	pid_t pid, parent;
	bool is_zombie;
	uint64_t start_ticks;
};

/* pid 0: ourselves. false, with errno, when there is no such process or it cannot be read. */
bool bl_proc_stat_of(pid_t pid, struct bl_proc_stat *out);

/* Calls each process id in /proc; false when /proc cannot be read. */
bool bl_proc_each(void (*visit)(void *arg, pid_t pid), void *arg);

#endif
