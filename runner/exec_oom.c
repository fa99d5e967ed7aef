/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec_oom.h"

#include "base/fs.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_TEXT_MAX ((size_t)4 << 20)

/* One mount of a cgroup hierarchy. */
struct mount {
	char root[PATH_MAX], point[PATH_MAX];
};

static bool has_word(const char *list, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t at = 0; at < len;) {
		size_t part = strcspn(list + at, ",");

		if (part > len - at)
			part = len - at;
		if (part == n && !memcmp(list + at, word, n))
			return true;
		at += part + 1;
	}
	return false;
}

/*
 * The path after "ID:CONTROLLERS:" of the line whose controllers hold `controller`; "" is version
 * 2's line. false: no such line.
 */
static bool group_of(const char *cgroup, const char *controller, char *path, size_t size)
{
	for (const char *line = cgroup; *line;) {
		const char *names = strchr(line, ':'),
			   *group = names ? strchr(names + 1, ':') : NULL;
		size_t len = strcspn(line, "\n");

		if (group && group < line + len) {
			size_t n_names = (size_t)(group - names - 1);
			size_t n = (size_t)(line + len - group - 1);
			bool hit =
				*controller ? has_word(names + 1, n_names, controller) : !n_names;

			if (hit && n < size) {
				memcpy(path, group + 1, n);
				path[n] = '\0';
				return true;
			}
		}
		line += len + (line[len] == '\n');
	}
	return false;
}

/* mountinfo writes blanks and the like as \ooo. */
static void unescape(const char *from, size_t len, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++) {
		if (from[i] == '\\' && i + 3 < len + 1 && from[i + 1] >= '0' &&
		    from[i + 1] <= '3') {
			to[n++] = (char)((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 +
			                 (from[i + 3] - '0'));
			i += 3;
		} else {
			to[n++] = from[i];
		}
	}
	to[n] = '\0';
}

/* The n-th field (from 0) of a line, and its length. */
static const char *field(const char *line, size_t line_len, size_t n, size_t *len)
{
	const char *at = line, *end = line + line_len;

	while (n-- && at < end) {
		at += strcspn(at, " \n");
		at += at < end;
	}
	*len = at < end ? strcspn(at, " \n") : 0;
	return at;
}

/* "ID PARENT DEV ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER_OPTIONS" */
static bool is_hierarchy(const char *line, size_t line_len, const char *controller,
                         struct mount *mount)
{
	const char *dash = strstr(line, " - ");
	size_t len, super_len;

	if (!dash || dash >= line + line_len)
		return false;
	const char *rest = dash + 3;
	size_t rest_len = line_len - (size_t)(rest - line);
	const char *type = field(rest, rest_len, 0, &len);
	const char *super = field(rest, rest_len, 2, &super_len);
	const char *want = *controller ? "cgroup" : "cgroup2";
	if (len != strlen(want) || memcmp(type, want, len) ||
	    (*controller && !has_word(super, super_len, controller)))
		return false;
	const char *root = field(line, line_len, 3, &len);
	unescape(root, len, mount->root, sizeof(mount->root));
	const char *point = field(line, line_len, 4, &len);
	unescape(point, len, mount->point, sizeof(mount->point));
	return true;
}

static bool mount_of(const char *mountinfo, const char *controller, struct mount *mount)
{
	for (const char *line = mountinfo; *line;) {
		size_t len = strcspn(line, "\n");

		if (is_hierarchy(line, len, controller, mount))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}

static bool join(const struct mount *mount, const char *group, const char *file, char *path,
                 size_t size)
{
	size_t root = strlen(mount->root);
	const char *below = group;

	/* A container sees its own group as the mount's root, but may read the host's path. */
	if (!strcmp(mount->root, "/"))
		below = group;
	else if (!strncmp(group, mount->root, root) && (group[root] == '/' || !group[root]))
		below = group + root;
	else
		below = "";
	if (!strcmp(below, "/") || strstr(below, ".."))
		below = "";
	int n = snprintf(path, size, "%s%s/%s", mount->point, below, file);
	return n > 0 && (size_t)n < size;
}

bool oom_path(const char *cgroup, const char *mountinfo, char *path, size_t size)
{
	char group[PATH_MAX];
	struct mount mount;

	if (group_of(cgroup, "memory", group, sizeof(group)) &&
	    mount_of(mountinfo, "memory", &mount))
		return join(&mount, group, "memory.oom_control", path, size);
	if (group_of(cgroup, "", group, sizeof(group)) && mount_of(mountinfo, "", &mount))
		return join(&mount, group, "memory.events", path, size);
	return false;
}

int64_t oom_count(const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (bl_str_starts(line, "oom_kill "))
			return strtoll(line + 9, NULL, 10);
		line += len + (line[len] == '\n');
	}
	return -1;
}

static int64_t look(int fd)
{
	char text[16384];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -1;
	text[n] = '\0';
	return oom_count(text);
}

static int open_counter(void)
{
	BL_AUTO(bl_buf) cgroup = BL_BUF(PROC_TEXT_MAX);
	BL_AUTO(bl_buf) mountinfo = BL_BUF(PROC_TEXT_MAX);
	char path[2 * PATH_MAX];
	struct bl_err none = { 0 };

	if (bl_fs_read_path("/proc/self/cgroup", &cgroup, &none) ||
	    bl_fs_read_path("/proc/self/mountinfo", &mountinfo, &none) ||
	    !oom_path(bl_buf_text(&cgroup), bl_buf_text(&mountinfo), path, sizeof(path)))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

void oom_watch_open(struct oom_watch *watch)
{
	*watch = (struct oom_watch){ .fd = open_counter() };
	if (watch->fd >= 0 && (watch->before = look(watch->fd)) >= 0)
		return;
	/* the root group has no events file */
	bl_fd_done(&watch->fd);
	watch->fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	watch->before = watch->fd >= 0 ? look(watch->fd) : -1;
	if (watch->before < 0)
		bl_fd_done(&watch->fd);
}

int64_t oom_watch_delta(const struct oom_watch *watch)
{
	int64_t now = watch->fd >= 0 ? look(watch->fd) : -1;

	return now > watch->before ? now - watch->before : 0;
}

void oom_watch_done(struct oom_watch *watch)
{
	bl_fd_done(&watch->fd);
}
