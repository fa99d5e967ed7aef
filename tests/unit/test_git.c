/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git.h"

#include "codec/git_remote.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/repo.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char base[PATH_MAX]; /* holds the repositories of one test, and is HOME */

#define GIT(dir, ...)                                                                              \
	assert_int_equal(git_status_of(dir, (const char *const[]){ __VA_ARGS__, NULL }), 0)

/* In base/dir. */
static int git_status_of(const char *dir, const char *const *args)
{
	char where[PATH_MAX + 64];

	snprintf(where, sizeof(where), "%s/%s", base, dir);
	return repo_run(where, args, NULL);
}

static void path_of(const char *name, char path[PATH_MAX + 64])
{
	snprintf(path, PATH_MAX + 64, "%s/%s", base, name);
}

static void put(const char *name, const void *bytes, size_t len)
{
	char path[PATH_MAX + 64];
	FILE *file;

	path_of(name, path);
	file = fopen(path, "wbe");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

static void make_dir(const char *name)
{
	char path[PATH_MAX + 64];

	path_of(name, path);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* repo/: one commit of a, b, bin and sub/c on branch main. */
static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(base, sizeof(base), "%s/branchline-git-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(base));
	setenv("HOME", base, 1);
	setenv("XDG_CONFIG_HOME", base, 1);
	make_dir("repo");
	make_dir("repo/sub");
	put_text("repo/a", "one\ntwo\nthree\n");
	put_text("repo/b", "no newline");
	put("repo/bin", "\0\1\2\3", 4);
	put_text("repo/sub/c", "c\n");
	put_text("repo/.gitignore", "*.log\n");
	GIT("repo", "init", "-q", "-b", "main");
	GIT("repo", "add", "-A");
	GIT("repo", "commit", "-q", "-m", "First line\n\nBody");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct bl_git read_at(const char *name)
{
	char path[PATH_MAX + 64];
	struct bl_err err = { 0 };
	struct bl_git git;

	path_of(name, path);
	if (bl_git_read(path, &git, &err))
		fail_msg("%s", err.text);
	assert_int_equal(err.code, BL_OK);
	return git;
}

static void a_clean_work_tree_is_described(void **state)
{
	struct bl_git git = read_at("repo/sub");
	char root[PATH_MAX], path[PATH_MAX + 64];

	(void)state;
	path_of("repo", path);
	assert_non_null(realpath(path, root));
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
	make_dir("repo/.branchline");
	put_text("repo/.branchline/.gitignore", "*\n");
	put_text("repo/.branchline/run", "ignored");
	assert_false(read_at("repo").dirty);
	put_text("repo/new", "untracked");
	assert_true(read_at("repo").dirty);
	GIT("repo", "clean", "-fdq");
	assert_false(read_at("repo").dirty);
	put_text("repo/a", "changed\n");
	assert_true(read_at("repo").dirty);
	GIT("repo", "add", "a");
	assert_true(read_at("repo").dirty);
}

static void head_can_be_detached_or_unborn(void **state)
{
	struct bl_git git;

	(void)state;
	GIT("repo", "checkout", "-q", "--detach");
	git = read_at("repo");
	assert_string_equal(git.branch, "");
	assert_int_equal(strlen(git.sha), 40);
	make_dir("fresh");
	GIT("fresh", "init", "-q", "-b", "trunk");
	git = read_at("fresh");
	assert_true(git.found);
	assert_string_equal(git.sha, "");
	assert_string_equal(git.branch, "trunk");
	assert_false(git.dirty);
	put_text("fresh/x", "x\n");
	assert_true(read_at("fresh").dirty);
}

static void no_repository_is_an_answer(void **state)
{
	(void)state;
	make_dir("plain");
	struct bl_git git = read_at("plain");
	assert_false(git.found);
	assert_string_equal(git.root, "");
	assert_false(read_at("absent").found);
	make_dir("bare");
	GIT("bare", "init", "-q", "--bare");
	assert_false(read_at("bare").found);
}

static void the_remote_shows_no_credentials(void **state)
{
	(void)state;
	GIT("repo", "remote", "add", "origin", "https://x-access-token:ghs_1@github.com/a/b.git");
	assert_string_equal(read_at("repo").remote, "https://github.com/a/b.git");
}

/*
 * In a process of its own: Debian's libgit2 leaks in reading the extensions of a repository, and
 * the leak checker would call that ours.
 */
static bool linked_is_read(const char *sha)
{
	char path[PATH_MAX + 64];
	struct bl_err err = { 0 };
	struct bl_git git;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		path_of("linked", path);
		_exit(!(!bl_git_read(path, &git, &err) && git.found && !strcmp(git.sha, sha) &&
		        !strcmp(git.branch, "side")));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void linked_work_trees_and_partial_clones_are_read(void **state)
{
	struct bl_git git = read_at("repo");

	(void)state;
	GIT("repo", "config", "core.repositoryformatversion", "1");
	GIT("repo", "config", "extensions.worktreeConfig", "true");
	GIT("repo", "config", "extensions.partialClone", "origin");
	GIT("repo", "worktree", "add", "-q", "-b", "side", "../linked");
	assert_true(linked_is_read(git.sha));
}

/* Content of the work tree as a tree id, everything that is not ignored added. */
static void tree_of(const char *name, char tree[41])
{
	GIT(name, "add", "-A");
	GIT(name, "commit", "-q", "--allow-empty", "-m", "x");
	snprintf(tree, 41, "%s", read_at(name).tree);
}

static void apply_gives_the_same_tree(const char *from, const char *to)
{
	BL_AUTO(bl_buf) patch = BL_BUF(1 << 20);
	char path[PATH_MAX + 64], one[41], other[41];
	struct bl_err err = { 0 };

	path_of(from, path);
	if (bl_git_patch(path, &patch, &err))
		fail_msg("%s", err.text);
	put("patch", bl_buf_text(&patch), patch.len);
	GIT(to, "apply", "../patch");
	tree_of(from, one);
	tree_of(to, other);
	assert_string_equal(one, other);
}

static void git_applies_our_patch(void **state)
{
	char path[PATH_MAX + 64];
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
	put("repo/bin", noise, 1000);
	put("repo/new.bin", noise, sizeof(noise));
	make_dir("repo/deep");
	make_dir("repo/deep/er");
	put_text("repo/deep/er/file with space\xc3\xa9", "x\n");
	put_text("repo/empty", "");
	put_text("repo/x.log", "ignored");
	put_text("repo/staged", "staged\n");
	GIT("repo", "add", "staged");
	path_of("repo/sub/c", path);
	assert_int_equal(unlink(path), 0);
	path_of("repo/link", path);
	assert_int_equal(symlink("a", path), 0);
	path_of("repo/tool", path);
	put_text("repo/tool", "#!/bin/sh\n");
	assert_int_equal(chmod(path, 0755), 0);
	apply_gives_the_same_tree("repo", "copy");
}

static void the_first_commit_needs_no_head(void **state)
{
	(void)state;
	make_dir("one");
	make_dir("two");
	GIT("one", "init", "-q");
	GIT("two", "init", "-q");
	put_text("one/x", "x\n");
	apply_gives_the_same_tree("one", "two");
}

static void a_clean_tree_has_an_empty_patch(void **state)
{
	BL_AUTO(bl_buf) patch = BL_BUF(100);
	struct bl_err err = { 0 };
	char path[PATH_MAX + 64];

	(void)state;
	path_of("repo", path);
	assert_int_equal(bl_git_patch(path, &patch, &err), 0);
	assert_int_equal(patch.len, 0);
}

static void a_patch_over_its_limit_is_refused(void **state)
{
	BL_AUTO(bl_buf) patch = BL_BUF(100);
	struct bl_err err = { 0 };
	char path[PATH_MAX + 64], block[101];

	(void)state;
	path_of("repo", path);
	memset(block, 'x', sizeof(block));
	put("repo/big", block, sizeof(block));
	assert_int_equal(bl_git_patch(path, &patch, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "changes not committed: 'big' alone is over 100 bytes");
	bl_err_clear(&err);
	bl_buf_reset(&patch);
	put("repo/big", block, 90);
	assert_int_equal(bl_git_patch(path, &patch, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "changes not committed: over the limit of 100 bytes");
}

static void files_are_read_at_a_commit(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(14);
	struct bl_err err = { 0 };
	struct bl_git git = read_at("repo");

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
	struct bl_git git = read_at("repo");
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
	struct bl_git before = read_at("repo"), after;
	struct bl_err err = { 0 };

	(void)state;
	put_text("repo/a", "one\n2\nthree\nfour\n");
	put("repo/bin", "\0\1", 2);
	put_text("repo/new", "1\n2\n");
	GIT("repo", "rm", "-q", "sub/c");
	GIT("repo", "add", "-A");
	GIT("repo", "commit", "-q", "-m", "second");
	after = read_at("repo");
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
	known = read_at("repo");
	assert_int_equal(read_and_compare(&err), 0);
	each_allocation_fails(read_all, 3000);
	each_allocation_fails(write_patch, 3000);
	each_allocation_fails(read_and_compare, 3000);
}

#define IN_REPOSITORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(a_clean_work_tree_is_described),
		IN_REPOSITORY(what_makes_it_dirty),
		IN_REPOSITORY(head_can_be_detached_or_unborn),
		IN_REPOSITORY(no_repository_is_an_answer),
		IN_REPOSITORY(the_remote_shows_no_credentials),
		IN_REPOSITORY(linked_work_trees_and_partial_clones_are_read),
		IN_REPOSITORY(git_applies_our_patch),
		IN_REPOSITORY(the_first_commit_needs_no_head),
		IN_REPOSITORY(a_clean_tree_has_an_empty_patch),
		IN_REPOSITORY(a_patch_over_its_limit_is_refused),
		IN_REPOSITORY(files_are_read_at_a_commit),
		IN_REPOSITORY(what_a_commit_lacks_is_said),
		IN_REPOSITORY(commits_are_compared_as_numstat_does),
		cmocka_unit_test(remotes_lose_what_lets_one_in),
		cmocka_unit_test(the_key_is_the_same_in_ci_and_on_a_laptop),
		IN_REPOSITORY(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("git", tests, NULL, NULL);
}
