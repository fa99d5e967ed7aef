/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer.h"

#include "base/fs.h"
#include "codec/hash.h"
#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"
#include "tests/unit/transfer_alone.h"
#include "tests/unit/transfer_drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Sizes, faults and kills are tried against the strict peer, in tests/e2e/test_transfer.py. */

static int file_of(const char *bytes)
{
	struct bl_err err = { 0 };
	int fd = memfd_create("file", MFD_CLOEXEC);

	must(bl_fs_write(fd, bytes, strlen(bytes), &err), &err);
	return fd;
}

/* Against these replies; the server stays, to be asked and stopped. */
static struct canned *moved(const struct canned_reply *replies, size_t n,
                            struct bl_transfer *transfer, struct heard *heard, struct bl_err *err)
{
	struct canned *server = canned_start(replies, n);
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	set_endpoint(canned_url(server, ""));
	if (!open_bucket(&aws, &s3, err))
		(void)!transfer_alone(s3, 1, transfer, heard, err);
	return server;
}

/* --- Uploads ---------------------------------------------------------------------------------- */

static void assert_upload_fails(const struct canned_reply *replies, size_t n, const char *why)
{
	BL_FD fd = file_of(TEXT);
	struct bl_transfer transfer = { .upload = true, .key = "k", .size = TEXT_BYTES, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(replies, n, &transfer, &heard, &err);

	assert_int_equal(heard.times, 1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "upload s3://bucket/k: "));
	assert_non_null(strstr(err.text, why));
	canned_stop(server);
}

static void an_upload_goes_in_parts(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "POST /bucket/k?uploads", .body = UPLOAD_ID },
		{ .on = "PUT /bucket/k?partNumber=", .headers = ETAG },
		{ .on = "POST /bucket/k?uploadId=up ", .body = COMPLETED },
	};
	BL_FD fd = file_of(TEXT);
	struct bl_transfer transfer = { .upload = true, .key = "k", .size = TEXT_BYTES, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(replies, BL_COUNT(replies), &transfer, &heard, &err);
	size_t len;

	(void)state;
	must(err.code ? -1 : 0, &err);
	assert_int_equal(heard.times, 1);
	assert_int_equal(heard.bytes, TEXT_BYTES);
	assert_true(heard.crc == bl_crc64nvme(0, TEXT, TEXT_BYTES));
	assert_string_equal(heard.etag, "\"whole-3\"");
	assert_int_equal(canned_requests(server), 5);
	assert_string_equal(canned_body(server, 1, &len), "0123");
	assert_string_equal(canned_body(server, 3, &len), "89");
	assert_non_null(strstr(canned_body(server, 4, &len), "<PartNumber>3</PartNumber>"));
	assert_non_null(strstr(canned_head(server, 4), "\r\nx-amz-mp-object-size: 10\r\n"));
	canned_stop(server);
}

static void what_a_server_cannot_mean_ends_the_upload(void **state)
{
	static const char long_etag[] = "ETag: \"0123456789012345678901234567890123456789012345678"
					"9012345678901234567890123456789\"\r\n";
	static const struct canned_reply no_id[] = {
		{ .on = "POST /bucket/k?uploads", .body = "<InitiateMultipartUploadResult/>" },
	};
	static const struct canned_reply no_etag[] = {
		{ .on = "POST /bucket/k?uploads", .body = UPLOAD_ID },
		{ .on = "PUT ", .body = "" },
		{ .on = "DELETE ", .status = 204 },
		{ .on = "GET ", .status = 404, .body = NO_UPLOAD },
	};
	static const struct canned_reply other_etag[] = {
		{ .on = "POST /bucket/k?uploads", .body = UPLOAD_ID },
		{ .on = "PUT ", .headers = long_etag },
		{ .on = "DELETE ", .status = 404, .body = NO_UPLOAD },
	};

	(void)state;
	assert_upload_fails(no_id, BL_COUNT(no_id), "no upload id");
	assert_upload_fails(no_etag, BL_COUNT(no_etag), "no etag");
	assert_upload_fails(other_etag, BL_COUNT(other_etag), "too long an etag");
}

static void a_file_that_is_not_as_long_as_said_is_not_sent(void **state)
{
	static const struct canned_reply replies[] = { { .body = "" } };
	BL_FD fd = file_of(TEXT);
	struct bl_transfer transfer = { .upload = true, .key = "k", .size = 11, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(replies, BL_COUNT(replies), &transfer, &heard, &err);

	(void)state;
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_int_equal(canned_requests(server), 0);
	canned_stop(server);

	bl_err_clear(&err);
	transfer.fd = -1;
	server = moved(replies, BL_COUNT(replies), &transfer, &heard, &err);
	assert_int_equal(err.code, BL_EIO);
	canned_stop(server);
}

/* --- Downloads -------------------------------------------------------------------------------- */

static void a_download_comes_in_parts(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "HEAD ", .headers = ETAG, .body = "0123456789" },
		{ .on = "GET ",
		  .times = 1,
		  .status = 206,
		  .headers = ETAG "Content-Range: bytes 0-3/10\r\n",
		  .body = "0123" },
		{ .on = "GET ",
		  .times = 1,
		  .status = 206,
		  .headers = ETAG "Content-Range: bytes 4-7/10\r\n",
		  .body = "4567" },
		{ .on = "GET ",
		  .status = 206,
		  .headers = ETAG "Content-Range: bytes 8-9/10\r\n",
		  .body = "89" },
	};
	BL_FD fd = file_of("longer than what comes");
	struct bl_transfer transfer = { .key = "k", .size = UINT64_MAX, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(replies, BL_COUNT(replies), &transfer, &heard, &err);
	char got[32] = "";

	(void)state;
	must(err.code ? -1 : 0, &err);
	assert_int_equal(heard.bytes, TEXT_BYTES);
	assert_true(heard.crc == bl_crc64nvme(0, TEXT, TEXT_BYTES));
	assert_string_equal(heard.etag, "\"e\"");
	assert_int_equal(pread(fd, got, sizeof(got), 0), TEXT_BYTES);
	assert_string_equal(got, TEXT);
	assert_int_equal(canned_requests(server), 4);
	assert_null(strcasestr(canned_head(server, 0), "\r\nif-match:"));
	assert_non_null(strstr(canned_head(server, 3), "\r\nif-match: \"e\"\r\n"));
	assert_non_null(strstr(canned_head(server, 3), "\r\nrange: bytes=8-9\r\n"));
	canned_stop(server);
}

static void a_server_that_does_not_know_ranges_is_refused(void **state)
{
	static const struct canned_reply replies[] = {
		{ .headers = ETAG, .body = "0123456789" },
	};
	BL_FD fd = file_of("");
	struct bl_transfer transfer = { .key = "k", .etag = "\"e\"", .size = TEXT_BYTES, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(replies, BL_COUNT(replies), &transfer, &heard, &err);

	(void)state;
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, "download s3://bucket/k: "));
	assert_int_equal(heard.times, 1);
	canned_stop(server);
}

static void an_empty_object_has_no_range(void **state)
{
	static const struct canned_reply empty[] = {
		{ .on = "HEAD ", .headers = ETAG },
		{ .on = "GET ",
		  .status = 416,
		  .body = "<Error><Code>InvalidRange</Code><Message>m</Message></Error>" },
	};
	static const struct canned_reply liar[] = {
		{ .on = "HEAD ", .headers = ETAG, .body = "0123456789" },
		{ .on = "GET ",
		  .status = 416,
		  .body = "<Error><Code>InvalidRange</Code><Message>m</Message></Error>" },
	};
	BL_FD fd = file_of("what was there");
	struct bl_transfer transfer = { .key = "k", .size = UINT64_MAX, .fd = fd };
	struct bl_err err = { 0 };
	struct heard heard;
	struct canned *server = moved(empty, BL_COUNT(empty), &transfer, &heard, &err);

	(void)state;
	must(err.code ? -1 : 0, &err);
	assert_int_equal(heard.bytes, 0);
	assert_true(heard.crc == 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	canned_stop(server);
	server = moved(liar, BL_COUNT(liar), &transfer, &heard, &err);
	assert_int_equal(err.code, BL_ECORRUPT);
	canned_stop(server);
}

/* --- Many ------------------------------------------------------------------------------------- */

#define OBJECTS 20

struct chain {
	struct bl_transfers *all;
	int fd;
	unsigned started, ended;
};

static void start_in_chain(struct chain *chain);

static void next_in_chain(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct chain *chain = arg;

	must(err->code ? -1 : 0, err);
	free(transfer); /* allowed here */
	chain->ended++;
	if (chain->started < OBJECTS)
		start_in_chain(chain);
}

static void start_in_chain(struct chain *chain)
{
	struct bl_transfer *transfer = calloc(1, sizeof(*transfer));
	struct bl_err err = { 0 };
	char key[32];

	assert_non_null(transfer);
	snprintf(key, sizeof(key), "k%u", chain->started++);
	transfer->upload = true;
	transfer->key = key; /* copied */
	transfer->size = PART_BYTES;
	transfer->fd = chain->fd;
	transfer->done = next_in_chain;
	transfer->arg = chain;
	must(bl_transfer_start(chain->all, transfer, &err), &err);
}

static void done_may_free_and_start_the_next_one(void **state)
{
	static const struct canned_reply replies[] = { { .on = "PUT ", .headers = ETAG } };
	const struct bl_transfer_options options = { .part_bytes = PART_BYTES, .at_once = 2 };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_FD fd = file_of(TEXT);
	struct chain chain = { .fd = fd };
	struct bl_err err = { 0 };
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	(void)state;
	set_endpoint(canned_url(server, ""));
	must(open_bucket(&aws, &s3, &err), &err);
	must(bl_transfers_open(s3, &options, &chain.all, &err), &err);
	while (!bl_transfers_full(chain.all))
		start_in_chain(&chain);
	assert_int_equal(chain.started, 2);
	while (bl_transfers_under_way(chain.all))
		must(bl_transfers_step(chain.all, -1, &err), &err);
	assert_int_equal(chain.ended, OBJECTS);
	assert_int_equal(canned_requests(server), OBJECTS);
	assert_int_equal(canned_connections(server), 2);
	bl_transfers_close(chain.all);
	canned_stop(server);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void closing_ends_the_upload_at_the_server(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "POST /bucket/k?uploads", .body = UPLOAD_ID },
		{ .on = "PUT ", .headers = ETAG, .pause = true },
		{ .on = "DELETE /bucket/k?uploadId=up ", .status = 204 },
		{ .on = "GET /bucket/k?uploadId=up ", .status = 404, .body = NO_UPLOAD },
	};
	const struct bl_transfer_options options = { .part_bytes = PART_BYTES, .at_once = 2 };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_FD fd = file_of(TEXT);
	struct heard heard = { 0 };
	struct bl_transfer transfer = { .upload = true,
		                        .key = "k",
		                        .size = TEXT_BYTES,
		                        .fd = fd,
		                        .done = hear,
		                        .arg = &heard };
	struct bl_transfers *all;
	struct bl_err err = { 0 };
	BL_AWS aws = NULL;
	BL_S3 s3 = NULL;

	(void)state;
	set_endpoint(canned_url(server, ""));
	must(open_bucket(&aws, &s3, &err), &err);
	must(bl_transfers_open(s3, &options, &all, &err), &err);
	must(bl_transfer_start(all, &transfer, &err), &err);
	while (canned_requests(server) < 3)
		must(bl_transfers_step(all, 100, &err), &err);
	assert_int_equal(bl_transfers_under_way(all), 1);
	bl_transfers_close(all);
	assert_int_equal(heard.times, 0);
	assert_null(transfer.state);
	assert_int_equal(canned_requests(server), 5);
	assert_memory_equal(canned_head(server, 3), "DELETE ", 7);
	canned_stop(server);
	bl_transfers_close(NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upload_goes_in_parts),
		cmocka_unit_test(what_a_server_cannot_mean_ends_the_upload),
		cmocka_unit_test(a_file_that_is_not_as_long_as_said_is_not_sent),
		cmocka_unit_test(a_download_comes_in_parts),
		cmocka_unit_test(a_server_that_does_not_know_ranges_is_refused),
		cmocka_unit_test(an_empty_object_has_no_range),
		cmocka_unit_test(done_may_free_and_start_the_next_one),
		cmocka_unit_test(closing_ends_the_upload_at_the_server),
	};

	if (argc > 1)
		return transfer_drive(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
