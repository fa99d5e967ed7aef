/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include <string.h>

struct naming {
	struct build_inputs *inputs;
	const char *file;                /* that is being read */
	char dir[BUILD_PATH_SIZE];       /* of it */
	char first_dir[BUILD_PATH_SIZE]; /* of image.requirements, where the installer runs */
	bool found_more;                 /* a file that has to be read as well */
};

/* All below a directory; whether there is any. */
static bool want_below(struct build_inputs *inputs, const char *dir)
{
	size_t len = strlen(dir);
	bool any = false;

	for (size_t i = 0; i < inputs->n; i++) {
		const char *path = build_path(inputs, &inputs->entries[i]);

		if (len && (strncmp(path, dir, len) != 0 || path[len] != '/'))
			continue;
		inputs->entries[i].wanted = any = true;
	}
	return any;
}

static int on_name(void *arg, enum build_named kind, const char *name, unsigned line,
                   struct bl_err *err)
{
	struct naming *naming = arg;
	const char *from = kind == BUILD_NAMED_LOCAL ? naming->first_dir : naming->dir;
	char path[BUILD_PATH_SIZE];
	struct build_entry *entry;

	if (!build_join(from, name, path)) {
		if (kind == BUILD_NAMED_POSSIBLY)
			return 0;
		bl_fail(err, BL_EINPUT, "%s:%u: '%.200s' is outside of the repository",
		        naming->file, line, name);
		return bl_next(err, "the base is made from the commit alone: put it there");
	}
	entry = build_find_entry(naming->inputs, path);
	if (entry) {
		entry->wanted = true;
		if (kind == BUILD_NAMED_FILE && !entry->parsed)
			naming->found_more = entry->to_parse = true;
		return 0;
	}
	if (kind != BUILD_NAMED_FILE && want_below(naming->inputs, path))
		return 0;
	if (kind == BUILD_NAMED_POSSIBLY)
		return 0;
	build_not_there(naming->inputs, "image.requirements", path, err);
	return bl_wrap(err, "%s:%u", naming->file, line);
}

static int read_one(const struct bl_build *build, struct naming *naming, struct build_entry *entry,
                    enum build_format format, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BUILD_FILE_MAX);

	entry->parsed = true;
	naming->file = build_path(naming->inputs, entry);
	build_dir_of(naming->file, naming->dir);
	if (build_read_entry(build, naming->inputs, entry, &bytes, err))
		return bl_wrap(err, "image.requirements");
	if (format != BUILD_PIP)
		return build_each_name_of_lock(bl_buf_text(&bytes), bytes.len, on_name, naming,
		                               err);
	return build_each_name(bl_buf_text(&bytes), bytes.len, on_name, naming, err);
}

/* uv reads the project that a lock is of. */
static int want_project(struct naming *naming, struct bl_err *err)
{
	char path[BUILD_PATH_SIZE];
	struct build_entry *entry;

	if (!build_join(naming->first_dir, "pyproject.toml", path) ||
	    !(entry = build_find_entry(naming->inputs, path)))
		return build_not_there(naming->inputs, "image.requirements: uv.lock needs", path,
		                       err);
	entry->wanted = true;
	return 0;
}

int build_want_named(const struct bl_build *build, struct build_inputs *inputs, struct bl_err *err)
{
	struct naming naming = { .inputs = inputs };
	char path[BUILD_PATH_SIZE];
	struct build_entry *entry;
	enum build_format format;

	if (build_format_of(build->requirements, &format, err))
		return -1;
	if (!build_join("", build->requirements, path) || !(entry = build_find_entry(inputs, path)))
		return build_not_there(inputs, "image.requirements", build->requirements, err);
	build_dir_of(path, naming.first_dir);
	if (format == BUILD_UV && want_project(&naming, err))
		return -1;
	entry->wanted = true;
	if (read_one(build, &naming, entry, format, err))
		return -1;
	/* what those that it names name: each is read once, so this ends */
	while (naming.found_more) {
		naming.found_more = false;
		for (size_t i = 0; i < inputs->n; i++)
			if (inputs->entries[i].to_parse && !inputs->entries[i].parsed &&
			    read_one(build, &naming, &inputs->entries[i], BUILD_PIP, err))
				return -1;
	}
	return bl_build_dockerfile(path, build->base, &inputs->dockerfile, err);
}
