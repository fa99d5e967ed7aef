/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_login_parts.h"

#include "base/clock.h"
#include "tests/unit/folder.h"
#include "tests/unit/login_helper.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_helper_is_asked_by_its_standard_input(void **state)
{
	struct bl_login login = { 0 };
	struct bl_err err = { 0 };
	bool found = false;

	(void)state;
	put_helper("fake", "#!/bin/sh\nprintf '%s|' \"$1\" >$HELPER_DIR/asked\n"
	                   "cat >>$HELPER_DIR/asked\n" ANSWER("u", "p"));
	must(login_ask_helper("fake", "r.io:5000", 10000, &login, &found, &err), &err);
	assert_true(found);
	assert_string_equal(login.user, "u");
	assert_string_equal(bl_secret_text(&login.password), "p");
	assert_false(login.is_identity_token);
	assert_file_holds("asked", "get|r.io:5000");
	bl_login_done(&login);

	put_helper("fake", "#!/bin/sh\n" ANSWER("<token>", "t"));
	must(login_ask_helper("fake", "r.io", 10000, &login, &found, &err), &err);
	assert_true(found && login.is_identity_token);
	assert_string_equal(bl_secret_text(&login.password), "t");
	bl_login_done(&login);
}

static void not_found_is_no_login(void **state)
{
	static const char *const scripts[] = {
		"#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n",
		"#!/bin/sh\n" ANSWER("", ""),
		"#!/bin/sh\n" ANSWER("u", ""),
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(scripts); i++) {
		struct bl_login login = { 0 };
		struct bl_err err = { 0 };
		bool found = true;

		put_helper("fake", scripts[i]);
		must(login_ask_helper("fake", "r.io", 10000, &login, &found, &err), &err);
		assert_false(found);
		assert_string_equal(login.user, "");
	}
}

static void helpers_that_fail(void **state)
{
	static const struct {
		const char *script; /* NULL: not there */
		enum bl_code code;
		const char *why, *next;
	} table[] = {
		{ NULL, BL_EINPUT, "docker-credential-absent", "install it" },
		{ "#!/bin/sh\necho 'the keyring is locked'\nexit 1\n", BL_EDENIED,
		  "docker-credential-fake: exit status 1: the keyring is locked",
		  "printf %s r.io | docker-credential-fake get" },
		{ "#!/bin/sh\nprintf 'no\\033[1m bus\\nmore\\n' >&2\nexit 3\n", BL_EDENIED,
		  "exit status 3: no [1m bus", "by hand" },
		{ "#!/bin/sh\nexit 4\n", BL_EDENIED, "exit status 4", "by hand" },
		{ "#!/bin/sh\nkill -9 $$\n", BL_EDENIED, "ended by SIGKILL", "by hand" },
		{ "#!/bin/sh\necho 'hunter2'\n", BL_EINPUT, "its answer is not JSON", "by hand" },
		{ "#!/bin/sh\necho '{\"Secret\":\"hunter2\"}'\n", BL_EINPUT,
		  "lacks Username or Secret", "by hand" },
		{ "#!/bin/sh\nhead -c 70000 /dev/zero\n", BL_ELIMIT, "its output", "by hand" },
		/* its messages do not count */
		{ "#!/bin/sh\nhead -c 300000 /dev/zero >&2\nexit 5\n", BL_EDENIED, "exit status 5",
		  "by hand" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_login login = { 0 };
		struct bl_err err = { 0 };
		bool found = false;

		put_helper("fake", table[i].script ? table[i].script : "");
		assert_int_equal(login_ask_helper(table[i].script ? "fake" : "absent", "r.io",
		                                  10000, &login, &found, &err),
		                 -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why) ||
		    !strstr(err.next, table[i].next) || strstr(err.text, "hunter2"))
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
		assert_false(found);
	}
}

/* It and its children, or the pipe would stay open. */
static void a_helper_has_a_deadline(void **state)
{
	struct bl_login login = { 0 };
	struct bl_err err = { 0 };
	bool found = false;
	int64_t began;

	(void)state;
	put_helper("slow", "#!/bin/sh\nmkfifo $HELPER_DIR/never\ncat $HELPER_DIR/never\n");
	began = bl_mono_ms();
	assert_int_equal(login_ask_helper("slow", "r.io", 200, &login, &found, &err), -1);
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_true(bl_mono_ms() - began >= 200);
	/* one that closed its output, but stays */
	bl_err_clear(&err);
	put_helper("slow",
	           "#!/bin/sh\n" ANSWER("u", "p") "exec >&- 2>&-\nread -r x <$HELPER_DIR/never\n");
	assert_int_equal(login_ask_helper("slow", "r.io", 200, &login, &found, &err), -1);
	if (!strstr(err.text, "ended by SIGKILL"))
		fail_msg("%s", err.text);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_helper_is_asked_by_its_standard_input),
		IN_FOLDER(not_found_is_no_login),
		IN_FOLDER(helpers_that_fail),
		IN_FOLDER(a_helper_has_a_deadline),
	};

	return cmocka_run_group_tests_name("image login helpers", tests, NULL, NULL);
}
