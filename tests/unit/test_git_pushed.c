/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_pushed.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static char first[64], second[64];

static int make_repository(void **state)
{
	if (folder_make(state))
		return -1;
	if (repo_run(folder, (const char *const[]){ "init", "-q", "-b", "main", NULL }, NULL) ==
	    127)
		skip();
	REPO_GIT(folder, "commit", "-q", "--allow-empty", "-m", "one");
	REPO_ASK(first, folder, "rev-parse", "HEAD");
	REPO_GIT(folder, "commit", "-q", "--allow-empty", "-m", "two");
	REPO_ASK(second, folder, "rev-parse", "HEAD");
	return 0;
}

static bool is_pushed(const char *sha)
{
	struct bl_err err = { 0 };
	bool pushed = false;

	if (bl_git_is_pushed(folder, sha, &pushed, &err))
		fail_msg("%s", err.text);
	return pushed;
}

static void what_a_remote_branch_holds_is_pushed(void **state)
{
	(void)state;
	assert_false(is_pushed(first) || is_pushed(second));
	REPO_GIT(folder, "update-ref", "refs/remotes/origin/topic", first);
	REPO_GIT(folder, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone");
	assert_true(is_pushed(first));
	assert_false(is_pushed(second));
	REPO_GIT(folder, "update-ref", "refs/remotes/other/a/b", second);
	assert_true(is_pushed(first) && is_pushed(second));
}

static void a_commit_that_is_not_here(void **state)
{
	struct bl_err err = { 0 };
	bool pushed = true;

	(void)state;
	assert_int_equal(
		bl_git_is_pushed(folder, "00000000000000000000000000000000000000ff", &pushed, &err),
		-1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_true(pushed);
}

static int story(struct bl_err *err)
{
	bool pushed;

	return bl_git_is_pushed(folder, second, &pushed, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	REPO_GIT(folder, "update-ref", "refs/remotes/origin/topic", first);
	each_allocation_fails(story, 2000);
}

#define IN_REPOSITORY(test) cmocka_unit_test_setup_teardown(test, make_repository, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(what_a_remote_branch_holds_is_pushed),
		IN_REPOSITORY(a_commit_that_is_not_here),
		IN_REPOSITORY(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
