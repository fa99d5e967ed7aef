/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/image_ignore.h"
#include "run/image_layer_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXEC_JSON "opt/branchline/exec.json"
#define OPAQUE BL_IMAGE_CODE "/.wh..wh..opq"
#define IGNORE_MAX ((size_t)1 << 20)
#define THREADS_MAX 8
#define LFS_FIRST_LINE "version https://git-lfs.github.com/spec/v1\n"
#define LFS_MAX 1024
#define TREE_PATH_SIZE 4097
#define PATH_SIZE (sizeof(BL_IMAGE_CODE) + TREE_PATH_SIZE)

/* --- What is in a tree and may not be in an image --------------------------------------------- */

struct finding {
	uint64_t n;
	char first[256];
};

static void note(struct finding *finding, const char *path)
{
	if (!finding->n++)
		snprintf(finding->first, sizeof(finding->first), "%s", path);
}

struct coding {
	const struct bl_layer_code *how;
	struct bl_ignore *ignore;
	struct bl_layer_out out;
	char dir[TREE_PATH_SIZE]; /* the directory that was written last, from the tree's root */
	struct finding modules, pointers;
	bool has_context;
	uint64_t files;
};

/* Parts that git itself would not write, but that a tree made by hand can hold. */
static int check_name(const char *path, struct bl_err *err)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, ".git")) {
		bl_fail(err, BL_EINPUT, "the commit has a path '%.200s': it could leave its place",
		        path);
		return bl_next(err, "no git of today writes one: look at where the commit is from");
	}
	if (bl_str_starts(name, ".wh.")) {
		bl_fail(err, BL_EINPUT,
		        "the commit has a file '%.200s': in an image that means a removed file",
		        path);
		return bl_next(err, "rename it, or name it in " BL_IMAGE_IGNORE);
	}
	return 0;
}

static bool is_pointer(const struct bl_git_blob *blob)
{
	size_t len = strlen(LFS_FIRST_LINE);

	return blob->size < LFS_MAX && blob->size >= len &&
	       !memcmp(blob->bytes, LFS_FIRST_LINE, len);
}

static int refuse_findings(const struct coding *coding, struct bl_err *err)
{
	const struct finding *modules = &coding->modules, *pointers = &coding->pointers;

	if (modules->n) {
		bl_fail(err, BL_EINPUT,
		        "the commit has %" PRIu64 " submodule%s (%s): its files are not in it",
		        modules->n, modules->n > 1 ? "s" : "", modules->first);
		return bl_next(err, "put the files into the repository, install it by "
		                    "image.requirements, or name it in " BL_IMAGE_IGNORE);
	}
	if (pointers->n) {
		bl_fail(err, BL_EINPUT,
		        "the commit has %" PRIu64
		        " file%s of Git LFS (%s): only pointers are in it",
		        pointers->n, pointers->n > 1 ? "s" : "", pointers->first);
		return bl_next(err, "give large files as data (data: in branchline.yaml) and name "
		                    "them in " BL_IMAGE_IGNORE);
	}
	return 0;
}

/* --- Which entries ---------------------------------------------------------------------------- */

static const char *context_of(const struct coding *coding)
{
	const char *context = coding->how->context;

	return !context || !strcmp(context, ".") ? "" : context;
}

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/';
}

/* In the context, or on the way to it. */
static bool is_wanted(struct coding *coding, const char *path, bool is_dir, bool *on_the_way)
{
	const char *context = context_of(coding);

	*on_the_way = false;
	if (!*context || is_below(path, context))
		return true;
	if (is_dir && !strcmp(path, context)) {
		coding->has_context = true;
		return true;
	}
	*on_the_way = is_dir && is_below(context, path);
	return *on_the_way;
}

/* --- Writing them ----------------------------------------------------------------------------- */

static void in_image(const char *path, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, BL_IMAGE_CODE "/%s", path);
}

/* Directories appear with the first thing in them: git knows no empty ones. */
static int write_parents(struct coding *coding, const char *path, struct bl_err *err)
{
	char dir[TREE_PATH_SIZE], image[PATH_SIZE];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		if (!strcmp(coding->dir, dir) || is_below(coding->dir, dir))
			continue;
		in_image(dir, image);
		if (bl_layer_entry(&coding->out,
		                   &(struct bl_tar_entry){
					   .path = image, .type = BL_TAR_DIR, .mode = 0755 },
		                   err))
			return -1;
		memcpy(coding->dir, dir, sizeof(dir));
	}
	return 0;
}

static int write_link(struct coding *coding, const char *image, const struct bl_git_blob *blob,
                      struct bl_err *err)
{
	BL_AUTO(bl_buf) target = BL_BUF(4097);

	bl_buf_add(&target, blob->bytes, blob->size);
	if (bl_buf_check(&target, image, err))
		return -1;
	if (!target.len || memchr(target.data, '\0', target.len))
		return bl_fail(err, BL_EINPUT, "'%.200s' is a link to nowhere", image);
	return bl_layer_entry(&coding->out,
	                      &(struct bl_tar_entry){ .path = image,
	                                              .type = BL_TAR_LINK,
	                                              .mode = 0777,
	                                              .target = bl_buf_text(&target) },
	                      err);
}

static int write_blob_entry(struct coding *coding, const struct bl_git_entry *entry,
                            const struct bl_git_blob *blob, struct bl_err *err)
{
	char image[PATH_SIZE];

	if (entry->kind != BL_GIT_LINK && is_pointer(blob)) {
		note(&coding->pointers, entry->path);
		return 0;
	}
	in_image(entry->path, image);
	if (write_parents(coding, entry->path, err))
		return -1;
	if (entry->kind == BL_GIT_LINK)
		return write_link(coding, image, blob, err);
	return bl_layer_file(&coding->out, image, entry->kind == BL_GIT_EXEC ? 0755 : 0644,
	                     blob->bytes, blob->size, err);
}

static int on_entry(void *arg, const struct bl_git_entry *entry, struct bl_err *err)
{
	struct coding *coding = arg;
	/* a submodule is a directory to all who name it: an ignore file, a context */
	bool is_dir = entry->kind == BL_GIT_DIR || entry->kind == BL_GIT_MODULE, on_the_way;
	struct bl_git_blob blob = { 0 };
	int rc;

	if (!is_wanted(coding, entry->path, is_dir, &on_the_way) ||
	    bl_ignore_matches(coding->ignore, entry->path, is_dir))
		return 1;
	if (check_name(entry->path, err))
		return -1;
	if (entry->kind == BL_GIT_DIR)
		return 0;
	coding->files++;
	if (entry->kind == BL_GIT_MODULE) {
		note(&coding->modules, entry->path);
		return 0;
	}
	if (bl_git_blob_read(coding->how->tree, entry->id, &blob, err))
		return bl_wrap(err, "'%.200s'", entry->path);
	rc = write_blob_entry(coding, entry, &blob, err);
	bl_git_blob_done(&blob);
	return rc;
}

/* --- The ignore file -------------------------------------------------------------------------- */

struct search {
	const char *path;
	char id[41];
};

static int find_entry(void *arg, const struct bl_git_entry *entry, struct bl_err *err)
{
	struct search *search = arg;

	(void)err;
	if ((entry->kind == BL_GIT_FILE || entry->kind == BL_GIT_EXEC) &&
	    !strcmp(entry->path, search->path))
		memcpy(search->id, entry->id, sizeof(search->id));
	return 1; /* it is in the root */
}

static int read_ignore(struct coding *coding, struct bl_err *err)
{
	struct search search = { .path = BL_IMAGE_IGNORE };
	struct bl_git_blob blob = { 0 };
	int rc;

	if (bl_git_tree_walk(coding->how->tree, find_entry, &search, err))
		return -1;
	if (!search.id[0])
		return 0;
	if (bl_git_blob_read(coding->how->tree, search.id, &blob, err))
		return bl_wrap(err, BL_IMAGE_IGNORE);
	rc = blob.size > IGNORE_MAX
	             ? bl_fail(err, BL_ELIMIT, BL_IMAGE_IGNORE ": over %zu bytes", IGNORE_MAX)
	             : bl_ignore_parse(blob.bytes, blob.size, BL_IMAGE_IGNORE, &coding->ignore,
	                               err);
	bl_git_blob_done(&blob);
	return rc;
}

/* --- The code layer --------------------------------------------------------------------------- */

static unsigned threads_of(const struct bl_layer_code *how)
{
	long n = how->threads ? (long)how->threads : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

/* What the base has there is hidden: what trains is this commit and nothing else. */
static int write_code(struct coding *coding, struct bl_err *err)
{
	const struct bl_tar_entry root = { .path = BL_IMAGE_CODE,
		                           .type = BL_TAR_DIR,
		                           .mode = 0755 };

	if (read_ignore(coding, err) || bl_layer_entry(&coding->out, &root, err) ||
	    bl_layer_file(&coding->out, OPAQUE, 0644, "", 0, err) ||
	    bl_git_tree_walk(coding->how->tree, on_entry, coding, err) ||
	    refuse_findings(coding, err))
		return -1;
	if (*context_of(coding) && !coding->has_context) {
		bl_fail(err, BL_EINPUT, "image.context: the commit has no directory '%.200s'",
		        context_of(coding));
		return bl_next(err, "correct image.context in branchline.yaml");
	}
	if (!coding->files) {
		bl_fail(err, BL_EINPUT, "nothing of the commit is left for the image");
		return bl_next(err, "correct " BL_IMAGE_IGNORE " or image.context");
	}
	return 0;
}

int bl_layer_of_code(const struct bl_layer_code *how, struct bl_layer *out, struct bl_err *err)
{
	struct coding coding = { .how = how };
	int rc = -1;

	if (!bl_layer_begin(&coding.out, false, threads_of(how), err) &&
	    (!how->exec_json || !bl_layer_file(&coding.out, EXEC_JSON, 0644, how->exec_json,
	                                       how->exec_json_len, err)) &&
	    (how->baked || !write_code(&coding, err)))
		rc = bl_layer_end(&coding.out,
		                  how->baked ? "branchline: command" : "branchline: code", out,
		                  err);
	bl_layer_out_done(&coding.out);
	bl_ignore_free(coding.ignore);
	return rc;
}
