/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4.h"

#include "codec/json.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/sigv4_input.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CASES "tests/unit/data/sigv4"

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void read_stage(const char *name, const char *stage, struct bl_buf *out)
{
	char path[600], block[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), CASES "/%s/%s", name, stage);
	file = fopen(path, "rbe");
	if (!file)
		fail_msg("cannot open %s: run from the root of the repository", path);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		bl_buf_add(out, block, n);
	fclose(file);
	assert_int_equal(out->failed, BL_OK);
}

static int differs(const char *name, const char *stage, const struct bl_buf *got)
{
	BL_AUTO(bl_buf) want = BL_BUF(1 << 20);

	read_stage(name, stage, &want);
	if (!strcmp(bl_buf_text(&want), bl_buf_text(got)))
		return 0;
	fprintf(stderr, "%s/%s\nexpected: %s\ngot:      %s\n", name, stage, bl_buf_text(&want),
	        bl_buf_text(got));
	return 1;
}

static int play(const char *name)
{
	BL_AUTO(sign_input) input = { 0 };
	BL_AUTO(sign_stages) got = SIGN_STAGES;
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	BL_AUTO(bl_sign_key) key = { 0 };
	struct bl_err err = { 0 };

	read_stage(name, "input", &text);
	if (sign_input_read(text.data, text.len, &input, &err) ||
	    sign_stages_of(&input, &key, &got, &err))
		fail_msg("%s: %s", name, err.text);
	return differs(name, "canonical", &got.canonical) + differs(name, "string", &got.string) +
	       differs(name, "authorization", &got.lines) + differs(name, "query", &got.query);
}

static void every_case_agrees_stage_by_stage(void **state)
{
	struct dirent **names = NULL;
	int n = scandir(CASES, &names, is_case, alphasort), wrong = 0;

	(void)state;
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		wrong += play(names[i]->d_name);
		free(names[i]);
	}
	free(names);
	assert_int_equal(wrong, 0);
}

/* --- By hand ---------------------------------------------------------------------------------- */

static const struct bl_pair host_alone[] = { { "host", "h" } };
static const struct bl_secret some_secret = { (char *)(uintptr_t) "secret", 6 };

static struct bl_sign some_sign(void)
{
	return (struct bl_sign){
		.method = "GET",
		.path = "/",
		.headers = host_alone,
		.n_headers = 1,
		.payload_hash = "UNSIGNED-PAYLOAD",
		.region = "us-east-1",
		.service = "s3",
		.wall_ms = 1795570140000,
		.access_key = "AKIDEXAMPLE",
		.secret = &some_secret,
	};
}

static void dates_are_utc(void **state)
{
	static const struct {
		int64_t wall_ms;
		const char *text;
	} table[] = {
		{ 0, "19700101T000000Z" },
		{ 1795570140999, "20261125T012900Z" },
		{ -1, "19691231T235959Z" },
		{ 1709164800000, "20240229T000000Z" },
		{ 4102444799000, "20991231T235959Z" },
	};
	char text[BL_AMZ_DATE_SIZE];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		bl_amz_date(table[i].wall_ms, text);
		assert_string_equal(text, table[i].text);
	}
}

static void a_path_is_normalised_but_for_s3(void **state)
{
	static const struct {
		const char *path, *other;
	} table[] = {
		{ "/", "/" },          { "/a//b", "/a/b" },
		{ "/a/../b", "/b" },   { "/./x", "/x" },
		{ "/..", "/" },        { "/../../x/", "/x/" },
		{ "/x/", "/x/" },      { "/a/b/..", "/a" },
		{ "/a/b/../", "/a/" }, { "/a/.", "/a" },
		{ "/...", "/..." },    { "/a%20b", "/a%2520b" },
		{ "/a/./b", "/a/b" },  { "/a%2F..%2Fb", "/a%252F..%252Fb" },
	};
	struct bl_sign sign = some_sign();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		for (int s3 = 0; s3 < 2; s3++) {
			BL_AUTO(bl_buf) got = BL_BUF(4096);
			BL_AUTO(bl_buf) want = BL_BUF(4096);

			sign.path = table[i].path;
			sign.is_s3 = s3;
			bl_sign_canonical(&sign, &got);
			bl_buf_addf(&want, "GET\n%s\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD",
			            s3 ? table[i].path : table[i].other);
			assert_string_equal(got.data, want.data);
		}
	}
}

static void queries_are_sorted_as_encoded(void **state)
{
	/* '-' sorts before '~' sorts after '%': "é" is "%C3%A9" and comes first */
	static const struct bl_pair query[] = {
		{ "b", "2" }, { "uploads", NULL }, { "b", "1" }, { "~", "x/y" },
		{ "é", "+" }, { "-", "a b" },      { "B", "=" }, { "b", "10" },
	};
	struct bl_sign sign = some_sign();
	BL_AUTO(bl_buf) got = BL_BUF(4096);

	(void)state;
	sign.query = query;
	sign.n_query = BL_COUNT(query);
	bl_sign_canonical(&sign, &got);
	assert_string_equal(got.data, "GET\n/\n"
	                              "%C3%A9=%2B&-=a%20b&B=%3D&b=1&b=10&b=2&uploads=&~=x%2Fy\n"
	                              "host:h\n\nhost\nUNSIGNED-PAYLOAD");
}

static void headers_are_lowered_trimmed_merged(void **state)
{
	static const struct bl_pair headers[] = {
		{ "X-Two", " second  \t value " },
		{ "Host", "h" },
		{ "x-two", "first" },
		{ "X-Amz-Empty", "" },
		{ "x-TWO", "z" },
	};
	struct bl_sign sign = some_sign();
	BL_AUTO(bl_buf) got = BL_BUF(4096);

	(void)state;
	sign.headers = headers;
	sign.n_headers = BL_COUNT(headers);
	bl_sign_canonical(&sign, &got);
	assert_string_equal(got.data, "GET\n/\n\n"
	                              "host:h\nx-amz-empty:\nx-two:second value,first,z\n\n"
	                              "host;x-amz-empty;x-two\nUNSIGNED-PAYLOAD");
}

static void a_key_is_kept_until_day_region_or_service_change(void **state)
{
	struct bl_sign sign = some_sign();
	struct bl_sign_key key = { 0 }, before;
	struct bl_err err = { 0 };
	char hex[65], again[65];

	(void)state;
	assert_int_equal(bl_sign_signature(&sign, &key, "text", hex, &err), 0);
	assert_string_equal(key.scope, "20261125/us-east-1/s3");
	before = key;
	key.key[0] ^= 1; /* seen in the signature, so the kept key was used */
	sign.wall_ms += 60000;
	assert_int_equal(bl_sign_signature(&sign, &key, "text", again, &err), 0);
	assert_string_not_equal(hex, again);
	sign.wall_ms += 86400000;
	assert_int_equal(bl_sign_signature(&sign, &key, "text", hex, &err), 0);
	assert_string_equal(key.scope, "20261126/us-east-1/s3");
	assert_memory_not_equal(key.key, before.key, sizeof(key.key));
	sign.region = "eu-west-1";
	assert_int_equal(bl_sign_signature(&sign, &key, "text", hex, &err), 0);
	assert_string_equal(key.scope, "20261126/eu-west-1/s3");
	sign.service = "sts";
	assert_int_equal(bl_sign_signature(&sign, &key, "text", hex, &err), 0);
	assert_string_equal(key.scope, "20261126/eu-west-1/sts");
	bl_sign_key_done(&key);
	for (size_t i = 0; i < sizeof(key); i++)
		assert_int_equal(((unsigned char *)&key)[i], 0);
}

static void what_cannot_be_signed_is_refused(void **state)
{
	struct bl_pair many[BL_SIGN_PAIRS_MAX + 1];
	struct bl_secret empty = { 0 };
	struct bl_sign sign = some_sign();
	struct bl_sign_key key = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(4096);
	struct bl_err err = { 0 };
	char region[200];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(many); i++)
		many[i] = (struct bl_pair){ "x", "y" };
	sign.secret = &empty;
	assert_int_equal(bl_sign_headers(&sign, &key, &out, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	sign = some_sign();
	memset(region, 'r', sizeof(region) - 1);
	region[sizeof(region) - 1] = '\0';
	sign.region = region;
	assert_int_equal(bl_sign_query(&sign, &key, 60, &out, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	sign = some_sign();
	sign.headers = many;
	sign.n_headers = BL_COUNT(many);
	assert_int_equal(bl_sign_headers(&sign, &key, &out, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	bl_err_clear(&err);
	sign = some_sign();
	sign.query = many;
	sign.n_query = BL_COUNT(many);
	assert_int_equal(bl_sign_query(&sign, &key, 60, &out, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	for (unsigned i = 0; i < 2; i++) {
		bl_err_clear(&err);
		sign = some_sign();
		assert_int_equal(bl_sign_query(&sign, &key, i ? 604801 : 0, &out, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
	assert_string_equal(bl_buf_text(&out), "");
}

static int sign_both_ways(struct bl_err *err)
{
	static const struct bl_pair query[] = { { "b", "1" }, { "a", NULL } };
	BL_AUTO(bl_buf) out = BL_BUF(1 << 16);
	BL_AUTO(bl_buf) canonical = BL_BUF(1 << 16);
	BL_AUTO(bl_sign_key) key = { 0 };
	struct bl_sign sign = some_sign();
	char hex[65];

	sign.query = query;
	sign.n_query = BL_COUNT(query);
	bl_sign_canonical(&sign, &canonical);
	if (bl_buf_check(&canonical, "canonical", err) ||
	    bl_sign_string(&sign, canonical.data, &out, err) ||
	    bl_sign_signature(&sign, &key, out.data, hex, err))
		return -1;
	return bl_sign_headers(&sign, &key, &out, err) || bl_sign_query(&sign, &key, 60, &out, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_trusted(void **state)
{
	(void)state;
	each_allocation_fails(sign_both_ways, 200);
}

/* --- test_sigv4 --sign: requests as JSON lines in, stages as JSON lines out ------------------- */

static int sign_line(const char *line, size_t len, struct bl_sign_key *key, struct bl_buf *out,
                     struct bl_err *err)
{
	BL_AUTO(sign_input) input = { 0 };
	BL_AUTO(sign_stages) got = SIGN_STAGES;
	struct bl_json json = BL_JSON(out);

	if (sign_input_read(line, len, &input, err) || sign_stages_of(&input, key, &got, err))
		return -1;
	bl_json_map(&json, NULL);
	bl_json_text(&json, "canonical", bl_buf_text(&got.canonical));
	bl_json_text(&json, "string", bl_buf_text(&got.string));
	bl_json_text(&json, "lines", bl_buf_text(&got.lines));
	bl_json_text(&json, "query", bl_buf_text(&got.query));
	bl_json_text(&json, "query_canonical", bl_buf_text(&got.query_canonical));
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
	return bl_buf_check(out, "stages", err);
}

static int sign_lines(void)
{
	struct bl_err err = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		BL_AUTO(bl_buf) out = BL_BUF(1 << 20);
		/* every line has its own credentials */
		BL_AUTO(bl_sign_key) key = { 0 };

		if (sign_line(line, (size_t)len, &key, &out, &err)) {
			fprintf(stderr, "%s\n", err.text);
			free(line);
			return 1;
		}
		fputs(out.data, stdout);
		fflush(stdout);
	}
	free(line);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_agrees_stage_by_stage),
		cmocka_unit_test(dates_are_utc),
		cmocka_unit_test(a_path_is_normalised_but_for_s3),
		cmocka_unit_test(queries_are_sorted_as_encoded),
		cmocka_unit_test(headers_are_lowered_trimmed_merged),
		cmocka_unit_test(a_key_is_kept_until_day_region_or_service_change),
		cmocka_unit_test(what_cannot_be_signed_is_refused),
		cmocka_unit_test(no_allocation_is_trusted),
	};

	if (argc > 1 && !strcmp(argv[1], "--sign"))
		return sign_lines();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
