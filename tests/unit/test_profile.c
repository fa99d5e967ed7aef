/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Also a driver, for comparison with botocore (tests/e2e/test_profiles.py): each argument is
 * KIND/NAME/KEY, and its value is printed, "-" for none, with line ends as \n.
 */
#include "aws/profile.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
	if (folder_make(state))
		return -1;
	unsetenv("AWS_PROFILE");
	unsetenv("AWS_DEFAULT_PROFILE");
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", folder_path("credentials"), 1);
	return 0;
}

static struct bl_profiles *read_all(void)
{
	struct bl_profiles *profiles = NULL;
	struct bl_err err = { 0 };

	if (bl_profiles_read(&profiles, &err))
		fail_msg("%s", err.text);
	return profiles;
}

static void expect(const struct bl_profiles *profiles, const char *kind, const char *name,
                   const char *key, const char *value)
{
	const char *got = bl_profiles_get(profiles, kind, name, key);

	if ((got == NULL) != (value == NULL) || (got && strcmp(got, value)))
		fail_msg("%s %s %s: '%s'", kind, name, key, got ? got : "(none)");
}

static const char as_people_write[] = "\xef\xbb\xbf# mine\r\n"
				      "[default]\r\n"
				      "region = eu-central-1\r\n"
				      "output=json   # tables hurt\r\n"
				      "\r\n"
				      "[profile \"dev team\"]  # quoted\r\n"
				      "REGION = us-east-1\n"
				      "role_arn : arn:aws:iam::123456789012:role/r\n"
				      "; gone = yes\n"
				      "s3 =\n"
				      "  addressing_style = path\n"
				      "\n"
				      "  # between\n"
				      "  endpoint_url = http://127.0.0.1:9000/#part\n"
				      "max_attempts = 5\n"
				      "credential_process = /bin/x --a \"b c\" # d\n"
				      "[services mine]\n"
				      "s3 =\n"
				      "\tendpoint_url = http://s3\n"
				      "sts =\n"
				      "\tendpoint_url = http://sts\n"
				      "[sso-session corp]\n"
				      "sso_region = us-east-1\n"
				      "[other]\n"
				      "region = not-a-profile\n"
				      "[profile a b]\n"
				      "region = three-words\n"
				      "[ profile  'tabs' ]\n"
				      "region = ca-west-1";

static void a_file_as_people_write_them(void **state)
{
	struct bl_profiles *profiles;

	(void)state;
	put_text("config", as_people_write);
	profiles = read_all();
	expect(profiles, "profile", "default", "region", "eu-central-1");
	expect(profiles, "profile", "default", "output", "json");
	expect(profiles, "profile", "dev team", "region", "us-east-1");
	expect(profiles, "profile", "dev team", "Region", "us-east-1");
	expect(profiles, "profile", "dev team", "role_arn", "arn:aws:iam::123456789012:role/r");
	expect(profiles, "profile", "dev team", "gone", NULL);
	expect(profiles, "profile", "dev team", "s3", NULL);
	expect(profiles, "profile", "dev team", "s3.addressing_style", "path");
	expect(profiles, "profile", "dev team", "S3.Endpoint_URL", "http://127.0.0.1:9000/#part");
	expect(profiles, "profile", "dev team", "endpoint_url", NULL);
	expect(profiles, "profile", "dev team", "s.endpoint_url", NULL);
	expect(profiles, "profile", "dev team", "s3x.endpoint_url", NULL);
	expect(profiles, "profile", "dev team", "max_attempts", "5");
	expect(profiles, "profile", "dev team", "credential_process", "/bin/x --a \"b c\"");
	expect(profiles, "services", "mine", "s3.endpoint_url", "http://s3");
	expect(profiles, "services", "mine", "sts.endpoint_url", "http://sts");
	expect(profiles, "profile", "mine", "s3.endpoint_url", NULL);
	expect(profiles, "sso-session", "corp", "sso_region", "us-east-1");
	expect(profiles, "profile", "other", "region", NULL);
	expect(profiles, "profile", "a", "region", NULL);
	expect(profiles, "profile", "tabs", "region", "ca-west-1");
	assert_true(bl_profiles_has(profiles, "default"));
	assert_true(bl_profiles_has(profiles, "dev team"));
	assert_false(bl_profiles_has(profiles, "other"));
	assert_false(bl_profiles_has(profiles, "corp"));
	assert_false(bl_profiles_has(profiles, ""));
	bl_profiles_free(profiles);
}

static void the_credentials_file_wins(void **state)
{
	struct bl_profiles *profiles;

	(void)state;
	put_text("config", "[default]\naws_access_key_id = C\nregion = r\n[profile p]\nx = c\n");
	put_text("credentials",
	         "[default]\naws_access_key_id = S\naws_secret_access_key = a=b/c+d==\n"
	         "[p]\nx =\n[profile q]\ny = 1\n[only here]\nz = 1\n");
	profiles = read_all();
	expect(profiles, "profile", "default", "aws_access_key_id", "S");
	expect(profiles, "profile", "default", "aws_secret_access_key", "a=b/c+d==");
	expect(profiles, "profile", "default", "region", "r");
	expect(profiles, "profile", "p", "x", "c"); /* an empty one is none */
	assert_string_equal(bl_profiles_get_config(profiles, "default", "aws_access_key_id"), "C");
	assert_string_equal(bl_profiles_get_shared(profiles, "default", "aws_access_key_id"), "S");
	assert_null(bl_profiles_get_shared(profiles, "default", "region"));
	assert_null(bl_profiles_get_config(profiles, "only here", "z"));
	assert_false(bl_profiles_has(profiles, "q")); /* no "profile" in that file's names */
	assert_true(bl_profiles_has(profiles, "only here"));
	bl_profiles_free(profiles);
}

static void sections_of_one_name_are_one(void **state)
{
	struct bl_profiles *profiles;

	(void)state;
	put_text("config",
	         "[profile p]\na = 1\nb = 1\n[profile q]\na = 9\n[profile p]\nb = 2\nb = 3\n"
	         "[default]\nregion = bare\nonly = bare\n[profile default]\nregion = full\n");
	profiles = read_all();
	expect(profiles, "profile", "p", "a", "1");
	expect(profiles, "profile", "p", "b", "3");
	expect(profiles, "profile", "default", "region", "full");
	expect(profiles, "profile", "default", "only", NULL);
	bl_profiles_free(profiles);
}

static void values_go_on_by_indentation(void **state)
{
	struct bl_profiles *profiles;

	(void)state;
	put_text("config", "[default]\n"
	                   "  a = one\n"
	                   "    two\n"
	                   "\n"
	                   "    three = 3 # end\n"
	                   "  b = x\n"
	                   " c = y\n"
	                   "  d = z\n"
	                   "e = \n"
	                   "  [not a section]=1\n"
	                   "f=#no comment\n"
	                   "g = # comment\n"
	                   "h = a#b\n");
	profiles = read_all();
	expect(profiles, "profile", "default", "a", "one\ntwo\nthree = 3");
	expect(profiles, "profile", "default", "b", "x");
	expect(profiles, "profile", "default", "c", "y\nd = z");
	expect(profiles, "profile", "default", "e.[not a section]", "1");
	expect(profiles, "profile", "default", "f", "#no comment");
	expect(profiles, "profile", "default", "g", NULL);
	expect(profiles, "profile", "default", "h", "a#b");
	bl_profiles_free(profiles);
}

static void what_cannot_be_read_is_named_without_its_text(void **state)
{
	static const struct {
		const char *text, *why;
	} table[] = {
		{ "region = x\n", ":1: a setting before any section" },
		{ "[default]\n\nSECRET\n", ":3: neither [SECTION] nor KEY = VALUE" },
		{ "[default]\n= SECRET\n", ":2: neither [SECTION] nor KEY = VALUE" },
		{ "[default]\ns3 =\n  SECRET\n", ":3: neither [SECTION] nor KEY = VALUE" },
		{ "[default]\ns3 =\n  SECRET : x\n", ":3: neither [SECTION] nor KEY = VALUE" },
		{ "[default]\n[profile SECRET\n", ":2: a section's name without ']'" },
	};
	struct bl_profiles *profiles = NULL;
	char text[512];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };

		put_text("config", table[i].text);
		assert_int_equal(bl_profiles_read(&profiles, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		snprintf(text, sizeof(text), "%s%s", folder_path("config"), table[i].why);
		assert_string_equal(err.text, text);
		assert_true(*err.next && !strstr(err.next, "SECRET"));
		assert_null(profiles);
	}
}

static void files_are_bounded(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)3 << 20);
	struct bl_profiles *profiles = NULL;
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&text, "[default]\nkey = ");
	while (text.len < (64 << 10) + 10)
		bl_buf_addc(&text, 'x');
	put_bytes("config", text.data, text.len);
	bl_profiles_free(read_all());
	bl_buf_addc(&text, 'x');
	put_bytes("config", text.data, text.len);
	assert_int_equal(bl_profiles_read(&profiles, &err), -1);
	assert_non_null(strstr(err.text, ":2: longer than 64 KiB"));
	bl_err_clear(&err);

	bl_buf_reset(&text);
	bl_buf_adds(&text, "[default]\nkey = v\n");
	while (text.len < (1 << 20) - 4)
		bl_buf_adds(&text, "  x\n");
	put_bytes("config", text.data, text.len);
	bl_profiles_free(read_all());
	bl_buf_adds(&text, "  xxxxx\n");
	put_bytes("config", text.data, text.len);
	assert_int_equal(bl_profiles_read(&profiles, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	bl_err_clear(&err);

	put_bytes("config", "[default]\na = \0b\n", 17);
	assert_int_equal(bl_profiles_read(&profiles, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "NUL"));
	assert_null(profiles);
}

static void where_the_files_are(void **state)
{
	struct bl_profiles *profiles = NULL;
	struct bl_err err = { 0 };
	char home[64];

	(void)state;
	profiles = read_all(); /* neither is there */
	assert_false(bl_profiles_has(profiles, "default"));
	expect(profiles, "profile", "default", "region", NULL);
	bl_profiles_free(profiles);

	snprintf(home, sizeof(home), "%s", folder);
	setenv("HOME", home, 1);
	put_text(".aws/config", "[default]\nregion = home\n");
	put_text("mine", "[default]\nregion = tilde\n");
	unsetenv("AWS_CONFIG_FILE");
	setenv("AWS_SHARED_CREDENTIALS_FILE", "", 1);
	profiles = read_all();
	expect(profiles, "profile", "default", "region", "home");
	bl_profiles_free(profiles);
	setenv("AWS_CONFIG_FILE", "~/mine", 1);
	profiles = read_all();
	expect(profiles, "profile", "default", "region", "tilde");
	bl_profiles_free(profiles);
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	profiles = read_all();
	expect(profiles, "profile", "default", "region", NULL);
	bl_profiles_free(profiles);
	unsetenv("AWS_CONFIG_FILE");
	unsetenv("HOME");
	profiles = read_all();
	expect(profiles, "profile", "default", "region", NULL);
	bl_profiles_free(profiles);

	setenv("AWS_CONFIG_FILE", folder, 1); /* a directory */
	profiles = NULL;
	assert_int_equal(bl_profiles_read(&profiles, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_null(profiles);
	bl_profiles_free(NULL);
}

static void the_profile_by_precedence(void **state)
{
	(void)state;
	assert_string_equal(bl_profile_name(NULL), "default");
	setenv("AWS_DEFAULT_PROFILE", "d", 1);
	assert_string_equal(bl_profile_name(""), "d");
	setenv("AWS_PROFILE", "", 1);
	assert_string_equal(bl_profile_name(NULL), "d");
	setenv("AWS_PROFILE", "p", 1);
	assert_string_equal(bl_profile_name(NULL), "p");
	assert_string_equal(bl_profile_name("n"), "n");
}

static int read_sample(struct bl_err *err)
{
	struct bl_profiles *profiles = NULL;

	if (bl_profiles_read(&profiles, err))
		return -1;
	bl_profiles_free(profiles);
	return 0;
}

static void every_failed_allocation_is_told(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(10000);

	(void)state;
	for (int i = 0; i < 20; i++)
		bl_buf_addf(&text, "[p%d]\na = 1\nb =\n  c = 2\n", i);
	put_bytes("credentials", text.data, text.len);
	put_text("config", "[default]\nregion = x\n");
	each_allocation_fails(read_sample, 100);
}

static int drive(int n, char **asked)
{
	struct bl_profiles *profiles = NULL;
	struct bl_err err = { 0 };

	if (bl_profiles_read(&profiles, &err)) {
		printf("error\n");
		return 0;
	}
	for (int i = 0; i < n; i++) {
		char *name = strchr(asked[i], '/'), *key = name ? strchr(name + 1, '/') : NULL;
		const char *value;

		if (!key)
			return 2;
		*name = *key = '\0';
		value = bl_profiles_get(profiles, asked[i], name + 1, key + 1);
		for (const char *at = value ? value : "-"; *at; at++)
			fputs(*at == '\n' ? "\\n" : (const char[]){ *at, '\0' }, stdout);
		putchar('\n');
	}
	bl_profiles_free(profiles);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, folder_drop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_as_people_write_them),
		TEST(the_credentials_file_wins),
		TEST(sections_of_one_name_are_one),
		TEST(values_go_on_by_indentation),
		TEST(what_cannot_be_read_is_named_without_its_text),
		TEST(files_are_bounded),
		TEST(where_the_files_are),
		TEST(the_profile_by_precedence),
		TEST(every_failed_allocation_is_told),
	};

	if (argc > 1)
		return drive(argc - 1, argv + 1);
	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
