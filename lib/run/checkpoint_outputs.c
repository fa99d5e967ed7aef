/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/str.h"
#include "codec/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3

struct job {
	struct bl_store *store;
	const struct bl_call *call;
	const char *run;
	unsigned attempt;
	struct bl_manifest manifest;
};

static void job_done(struct job *job)
{
	bl_manifest_done(&job->manifest);
}

/* The first `parts` parts of a glob, or of a path, and their length. */
static size_t length_of_parts(const char *text, size_t parts)
{
	const char *p = text;

	for (; *p; p++)
		if (*p == '/' && !--parts)
			break;
	return (size_t)(p - text);
}

/* May a file below this directory match the glob? A "**" reaches anywhere. */
static bool may_lead_to(const char *glob, const char *dir)
{
	const char *deep = strstr(glob, "**");
	char head[1024];
	size_t parts = 1, glob_parts = 0, len;

	for (const char *p = dir; *p; p++)
		parts += *p == '/';
	for (const char *p = glob; *p; p++)
		glob_parts += *p == '/';
	len = length_of_parts(glob, parts);
	if (deep && deep < glob + len)
		return true;
	if (glob_parts < parts || len >= sizeof(head))
		return false;
	memcpy(head, glob, len);
	head[len] = '\0';
	return bl_str_glob(head, dir);
}

/* Nobody means these by a "**": the store itself may lie in the one. */
static bool is_ours_or_gits(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return !strcmp(name, ".git") || !strcmp(name, ".branchline");
}

struct wanted {
	const struct bl_output_dir *dir;
	const char *store; /* path of the store below dir, NULL: elsewhere */
};

static bool is_wanted(const void *arg, const char *path, bool is_dir)
{
	const struct wanted *wanted = arg;
	const struct bl_output_dir *dir = wanted->dir;

	if ((dir->skip && !strcmp(path, dir->skip)) ||
	    (wanted->store && !strcmp(path, wanted->store)))
		return false;
	if (!dir->n_globs)
		return true;
	if (is_dir && is_ours_or_gits(path))
		return false;
	for (size_t i = 0; i < dir->n_globs; i++)
		if (is_dir ? may_lead_to(dir->globs[i], path) : bl_str_glob(dir->globs[i], path))
			return true;
	return false;
}

static int stamp_of(int fd, struct bl_stamp *out, struct bl_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat");
	bl_stamp_of(&st, out);
	return 0;
}

/* One object, equal to its file before and after. */
static int put_steady(struct job *job, int fd, const char *key, struct bl_stamp *stamp,
                      uint64_t *crc, struct bl_err *err)
{
	for (int i = 0; i < TRIES; i++) {
		int fault = BL_FAULT("outputs.object.before");
		struct bl_stamp after;

		if (fault)
			return bl_fail_errno(err, fault, "write %s", key);
		if (stamp_of(fd, stamp, err))
			return -1;
		if (bl_store_put_file(job->store, job->call, key, fd, stamp->size, crc, err)) {
			if (err->code != BL_ECORRUPT) /* it shrank: once more */
				return -1;
			bl_err_clear(err);
			continue;
		}
		if (stamp_of(fd, &after, err))
			return -1;
		if (bl_stamp_equal(stamp, &after))
			return 0;
	}
	bl_fail(err, BL_ECORRUPT, "the file changes while it is read");
	return bl_next(err, "end what still writes to it, or leave it out of `outputs`");
}

static int verify(struct job *job, const char *key, uint64_t size, struct bl_err *err)
{
	BL_AUTO(bl_buf) nothing = BL_BUF(0);
	uint64_t stored;

	/* S3 has compared the checksum that came with it, and said so */
	if (bl_store_is_remote(bl_store_uri(job->store)))
		return 0;
	if (bl_store_get_range(job->store, job->call, key, 0, 0, &nothing, &stored, err))
		return -1;
	if (stored != size)
		return bl_fail(err, BL_ECORRUPT, "%s has %llu bytes instead of %llu", key,
		               (unsigned long long)stored, (unsigned long long)size);
	return 0;
}

static int upload_file(struct job *job, const struct bl_tree *tree, size_t i, const char *path,
                       struct bl_err *err)
{
	BL_AUTO(bl_buf) key = BL_BUF(BL_KEY_MAX);
	struct bl_stamp stamp;
	struct bl_entry *entry;
	uint64_t crc = 0;
	BL_FD fd = -1;

	bl_buf_adds(&key, bl_key_run(job->run, BL_KEY_OUTPUT, job->attempt, "").text);
	bl_buf_adds(&key, path);
	if (bl_buf_check(&key, "key of the output", err) || bl_tree_open(tree, i, &fd, err) ||
	    put_steady(job, fd, key.data, &stamp, &crc, err) ||
	    verify(job, key.data, stamp.size, err) ||
	    bl_manifest_add(&job->manifest, path, &entry, err))
		return -1;
	entry->size = stamp.size;
	entry->crc = crc;
	entry->mtime_ns = stamp.mtime_ns;
	entry->key = bl_buf_take(&key);
	return 0;
}

static bool has_path(const struct bl_manifest *manifest, const char *path)
{
	for (size_t i = 0; i < manifest->n; i++)
		if (!strcmp(manifest->entries[i].path, path))
			return true;
	return false;
}

static int upload_node(struct job *job, const struct bl_output_dir *dir, const struct bl_tree *tree,
                       size_t i, struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(BL_KEY_MAX);

	bl_buf_addf(&path, "%s%s%s", dir->prefix, *dir->prefix ? "/" : "", tree->nodes[i].path);
	if (bl_buf_check(&path, "path of the output", err))
		return -1;
	/* two globs over one directory may both name it */
	if (has_path(&job->manifest, path.data))
		return 0;
	if (!upload_file(job, tree, i, path.data, err))
		return 0;
	return bl_wrap(err, "output '%s'", tree->nodes[i].path);
}

/* Where a directory store lies below `dir`: it must not be put into itself. NULL: it does not. */
static const char *store_below(const struct bl_store *store, const char *dir, char path[PATH_MAX])
{
	const char *uri = bl_store_uri(store);
	char above[PATH_MAX];
	size_t len;

	if (bl_str_starts(uri, "file://"))
		uri += strlen("file://");
	if (bl_store_is_remote(uri) || !realpath(uri, path) || !realpath(dir, above))
		return NULL;
	len = strlen(above);
	return bl_str_starts(path, above) && path[len] == '/' ? path + len + 1 : NULL;
}

static int upload_dir(struct job *job, const struct bl_output_dir *dir, struct bl_err *err)
{
	BL_AUTO(bl_tree) tree = BL_TREE;
	char store[PATH_MAX];
	struct wanted wanted = { dir, store_below(job->store, dir->dir, store) };

	if (bl_tree_read_some(dir->dir, is_wanted, &wanted, &tree, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	for (size_t i = 1; i < tree.n; i++)
		if (tree.nodes[i].kind == BL_NODE_FILE && upload_node(job, dir, &tree, i, err))
			return -1;
	return 0;
}

static int write_manifest(struct job *job, struct bl_outputs *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(job->run, BL_KEY_OUTPUTS, job->attempt);
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);

	bl_manifest_sort(&job->manifest);
	bl_manifest_write(&job->manifest, job->run, &bytes);
	if (bl_buf_check(&bytes, "outputs manifest", err))
		return -1;
	BL_FAILPOINT("outputs.manifest.before");
	if (bl_store_put(job->store, job->call, key.text, bytes.data, bytes.len, err))
		return -1;
	BL_FAILPOINT("outputs.manifest.after");
	*out = (struct bl_outputs){ .files = job->manifest.n };
	for (size_t i = 0; i < job->manifest.n; i++)
		out->bytes += job->manifest.entries[i].size;
	bl_crc64nvme_text(bl_crc64nvme(0, bytes.data, bytes.len), out->crc);
	return 0;
}

int bl_outputs_upload(struct bl_store *store, const struct bl_call *call, const char *run,
                      unsigned attempt, const struct bl_output_dir *dirs, size_t n_dirs,
                      struct bl_outputs *out, struct bl_err *err)
{
	__attribute__((cleanup(job_done))) struct job job = {
		.store = store, .call = call, .run = run, .attempt = attempt
	};

	job.manifest.attempt = attempt;
	job.manifest.at_ms = bl_wall_ms();
	job.manifest.step = job.manifest.primary_value = (double)NAN;
	for (size_t i = 0; i < n_dirs; i++)
		if (upload_dir(&job, &dirs[i], err))
			return bl_wrap(err, "upload the outputs");
	if (write_manifest(&job, out, err))
		return bl_wrap(err, "upload the outputs");
	return 0;
}

int bl_outputs_read(struct bl_store *store, const char *run, unsigned attempt,
                    struct bl_manifest *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_OUTPUTS, attempt);
	BL_AUTO(bl_manifest) got = BL_MANIFEST;
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);

	if (bl_store_get(store, NULL, key.text, &bytes, err) ||
	    bl_manifest_parse(bl_buf_text(&bytes), bytes.len, key.text, run,
	                      bl_key_run(run, BL_KEY_OUTPUT, attempt, "").text, &got, err))
		return -1;
	if (got.attempt != attempt)
		return bl_fail(err, BL_ECORRUPT, "%s: it says that it is of attempt %u", key.text,
		               got.attempt);
	*out = got;
	got = BL_MANIFEST;
	return 0;
}
