/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_login_parts.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AUTH_UP "\"auth\":\"dTpw\""        /* u:p */
#define AUTH_OTHER "\"auth\":\"bzpxOnI=\"" /* o:q:r */

static const struct {
	const char *registry, *file, *user, *password, *helper;
	bool is_token;
} files[] = {
	{ "r.io", "{}", "", "", "", false },
	{ "r.io", "{\"auths\":{}}", "", "", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":{" AUTH_UP "}}}", "u", "p", "", false },
	{ "r.io", "{\"auths\":{\"other\":{" AUTH_UP "}}}", "", "", "", false },
	{ "r.io:5", "{\"auths\":{\"r.io\":{" AUTH_UP "}}}", "", "", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":{" AUTH_OTHER "}}}", "o", "q:r", "", false },
	/* trailing NULs, as some tools write them */
	{ "r.io", "{\"auths\":{\"r.io\":{\"auth\":\"dTpwAAA=\"}}}", "u", "p", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":{\"username\":\"a\",\"password\":\"b\"}}}", "a", "b", "",
	  false },
	{ "r.io", "{\"auths\":{\"r.io\":{\"username\":\"a\"}}}", "", "", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":{\"auth\":\"Og==\"}}}", "", "", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":{" AUTH_UP ",\"identitytoken\":\"tok\"}}}", "u", "tok", "",
	  true },
	{ "r.io", "{\"auths\":{\"r.io\":{\"identitytoken\":\"tok\"}}}", "<token>", "tok", "",
	  true },
	/* by path, longest first */
	{ "r.io/a/b", "{\"auths\":{\"r.io\":{" AUTH_UP "},\"r.io/a\":{" AUTH_OTHER "}}}", "o",
	  "q:r", "", false },
	{ "r.io/a/b", "{\"auths\":{\"r.io\":{" AUTH_UP "},\"r.io/b\":{" AUTH_OTHER "}}}", "u", "p",
	  "", false },
	{ "r.io", "{\"auths\":{\"r.io/a\":{" AUTH_UP "}}}", "", "", "", false },
	/* as URL */
	{ "r.io", "{\"auths\":{\"https://r.io/v1/\":{" AUTH_UP "}}}", "u", "p", "", false },
	{ "r.io", "{\"auths\":{\"http://r.io\":{" AUTH_UP "}}}", "u", "p", "", false },
	{ "r.io", "{\"auths\":{\"https://r.io.evil/\":{" AUTH_UP "}}}", "", "", "", false },
	/* Docker Hub by its old names */
	{ "docker.io", "{\"auths\":{\"https://index.docker.io/v1/\":{" AUTH_UP "}}}", "u", "p", "",
	  false },
	{ "docker.io/library/x", "{\"auths\":{\"index.docker.io\":{" AUTH_UP "}}}", "u", "p", "",
	  false },
	{ "docker.io", "{\"auths\":{\"docker.io\":{" AUTH_UP "}}}", "u", "p", "", false },
	{ "r.io", "{\"auths\":{\"https://index.docker.io/v1/\":{" AUTH_UP "}}}", "", "", "",
	  false },
	/* helpers */
	{ "r.io", "{\"credsStore\":\"pass\"}", "", "", "pass", false },
	{ "r.io", "{\"credsStore\":\"pass\",\"auths\":{\"r.io\":{}}}", "", "", "pass", false },
	{ "r.io", "{\"credsStore\":\"pass\",\"auths\":{\"r.io\":{" AUTH_UP "}}}", "u", "p", "",
	  false },
	{ "r.io",
	  "{\"credsStore\":\"pass\",\"credHelpers\":{\"r.io\":\"gcr-1.x_y\"},"
	  "\"auths\":{\"r.io\":{" AUTH_UP "}}}",
	  "", "", "gcr-1.x_y", false },
	{ "r.io/a/b", "{\"credHelpers\":{\"r.io\":\"gcr\"}}", "", "", "gcr", false },
	{ "r.io", "{\"credHelpers\":{\"s.io\":\"gcr\"}}", "", "", "", false },
	{ "docker.io", "{\"credHelpers\":{\"https://index.docker.io/v1/\":\"hub\"}}", "", "", "hub",
	  false },
	/* an empty one turns the store off */
	{ "r.io", "{\"credsStore\":\"pass\",\"credHelpers\":{\"r.io\":\"\"}}", "", "", "", false },
	{ "r.io", "{\"credsStore\":\"\"}", "", "", "", false },
	{ "r.io", "{\"auths\":{\"r.io\":null},\"HttpHeaders\":{\"x\":1}}", "", "", "", false },
};

static void a_file_says_who_we_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(files); i++) {
		struct bl_login login = { 0 };
		struct bl_err err = { 0 };
		char helper[128] = "x";
		bool found = !*files[i].user && !*files[i].helper;

		must(bl_login_of_config(files[i].file, strlen(files[i].file), "f",
		                        files[i].registry, &login, helper, &found, &err),
		     &err);
		if (strcmp(login.user, files[i].user) != 0 ||
		    strcmp(bl_secret_text(&login.password), files[i].password) != 0 ||
		    strcmp(helper, files[i].helper) != 0 ||
		    login.is_identity_token != files[i].is_token ||
		    found != (*files[i].user || *files[i].helper))
			fail_msg("%zu: %s: %s %s helper '%s' token %d found %d", i, files[i].file,
			         login.user, bl_secret_text(&login.password), helper,
			         login.is_identity_token, found);
		bl_login_done(&login);
	}
}

#define LONG_USER "bG9uZ2xvbmdsb25nbG9uZ2xvbmdsb25nbG9uZ2xvbmdsb25n"
#define LONG_8 LONG_USER LONG_USER LONG_USER LONG_USER LONG_USER LONG_USER LONG_USER LONG_USER

static void what_is_wrong_in_a_file_is_named(void **state)
{
	static const struct {
		const char *file, *why;
	} table[] = {
		{ "", "the.json" },
		{ "[]", "the.json: the document: expected map, found list" },
		{ "{\"auths\":[]}", "auths: expected map" },
		{ "{\"credHelpers\":7}", "credHelpers: expected map" },
		{ "{\"credsStore\":{}}", "credsStore: expected text" },
		{ "{\"credHelpers\":{\"r.io\":[]}}", "credHelpers: expected text" },
		{ "{\"auths\":{\"r.io\":\"dTpw\"}}", "auths of r.io: its entry: expected map" },
		{ "{\"auths\":{\"r.io\":{\"auth\":7}}}", "auths of r.io: auth: expected text" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dTpw!\"}}}", "auth is not base64" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dTpwdT\"}}}", "auth is not base64" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dTpw", "the.json:1:" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dQ==\"}}}", "not the base64 of USER:PASSWORD" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dQB1OnA=\"}}}", "not the base64 of USER:PASS" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"dTpwAHA=\"}}}", "NUL" },
		{ "{\"auths\":{\"r.io\":{\"auth\":\"" LONG_8 "OnA=\"}}}",
		  "auths of r.io: a user name of 288 bytes" },
		{ "{\"credsStore\":\"../../bin/sh\"}", "'../../bin/sh' is no name of a helper" },
		{ "{\"credHelpers\":{\"r.io\":\"a b\"}}", "'a b' is no name of a helper" },
		{ "{\"a\":1,\"a\":2}", "the.json:1:" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_login login = { .user = "before" };
		struct bl_err err = { 0 };
		char helper[128] = "x";
		bool found;

		assert_int_equal(bl_login_of_config(table[i].file, strlen(table[i].file),
		                                    "the.json", "r.io", &login, helper, &found,
		                                    &err),
		                 -1);
		if (err.code != BL_EINPUT || !strstr(err.text, table[i].why) || !*err.next ||
		    strstr(err.text, "dTpw"))
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
		assert_string_equal(login.user, "before");
	}
}

static int config_story(struct bl_err *err)
{
	static const char file[] = "{\"auths\":{\"r.io\":{" AUTH_UP "}}}";
	struct bl_login login = { 0 };
	char helper[128];
	bool found;
	int rc = bl_login_of_config(file, sizeof(file) - 1, "f", "r.io", &login, helper, &found,
	                            err);

	bl_login_done(&login);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	each_allocation_fails(config_story, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_says_who_we_are),
		cmocka_unit_test(what_is_wrong_in_a_file_is_named),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("image logins in files", tests, NULL, NULL);
}
