/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc_stat.h"

#include "base/fs.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_TIME_FIELD 22

/* proc(5): "PID (NAME) STATE PPID ..."; NAME may hold blanks and ")", so count from the last. */
static bool parse_stat(const char *text, struct bl_proc_stat *out)
{
	struct bl_proc_stat got = { 0 };
	const char *at = strrchr(text, ')');
	int field = 2;

	if (!at)
		return false;
	got.pid = (pid_t)strtol(text, NULL, 10);
	while ((at = strchr(at, ' '))) {
		at++;
		field++;
		if (field == 3)
			got.is_zombie = *at == 'Z' || *at == 'X';
		else if (field == 4)
			got.parent = (pid_t)strtol(at, NULL, 10);
		else if (field == START_TIME_FIELD) {
			got.start_ticks = strtoull(at, NULL, 10);
			*out = got;
			return true;
		}
	}
	return false;
}

bool bl_proc_stat_of(pid_t pid, struct bl_proc_stat *out)
{
	char path[48] = "/proc/self/stat", text[1024];
	ssize_t n;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	BL_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse_stat(text, out);
}

bool bl_proc_each(void (*visit)(void *arg, pid_t pid), void *arg)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	if (!proc)
		return false;
	while ((entry = readdir(proc))) {
		size_t digits = strspn(entry->d_name, "0123456789");

		if (digits && digits < 10 && !entry->d_name[digits])
			visit(arg, (pid_t)strtol(entry->d_name, NULL, 10));
	}
	closedir(proc);
	return true;
}

struct children {
	pid_t parent, *out;
	size_t n, max;
};

static void take_child(void *arg, pid_t pid)
{
	struct children *found = arg;
	struct bl_proc_stat now;

	if (!bl_proc_stat_of(pid, &now) || now.parent != found->parent || now.is_zombie)
		return;
	if (found->n < found->max)
		found->out[found->n] = pid;
	found->n++;
}

/* /proc/PID/task/TID/children costs a read where the kernel has it; false where it does not. */
static bool read_children(pid_t thread, struct children *found)
{
	char path[64], chunk[4096];
	long number = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)found->parent, (int)thread);
	BL_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] >= '0' && chunk[i] <= '9') {
				number = number * 10 + (chunk[i] - '0');
			} else if (number) {
				take_child(found, (pid_t)number);
				number = 0;
			}
		}
	}
	return true;
}

/* A child belongs to the thread that made it. */
static bool read_threads(struct children *found)
{
	char path[48];
	const struct dirent *entry;
	bool readable = false;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)found->parent);
	DIR *tasks = opendir(path);
	if (!tasks)
		return false;
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			readable |= read_children((pid_t)strtol(entry->d_name, NULL, 10), found);
	closedir(tasks);
	return readable;
}

size_t bl_proc_children(pid_t pid, pid_t *out, size_t n)
{
	struct children found = { .parent = pid, .out = out, .max = n };

	if (!read_threads(&found))
		bl_proc_each(take_child, &found);
	return found.n;
}
