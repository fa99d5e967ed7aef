/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit may hold for a build: .dockerignore, Dockerfile, requirements, lock file. */
#include "run/image_build_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int on_image(void *arg, const char *image, bool resolved, unsigned line, struct bl_err *err)
{
	(void)arg;
	(void)err;
	must(*image && line > 0);
	must(!resolved || strcmp(image, "scratch") != 0);
	return 0;
}

static int on_name(void *arg, enum build_named kind, const char *path, unsigned line,
                   struct bl_err *err)
{
	char joined[BUILD_PATH_SIZE];

	(void)arg;
	(void)kind;
	(void)err;
	must(*path && *path != '/' && line > 0);
	if (!build_join("a/b", path, joined))
		return 0;
	must(*joined != '/' && strncmp(joined, "../", 3) != 0 && !strstr(joined, "/../"));
	return 0;
}

static void ignore(const char *text, size_t len)
{
	static const char *const paths[] = { "a", "a/b/c.pyc", "deep/er/than/that/x", "[]" };
	BUILD_IGNORE rules = NULL;
	struct bl_err err = { 0 };

	if (build_ignore_parse(text, len, ".dockerignore", &rules, &err)) {
		must(err.code == BL_EINPUT && !rules);
		return;
	}
	for (size_t i = 0; i < BL_COUNT(paths); i++)
		(void)build_ignore_matches(rules, paths[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct bl_err err = { 0 };
	bool loopback;

	ignore(text, size);
	must(!build_each_from(text, size, on_image, NULL, &err));
	must(!build_all_loopback(text, size, &loopback, &err));
	must(!build_each_name(text, size, on_name, NULL, &err));
	must(!build_each_name_of_lock(text, size, on_name, NULL, &err));
	return 0;
}
