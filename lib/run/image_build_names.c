/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/image_build_parts.h"

#include <string.h>

bool build_join(const char *dir, const char *path, char out[BUILD_PATH_SIZE])
{
	size_t n = strlen(dir);

	if (n >= BUILD_PATH_SIZE || *path == '/')
		return false;
	memcpy(out, dir, n);
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part == 2 && !strncmp(path, "..", 2)) {
			if (!n)
				return false;
			while (n && out[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (part && !(part == 1 && *path == '.')) {
			if (n + 1 + part >= BUILD_PATH_SIZE)
				return false;
			if (n)
				out[n++] = '/';
			memcpy(out + n, path, part);
			n += part;
		}
		path += part;
		path += *path == '/';
	}
	out[n] = '\0';
	return true;
}

void build_dir_of(const char *path, char out[BUILD_PATH_SIZE])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	memcpy(out, path, len);
	out[len] = '\0';
}

/* --- pip's requirements ----------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum build_named kind;
} options[] = {
	{ "--requirement", BUILD_NAMED_FILE },
	{ "--constraint", BUILD_NAMED_FILE },
	{ "--find-links", BUILD_NAMED_LINKS },
	{ "--editable", BUILD_NAMED_LOCAL },
	{ "-r", BUILD_NAMED_FILE },
	{ "-c", BUILD_NAMED_FILE },
	{ "-f", BUILD_NAMED_LINKS },
	{ "-e", BUILD_NAMED_LOCAL },
};

static bool is_url(const char *text)
{
	return strstr(text, "://") || bl_str_starts(text, "file:");
}

/* "-rX", "-r X", "--requirement=X", "--requirement X": X, else NULL. */
static const char *option_value(const char *line, const char *option)
{
	size_t len = strlen(option);

	if (strncmp(line, option, len))
		return NULL;
	line += len;
	if (option[1] == '-' && *line && !strchr(" \t=", *line))
		return NULL;
	line += strspn(line, " \t");
	line += *line == '=';
	return line + strspn(line, " \t");
}

/* A requirement that is a path: by a '/' or the end of its name, as pip tells. */
static bool is_path(const char *text)
{
	if (is_url(text) || strstr(text, " @ ") || strchr(text, '@'))
		return false;
	return *text == '.' || strchr(text, '/') || bl_str_ends(text, ".whl") ||
	       bl_str_ends(text, ".tar.gz") || bl_str_ends(text, ".zip");
}

struct lines {
	build_named_fn *each;
	void *arg;
};

/* line: a whole one, to be cut at will. */
static int on_line(const struct lines *lines, char *line, unsigned number, struct bl_err *err)
{
	char *end;

	line += strspn(line, " \t");
	for (size_t i = 0; i < BL_COUNT(options); i++) {
		char *value = (char *)option_value(line, options[i].text);

		if (!value)
			continue;
		value[strcspn(value, options[i].kind == BUILD_NAMED_LOCAL ? " \t[;" : " \t")] = 0;
		if (is_url(value) || !*value || *value == '/')
			return 0; /* the builder's to find */
		return lines->each(lines->arg, options[i].kind, value, number, err);
	}
	if (*line == '-')
		return 0;
	/* what follows: extras, markers, hashes */
	end = strpbrk(line, ";[");
	if (end)
		*end = '\0';
	end = strstr(line, " --");
	if (end)
		*end = '\0';
	end = line + strlen(line);
	while (end > line && strchr(" \t", end[-1]))
		*--end = '\0';
	if (!is_path(line) || *line == '/')
		return 0;
	return lines->each(lines->arg, BUILD_NAMED_LOCAL, line, number, err);
}

static size_t without_comment(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] == '#' && (!i || line[i - 1] == ' ' || line[i - 1] == '\t'))
			return i;
	return len;
}

int build_each_name(const char *bytes, size_t len, build_named_fn *each, void *arg,
                    struct bl_err *err)
{
	struct lines lines = { .each = each, .arg = arg };
	BL_AUTO(bl_buf) text = BL_BUF(BUILD_FILE_MAX);
	unsigned began = 1, number = 1;

	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at, used;
		bool more;

		used = n && bytes[at + n - 1] == '\r' ? n - 1 : n;
		more = used && bytes[at + used - 1] == '\\' && at + n + 1 < len;
		if (!text.len)
			began = number;
		bl_buf_add(&text, bytes + at, without_comment(bytes + at, used - more));
		bl_buf_addc(&text, more ? ' ' : '\0');
		at += n + 1;
		if (more)
			continue;
		if (bl_buf_check(&text, "requirements", err) ||
		    on_line(&lines, text.data, began, err))
			return -1;
		bl_buf_reset(&text);
	}
	return 0;
}

/* --- Lock files ------------------------------------------------------------------------------- */

static const char *const lock_keys[] = { "path", "directory", "editable", "virtual" };

/* KEY = "VALUE" anywhere in the line; the lock files that tools write have it in this form. */
static int on_lock_line(const struct lines *lines, const char *line, unsigned number,
                        struct bl_err *err)
{
	char value[1024];

	for (size_t i = 0; i < BL_COUNT(lock_keys); i++) {
		const char *at = strstr(line, lock_keys[i]);
		size_t len;

		if (!at)
			continue;
		at += strlen(lock_keys[i]);
		at += strspn(at, " ");
		if (strncmp(at, "= \"", 3) && strncmp(at, "=\"", 2))
			continue;
		at += at[1] == ' ' ? 3 : 2;
		len = strcspn(at, "\"");
		if (!at[len] || !len || len >= sizeof(value) || *at == '/')
			continue;
		memcpy(value, at, len);
		value[len] = '\0';
		/* "." is the project itself, which is not installed: the code layer brings it */
		if (!strcmp(value, ".") || is_url(value))
			continue;
		if (lines->each(lines->arg, BUILD_NAMED_POSSIBLY, value, number, err))
			return -1;
	}
	return 0;
}

int build_each_name_of_lock(const char *bytes, size_t len, build_named_fn *each, void *arg,
                            struct bl_err *err)
{
	struct lines lines = { .each = each, .arg = arg };
	BL_AUTO(bl_buf) text = BL_BUF(BUILD_FILE_MAX);
	unsigned number = 1;

	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;

		bl_buf_reset(&text);
		bl_buf_add(&text, bytes + at, n);
		if (bl_buf_check(&text, "lock file", err) ||
		    on_lock_line(&lines, bl_buf_text(&text), number, err))
			return -1;
		at += n + 1;
	}
	return 0;
}
