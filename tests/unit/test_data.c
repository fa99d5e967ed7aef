/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include "base/str.h"
#include "codec/json.h"
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

static struct bl_data_channel channel_at(const char *path)
{
	return (struct bl_data_channel){ .name = "train", .uri = path, .base = folder };
}

static struct bl_data_found check(const struct bl_data_channel *channel)
{
	struct bl_data_found found = { 0 };
	struct bl_err err = { 0 };

	if (bl_data_check(channel, NULL, NULL, &found, &err))
		fail_msg("%s", err.text);
	return found;
}

/* The check must fail as data, and say `want`; `next` may be NULL. */
static void assert_bad(const struct bl_data_channel *channel, const char *want, const char *next)
{
	struct bl_data_found found = { .files = 77 };
	struct bl_err err = { 0 };

	assert_int_equal(bl_data_check(channel, NULL, NULL, &found, &err), -1);
	assert_int_equal(err.code, BL_EDATA);
	if (!strstr(err.text, want))
		fail_msg("'%s' does not say '%s'", err.text, want);
	if (next && !strstr(err.next, next))
		fail_msg("'%s' does not say '%s'", err.next, next);
	assert_int_equal(found.files, 77);
}

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
	struct bl_data_channel channel = channel_at("d");
	struct bl_data_found found;

	(void)state;
	put_text("d/a.jsonl", "{\"a\":1}\n\n[2]\r\n  \n\"no newline at the end\"");
	put_text("d/sub/b.ndjson", "{}\n");
	put_text("d/README.md", "not { json");
	found = check(&channel);
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
	struct bl_data_channel channel = channel_at("d.jsonl");

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		put_text("d.jsonl", cases[i].text);
		assert_bad(&channel, cases[i].want, "one JSON value");
	}
}

/* Lines that end anywhere between the pieces that are read. */
static void lines_longer_than_a_piece(void **state)
{
	static const size_t sizes[] = { (1 << 20) - 3, (1 << 20) - 2, (1 << 20) - 1, 3 << 20 };
	struct bl_data_channel channel = channel_at("d.jsonl");

	(void)state;
	for (size_t i = 0; i < BL_COUNT(sizes); i++) {
		BL_AUTO(bl_buf) text = BL_BUF((size_t)1 << 24);

		bl_buf_addc(&text, '"');
		for (size_t n = 0; n < sizes[i]; n++)
			bl_buf_addc(&text, 'x');
		bl_buf_adds(&text, "\"\n[1]\n[2");
		put_bytes("d.jsonl", text.data, text.len);
		assert_bad(&channel, "d.jsonl:3:3: ", NULL);
		bl_buf_adds(&text, "]\n");
		put_bytes("d.jsonl", text.data, text.len);
		struct bl_data_found found = check(&channel);
		assert_int_equal(found.records, 3);
		assert_int_equal(found.longest_line, sizes[i] + 2);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	struct bl_data_channel channel = channel_at("d.jsonl");
	int fd;

	(void)state;
	put_text("d.jsonl", "{}\n");
	fd = openat(folder_fd, "d.jsonl", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)BL_DATA_LINE_MAX + 100), 0);
	close(fd);
	assert_bad(&channel, "d.jsonl:2: the line is over 64 MiB long", "format: files");
	channel.format = BL_DATA_FILES;
	assert_int_equal(check(&channel).records, 0);
}

static void what_is_not_there(void **state)
{
	struct bl_data_channel channel = channel_at("data/trian.jsonl");

	(void)state;
	put_text("data/train.jsonl", "{}\n");
	assert_bad(&channel, "trian.jsonl' does not exist", "data/train.jsonl'?");
	channel.uri = "data/something-else";
	assert_bad(&channel, "does not exist", "check the path");
	channel.uri = "dat/train.jsonl";
	assert_bad(&channel, "does not exist", "its directory is not there either");
	channel.uri = "data/train.jsonl/x";
	assert_bad(&channel, "does not exist", NULL);
	assert_int_equal(mkdirat(folder_fd, "empty", 0755), 0);
	channel.uri = "empty";
	assert_bad(&channel, "holds no file", NULL);
	put_text("blank.jsonl", "\n \n");
	channel.uri = "blank.jsonl";
	assert_bad(&channel, "holds no record", NULL);
	make_link("data/dangling", "nowhere");
	channel.uri = "data";
	assert_bad(&channel, "is a link to nothing", NULL);
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
		struct bl_data_channel channel = channel_at(cases[i].uri);
		struct bl_data_found found;
		struct bl_err err = { 0 };

		assert_int_equal(bl_data_check(&channel, NULL, NULL, &found, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, cases[i].want));
	}
}

static void include_chooses(void **state)
{
	struct bl_data_channel channel = channel_at("d");
	struct bl_err err = { 0 };
	BL_VALUE include = NULL;

	(void)state;
	put_text("d/a.jsonl", "{}\n");
	put_text("d/b.txt", "x");
	put_text("d/sub/c.jsonl", "{}\n{}\n");
	assert_int_equal(bl_json_parse("[\"**/*.jsonl\"]", 14, "t", &include, &err), 0);
	channel.include = include;
	assert_int_equal(check(&channel).files, 2);
	assert_int_equal(check(&channel).records, 3);
	bl_value_free(include);
	assert_int_equal(bl_json_parse("[\"*.csv\"]", 9, "t", &include, &err), 0);
	channel.include = include;
	assert_bad(&channel, "matches `include`", "**");
}

static void the_digest_tells_data_apart(void **state)
{
	struct bl_data_channel channel = channel_at("d");
	char was[BL_SHA256_HEX], now[BL_SHA256_HEX];

	(void)state;
	put_text("d/b.jsonl", "{}\n");
	put_text("d/a.jsonl", "[]\n");
	strncpy(was, check(&channel).digest, sizeof(was));
	/* where it lies and when it was written does not matter */
	put_text("e/a.jsonl", "[]\n");
	put_text("e/b.jsonl", "{}\n");
	set_mtime_ms("e/a.jsonl", 1000);
	channel.uri = "e";
	assert_string_equal(check(&channel).digest, was);
	channel.depth = BL_DATA_EXISTS;
	assert_string_equal(check(&channel).digest, was);
	channel.version = "2";
	assert_string_not_equal(check(&channel).digest, was);
	channel.version = NULL;
	put_text("e/b.jsonl", "[]\n");
	assert_string_not_equal(check(&channel).digest, was);
	channel.depth = BL_DATA_OFF;
	strncpy(now, check(&channel).digest, sizeof(now));
	set_mtime_ms("e/a.jsonl", 2000);
	assert_string_not_equal(check(&channel).digest, now);
}

/* "key\0size\0etag\0version\0", hashed by another program: `sha256sum`. */
static void the_digest_is_the_documented_one(void **state)
{
	struct bl_data_channel channel = channel_at("a.jsonl");
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
	assert_string_equal(check(&channel).digest, want);
}

static void parquet_ends(void **state)
{
	struct bl_data_channel channel = channel_at("d.parquet");

	(void)state;
	put_bytes("d.parquet", "PAR1data\1\0\0\0PAR1", 16);
	assert_int_equal(check(&channel).files, 1);
	put_bytes("d.parquet", "PAR1data\1\0\0\0PAR", 15);
	assert_bad(&channel, "d.parquet: does not end", "cut");
	put_bytes("d.parquet", "PAR1data\xff\0\0\0PAR1", 16);
	assert_bad(&channel, "d.parquet: does not end", NULL);
	put_bytes("d.parquet", "XAR1data\1\0\0\0PAR1", 16);
	assert_bad(&channel, "d.parquet: does not begin", NULL);
	put_bytes("d.parquet", "PAR1PAR1", 8);
	assert_bad(&channel, "too few", NULL);
}

static void add_tar_member(struct bl_buf *out, const char *name, size_t n)
{
	unsigned char header[512] = { 0 };
	unsigned sum = 0;

	snprintf((char *)header, 100, "%s", name);
	snprintf((char *)header + 124, 12, "%011zo", n);
	header[156] = '0';
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	bl_buf_add(out, header, sizeof(header));
	for (size_t i = 0; i < (n + 511) / 512 * 512; i++)
		bl_buf_addc(out, 'm');
}

static void tar_members(void **state)
{
	struct bl_data_channel channel = channel_at("d.tar");
	BL_AUTO(bl_buf) tar = BL_BUF(1 << 16);
	unsigned char zero[1024] = { 0 };

	(void)state;
	add_tar_member(&tar, "a", 700);
	add_tar_member(&tar, "b", 0);
	put_bytes("d.tar", tar.data, tar.len);
	assert_int_equal(check(&channel).records, 2);
	put_bytes("d.tar", tar.data, 1000);
	assert_bad(&channel, "d.tar: the archive is cut in a member at byte 512", NULL);
	bl_buf_add(&tar, zero, sizeof(zero));
	put_bytes("d.tar", tar.data, tar.len);
	assert_int_equal(check(&channel).records, 2);
	tar.data[600 + 1024] ^= 1;
	put_bytes("d.tar", tar.data, tar.len);
	assert_bad(&channel, "no tar header at byte 1536", NULL);
	put_bytes("d.tar", zero, sizeof(zero));
	assert_bad(&channel, "no member", NULL);
	put_text("d.tar", "");
	assert_bad(&channel, "empty", NULL);
	put_text("d.tar", "short");
	assert_bad(&channel, "cut", NULL);
}

static void tar_numbers(void **state)
{
	static const struct {
		const char *field;
		bool good;
		uint64_t want;
	} cases[] = {
		{ "0000000017 ", true, 15 },
		{ "  17\0xxxxxx", true, 15 },
		{ "\x80\0\0\0\0\0\0\0\0\1\2", true, 258 },
		{ "9999999999 ", false, 0 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		uint64_t got = 0;
		bool good = bl_tar_number((const unsigned char *)cases[i].field, 11, &got);

		assert_int_equal(good, cases[i].good);
		if (good)
			assert_int_equal(got, cases[i].want);
	}
}

static void links_are_followed_but_not_in_circles(void **state)
{
	struct bl_data_channel channel = channel_at("d");

	(void)state;
	put_text("elsewhere/a.jsonl", "{}\n");
	put_text("d/x.jsonl", "{}\n");
	make_link("d/file.jsonl", "../elsewhere/a.jsonl");
	make_link("d/dir", "../elsewhere");
	assert_int_equal(check(&channel).files, 3);
	make_link("d/dir2", "../d");
	assert_bad(&channel, "'dir2' is a link to a directory above it", NULL);
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
	struct bl_data_channel channel = channel_at("d");
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
	struct bl_data_channel channel = channel_at("d/./a b%.jsonl");
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
	struct bl_data_channel channel = channel_at("d");
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
	struct bl_data_channel channel = channel_at("d");
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
#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_drop)
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
		FOLDER_TEST(parquet_ends),
		FOLDER_TEST(tar_members),
		cmocka_unit_test(tar_numbers),
		FOLDER_TEST(links_are_followed_but_not_in_circles),
		FOLDER_TEST(progress_reaches_the_end),
		FOLDER_TEST(uris_are_absolute),
		FOLDER_TEST(channels_are_shown_as_directories),
		FOLDER_TEST(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
