/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 1000000u
#define DEPTH_MAX 32
#define NAMES_MAX 512u

void bl_data_files_done(struct bl_data_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->items[i].key);
		free(files->items[i].path);
	}
	free(files->items);
	*files = (struct bl_data_files){ 0 };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int add_decoded(const char *uri, const char *at, struct bl_buf *path, struct bl_err *err)
{
	for (; *at; at++) {
		int high = *at == '%' ? hex_digit(at[1]) : -1;
		int low = high >= 0 ? hex_digit(at[2]) : -1;

		if (*at == '%' && (low < 0 || (!high && !low)))
			return bl_fail(err, BL_EINPUT, "'%.200s': '%%' needs two hex digits", uri);
		bl_buf_addc(path, *at == '%' ? (char)(high * 16 + low) : *at);
		at += *at == '%' ? 2 : 0;
	}
	return bl_buf_check(path, "path of the data", err);
}

static int add_absolute(const char *plain, const char *base, struct bl_buf *path,
                        struct bl_err *err)
{
	char cwd[PATH_MAX];

	if (*plain != '/' && !base && !getcwd(cwd, sizeof(cwd)))
		return bl_fail_errno(err, errno, "working directory");
	if (*plain != '/')
		bl_buf_addf(path, "%s/", base ? base : cwd);
	bl_buf_adds(path, plain);
	return bl_buf_check(path, "path of the data", err);
}

int bl_data_path(const char *uri, const char *base, struct bl_buf *path, struct bl_err *err)
{
	if (!*uri)
		return bl_fail(err, BL_EINPUT, "its path is empty");
	if (bl_str_starts(uri, "file:///"))
		return add_decoded(uri, uri + strlen("file://"), path, err);
	if (bl_str_starts(uri, "file:")) {
		bl_fail(err, BL_EINPUT, "'%.200s': a file URI has three slashes", uri);
		return bl_next(err, "write file:///absolute/path, or just the path");
	}
	if (strstr(uri, "://")) {
		bl_fail(err, BL_EINPUT, "'%.200s' cannot be read by this version", uri);
		return bl_next(err, "name a local copy: data.NAME.local, or --data NAME=PATH");
	}
	return add_absolute(uri, base, path, err);
}

/* Takes key and path over. */
static int add_file(struct bl_data_files *files, char *key, char *path, const struct stat *st,
                    struct bl_err *err)
{
	struct bl_data_file *items = files->items;

	if (key && path && files->n == files->cap) {
		size_t cap = files->cap ? files->cap * 2 : 16;

		items = realloc(items, cap * sizeof(*items));
		if (items) {
			files->items = items;
			files->cap = cap;
		}
	}
	if (!key || !path || !items || files->n >= FILES_MAX) {
		free(key);
		free(path);
		if (files->n >= FILES_MAX)
			return bl_fail(err, BL_EDATA, "over %u files", FILES_MAX);
		return bl_fail(err, BL_ENOMEM, "list the data: out of memory");
	}
	items[files->n++] = (struct bl_data_file){
		.key = key,
		.path = path,
		.size = (uint64_t)st->st_size,
		.mtime_ms = st->st_mtim.tv_sec * INT64_C(1000) + st->st_mtim.tv_nsec / 1000000,
	};
	files->bytes += (uint64_t)st->st_size;
	return 0;
}

/* A directory that is being listed, and those above it: a link may lead back to one. */
struct level {
	const struct level *above;
	struct bl_data_files *files;
	const struct bl_value *include;
	const char *key;  /* "" or "a/b" */
	const char *path; /* absolute */
	dev_t dev;
	ino_t ino;
	unsigned depth;
};

bool bl_data_is_included(const struct bl_value *include, const char *key)
{
	if (!include || !include->n)
		return true;
	for (size_t i = 0; i < include->n; i++)
		if (include->items[i]->text && bl_str_glob(include->items[i]->text, key))
			return true;
	return false;
}

static char *join(const char *dir, const char *name)
{
	char *path = NULL;

	if (!*dir)
		return strdup(name);
	return asprintf(&path, "%s%s%s", dir, bl_str_ends(dir, "/") ? "" : "/", name) < 0 ? NULL
	                                                                                  : path;
}

static bool is_above(const struct level *level, const struct stat *st)
{
	for (; level; level = level->above)
		if (level->dev == st->st_dev && level->ino == st->st_ino)
			return true;
	return false;
}

static void free_text(char **text)
{
	free(*text);
}

static int visit(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err);

static int enter(const struct level *level, int dir, const char *name, const struct stat *st,
                 struct bl_err *err)
{
	__attribute__((cleanup(free_text))) char *key = join(level->key, name);
	__attribute__((cleanup(free_text))) char *path = join(level->path, name);
	struct level below = *level;
	BL_FD fd = -1;

	if (!key || !path)
		return bl_fail(err, BL_ENOMEM, "list the data: out of memory");
	if (is_above(level, st))
		return bl_fail(err, BL_EDATA, "'%s' is a link to a directory above it", key);
	if (level->depth == DEPTH_MAX)
		return bl_fail(err, BL_EDATA, "'%s' is over %d directories deep", key, DEPTH_MAX);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return bl_fail_errno(err, errno, "open '%s'", path);
	below.above = level;
	below.key = key;
	below.path = path;
	below.dev = st->st_dev;
	below.ino = st->st_ino;
	below.depth++;
	return bl_fs_list(fd, ".", visit, &below, err);
}

static int visit(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	const struct level *level = arg;
	char *key;
	struct stat st;

	if (fstatat(dir, name, &st, 0)) {
		if (errno == ENOENT && type == DT_LNK)
			return bl_fail(err, BL_EDATA, "'%s/%s' is a link to nothing", level->path,
			               name);
		return errno == ENOENT
		               ? 0
		               : bl_fail_errno(err, errno, "stat '%s/%s'", level->path, name);
	}
	if (S_ISDIR(st.st_mode))
		return enter(level, dir, name, &st, err);
	if (!S_ISREG(st.st_mode))
		return 0;
	key = join(level->key, name);
	if (key && !bl_data_is_included(level->include, key)) {
		free(key);
		return 0;
	}
	return add_file(level->files, key, join(level->path, name), &st, err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct bl_data_file *)a)->key, ((const struct bl_data_file *)b)->key);
}

/* Names beside the one that is missing, for the nearest of them. */
struct names {
	char *items[NAMES_MAX];
	size_t n;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
}

static int keep_name(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	struct names *names = arg;

	(void)dir;
	(void)type;
	(void)err;
	if (names->n == NAMES_MAX)
		return 1;
	names->items[names->n] = strdup(name);
	names->n += names->items[names->n] != NULL;
	return 0;
}

static void suggest(const char *path, struct bl_err *err)
{
	__attribute__((cleanup(names_done))) struct names names = { .n = 0 };
	const char *slash = strrchr(path, '/'), *nearest;
	BL_AUTO(bl_buf) parent = BL_BUF(PATH_MAX);
	struct bl_err ignored = { 0 };
	BL_FD dir = -1;

	bl_buf_add(&parent, path, slash == path ? 1 : (size_t)(slash - path));
	if (parent.failed || bl_fs_open_dir(bl_buf_text(&parent), &dir, &ignored)) {
		bl_next(err, "its directory is not there either: check the path");
		return;
	}
	if (bl_fs_list(dir, ".", keep_name, &names, &ignored))
		bl_err_clear(&ignored);
	nearest = bl_str_nearest(slash + 1, (const char *const *)names.items, names.n);
	if (nearest)
		bl_next(err, "did you mean '%.*s/%s'?", (int)(slash - path), path, nearest);
	else
		bl_next(err, "check the path in data.NAME of branchline.yaml, or --data NAME=PATH");
}

static int find_below(const char *path, const struct bl_data_channel *channel,
                      struct bl_data_files *files, const struct stat *st, struct bl_err *err)
{
	struct level top = {
		.files = files,
		.include = channel->include,
		.key = "",
		.path = path,
		.dev = st->st_dev,
		.ino = st->st_ino,
	};
	BL_FD fd = -1;

	if (bl_fs_open_dir(path, &fd, err) || bl_fs_list(fd, ".", visit, &top, err))
		return -1;
	if (files->n) {
		qsort(files->items, files->n, sizeof(*files->items), by_key);
		return 0;
	}
	if (channel->include && channel->include->n) {
		bl_fail(err, BL_EDATA, "no file below '%s' matches `include`", path);
		return bl_next(err, "a glob's * stops at '/': write **/*.jsonl for all below");
	}
	return bl_fail(err, BL_EDATA, "'%s' holds no file", path);
}

int bl_data_files_find(const struct bl_data_channel *channel, struct bl_data_files *out,
                       struct bl_err *err)
{
	BL_AUTO(bl_data_files) files = { 0 };
	BL_AUTO(bl_buf) path = BL_BUF(PATH_MAX);
	const char *slash;
	struct stat st;

	if (bl_data_path(channel->uri, channel->base, &path, err))
		return -1;
	while (path.len > 1 && path.data[path.len - 1] == '/')
		path.data[--path.len] = '\0';
	if (stat(path.data, &st)) {
		if (errno != ENOENT && errno != ENOTDIR)
			return bl_fail_errno(err, errno, "'%s'", path.data);
		bl_fail(err, BL_EDATA, "'%s' does not exist", path.data);
		suggest(path.data, err);
		return -1;
	}
	slash = strrchr(path.data, '/');
	files.is_single = S_ISREG(st.st_mode);
	if (files.is_single && add_file(&files, strdup(slash + 1), strdup(path.data), &st, err))
		return -1;
	if (!files.is_single && !S_ISDIR(st.st_mode))
		return bl_fail(err, BL_EDATA, "'%s' is no file and no directory", path.data);
	if (!files.is_single && find_below(path.data, channel, &files, &st, err))
		return -1;
	*out = files;
	files = (struct bl_data_files){ 0 };
	return 0;
}
