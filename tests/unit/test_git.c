/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git.h"

#include "codec/git_remote.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void a_clean_work_tree_is_described(void **state)
{
	struct bl_git git = repo_read("repo/sub");
	char root[PATH_MAX];

	(void)state;
	assert_non_null(realpath(folder_path("repo"), root));
	assert_true(git.found);
	assert_string_equal(git.root, root);
	assert_int_equal(strlen(git.sha), 40);
	assert_int_equal(strlen(git.tree), 40);
	assert_string_equal(git.branch, "main");
	assert_string_equal(git.remote, "");
	assert_string_equal(git.subject, "First line");
	assert_false(git.dirty);
}

static void what_makes_it_dirty(void **state)
{
	(void)state;
	put_text("repo/x.log", "ignored");
	put_text("repo/.branchline/.gitignore", "*\n");
	put_text("repo/.branchline/run", "ignored");
	assert_false(repo_read("repo").dirty);
	put_text("repo/new", "untracked");
	assert_true(repo_read("repo").dirty);
	GIT("repo", "clean", "-fdq");
	assert_false(repo_read("repo").dirty);
	put_text("repo/a", "changed\n");
	assert_true(repo_read("repo").dirty);
	GIT("repo", "add", "a");
	assert_true(repo_read("repo").dirty);
}

static void head_can_be_detached_or_unborn(void **state)
{
	struct bl_git git;

	(void)state;
	GIT("repo", "checkout", "-q", "--detach");
	git = repo_read("repo");
	assert_string_equal(git.branch, "");
	assert_int_equal(strlen(git.sha), 40);
	GIT(".", "init", "-q", "-b", "trunk", "fresh");
	git = repo_read("fresh");
	assert_true(git.found);
	assert_string_equal(git.sha, "");
	assert_string_equal(git.branch, "trunk");
	assert_false(git.dirty);
	put_text("fresh/x", "x\n");
	assert_true(repo_read("fresh").dirty);
}

static void no_repository_is_an_answer(void **state)
{
	(void)state;
	put_text("plain/file", "");
	struct bl_git git = repo_read("plain");
	assert_false(git.found);
	assert_string_equal(git.root, "");
	assert_false(repo_read("absent").found);
	GIT(".", "init", "-q", "--bare", "bare");
	assert_false(repo_read("bare").found);
}

static void the_remote_shows_no_credentials(void **state)
{
	(void)state;
	GIT("repo", "remote", "add", "origin", "https://x-access-token:ghs_1@github.com/a/b.git");
	assert_string_equal(repo_read("repo").remote, "https://github.com/a/b.git");
}

/*
 * In a process of its own: Debian's libgit2 leaks in reading the extensions of a repository, and
 * the leak checker would call that ours.
 */
static bool linked_is_read(const char *sha)
{
	struct bl_err err = { 0 };
	struct bl_git git;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(!(!bl_git_read(folder_path("linked"), &git, &err) && git.found &&
		        !strcmp(git.sha, sha) && !strcmp(git.branch, "side")));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void linked_work_trees_and_partial_clones_are_read(void **state)
{
	struct bl_git git = repo_read("repo");

	(void)state;
	GIT("repo", "config", "core.repositoryformatversion", "1");
	GIT("repo", "config", "extensions.worktreeConfig", "true");
	GIT("repo", "config", "extensions.partialClone", "origin");
	GIT("repo", "worktree", "add", "-q", "-b", "side", "../linked");
	assert_true(linked_is_read(git.sha));
}

static void files_are_read_at_a_commit(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(14);
	struct bl_err err = { 0 };
	struct bl_git git = repo_read("repo");

	(void)state;
	put_text("repo/a", "changed since\n");
	assert_int_equal(bl_git_file(git.root, git.sha, "a", &out, &err), 0);
	assert_string_equal(bl_buf_text(&out), "one\ntwo\nthree\n");
	bl_buf_reset(&out);
	assert_int_equal(bl_git_file(git.root, git.sha, "sub/c", &out, &err), 0);
	assert_string_equal(bl_buf_text(&out), "c\n");
	assert_int_equal(bl_git_file(git.root, git.sha, "a", &out, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static void what_a_commit_lacks_is_said(void **state)
{
	static const char other[] = "1111111111111111111111111111111111111111";
	struct bl_git git = repo_read("repo");
	const struct {
		const char *sha, *path;
		enum bl_code code;
		const char *text;
	} table[] = {
		{ git.sha, "absent", BL_ENOENT, "'absent' is not in commit" },
		{ git.sha, "sub", BL_EINPUT, "'sub' in commit" },
		{ other, "a", BL_ENOENT,
		  "commit 1111111111111111111111111111111111111111 is not in" },
		{ "1234", "a", BL_EINPUT, "'1234' is not a commit's 40 digits" },
		{ "main", "a", BL_EINPUT, "'main' is not a commit's 40 digits" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(100);
		struct bl_err err = { 0 };

		assert_int_equal(bl_git_file(git.root, table[i].sha, table[i].path, &out, &err),
		                 -1);
		assert_int_equal(err.code, table[i].code);
		assert_memory_equal(err.text, table[i].text, strlen(table[i].text));
		assert_int_equal(out.len, 0);
	}
}

static void commits_are_compared_as_numstat_does(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(1000);
	struct bl_git before = repo_read("repo"), after;
	struct bl_err err = { 0 };

	(void)state;
	put_text("repo/a", "one\n2\nthree\nfour\n");
	put_bytes("repo/bin", "\0\1", 2);
	put_text("repo/new", "1\n2\n");
	GIT("repo", "rm", "-q", "sub/c");
	GIT("repo", "add", "-A");
	GIT("repo", "commit", "-q", "-m", "second");
	after = repo_read("repo");
	assert_int_equal(bl_git_diffstat(before.root, before.sha, after.sha, &out, &err), 0);
	assert_string_equal(bl_buf_text(&out), "2\t1\ta\n-\t-\tbin\n2\t0\tnew\n0\t1\tsub/c\n");
}

static void remotes_lose_what_lets_one_in(void **state)
{
	static const char *const table[][3] = {
		/* URL, clean, name or NULL */
		{ "https://github.com/o/n.git", "https://github.com/o/n.git", "github.com/o/n" },
		{ "https://u:p@GitHub.com/O/n/", "https://GitHub.com/O/n/", "github.com/O/n" },
		{ "https://token@github.com:443/o/n", "https://github.com:443/o/n",
		  "github.com/o/n" },
		{ "http://a@b:c@host/x", "http://host/x", "host/x" },
		{ "ssh://git@github.com/o/n.git", "ssh://git@github.com/o/n.git",
		  "github.com/o/n" },
		{ "ssh://u:p@host:2222/o/n", "ssh://u@host:2222/o/n", "host/o/n" },
		{ "git@github.com:o/n.git", "git@github.com:o/n.git", "github.com/o/n" },
		{ "github.com:/o/n.git", "github.com:/o/n.git", "github.com/o/n" },
		{ "https://[::1]:8080/o/n", "https://[::1]:8080/o/n", "[::1]/o/n" },
		{ "https://host/g/sub/n.git/", "https://host/g/sub/n.git/", "host/g/sub/n" },
		{ "https://host", "https://host", NULL },
		{ "https:///o/n", "https:///o/n", NULL },
		{ "file:///srv/n.git", "file:///srv/n.git", NULL },
		{ "/srv/a:b/n.git", "/srv/a:b/n.git", NULL },
		{ "../n", "../n", NULL },
		{ "", "", NULL },
		{ "https://", "https://", NULL },
		{ "https://user@", "https://user@", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) clean = BL_BUF(100);
		BL_AUTO(bl_buf) name = BL_BUF(100);

		bl_remote_add_clean(&clean, table[i][0]);
		assert_string_equal(bl_buf_text(&clean), table[i][1]);
		assert_int_equal(bl_remote_add_name(&name, table[i][0]), table[i][2] != NULL);
		assert_string_equal(bl_buf_text(&name), table[i][2] ? table[i][2] : "");
	}
}

static void the_key_is_the_same_in_ci_and_on_a_laptop(void **state)
{
	struct bl_git ci = { .found = true,
		             .root = "/home/runner/work/n",
		             .remote = "https://github.com/o/n" };
	struct bl_git laptop = { .found = true,
		                 .root = "/home/me/n",
		                 .remote = "git@github.com:o/n.git" };
	struct bl_git none = { 0 }, local = { .found = true, .root = "/home/me/n" };
	struct bl_err err = { 0 };
	char a[17], b[17];

	(void)state;
	assert_int_equal(bl_git_repo_key(&ci, "/x", a, &err), 0);
	assert_int_equal(bl_git_repo_key(&laptop, "/y", b, &err), 0);
	assert_string_equal(a, b);
	/* printf 'github.com/o/n' | sha256sum */
	assert_string_equal(a, "7d65a432a6e56816");
	assert_int_equal(bl_git_repo_key(&local, "/home/me/n/sub", a, &err), 0);
	assert_int_equal(bl_git_repo_key(&none, "/home/me/n", b, &err), 0);
	assert_string_equal(a, b);
	assert_int_equal(bl_git_repo_key(&none, "/home/me/m", b, &err), 0);
	assert_string_not_equal(a, b);
}

static struct bl_git known; /* read before allocations fail */

/*
 * zlib and the C library allocate for libgit2 behind its back, and it takes their failure for
 * that of a file. Nothing may crash, and the failure has a code; the right one only libgit2 knows.
 */
static int judged(int rc, struct bl_err *err)
{
	if (rc && (err->code == BL_EIO || err->code == BL_ENOENT))
		err->code = BL_ENOMEM;
	return rc;
}

static int read_all(struct bl_err *err)
{
	struct bl_git git;

	return judged(bl_git_read(known.root, &git, err), err);
}

static int write_patch(struct bl_err *err)
{
	BL_AUTO(bl_buf) patch = BL_BUF(10000);

	return judged(bl_git_patch(known.root, &patch, err), err);
}

static int read_and_compare(struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(10000);
	char key[17];

	if (bl_git_repo_key(&known, "/", key, err) ||
	    bl_git_file(known.root, known.sha, "a", &out, err))
		return judged(-1, err);
	return judged(bl_git_diffstat(known.root, known.sha, known.sha, &out, err), err);
}

static void every_failed_allocation_is_told(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	put_text("repo/a", "changed\n");
	known = repo_read("repo");
	assert_int_equal(read_and_compare(&err), 0);
	each_allocation_fails(read_all, 3000);
	each_allocation_fails(write_patch, 3000);
	each_allocation_fails(read_and_compare, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPO_TEST(a_clean_work_tree_is_described),
		REPO_TEST(what_makes_it_dirty),
		REPO_TEST(head_can_be_detached_or_unborn),
		REPO_TEST(no_repository_is_an_answer),
		REPO_TEST(the_remote_shows_no_credentials),
		REPO_TEST(linked_work_trees_and_partial_clones_are_read),
		REPO_TEST(files_are_read_at_a_commit),
		REPO_TEST(what_a_commit_lacks_is_said),
		REPO_TEST(commits_are_compared_as_numstat_does),
		cmocka_unit_test(remotes_lose_what_lets_one_in),
		cmocka_unit_test(the_key_is_the_same_in_ci_and_on_a_laptop),
		REPO_TEST(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("git", tests, NULL, NULL);
}
