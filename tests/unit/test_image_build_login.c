/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define ECR "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

/* Logins of three registries; `arg` counts who asked. */
static int log_in(void *arg, const char *registry, bool again, struct bl_login *out,
                  struct bl_err *err)
{
	static const struct {
		const char *registry, *user, *password;
		bool is_token;
	} known[] = {
		{ ECR, "AWS", "t0ken", false },
		{ "docker.io", "me", "pw", false },
		{ "acr.example", "", "refresh", true },
	};

	assert_false(again);
	++*(unsigned *)arg;
	for (size_t i = 0; i < BL_COUNT(known); i++) {
		if (strcmp(registry, known[i].registry) != 0)
			continue;
		strncpy(out->user, known[i].user, sizeof(out->user) - 1);
		out->is_identity_token = known[i].is_token;
		return bl_secret_set(&out->password, known[i].password, strlen(known[i].password),
		                     err);
	}
	if (!strcmp(registry, "broken.example"))
		return bl_fail(err, BL_EDENIED, "no helper");
	return 0;
}

static int write_logins(const char *dockerfile, const char *cache, unsigned *asked, char path[4096],
                        struct bl_err *err)
{
	struct bl_build build = { .login = log_in, .login_arg = asked };
	BL_AUTO(build_inputs) inputs = BUILD_INPUTS;

	bl_buf_adds(&inputs.dockerfile, dockerfile);
	if (bl_buf_check(&inputs.dockerfile, "Dockerfile", err))
		return -1;
	return build_write_logins(&build, &inputs, cache, folder, path, err);
}

#define AUTH_ECR "\"" ECR "\":{\"auth\":\"QVdTOnQwa2Vu\"}"

static void who_is_needed_is_in_the_file(void **state)
{
	static const struct {
		const char *dockerfile, *cache, *file; /* NULL: the user's own files do */
		unsigned asked;
	} rows[] = {
		{ "FROM " ECR "/a:1\n", NULL, "{\"auths\":{" AUTH_ECR "}}", 1 },
		{ "FROM scratch\n", ECR "/demo", "{\"auths\":{" AUTH_ECR "}}", 1 },
		{ "FROM " ECR "/a:1\n", ECR "/demo", "{\"auths\":{" AUTH_ECR "}}", 1 },
		/* ours stands before the user's file: what that knows is needed as well */
		{ "FROM python\nCOPY --from=" ECR "/a x y\nCOPY --from=open.example/b x y\n", NULL,
		  "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"bWU6cHc=\"}," AUTH_ECR
		  "}}",
		  3 },
		{ "FROM acr.example/a\n", ECR "/demo",
		  "{\"auths\":{\"acr.example\":{\"auth\":\"Og==\",\"identitytoken\":\"refresh\"}"
		  "," AUTH_ECR "}}",
		  2 },
		{ "FROM python\n", NULL, NULL, 0 },
		{ "FROM acr.example/a\n", "localhost:5000/demo", NULL, 0 },
		{ "FROM $WHAT\nFROM UPPER/x\n", NULL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		struct bl_err err = { 0 };
		char path[4096] = "?";
		unsigned asked = 0;
		struct stat st;

		remove_path("auth.json");
		if (write_logins(rows[i].dockerfile, rows[i].cache, &asked, path, &err))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(asked, rows[i].asked);
		assert_int_equal(err.code, BL_OK);
		if (!rows[i].file) {
			assert_string_equal(path, "");
			assert_false(is_there("auth.json"));
			continue;
		}
		assert_string_equal(path, folder_path("auth.json"));
		assert_file_holds("auth.json", rows[i].file);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void a_login_that_fails_names_the_registry(void **state)
{
	struct bl_err err = { 0 };
	char path[4096];
	unsigned asked = 0;

	(void)state;
	assert_int_equal(write_logins("FROM broken.example/a\n", ECR "/demo", &asked, path, &err),
	                 -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_string_equal(err.text, "log in to broken.example: no helper");
	assert_false(is_there("auth.json"));
}

static int story(struct bl_err *err)
{
	char path[4096];
	unsigned asked = 0;

	return write_logins("FROM python\n", ECR "/demo", &asked, path, err);
}

static void memory_may_end(void **state)
{
	(void)state;
	each_allocation_fails(story, 200);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(who_is_needed_is_in_the_file),
		IN_FOLDER(a_login_that_fails_names_the_registry),
		IN_FOLDER(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
