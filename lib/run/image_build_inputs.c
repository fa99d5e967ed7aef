/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/image_build_parts.h"

#include <stdlib.h>
#include <string.h>

void build_inputs_done(struct build_inputs *inputs)
{
	bl_buf_done(&inputs->paths);
	bl_buf_done(&inputs->dockerfile);
	free(inputs->entries);
	*inputs = BUILD_INPUTS;
}

const char *build_path(const struct build_inputs *inputs, const struct build_entry *entry)
{
	return inputs->paths.data + entry->at;
}

const char *build_context_path(const struct build_inputs *inputs, const struct build_entry *entry)
{
	const char *path = build_path(inputs, entry);

	return *inputs->context ? path + strlen(inputs->context) + 1 : path;
}

/* --- The commit's files ----------------------------------------------------------------------- */

static int make_room(struct build_inputs *inputs, struct bl_err *err)
{
	size_t room = inputs->room ? 2 * inputs->room : 256;
	struct build_entry *entries;

	if (inputs->n < inputs->room)
		return 0;
	entries = reallocarray(inputs->entries, room, sizeof(*entries));
	if (!entries)
		return bl_fail(err, BL_ENOMEM, "the commit's files: out of memory");
	inputs->entries = entries;
	inputs->room = room;
	return 0;
}

static int on_entry(void *arg, const struct bl_git_entry *entry, struct bl_err *err)
{
	struct build_inputs *inputs = arg;
	struct build_entry *mine;

	if (entry->kind == BL_GIT_DIR)
		return 0;
	if (strlen(entry->path) >= BUILD_PATH_SIZE)
		return bl_fail(err, BL_EINPUT, "the commit has a path of over 4,096 bytes");
	if (make_room(inputs, err))
		return -1;
	mine = &inputs->entries[inputs->n++];
	*mine = (struct build_entry){ .at = inputs->paths.len, .kind = entry->kind };
	memcpy(mine->id, entry->id, sizeof(mine->id));
	bl_buf_add(&inputs->paths, entry->path, strlen(entry->path) + 1);
	return bl_buf_check(&inputs->paths, "the commit's paths", err);
}

struct build_entry *build_find_entry(const struct build_inputs *inputs, const char *path)
{
	size_t low = 0, high = inputs->n;

	while (low < high) {
		size_t at = low + (high - low) / 2;
		int order = strcmp(path, build_path(inputs, &inputs->entries[at]));

		if (!order)
			return &inputs->entries[at];
		if (order < 0)
			high = at;
		else
			low = at + 1;
	}
	return NULL;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The same name elsewhere, else the path that is spelt most like it. */
static const char *nearest(const struct build_inputs *inputs, const char *path)
{
	const char **paths = calloc(inputs->n + 1, sizeof(*paths));
	const char *found = NULL;

	for (size_t i = 0; i < inputs->n && !found; i++)
		if (!strcmp(name_of(build_path(inputs, &inputs->entries[i])), name_of(path)))
			found = build_path(inputs, &inputs->entries[i]);
	for (size_t i = 0; paths && i < inputs->n; i++)
		paths[i] = build_path(inputs, &inputs->entries[i]);
	if (!found && paths)
		found = bl_str_nearest(path, paths, inputs->n);
	free((void *)paths);
	return found;
}

int build_not_there(const struct build_inputs *inputs, const char *what, const char *path,
                    struct bl_err *err)
{
	const char *found = nearest(inputs, path);

	bl_fail(err, BL_EINPUT, "%s: '%.200s' is not in the commit", what, path);
	if (found)
		return bl_next(err, "did you mean '%.200s'? A file must be committed to count",
		               found);
	return bl_next(err, "commit it, or correct the path: it is from the repository's root");
}

int build_read_entry(const struct bl_build *build, const struct build_inputs *inputs,
                     const struct build_entry *entry, struct bl_buf *out, struct bl_err *err)
{
	struct bl_git_blob blob = { 0 };
	const char *path = build_path(inputs, entry);

	if (entry->kind != BL_GIT_FILE && entry->kind != BL_GIT_EXEC)
		return bl_fail(err, BL_EINPUT, "'%.200s' is a %s, not a file", path,
		               entry->kind == BL_GIT_LINK ? "link" : "submodule");
	if (bl_git_blob_read(build->tree, entry->id, &blob, err))
		return bl_wrap(err, "'%.200s'", path);
	bl_buf_add(out, blob.bytes, blob.size);
	bl_git_blob_done(&blob);
	return bl_buf_check(out, path, err);
}

/* --- Of a Dockerfile -------------------------------------------------------------------------- */

static int read_ignore(const struct bl_build *build, struct build_inputs *inputs,
                       const char *dockerfile, struct build_ignore **ignore, struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(2 * BUILD_PATH_SIZE);
	BL_AUTO(bl_buf) bytes = BL_BUF((size_t)1 << 20);
	const struct build_entry *entry;

	/* one of the Dockerfile's own wins */
	bl_buf_addf(&path, "%s.dockerignore", dockerfile);
	entry = path.failed ? NULL : build_find_entry(inputs, bl_buf_text(&path));
	if (!entry) {
		bl_buf_reset(&path);
		bl_buf_addf(&path, "%s%s.dockerignore", inputs->context,
		            *inputs->context ? "/" : "");
		entry = path.failed ? NULL : build_find_entry(inputs, bl_buf_text(&path));
	}
	if (bl_buf_check(&path, ".dockerignore", err))
		return -1;
	if (!entry)
		return 0;
	inputs->has_ignore = true;
	if (build_read_entry(build, inputs, entry, &bytes, err))
		return -1;
	return build_ignore_parse(bl_buf_text(&bytes), bytes.len, bl_buf_text(&path), ignore, err);
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !len || (!strncmp(path, dir, len) && path[len] == '/');
}

static int want_dockerfile(const struct bl_build *build, struct build_inputs *inputs,
                           struct bl_err *err)
{
	char path[BUILD_PATH_SIZE];
	const struct build_entry *entry;
	BUILD_IGNORE ignore = NULL;
	size_t below = 0;

	if (!build_join("", build->dockerfile, path) || !(entry = build_find_entry(inputs, path)))
		return build_not_there(inputs, "image.dockerfile", build->dockerfile, err);
	if (build_read_entry(build, inputs, entry, &inputs->dockerfile, err))
		return bl_wrap(err, "image.dockerfile");
	if (!build_join("", build->context ? build->context : ".", inputs->context))
		return build_not_there(inputs, "image.context", build->context, err);
	if (read_ignore(build, inputs, path, &ignore, err))
		return -1;
	for (size_t i = 0; i < inputs->n; i++) {
		struct build_entry *each = &inputs->entries[i];

		if (!is_below(build_path(inputs, each), inputs->context))
			continue;
		below++;
		each->wanted = !build_ignore_matches(ignore, build_context_path(inputs, each));
	}
	if (!below && *inputs->context)
		return build_not_there(inputs, "image.context", inputs->context, err);
	return 0;
}

int build_inputs_read(const struct bl_build *build, struct build_inputs *out, struct bl_err *err)
{
	BL_AUTO(build_inputs) inputs = BUILD_INPUTS;

	if (bl_git_tree_walk(build->tree, on_entry, &inputs, err))
		return -1;
	if (build->dockerfile ? want_dockerfile(build, &inputs, err)
	                      : build_want_named(build, &inputs, err))
		return -1;
	*out = inputs;
	inputs = BUILD_INPUTS;
	return 0;
}
