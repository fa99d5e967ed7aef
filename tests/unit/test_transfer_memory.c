/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer.h"
#include "base/fs.h"
#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"
#include "tests/unit/transfer_alone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* Opened beforehand, so that what is counted are the transfers' own; each story is a fork. */
static struct bl_s3 *opened;

static int step_until_heard(struct bl_transfer *transfer, struct bl_err *err)
{
	struct heard heard;

	return transfer_alone(opened, 2, transfer, &heard, err);
}

/* libcurl, short of memory, may send half a URL: whatever failure that makes is a clean one. */
static int or_a_failure(int rc, struct bl_err *err)
{
	if (!rc)
		return 0;
	return err->code ? bl_recode(err, BL_ENOMEM) : -1;
}

static int upload_in_parts(struct bl_err *err)
{
	BL_FD fd = memfd_create("file", MFD_CLOEXEC);
	struct bl_transfer up = { .upload = true, .key = "up", .size = 6, .fd = fd };

	if (bl_fs_write(fd, TEXT, up.size, err))
		return -1;
	return or_a_failure(step_until_heard(&up, err), err);
}

static int download_in_parts(struct bl_err *err)
{
	BL_FD fd = memfd_create("file", MFD_CLOEXEC);
	struct bl_transfer down = { .key = "down", .size = UINT64_MAX, .fd = fd };

	return or_a_failure(step_until_heard(&down, err), err);
}

static int one_file_each_way(struct bl_err *err)
{
	BL_FD fd = memfd_create("file", MFD_CLOEXEC);
	uint64_t size, crc;

	if (bl_s3_get_file(opened, NULL, "down", fd, &size, &crc, err) ||
	    bl_s3_put_file(opened, NULL, "k", fd, size, &crc, err))
		return or_a_failure(-1, err);
	return 0;
}

/*
 * What is set up once has thousands of allocations. By a client of its own: on a connection that is
 * open beforehand, each fork would find the remains of the one before.
 */
static void warm(alloc_story *story)
{
	struct bl_err err = { 0 };
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	must(open_bucket(&aws, &s3, &err), &err);
	opened = s3;
	must(story(&err), &err);
}

static void no_allocation_is_trusted(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "POST /bucket/up?uploads", .body = UPLOAD_ID },
		{ .on = "PUT ", .headers = ETAG },
		{ .on = "POST /bucket/up", .body = COMPLETED },
		{ .on = "DELETE ", .status = 404, .body = NO_UPLOAD },
		{ .on = "HEAD ", .headers = ETAG, .body = "012" },
		{ .on = "GET ",
		  .status = 206,
		  .headers = ETAG "Content-Range: bytes 0-2/3\r\n",
		  .body = "012" },
	};
	static alloc_story *const stories[] = { upload_in_parts, download_in_parts,
		                                one_file_each_way };
	struct bl_err err = { 0 };
	struct bl_aws *aws = NULL;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(stories); i++) {
		struct canned *server = canned_start(replies, BL_COUNT(replies));

		set_endpoint(canned_url(server, ""));
		warm(stories[i]);
		must(open_bucket(&aws, &opened, &err), &err);
		each_allocation_fails(stories[i], 5000);
		bl_s3_close(opened);
		bl_aws_close(aws);
		canned_stop(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_allocation_is_trusted),
	};

	return cmocka_run_group_tests_name("transfer: memory", tests, NULL, NULL);
}
