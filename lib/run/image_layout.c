/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_layout.h"
#include "base/fs.h"
#include "base/str.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "run/image_layout_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VERSION "{\"imageLayoutVersion\":\"1.0.0\"}"
#define NO_IMAGES "{\"schemaVersion\":2,\"mediaType\":\"" BL_OCI_INDEX "\",\"manifests\":[]}"
#define PIECE ((size_t)256 << 10)

/* --- The directory ---------------------------------------------------------------------------- */

static int check_version(int fd, const char *path, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(4096);
	BL_VALUE doc = NULL;
	const char *version;

	if (bl_fs_read(fd, BL_LAYOUT_FILE, &bytes, err))
		return -1;
	if (bl_json_parse(bl_buf_text(&bytes), bytes.len, BL_LAYOUT_FILE, &doc, err) ||
	    bl_value_text(doc, "imageLayoutVersion", &version, err))
		return bl_wrap(err, "'%s'", path);
	if (bl_str_starts(version, "1."))
		return 0;
	return bl_fail(err, BL_EINPUT, "'%s' is an OCI layout of version %.32s, not 1", path,
	               version);
}

/* Another writer may be making it at this moment: its files, whole or under way, do not count. */
static int visit_name(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	(void)dir;
	(void)type;
	(void)err;
	if (bl_str_starts(name, ".bl-") || !strcmp(name, BL_LAYOUT_FILE) ||
	    !strcmp(name, BL_LAYOUT_INDEX) || !strcmp(name, "blobs"))
		return 0;
	*(bool *)arg = false;
	return 0;
}

static int create_file(int fd, const char *name, const char *text, struct bl_err *err)
{
	if (!bl_fs_create(fd, name, text, strlen(text), 0644, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int make_layout(int fd, const char *path, struct bl_err *err)
{
	bool is_empty = true;

	if (bl_fs_list(fd, ".", visit_name, &is_empty, err))
		return -1;
	if (!is_empty) {
		bl_fail(err, BL_EINPUT, "'%s' holds other files and is no OCI layout", path);
		return bl_next(err, "name a new or an empty directory");
	}
	if (create_file(fd, BL_LAYOUT_FILE, VERSION, err) ||
	    create_file(fd, BL_LAYOUT_INDEX, NO_IMAGES, err) ||
	    bl_fs_make_dir_beneath(fd, "blobs/sha256", NULL, err))
		return bl_wrap(err, "make an OCI layout in '%s'", path);
	return check_version(fd, path, err);
}

int bl_layout_open(const char *path, bool create, int *fd, struct bl_err *err)
{
	BL_FD dir = -1;

	if (create ? bl_fs_make_dir(path, &dir, err) : bl_fs_open_dir(path, &dir, err))
		return -1;
	if (check_version(dir, path, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		if (!create) {
			bl_fail(err, BL_ENOENT, "'%s' is no OCI layout: it has no " BL_LAYOUT_FILE,
			        path);
			return bl_next(err, "name a directory that `skopeo copy ... oci:DIR:TAG` "
			                    "or push-image --to oci:DIR made");
		}
		if (make_layout(dir, path, err))
			return -1;
	}
	*fd = bl_fd_take(&dir);
	return 0;
}

/* --- Blobs ------------------------------------------------------------------------------------ */

int bl_layout_blob_path(const char *digest, char path[BL_LAYOUT_PATH_SIZE], struct bl_err *err)
{
	if (!bl_digest_valid(digest))
		return bl_fail(err, BL_EINPUT, "'%.80s' is no sha256 digest", digest);
	snprintf(path, BL_LAYOUT_PATH_SIZE, "blobs/sha256/%s", digest + strlen("sha256:"));
	return 0;
}

int bl_layout_open_blob(int fd, const struct bl_oci_desc *blob, int *out, struct bl_err *err)
{
	BL_FD file = -1;
	char path[BL_LAYOUT_PATH_SIZE];
	struct stat st;

	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	if (bl_layout_blob_path(blob->digest, path, err) ||
	    bl_fs_open_beneath(fd, path, O_RDONLY | O_NONBLOCK, 0, &file, err))
		return -1;
	if (fstat(file, &st))
		return bl_fail_errno(err, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return bl_fail(err, BL_ECORRUPT, "'%s' is no file", path);
	if ((uint64_t)st.st_size != blob->size) {
		bl_fail(err, BL_ECORRUPT, "'%s' has %jd bytes, not %" PRIu64, path,
		        (intmax_t)st.st_size, blob->size);
		return bl_next(err, "remove that file and push again");
	}
	*out = bl_fd_take(&file);
	return 0;
}

int bl_layout_has_blob(int fd, const struct bl_oci_desc *blob, bool *has, struct bl_err *err)
{
	BL_FD file = -1;

	*has = !bl_layout_open_blob(fd, blob, &file, err);
	if (*has || (err->code != BL_ENOENT && err->code != BL_ECORRUPT))
		return *has ? 0 : -1;
	bl_err_clear(err); /* one of another size is replaced */
	return 0;
}

/* Copies to the file, and says in digest what it was. */
static int copy(const struct bl_oci_desc *blob, const struct bl_blob_source *source,
                struct bl_push *push, struct bl_sha256 *sha, int file, struct bl_err *err)
{
	BL_AUTO(bl_buf) piece = BL_BUF(PIECE);
	char *bytes = bl_buf_room(&piece, PIECE);

	if (!bytes)
		return bl_buf_check(&piece, "blob", err);
	for (uint64_t at = 0; at < blob->size;) {
		uint64_t left = blob->size - at;
		size_t n = left < PIECE ? (size_t)left : PIECE;

		if (source->read(source->arg, at, bytes, n, err) ||
		    bl_sha256_add(sha, bytes, n, err) || bl_fs_write(file, bytes, n, err))
			return -1;
		at += n;
		if (push && push->progress)
			push->progress(push->arg, at);
	}
	return 0;
}

static int write_blob(const struct bl_oci_desc *blob, const struct bl_blob_source *source,
                      struct bl_push *push, int file, struct bl_err *err)
{
	char digest[BL_DIGEST_SIZE];
	struct bl_sha256 *sha;
	int rc;

	if (bl_sha256_new(&sha, err))
		return -1;
	rc = bl_fs_allocate(file, blob->size, err) || copy(blob, source, push, sha, file, err) ||
	                     bl_digest_end(sha, digest, err)
	             ? -1
	             : 0;
	bl_sha256_free(sha);
	if (rc)
		return -1;
	if (strcmp(digest, blob->digest) != 0)
		return bl_fail(err, BL_ECORRUPT, "its bytes are %s", digest);
	return 0;
}

int bl_layout_put_blob(int fd, const struct bl_oci_desc *blob, const struct bl_blob_source *source,
                       struct bl_push *push, struct bl_err *err)
{
	BL_AUTO(bl_fs_temp) temp = BL_FS_TEMP;
	char path[BL_LAYOUT_PATH_SIZE];

	if (push)
		push->mounted = false;
	if (bl_layout_blob_path(blob->digest, path, err) ||
	    bl_fs_temp_open(fd, path, 0644, &temp, err) ||
	    write_blob(blob, source, push, temp.fd, err) || bl_fs_temp_replace(&temp, err))
		return bl_wrap(err, "put blob %.80s", blob->digest);
	return 0;
}
