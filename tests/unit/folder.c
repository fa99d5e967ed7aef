/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/folder.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char folder[64];
int folder_fd = -1;

static const char *above; /* the directory that it is in */

static int make_below(const char *parent)
{
	above = parent;
	snprintf(folder, sizeof(folder), "%s/bl-test-XXXXXX", above);
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
}

int folder_make(void **state)
{
	(void)state;
	return make_below(access("/dev/shm", W_OK | X_OK) ? "/tmp" : "/dev/shm");
}

int folder_make_in_tmp(void **state)
{
	(void)state;
	return make_below("/tmp");
}

int folder_drop(void **state)
{
	struct bl_err err = { 0 };
	int parent = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = bl_fs_remove_tree(parent, folder + strlen(above) + 1, &err);

	(void)state;
	close(parent);
	close(folder_fd);
	folder_fd = -1;
	return rc;
}

const char *folder_path(const char *tail)
{
	static char paths[4][256];
	static unsigned at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, tail);
	return path;
}

void put_bytes(const char *path, const void *bytes, size_t len)
{
	struct bl_err err = { 0 };

	if (bl_fs_replace(folder_fd, path, bytes, len, 0644, &err))
		fail_msg("%s", err.text);
}

void put_text(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

void rewrite_text(const char *path, const char *text)
{
	int fd = openat(folder_fd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

void remove_path(const char *path)
{
	struct bl_err err = { 0 };

	if (bl_fs_remove_tree(folder_fd, path, &err))
		fail_msg("%s", err.text);
}

void make_link(const char *path, const char *target)
{
	assert_int_equal(symlinkat(target, folder_fd, path), 0);
}

void set_mtime_ms(const char *path, long long wall_ms)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	times[1].tv_sec = wall_ms / 1000;
	times[1].tv_nsec = wall_ms % 1000 * 1000000;
	assert_int_equal(utimensat(folder_fd, path, times, 0), 0);
}

static void add_little(struct bl_buf *out, uint64_t value, unsigned bytes)
{
	for (; bytes; bytes--, value >>= 8)
		bl_buf_addc(out, (char)(value & 0xff));
}

static void add_zeros(struct bl_buf *out, size_t n)
{
	while (n--)
		bl_buf_addc(out, '\0');
}

/* What local header and directory share: version .. extra length; sizes and CRC do not matter. */
static void add_member_fields(struct bl_buf *out, size_t n, size_t name_len)
{
	add_zeros(out, 14);
	add_little(out, n, 4);
	add_little(out, n, 4);
	add_little(out, name_len, 2);
	add_zeros(out, 2);
}

void zip_bytes(struct bl_buf *out, char fill, size_t n)
{
	static const char name[] = "archive/data.pkl";
	size_t name_len = sizeof(name) - 1, start = out->len, directory, end64;

	bl_buf_add(out, "PK\3\4", 4);
	add_member_fields(out, n, name_len);
	bl_buf_adds(out, name);
	for (size_t i = 0; i < n; i++)
		bl_buf_addc(out, fill);
	directory = out->len - start;
	bl_buf_add(out, "PK\1\2\0\0", 6);
	add_member_fields(out, n, name_len);
	add_zeros(out, 14);
	bl_buf_adds(out, name);
	end64 = out->len - start;
	bl_buf_add(out, "PK\6\6", 4);
	add_little(out, 44, 8);
	add_zeros(out, 12);
	add_little(out, 1, 8);
	add_little(out, 1, 8);
	add_little(out, end64 - directory, 8);
	add_little(out, directory, 8);
	bl_buf_add(out, "PK\6\7\0\0\0\0", 8);
	add_little(out, end64, 8);
	add_little(out, 1, 4);
	bl_buf_add(out, "PK\5\6\0\0\0\0", 8);
	add_little(out, 1, 2);
	add_little(out, 1, 2);
	add_little(out, end64 - directory, 4);
	add_little(out, directory, 4);
	add_little(out, 0, 2);
}

void put_cut_zip(const char *path, char fill, size_t n, size_t cut)
{
	BL_AUTO(bl_buf) buf = BL_BUF((size_t)1 << 28);

	zip_bytes(&buf, fill, n);
	assert_int_equal(buf.failed, BL_OK);
	assert_true(cut <= buf.len);
	put_bytes(path, bl_buf_text(&buf), buf.len - cut);
}

void put_zip(const char *path, char fill, size_t n)
{
	put_cut_zip(path, fill, n, 0);
}

void put_safetensors(const char *path, size_t tensor_bytes, size_t cut)
{
	BL_AUTO(bl_buf) header = BL_BUF(4096);
	BL_AUTO(bl_buf) out = BL_BUF((size_t)1 << 24);

	bl_buf_addf(&header,
	            "{\"__metadata__\":{\"format\":\"pt\"},\"w\":{\"dtype\":\"U8\",\"shape\":[%zu],"
	            "\"data_offsets\":[0,%zu]}}",
	            tensor_bytes, tensor_bytes);
	add_little(&out, header.len, 8);
	bl_buf_add(&out, header.data, header.len);
	add_zeros(&out, tensor_bytes);
	assert_true(cut <= out.len);
	put_bytes(path, out.data, out.len - cut);
}

void put_trainer_checkpoint(const char *parent, unsigned step)
{
	char path[200], state[120];

	snprintf(path, sizeof(path), "%s/checkpoint-%u/model.safetensors", parent, step);
	put_safetensors(path, 1000 + step, 0);
	snprintf(path, sizeof(path), "%s/checkpoint-%u/optimizer.pt", parent, step);
	put_zip(path, (char)('a' + step % 26), 2000);
	snprintf(state, sizeof(state),
	         "{\"global_step\": %u, \"log_history\": [{\"loss\": NaN, \"step\": %u}]}", step,
	         step);
	snprintf(path, sizeof(path), "%s/checkpoint-%u/trainer_state.json", parent, step);
	put_text(path, state);
}

bool is_there(const char *path)
{
	struct stat st;

	return !fstatat(folder_fd, path, &st, AT_SYMLINK_NOFOLLOW);
}

void assert_file_holds(const char *path, const char *text)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	if (bl_fs_read(folder_fd, path, &buf, &err))
		fail_msg("%s", err.text);
	assert_string_equal(bl_buf_text(&buf), text);
}
