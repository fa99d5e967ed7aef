/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/data_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void words_of_the_configuration(void **state)
{
	enum bl_data_format format;
	enum bl_data_depth depth;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_data_format_parse("parquet", &format, &err), 0);
	assert_int_equal(format, BL_DATA_PARQUET);
	assert_int_equal(bl_data_depth_parse("off", &depth, &err), 0);
	assert_int_equal(depth, BL_DATA_OFF);
	assert_int_equal(bl_data_format_parse("json", &format, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.next, "did you mean 'jsonl'?");
	bl_err_clear(&err);
	assert_int_equal(bl_data_depth_parse("none", &depth, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

static void lines_are_counted(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");
	struct bl_data_found found;

	(void)state;
	put_text("d/a.jsonl", "{\"a\":1}\n\n[2]\r\n  \n\"no newline at the end\"");
	put_text("d/sub/b.ndjson", "{}\n");
	put_text("d/README.md", "not { json");
	found = data_checked(&channel);
	assert_int_equal(found.files, 3);
	assert_int_equal(found.records, 4);
	assert_int_equal(found.longest_line, 23);
	assert_int_equal(found.bytes, 40 + 3 + 10);
}

static void the_first_bad_record_is_named(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "{}\n{\"a\":}\n", "d.jsonl:2:6: " },
		{ "{}\n\n{\"a\":\"x}\n", "d.jsonl:3:" },
		{ "\xef\xbb\xbf{}\n", "d.jsonl:1:1: a byte order mark" },
		{ "{\"a\":\"\xc3\xa9\xc3\xa9\" 1}\n", "d.jsonl:1:11: " },
		{ "{\"a\":\"\xff\"}\n", "d.jsonl:1:7: invalid UTF-8" },
		{ "{} {}\n", "d.jsonl:1:4: more text after the value" },
		{ "{\"a\":NaN}\n", "NaN" },
		{ "{}\n{\"cut\":", "d.jsonl:2:8: " },
		{ "{}\n{}\nx", "(byte 6 of the file)" },
	};
	struct bl_data_channel channel = data_channel_at("d.jsonl");

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		put_text("d.jsonl", cases[i].text);
		assert_bad_data(&channel, cases[i].want, "one JSON value");
	}
}

/* Lines that end anywhere between the pieces that are read. */
static void lines_longer_than_a_piece(void **state)
{
	static const size_t sizes[] = { (1 << 20) - 3, (1 << 20) - 2, (1 << 20) - 1, 3 << 20 };
	struct bl_data_channel channel = data_channel_at("d.jsonl");

	(void)state;
	for (size_t i = 0; i < BL_COUNT(sizes); i++) {
		BL_AUTO(bl_buf) text = BL_BUF((size_t)1 << 24);

		bl_buf_addc(&text, '"');
		for (size_t n = 0; n < sizes[i]; n++)
			bl_buf_addc(&text, 'x');
		bl_buf_adds(&text, "\"\n[1]\n[2");
		put_bytes("d.jsonl", text.data, text.len);
		assert_bad_data(&channel, "d.jsonl:3:3: ", NULL);
		bl_buf_adds(&text, "]\n");
		put_bytes("d.jsonl", text.data, text.len);
		struct bl_data_found found = data_checked(&channel);
		assert_int_equal(found.records, 3);
		assert_int_equal(found.longest_line, sizes[i] + 2);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	struct bl_data_channel channel = data_channel_at("d.jsonl");
	int fd;

	(void)state;
	put_text("d.jsonl", "{}\n");
	fd = openat(folder_fd, "d.jsonl", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)BL_DATA_LINE_MAX + 100), 0);
	close(fd);
	assert_bad_data(&channel, "d.jsonl:2: the line is over 64 MiB long", "format: files");
	channel.format = BL_DATA_FILES;
	assert_int_equal(data_checked(&channel).records, 0);
}

static void what_is_not_there(void **state)
{
	struct bl_data_channel channel = data_channel_at("data/trian.jsonl");

	(void)state;
	put_text("data/train.jsonl", "{}\n");
	assert_bad_data(&channel, "trian.jsonl' does not exist", "data/train.jsonl'?");
	channel.uri = "data/something-else";
	assert_bad_data(&channel, "does not exist", "check the path");
	channel.uri = "dat/train.jsonl";
	assert_bad_data(&channel, "does not exist", "its directory is not there either");
	channel.uri = "data/train.jsonl/x";
	assert_bad_data(&channel, "does not exist", NULL);
	assert_int_equal(mkdirat(folder_fd, "empty", 0755), 0);
	channel.uri = "empty";
	assert_bad_data(&channel, "holds no file", NULL);
	put_text("blank.jsonl", "\n \n");
	channel.uri = "blank.jsonl";
	assert_bad_data(&channel, "holds no record", NULL);
	make_link("data/dangling", "nowhere");
	channel.uri = "data";
	assert_bad_data(&channel, "is a link to nothing", NULL);
}

static void a_uri_must_be_a_path(void **state)
{
	static const struct {
		const char *uri, *want;
	} cases[] = {
		{ "s3://bucket/key", "cannot be read by this version" },
		{ "run://latest/outputs", "cannot be read by this version" },
		{ "file://host/x", "three slashes" },
		{ "file:///a%2", "two hex digits" },
		{ "", "empty" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_data_channel channel = data_channel_at(cases[i].uri);
		struct bl_data_found found;
		struct bl_err err = { 0 };

		assert_int_equal(bl_data_check(&channel, NULL, NULL, &found, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, cases[i].want));
	}
}

static void include_chooses(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");
	struct bl_err err = { 0 };
	BL_VALUE include = NULL;

	(void)state;
	put_text("d/a.jsonl", "{}\n");
	put_text("d/b.txt", "x");
	put_text("d/sub/c.jsonl", "{}\n{}\n");
	assert_int_equal(bl_json_parse("[\"**/*.jsonl\"]", 14, "t", &include, &err), 0);
	channel.include = include;
	assert_int_equal(data_checked(&channel).files, 2);
	assert_int_equal(data_checked(&channel).records, 3);
	bl_value_free(include);
	assert_int_equal(bl_json_parse("[\"*.csv\"]", 9, "t", &include, &err), 0);
	channel.include = include;
	assert_bad_data(&channel, "matches `include`", "**");
}

static void the_digest_tells_data_apart(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");
	char was[BL_SHA256_HEX], now[BL_SHA256_HEX];

	(void)state;
	put_text("d/b.jsonl", "{}\n");
	put_text("d/a.jsonl", "[]\n");
	strncpy(was, data_checked(&channel).digest, sizeof(was));
	/* where it lies and when it was written does not matter */
	put_text("e/a.jsonl", "[]\n");
	put_text("e/b.jsonl", "{}\n");
	set_mtime_ms("e/a.jsonl", 1000);
	channel.uri = "e";
	assert_string_equal(data_checked(&channel).digest, was);
	channel.depth = BL_DATA_EXISTS;
	assert_string_equal(data_checked(&channel).digest, was);
	channel.version = "2";
	assert_string_not_equal(data_checked(&channel).digest, was);
	channel.version = NULL;
	put_text("e/b.jsonl", "[]\n");
	assert_string_not_equal(data_checked(&channel).digest, was);
	channel.depth = BL_DATA_OFF;
	strncpy(now, data_checked(&channel).digest, sizeof(now));
	set_mtime_ms("e/a.jsonl", 2000);
	assert_string_not_equal(data_checked(&channel).digest, now);
}

/* "key\0size\0etag\0version\0", hashed by another program: `sha256sum`. */
static void the_digest_is_the_documented_one(void **state)
{
	struct bl_data_channel channel = data_channel_at("a.jsonl");
	char want[BL_SHA256_HEX], crc[BL_CRC64_TEXT];
	BL_AUTO(bl_buf) text = BL_BUF(200);
	struct bl_err err = { 0 };

	(void)state;
	put_text("a.jsonl", "{}\n");
	bl_crc64nvme_text(bl_crc64nvme(0, "{}\n", 3), crc);
	bl_buf_add(&text,
	           "a.jsonl\0"
	           "3\0",
	           10);
	bl_buf_add(&text, crc, strlen(crc) + 1);
	bl_buf_add(&text, "v7\0", 3);
	channel.version = "v7";
	assert_int_equal(bl_sha256_of(text.data, text.len, want, &err), 0);
	assert_string_equal(data_checked(&channel).digest, want);
}

static void links_are_followed_but_not_in_circles(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");

	(void)state;
	put_text("elsewhere/a.jsonl", "{}\n");
	put_text("d/x.jsonl", "{}\n");
	make_link("d/file.jsonl", "../elsewhere/a.jsonl");
	make_link("d/dir", "../elsewhere");
	assert_int_equal(data_checked(&channel).files, 3);
	make_link("d/dir2", "../d");
	assert_bad_data(&channel, "'dir2' is a link to a directory above it", NULL);
}

static uint64_t last_done, last_total;

static void keep_progress(void *arg, uint64_t done, uint64_t total)
{
	(void)arg;
	assert_true(done >= last_done && done <= total);
	last_done = done;
	last_total = total;
}

static void progress_reaches_the_end(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");
	struct bl_data_found found;
	struct bl_err err = { 0 };

	(void)state;
	put_zip("d/a.zip", 'a', 3000000);
	put_text("d/b.jsonl", "{}\n");
	last_done = 0;
	assert_int_equal(bl_data_check(&channel, keep_progress, NULL, &found, &err), 0);
	assert_int_equal(last_done, found.bytes);
	assert_int_equal(last_total, found.bytes);
}

static void uris_are_absolute(void **state)
{
	struct bl_data_channel channel = data_channel_at("d/./a b%.jsonl");
	BL_AUTO(bl_buf) uri = BL_BUF(PATH_MAX);
	BL_AUTO(bl_buf) path = BL_BUF(PATH_MAX);
	BL_AUTO(bl_buf) want = BL_BUF(PATH_MAX);
	struct bl_err err = { 0 };

	(void)state;
	put_text("d/a b%.jsonl", "{}\n");
	assert_int_equal(bl_data_uri(&channel, &uri, &err), 0);
	bl_buf_addf(&want, "file://%s/d/a%%20b%%25.jsonl", folder);
	assert_string_equal(uri.data, want.data);
	assert_int_equal(bl_data_path(uri.data, NULL, &path, &err), 0);
	assert_string_equal(path.data, folder_path("d/a b%.jsonl"));
	channel.uri = "absent";
	assert_int_equal(bl_data_uri(&channel, &uri, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void channels_are_shown_as_directories(void **state)
{
	struct bl_data_channel channel = data_channel_at("d");
	struct bl_err err = { 0 };
	BL_VALUE include = NULL;

	(void)state;
	put_text("d/a.jsonl", "{}\n");
	put_text("d/sub/b.txt", "b");
	put_text("one.jsonl", "[]\n");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(bl_data_link(folder_path("one.jsonl"),
		                              folder_path("root/input/data/one"), &err),
		                 0);
		assert_int_equal(
			bl_data_link(folder_path("d"), folder_path("root/input/data/all"), &err),
			0);
	}
	assert_int_equal(access(folder_path("root/input/data/one/one.jsonl"), R_OK), 0);
	assert_int_equal(access(folder_path("root/input/data/all/sub/b.txt"), R_OK), 0);
	assert_int_equal(bl_json_parse("[\"sub/*\"]", 9, "t", &include, &err), 0);
	channel.include = include;
	assert_int_equal(bl_data_link_channel(&channel, folder_path("root/input/data/some"), &err),
	                 0);
	assert_int_equal(access(folder_path("root/input/data/some/sub/b.txt"), R_OK), 0);
	assert_int_not_equal(access(folder_path("root/input/data/some/a.jsonl"), R_OK), 0);
	/* never through a link into the user's own directory */
	assert_int_equal(
		bl_data_link(folder_path("one.jsonl"), folder_path("root/input/data/all"), &err),
		-1);
	assert_int_equal(err.code, BL_EEXIST);
	assert_false(is_there("d/one.jsonl"));
	bl_err_clear(&err);
	assert_int_equal(bl_data_link(folder_path("d"), folder_path("root/input/data/one"), &err),
	                 -1);
	assert_int_equal(err.code, BL_EEXIST);
}

static int whole_check(struct bl_err *err)
{
	struct bl_data_channel channel = data_channel_at("d");
	BL_AUTO(bl_buf) uri = BL_BUF(PATH_MAX);
	BL_AUTO(bl_buf) into = BL_BUF(PATH_MAX);
	struct bl_data_found found;
	enum bl_data_format format;
	enum bl_data_depth depth;
	char name[17];

	if (bl_str_random(name, sizeof(name) - 1, err))
		return -1;
	bl_buf_addf(&into, "%s/root-%s", folder, name);
	if (bl_buf_check(&into, "t", err) || bl_data_format_parse("jsonl", &format, err) ||
	    bl_data_depth_parse("full", &depth, err) ||
	    bl_data_check(&channel, NULL, NULL, &found, err) || bl_data_uri(&channel, &uri, err) ||
	    bl_data_link(uri.data, into.data, err))
		return -1;
	bl_buf_reset(&into);
	bl_buf_addf(&into, "%s/one-%s", folder, name);
	channel.uri = "d/a.jsonl";
	return bl_buf_check(&into, "t", err) || bl_data_link_channel(&channel, into.data, err) ? -1
	                                                                                       : 0;
}

static void allocations_may_fail(void **state)
{
	(void)state;
	put_text("d/a.jsonl", "{\"a\":1}\n{\"no\":\"end\"}");
	put_text("d/s/b.parquet", "PAR1dataxxx");
	put_bytes("d/s/b.parquet", "PAR1data\1\0\0\0PAR1", 16);
	each_allocation_fails(whole_check, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_the_configuration),
		FOLDER_TEST(lines_are_counted),
		FOLDER_TEST(the_first_bad_record_is_named),
		FOLDER_TEST(lines_longer_than_a_piece),
		FOLDER_TEST(a_line_without_end_is_refused),
		FOLDER_TEST(what_is_not_there),
		FOLDER_TEST(a_uri_must_be_a_path),
		FOLDER_TEST(include_chooses),
		FOLDER_TEST(the_digest_tells_data_apart),
		FOLDER_TEST(the_digest_is_the_documented_one),
		FOLDER_TEST(links_are_followed_but_not_in_circles),
		FOLDER_TEST(progress_reaches_the_end),
		FOLDER_TEST(uris_are_absolute),
		FOLDER_TEST(channels_are_shown_as_directories),
		FOLDER_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
