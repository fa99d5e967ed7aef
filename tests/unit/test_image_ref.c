/* SPDX-License-Identifier: Apache-2.0 */
#include "net/image_ref.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define TAG128                                                                                     \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                         \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_come_apart(void **state)
{
	static const struct {
		const char *text, *registry, *repository, *tag, *digest, *host, *again;
	} table[] = {
		{ "python", "docker.io", "library/python", "", "", "registry-1.docker.io",
		  "docker.io/library/python" },
		{ "python:3.11-slim", "docker.io", "library/python", "3.11-slim", "",
		  "registry-1.docker.io", "docker.io/library/python:3.11-slim" },
		{ "team/name", "docker.io", "team/name", "", "", "registry-1.docker.io",
		  "docker.io/team/name" },
		{ "docker.io/python", "docker.io", "library/python", "", "", "registry-1.docker.io",
		  "docker.io/library/python" },
		{ "index.docker.io/a/b", "docker.io", "a/b", "", "", "registry-1.docker.io",
		  "docker.io/a/b" },
		{ "localhost/demo", "localhost", "demo", "", "", "localhost", "localhost/demo" },
		{ "localhost:5000/demo:t", "localhost:5000", "demo", "t", "", "localhost:5000",
		  "localhost:5000/demo:t" },
		{ "[::1]:5000/demo", "[::1]:5000", "demo", "", "", "[::1]:5000",
		  "[::1]:5000/demo" },
		{ "r.io/a/b/c__d.e-f---g:T_.-@" DIGEST, "r.io", "a/b/c__d.e-f---g", "T_.-", DIGEST,
		  "r.io", "r.io/a/b/c__d.e-f---g:T_.-@" DIGEST },
		{ "r.io/x@" DIGEST, "r.io", "x", "", DIGEST, "r.io", "r.io/x@" DIGEST },
		{ "r.io/x:" TAG128, "r.io", "x", TAG128, "", "r.io", "r.io/x:" TAG128 },
		/* docker reads it so too: a name and a tag */
		{ "localhost:5000", "docker.io", "library/localhost", "5000", "",
		  "registry-1.docker.io", "docker.io/library/localhost:5000" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) again = BL_BUF(1024);
		struct bl_image_ref ref;
		struct bl_err err = { 0 };

		must(bl_image_ref_parse(table[i].text, &ref, &err), &err);
		assert_string_equal(ref.registry, table[i].registry);
		assert_string_equal(ref.repository, table[i].repository);
		assert_string_equal(ref.tag, table[i].tag);
		assert_string_equal(ref.digest, table[i].digest);
		assert_string_equal(bl_image_ref_host(&ref), table[i].host);
		bl_image_ref_add(&again, &ref);
		assert_string_equal(bl_buf_text(&again), table[i].again);
	}
}

static void bad_names_say_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *why, *next;
	} table[] = {
		{ "", "no name", "" },
		{ "https://r.io/x", "is a URL", "without the scheme: r.io/x" },
		{ "r.io/Team/x", "upper case", "lower case" },
		{ "Python", "upper case", "lower case" },
		{ "r.io/x:", "tag ''", "" },
		{ "r.io/x:-a", "tag '-a'", "" },
		{ "r.io/x:.a", "tag '.a'", "" },
		{ "r.io/x:a+b", "tag 'a+b'", "" },
		{ "r.io/x:" TAG128 "0", "129 bytes", "" },
		{ "r.io/x@sha256:12", "'sha256:12' is not", "" },
		{ "r.io/x@sha512:" TAG128, "is not sha256", "" },
		{ "r.io/x@" DIGEST "0", "is not sha256", "" },
		{ "r.io/x@", "is not sha256", "" },
		{ "r.io/", "0 bytes", "" },
		{ "r.io//x", "empty", "single '.'" },
		{ "r.io/x/", "empty", "single '.'" },
		{ "r.io/x-", "empty or ends", "single '.'" },
		{ "r.io/a..b", "'.'", "single '.'" },
		{ "r.io/a___b", "'_'", "single '.'" },
		{ "r.io/../x", "'.'", "single '.'" },
		{ "r.io/.x", "'.'", "single '.'" },
		{ "r.io/a b", "' '", "" },
		{ "r.io/\xc3\xa9", "'?'", "" },
		{ "r.io/x?y", "'?'", "" },
		{ "r.io:0/x", "no registry's host", "" },
		{ "r.io:65536/x", "no registry's host", "" },
		{ "r.io:/x", "no registry's host", "" },
		{ "r..io/x", "no registry's host", "" },
		{ "r.io?a/x", "no registry's host", "" },
		{ "r.io#a/x", "no registry's host", "" },
		{ "[::1/x", "no registry's host", "" },
		{ "r.io\\a/x", "no registry's host", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_image_ref ref = { .tag = "before" };
		struct bl_err err = { 0 };

		assert_int_equal(bl_image_ref_parse(table[i].text, &ref, &err), -1);
		if (err.code != BL_EINPUT || !strstr(err.text, table[i].why) ||
		    !strstr(err.next, table[i].next))
			fail_msg("%s: %d %s / %s", table[i].text, err.code, err.text, err.next);
		assert_string_equal(ref.tag, "before");
	}
}

static void long_names_are_bounded(void **state)
{
	static char text[1024];
	struct bl_image_ref ref;
	struct bl_err err = { 0 };

	(void)state;
	memset(text, 'a', 400);
	assert_int_equal(bl_image_ref_parse(text, &ref, &err), -1);
	assert_non_null(strstr(err.text, "255 are allowed"));
	bl_err_clear(&err);
	memcpy(text + 300, ".io/x", 6);
	assert_int_equal(bl_image_ref_parse(text, &ref, &err), -1);
	assert_non_null(strstr(err.text, "255 bytes"));
	bl_err_clear(&err);
	memset(text, 'a', 300);
	memcpy(text, "r.io/", 5);
	text[5 + 256] = '\0';
	assert_int_equal(bl_image_ref_parse(text, &ref, &err), -1);
	bl_err_clear(&err);
	text[5 + 255] = '\0';
	must(bl_image_ref_parse(text, &ref, &err), &err);
	assert_int_equal(strlen(ref.repository), 255);
}

static void ecr_is_known_by_its_name(void **state)
{
	static const struct {
		const char *registry, *account, *region;
	} table[] = {
		{ "111122223333.dkr.ecr.eu-west-1.amazonaws.com", "111122223333", "eu-west-1" },
		{ "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "111122223333",
		  "us-gov-west-1" },
		{ "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn", "111122223333",
		  "cn-north-1" },
		{ "111122223333.dkr-ecr.us-east-1.on.aws", "111122223333", "us-east-1" },
		{ "111122223333.dkr-ecr-fips.us-east-1.on.aws", "111122223333", "us-east-1" },
		{ "111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu", "111122223333",
		  "eusc-de-east-1" },
		{ "public.ecr.aws", NULL, NULL },
		{ "11112222333.dkr.ecr.eu-west-1.amazonaws.com", NULL, NULL },
		{ "1111222233334.dkr.ecr.eu-west-1.amazonaws.com", NULL, NULL },
		{ "111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.io", NULL, NULL },
		{ "111122223333.dkr.ecr..amazonaws.com", NULL, NULL },
		{ "111122223333.dkr.ecr.eu-west-1", NULL, NULL },
		{ "111122223333.dkr.ecr.0123456789012345678901234567890123.amazonaws.com", NULL,
		  NULL },
		{ "111122223333", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_ecr_name name = { .account = "before" };
		bool is = bl_image_ref_ecr(table[i].registry, &name);

		if (is != (table[i].account != NULL))
			fail_msg("%s: %d", table[i].registry, is);
		assert_string_equal(name.account, is ? table[i].account : "before");
		assert_string_equal(name.region, is ? table[i].region : "");
	}
}

static void tags_have_few_characters(void **state)
{
	(void)state;
	assert_true(bl_image_tag_valid("v1.2_3-RC"));
	assert_true(bl_image_tag_valid("_"));
	assert_true(bl_image_tag_valid(TAG128));
	assert_false(bl_image_tag_valid(TAG128 "0"));
	assert_false(bl_image_tag_valid(""));
	assert_false(bl_image_tag_valid("a/b"));
	assert_false(bl_image_tag_valid("a b"));
	assert_false(bl_image_tag_valid("-"));
}

static int story(struct bl_err *err)
{
	struct bl_image_ref ref;

	return bl_image_ref_parse("localhost:5000/demo:t", &ref, err);
}

static void memory_runs_out(void **state)
{
	(void)state;
	each_allocation_fails(story, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_apart),
		cmocka_unit_test(bad_names_say_what_is_wrong),
		cmocka_unit_test(long_names_are_bounded),
		cmocka_unit_test(ecr_is_known_by_its_name),
		cmocka_unit_test(tags_have_few_characters),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests_name("image ref", tests, NULL, NULL);
}
