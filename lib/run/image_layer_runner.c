/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/proc.h"
#include "run/image_layer_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

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

static int add_program(struct bl_layer_out *out, const char *folder, const char *name,
                       bool optional, struct bl_err *err)
{
	char path[4096];
	BL_FD fd = -1;

	if (!folder) {
		if (bl_proc_beside(name, path, sizeof(path), err)) {
			if (!optional || err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err);
			return 0;
		}
	} else if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path)) {
		return bl_fail(err, BL_EINPUT, "'%.100s...': too long", folder);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && optional)
		return 0;
	if (fd < 0) {
		bl_fail_errno(err, errno, "%.200s", path);
		return bl_next(err, "install it beside `branchline`: it goes into every image");
	}
	return copy_program(out, path, name, fd, err);
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
	/* in byte order, as everywhere */
	if (!rc)
		rc = add_program(&writing, folder, "branchline-gpu", true, err);
	if (!rc)
		rc = add_program(&writing, folder, "branchline-runner", false, err);
	if (!rc)
		rc = bl_layer_end(&writing, "branchline: runner", out, err);
	bl_layer_out_done(&writing);
	return rc;
}
