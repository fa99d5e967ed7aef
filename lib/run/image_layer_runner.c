/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/proc.h"
#include "codec/json.h"
#include "run/image_layer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CREATED_BY "branchline: runner"
#define BIN "opt/branchline/bin"
#define CHUNK ((size_t)256 << 10)

static int copy_program(struct bl_layer_out *out, const char *path, const char *name, int fd,
                        struct bl_err *err)
{
	BL_AUTO(bl_buf) chunk = BL_BUF(CHUNK);
	char image[256];
	struct stat st;
	char *bytes = bl_buf_room(&chunk, CHUNK);

	if (!bytes)
		return bl_buf_check(&chunk, name, err);
	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "%.200s", path);
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_EINPUT, "'%.200s' is no file", path);
	snprintf(image, sizeof(image), BIN "/%s", name);
	const struct bl_tar_entry entry = {
		.path = image, .type = BL_TAR_FILE, .mode = 0755, .size = (uint64_t)st.st_size
	};
	if (bl_layer_entry(out, &entry, err))
		return -1;
	for (uint64_t at = 0; at < entry.size; at += CHUNK) {
		size_t n = entry.size - at < CHUNK ? (size_t)(entry.size - at) : CHUNK;

		if (bl_fs_pread(fd, bytes, n, at, err) || bl_layer_bytes(out, bytes, n, err))
			return bl_wrap(err, "%.200s", path);
	}
	return bl_layer_pad(out, entry.size, err);
}

/* fd -1, and 0: it is not there and need not be. */
static int open_program(const char *folder, const char *name, bool optional, char path[4096],
                        int *fd, struct bl_err *err)
{
	if (!folder) {
		if (bl_proc_beside(name, path, 4096, err)) {
			if (!optional || err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err);
			return 0;
		}
	} else if ((size_t)snprintf(path, 4096, "%s/%s", folder, name) >= 4096) {
		return bl_fail(err, BL_EINPUT, "'%.100s...': too long", folder);
	}
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 || (errno == ENOENT && optional))
		return 0;
	bl_fail_errno(err, errno, "%.200s", path);
	return bl_next(err, "install it beside `branchline`: it goes into every image");
}

/* In byte order, as everywhere. */
static const struct {
	const char *name;
	bool optional;
} programs[] = { { "branchline-gpu", true }, { "branchline-runner", false } };

static int add_program(struct bl_layer_out *out, const char *folder, const char *name,
                       bool optional, struct bl_err *err)
{
	char path[4096];
	BL_FD fd = -1;

	if (open_program(folder, name, optional, path, &fd, err))
		return -1;
	return fd < 0 ? 0 : copy_program(out, path, name, fd, err);
}

int bl_layer_of_runner(const char *folder, struct bl_layer *out, struct bl_err *err)
{
	static const char *const folders[] = { "opt/branchline", BIN };
	struct bl_layer_out writing;
	int rc = bl_layer_begin(&writing, true, 0, err);

	for (size_t i = 0; i < BL_COUNT(folders) && !rc; i++)
		rc = bl_layer_entry(&writing,
		                    &(struct bl_tar_entry){
					    .path = folders[i], .type = BL_TAR_DIR, .mode = 0755 },
		                    err);
	for (size_t i = 0; i < BL_COUNT(programs) && !rc; i++)
		rc = add_program(&writing, folder, programs[i].name, programs[i].optional, err);
	if (!rc)
		rc = bl_layer_end(&writing, CREATED_BY, out, err);
	bl_layer_out_done(&writing);
	return rc;
}

/* --- The note beside the programs ------------------------------------------------------------- */

static int hash_program(struct bl_sha256 *sha, const char *path, const char *name, int fd,
                        struct bl_err *err)
{
	BL_AUTO(bl_buf) chunk = BL_BUF(CHUNK);
	char *bytes = bl_buf_room(&chunk, CHUNK);
	struct stat st;

	if (!bytes)
		return bl_buf_check(&chunk, name, err);
	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "%.200s", path);
	snprintf(bytes, CHUNK, "%s %lld", name, (long long)st.st_size);
	if (bl_sha256_add(sha, bytes, strlen(bytes) + 1, err))
		return -1;
	for (uint64_t at = 0, size = (uint64_t)st.st_size; at < size; at += CHUNK) {
		size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;

		if (bl_fs_pread(fd, bytes, n, at, err) || bl_sha256_add(sha, bytes, n, err))
			return bl_wrap(err, "%.200s", path);
	}
	return 0;
}

static int hash_programs(const char *folder, char hex[BL_SHA256_HEX], struct bl_err *err)
{
	struct bl_sha256 *sha = NULL;
	int rc = bl_sha256_new(&sha, err);

	for (size_t i = 0; i < BL_COUNT(programs) && !rc; i++) {
		char path[4096];
		BL_FD fd = -1;

		rc = open_program(folder, programs[i].name, programs[i].optional, path, &fd, err);
		if (!rc && fd >= 0)
			rc = hash_program(sha, path, programs[i].name, fd, err);
	}
	if (!rc)
		rc = bl_sha256_hex(sha, hex, err);
	bl_sha256_free(sha);
	return rc;
}

int bl_layer_describe_runner(const char *folder, struct bl_buf *out, struct bl_err *err)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_json json = BL_JSON(out);
	char hex[BL_SHA256_HEX];

	if (hash_programs(folder, hex, err) || bl_layer_of_runner(folder, &layer, err))
		return -1;
	bl_layer_done(&layer);
	bl_json_begin(&json, 1);
	bl_json_text(&json, "programs", hex);
	bl_json_text(&json, "digest", layer.oci.blob.digest);
	bl_json_int(&json, "size", (int64_t)layer.oci.blob.size);
	bl_json_text(&json, "diff_id", layer.oci.diff_id);
	bl_json_end_map(&json);
	return bl_buf_check(out, BL_RUNNER_NOTE, err);
}

/* What does not fit these programs, or cannot be read, is as if it were not there. */
static bool read_note(const struct bl_value *note, const char *hex, struct bl_layer *out)
{
	const char *digest = bl_value_text_or(note, "digest", ""),
		   *diff_id = bl_value_text_or(note, "diff_id", "");
	int64_t size = bl_value_int_or(note, "size", 0);

	if (strcmp(bl_value_text_or(note, "programs", ""), hex) != 0 || size <= 0 ||
	    !bl_digest_valid(digest) || !bl_digest_valid(diff_id))
		return false;
	*out = (struct bl_layer){ .fd = -1, .oci.blob.media_type = BL_OCI_LAYER_GZIP };
	memcpy(out->oci.blob.digest, digest, BL_DIGEST_SIZE);
	memcpy(out->oci.diff_id, diff_id, BL_DIGEST_SIZE);
	out->oci.blob.size = (uint64_t)size;
	out->oci.created_by = CREATED_BY;
	return true;
}

/* In the runner's own folder. */
static int name_note(const char *folder, char path[4096], struct bl_err *err)
{
	BL_FD fd = -1;
	size_t room;
	char *name;

	if (open_program(folder, "branchline-runner", false, path, &fd, err))
		return -1;
	name = strrchr(path, '/') + 1;
	room = 4096 - (size_t)(name - path);
	return (size_t)snprintf(name, room, BL_RUNNER_NOTE) < room
	               ? 0
	               : bl_fail(err, BL_EINPUT, "'%.100s...': too long", path);
}

int bl_layer_know_runner(const char *folder, struct bl_layer *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	char path[4096], hex[BL_SHA256_HEX];
	struct bl_err unread = { 0 };
	BL_VALUE note = NULL;

	if (name_note(folder, path, err))
		return -1;
	if (!bl_fs_read_path(path, &text, &unread) &&
	    !bl_json_document(bl_buf_text(&text), text.len, path, 1, &note, &unread)) {
		if (hash_programs(folder, hex, err))
			return -1;
		if (read_note(note, hex, out))
			return 0;
	}
	if (unread.code == BL_ENOMEM)
		return bl_fail(err, BL_ENOMEM, BL_RUNNER_NOTE ": out of memory");
	return bl_layer_of_runner(folder, out, err);
}

int bl_layer_make_runner(const char *folder, struct bl_layer *layer, struct bl_err *err)
{
	struct bl_layer made = { .fd = -1 };

	if (layer->fd >= 0)
		return 0;
	if (bl_layer_of_runner(folder, &made, err))
		return -1;
	if (strcmp(made.oci.blob.digest, layer->oci.blob.digest) != 0) {
		bl_layer_done(&made);
		bl_fail(err, BL_ECORRUPT,
		        BL_RUNNER_NOTE " says another layer than the programs make");
		return bl_next(err, "remove it, or install all programs of one release anew");
	}
	layer->fd = bl_fd_take(&made.fd);
	return 0;
}
