/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git.h"

#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* Content of the work tree as a tree id, everything that is not ignored added. */
static void tree_of(const char *name, char tree[41])
{
	GIT(name, "add", "-A");
	GIT(name, "commit", "-q", "--allow-empty", "-m", "x");
	snprintf(tree, 41, "%s", repo_read(name).tree);
}

static void apply_gives_the_same_tree(const char *from, const char *to)
{
	BL_AUTO(bl_buf) patch = BL_BUF(1 << 20);
	char one[41], other[41];
	struct bl_err err = { 0 };

	if (bl_git_patch(folder_path(from), &patch, &err))
		fail_msg("%s", err.text);
	put_bytes("patch", bl_buf_text(&patch), patch.len);
	GIT(to, "apply", "../patch");
	tree_of(from, one);
	tree_of(to, other);
	assert_string_equal(one, other);
}

static void git_applies_our_patch(void **state)
{
	unsigned char noise[5000];
	uint64_t seed = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		noise[i] = (unsigned char)(seed >> 56);
	}
	GIT(".", "clone", "-q", "repo", "copy");
	/* whatever the user prefers, the patch must stay one that applies */
	GIT("repo", "config", "diff.mnemonicPrefix", "true");
	GIT("repo", "config", "diff.noprefix", "true");
	GIT("repo", "config", "core.abbrev", "8");
	put_text("repo/a", "one\n2\nthree\nfour");
	put_text("repo/b", "a newline\n");
	put_bytes("repo/bin", noise, 1000);
	put_bytes("repo/new.bin", noise, sizeof(noise));
	put_text("repo/deep/er/file with space\xc3\xa9", "x\n");
	put_text("repo/empty", "");
	put_text("repo/x.log", "ignored");
	put_text("repo/staged", "staged\n");
	GIT("repo", "add", "staged");
	remove_path("repo/sub/c");
	make_link("repo/link", "a");
	put_text("repo/tool", "#!/bin/sh\n");
	assert_int_equal(chmod(folder_path("repo/tool"), 0755), 0);
	apply_gives_the_same_tree("repo", "copy");
}

static void the_first_commit_needs_no_head(void **state)
{
	(void)state;
	GIT(".", "init", "-q", "one");
	GIT(".", "init", "-q", "two");
	put_text("one/x", "x\n");
	apply_gives_the_same_tree("one", "two");
}

static void a_clean_tree_has_an_empty_patch(void **state)
{
	BL_AUTO(bl_buf) patch = BL_BUF(100);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_git_patch(folder_path("repo"), &patch, &err), 0);
	assert_int_equal(patch.len, 0);
}

static void a_patch_over_its_limit_is_refused(void **state)
{
	BL_AUTO(bl_buf) patch = BL_BUF(100);
	struct bl_err err = { 0 };
	char block[101];

	(void)state;
	memset(block, 'x', sizeof(block));
	put_bytes("repo/big", block, sizeof(block));
	assert_int_equal(bl_git_patch(folder_path("repo"), &patch, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "changes not committed: 'big' alone is over 100 bytes");
	bl_err_clear(&err);
	bl_buf_reset(&patch);
	put_bytes("repo/big", block, 90);
	assert_int_equal(bl_git_patch(folder_path("repo"), &patch, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "changes not committed: over the limit of 100 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPO_TEST(git_applies_our_patch),
		REPO_TEST(the_first_commit_needs_no_head),
		REPO_TEST(a_clean_tree_has_an_empty_patch),
		REPO_TEST(a_patch_over_its_limit_is_refused),
	};

	return cmocka_run_group_tests_name("git: patches", tests, NULL, NULL);
}
