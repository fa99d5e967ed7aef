/* SPDX-License-Identifier: Apache-2.0 */
/* A list read twice over means the same; a last "*" leaves all out, a last "!*" nothing. */
#include "run/image_ignore.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static const struct {
	const char *path;
	bool is_dir;
} asked[] = {
	{ "a", false },
	{ "build", true },
	{ "src/build/keep", false },
	{ "docs/a/b.txt", false },
	{ "x/y/z/a.log", false },
	{ "__pycache__", true },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab/aaaaaaaaaaaaaaaaaaaaaac", false },
	{ "\xc3\xa9[\\]*", false },
};

/* data, then `more` on a line of its own. NULL: not read. */
static struct bl_ignore *read_with(const uint8_t *data, size_t size, const void *more, size_t n)
{
	char *bytes = malloc(size + n + 1);
	struct bl_ignore *ignore = NULL;
	struct bl_err err = { 0 };

	must(bytes);
	memcpy(bytes, data, size);
	bytes[size] = '\n';
	memcpy(bytes + size + 1, more, n);
	if (bl_ignore_parse(bytes, size + 1 + n, "list", &ignore, &err))
		must(err.code == BL_EINPUT && err.text[0] && !ignore);
	free(bytes);
	return ignore;
}

/* A byte order mark counts at the beginning alone. */
static bool is_marked(const uint8_t *data, size_t size)
{
	return size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_ignore *once = read_with(data, size, "", 0);
	struct bl_ignore *twice = is_marked(data, size) ? NULL : read_with(data, size, data, size);
	struct bl_ignore *all = read_with(data, size, "*", 1);
	struct bl_ignore *none = read_with(data, size, "!*", 2);

	for (size_t i = 0; once && i < BL_COUNT(asked); i++) {
		bool out = bl_ignore_matches(once, asked[i].path, asked[i].is_dir);

		if (twice)
			must(bl_ignore_matches(twice, asked[i].path, asked[i].is_dir) == out);
		if (all)
			must(bl_ignore_matches(all, asked[i].path, asked[i].is_dir));
		if (none)
			must(!bl_ignore_matches(none, asked[i].path, asked[i].is_dir));
	}
	bl_ignore_free(once);
	bl_ignore_free(twice);
	bl_ignore_free(all);
	bl_ignore_free(none);
	return 0;
}
