/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_contract_parts.h"

#include "base/fs.h"
#include "codec/hash.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define BIG_BYTES ((size_t)5 << 20) /* several chunks of any implementation */

int memory_file(const char *bytes, size_t len)
{
	struct bl_err err = { 0 };
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	must(bl_fs_write(fd, bytes, len, &err), &err);
	return fd;
}

static void note_progress(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	assert_int_equal(total, BIG_BYTES);
	assert_true(done > *last && done <= total);
	*last = done;
}

void files_go_and_come_with_their_sum(void **state)
{
	char *bytes = malloc(BIG_BYTES), *back = malloc(BIG_BYTES);
	uint64_t put_crc = 0, get_crc = 0, size = 0, done = 0;
	struct bl_call call = { .progress = note_progress, .arg = &done };
	struct bl_err err = { 0 };

	assert_non_null(bytes);
	assert_non_null(back);
	for (size_t i = 0; i < BIG_BYTES; i++)
		bytes[i] = (char)(i * 2654435761u >> 24);
	BL_FD from = memory_file(bytes, BIG_BYTES), to = memory_file("", 0);
	must(bl_store_put_file(*state, &call, "big", from, BIG_BYTES, &put_crc, &err), &err);
	assert_int_equal(done, BIG_BYTES);
	assert_true(put_crc == bl_crc64nvme(0, bytes, BIG_BYTES));
	done = 0;
	must(bl_store_get_file(*state, &call, "big", to, &size, &get_crc, &err), &err);
	assert_int_equal(done, BIG_BYTES);
	assert_int_equal(size, BIG_BYTES);
	assert_true(put_crc == get_crc);
	must(bl_fs_pread(to, back, BIG_BYTES, 0, &err), &err);
	assert_memory_equal(bytes, back, BIG_BYTES);
	free(bytes);
	free(back);
}

void a_file_is_taken_from_its_start_to_size(void **state)
{
	BL_FD fd = memory_file("0123456789", 10);
	struct bl_err err = { 0 };
	uint64_t crc = 1;

	assert_int_equal(lseek(fd, 6, SEEK_SET), 6);
	must(bl_store_put_file(*state, NULL, "part", fd, 4, &crc, &err), &err);
	assert_object(*state, "part", "0123");
	assert_true(crc == bl_crc64nvme(0, "0123", 4));
	must(bl_store_put_file(*state, NULL, "part", fd, 0, &crc, &err), &err);
	assert_object(*state, "part", "");
}

void a_file_shorter_than_said_is_not_stored(void **state)
{
	BL_FD fd = memory_file("0123", 4);
	struct bl_err err = { 0 };
	uint64_t crc = 1;

	put_object(*state, "k", "old");
	assert_int_equal(bl_store_put_file(*state, NULL, "k", fd, 5, &crc, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_int_equal(crc, 1);
	assert_object(*state, "k", "old");
	assert_list(*state, "", NULL, 0, "k=3 ");
}

static void note_sum(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	assert_int_equal(total, 45);
	assert_true(done > *last && done <= total);
	*last = done;
}

void many_files_come_at_once(void **state)
{
	uint64_t done = 0;
	struct bl_call call = { .progress = note_sum, .arg = &done };
	struct bl_file files[10];
	char keys[10][8], got[16];
	struct bl_err err = { 0 };

	for (size_t i = 0; i < 10; i++) {
		snprintf(keys[i], sizeof(keys[i]), "f/%zu", i);
		must(bl_store_put(*state, NULL, keys[i], "123456789", i, &err), &err);
		files[i] = (struct bl_file){ keys[i], memory_file("", 0), i, 7 };
	}
	must(bl_store_get_files(*state, &call, files, 10, &err), &err);
	assert_int_equal(done, 45);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(pread(files[i].fd, got, sizeof(got), 0), i);
		assert_memory_equal(got, "123456789", i);
		assert_true(files[i].crc == bl_crc64nvme(0, "123456789", i));
	}
	must(bl_store_get_files(*state, NULL, NULL, 0, &err), &err);
	files[4].size = 5; /* as an old manifest says */
	assert_int_equal(bl_store_get_files(*state, NULL, files, 10, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "f/4"));
	bl_err_clear(&err);
	files[4].key = "none";
	assert_int_equal(bl_store_get_files(*state, NULL, files, 10, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	for (size_t i = 0; i < 10; i++)
		close(files[i].fd);
}
