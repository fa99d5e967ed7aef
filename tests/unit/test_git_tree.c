/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_tree.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

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

#define SOME_SHA "1234567890123456789012345678901234567890"

/* FOLDER/r: a commit with all kinds of entries. */
static int set_up(void **state)
{
	if (folder_make(state))
		return -1;
	put_text("r/a/b", "ab");
	put_text("r/a/.gitkeep", "");
	put_text("r/a.b", "dot");
	put_text("r/a-b", "dash");
	put_text("r/a0", "digit");
	put_text("r/run", "#!/bin/sh\n");
	chmod(folder_path("r/run"), 0755);
	make_link("r/link", "a/b");
	REPO_GIT(folder_path("r"), "init", "-q", "-b", "main");
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "update-index", "--add", "--cacheinfo",
	         "160000," SOME_SHA ",sub");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "one");
	return 0;
}

static int list(void *arg, const struct bl_git_entry *entry, struct bl_err *err)
{
	static const char letters[] = "dfxls";
	struct bl_buf *out = arg;

	(void)err;
	bl_buf_addf(out, "%s%c:%s", out->len ? " " : "", letters[entry->kind], entry->path);
	return 0;
}

static struct bl_git_tree *open_at(const char *name, const char *rev, struct bl_git_commit *commit)
{
	struct bl_git_tree *tree = NULL;
	struct bl_err err = { 0 };

	if (bl_git_tree_open(folder_path(name), rev, &tree, commit, &err))
		fail_msg("%s", err.text);
	return tree;
}

static void entries_come_in_gits_own_order(void **state)
{
	struct bl_git_commit commit;
	BL_GIT_TREE tree = open_at("r", "HEAD", &commit);
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_git_tree_walk(tree, list, &seen, &err), 0);
	assert_string_equal(bl_buf_text(&seen),
	                    "f:a-b f:a.b d:a f:a/.gitkeep f:a/b f:a0 l:link x:run s:sub");
}

static void a_commit_is_named_in_many_ways(void **state)
{
	char sha[64], tree_id[64], prefix[11];
	const char *names[] = { "HEAD", "main", sha, prefix, "v1", "refs/heads/main" };

	(void)state;
	REPO_ASK(sha, folder_path("r"), "rev-parse", "HEAD");
	REPO_ASK(tree_id, folder_path("r"), "rev-parse", "HEAD^{tree}");
	snprintf(prefix, sizeof(prefix), "%.10s", sha);
	REPO_GIT(folder_path("r"), "tag", "-a", "-m", "annotated", "v1");
	REPO_GIT(folder_path("r"), "remote", "add", "origin", "https://u:secret@h.example/o/n.git");
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		struct bl_git_commit commit;
		BL_GIT_TREE tree = open_at("r/a", names[i], &commit);

		assert_non_null(tree);
		assert_string_equal(commit.sha, sha);
		assert_string_equal(commit.tree, tree_id);
		assert_int_equal(commit.committed_s, 1700000000);
		assert_string_equal(commit.branch, "main");
		assert_string_equal(commit.remote, "https://h.example/o/n.git");
		assert_false(commit.partial);
	}
}

static void what_names_no_commit_is_refused(void **state)
{
	static const struct {
		const char *rev, *why, *next;
		enum bl_code code;
	} table[] = {
		{ "nowhere", "is not in this clone", "origin nowhere:nowhere`", BL_ENOENT },
		{ SOME_SHA, "is not in this clone", "`git fetch origin " SOME_SHA "`", BL_ENOENT },
		{ "12345678", "is not in this clone", "--unshallow", BL_ENOENT },
		{ "", "is not the name", "", BL_EINPUT },
		{ "-x", "is not the name", "", BL_EINPUT },
		{ "HEAD:a", "is not the name", "", BL_EINPUT },
		{ "HEAD^{tree}", "is not the name", "", BL_EINPUT },
		{ "blob", "is no commit", "", BL_EINPUT },
	};

	(void)state;
	REPO_GIT(folder_path("r"), "update-ref", "refs/tags/blob", "HEAD:a.b");
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_git_commit commit;
		struct bl_git_tree *tree = NULL;
		struct bl_err err = { 0 };

		assert_int_equal(
			bl_git_tree_open(folder_path("r"), table[i].rev, &tree, &commit, &err), -1);
		if (!strstr(err.text, table[i].why) || !strstr(err.next, table[i].next) ||
		    err.code != table[i].code)
			fail_msg("%s: %d %s (%s)", table[i].rev, err.code, err.text, err.next);
	}
}

static void blobs_are_read_whole(void **state)
{
	struct bl_git_commit commit;
	BL_GIT_TREE tree = open_at("r", "HEAD", &commit);
	struct bl_git_blob blob = { 0 };
	struct bl_err err = { 0 };
	char id[64];

	(void)state;
	REPO_ASK(id, folder_path("r"), "rev-parse", "HEAD:a/b");
	assert_int_equal(bl_git_blob_read(tree, id, &blob, &err), 0);
	assert_int_equal(blob.size, 2);
	assert_memory_equal(blob.bytes, "ab", 2);
	bl_git_blob_done(&blob);
	REPO_ASK(id, folder_path("r"), "rev-parse", "HEAD:a");
	assert_int_equal(bl_git_blob_read(tree, id, &blob, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static int leave_out(void *arg, const struct bl_git_entry *entry, struct bl_err *err)
{
	if (!strcmp(entry->path, "run"))
		return bl_fail(err, BL_EINPUT, "enough");
	(void)list(arg, entry, err);
	return entry->kind == BL_GIT_DIR;
}

static void a_visitor_leaves_out_and_ends(void **state)
{
	struct bl_git_commit commit;
	BL_GIT_TREE tree = open_at("r", "HEAD", &commit);
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_git_tree_walk(tree, leave_out, &seen, &err), -1);
	assert_string_equal(err.text, "enough");
	assert_string_equal(bl_buf_text(&seen), "f:a-b f:a.b d:a f:a0 l:link");
}

/* fetch-depth 1, a bare repository, a second work tree: all of the commit's objects are there. */
static void clones_of_all_kinds_are_enough(void **state)
{
	static const char *const names[] = { "shallow", "bare.git", "tree/a" };
	char url[300];

	(void)state;
	snprintf(url, sizeof(url), "file://%s", folder_path("r"));
	put_text("r/second", "2");
	REPO_GIT(folder_path("r"), "add", "second");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "two");
	REPO_GIT(folder, "clone", "-q", "--depth", "1", url, "shallow");
	REPO_GIT(folder, "clone", "-q", "--bare", url, "bare.git");
	REPO_GIT(folder_path("r"), "worktree", "add", "-q", "-b", "other", folder_path("tree"));
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		struct bl_git_commit commit;
		BL_GIT_TREE tree = open_at(names[i], "HEAD", &commit);
		BL_AUTO(bl_buf) seen = BL_BUF(4096);
		struct bl_err err = { 0 };

		assert_int_equal(bl_git_tree_walk(tree, list, &seen, &err), 0);
		assert_non_null(strstr(bl_buf_text(&seen), "f:second"));
		assert_string_equal(commit.branch, i == 2 ? "other" : "main");
		assert_false(commit.partial);
	}
}

/* --- Partial clones --------------------------------------------------------------------------- */

typedef bool partial_check(const char *sha, const char *id);

/*
 * In a process of its own: Debian's libgit2 leaks in reading the extensions of a repository, and
 * the leak checker would call that ours.
 */
static void assert_apart(partial_check *holds, const char *sha, const char *id)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(!holds(sha, id));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

/* The error of opening FOLDER/partial at sha and reading the blob. */
static struct bl_err read_partial(const char *sha, const char *id, struct bl_git_commit *commit)
{
	BL_GIT_TREE tree = NULL;
	struct bl_git_blob blob = { 0 };
	struct bl_err err = { 0 };

	if (!bl_git_tree_open(folder_path("partial"), sha, &tree, commit, &err) &&
	    !bl_git_blob_read(tree, id, &blob, &err))
		bl_git_blob_done(&blob);
	return err;
}

static bool is_told(const char *remote, const char *what, const char *sha, const char *id)
{
	struct bl_git_commit commit = { 0 };
	struct bl_err err = read_partial(sha, id, &commit);
	char cure[160];

	snprintf(cure, sizeof(cure), "`git fetch --refetch --no-filter %s %s`", remote, sha);
	if (err.code == BL_ENOENT && strstr(err.next, cure) && !strncmp(err.text, what, 4))
		return true;
	fprintf(stderr, "%d %s (%s)\n", err.code, err.text, err.next);
	return false;
}

static bool a_file_is_missing(const char *sha, const char *id)
{
	return is_told("origin", "file", sha, id);
}

static bool a_file_of_upstream_is_missing(const char *sha, const char *id)
{
	return is_told("up.Stream", "file", sha, id);
}

static bool a_directory_is_missing(const char *sha, const char *id)
{
	return is_told("origin", "dire", sha, id);
}

static bool all_is_there(const char *sha, const char *id)
{
	struct bl_git_commit commit = { 0 };

	return read_partial(sha, id, &commit).code == BL_OK && commit.partial;
}

/* As actions/checkout fetches a pull request's merge: a commit of no branch, one deep. */
static void fetch_in_part(const char *remote, const char *filter, char sha[64], char id[64])
{
	char url[300];

	snprintf(url, sizeof(url), "file://%s", folder_path("r"));
	REPO_GIT(folder_path("r"), "config", "uploadpack.allowFilter", "true");
	REPO_GIT(folder_path("r"), "update-ref", "refs/pull/1/merge", "HEAD");
	put_text("r/a/b", "of main");
	REPO_GIT(folder_path("r"), "commit", "-q", "--amend", "-m", "another", "a/b");
	repo_ask(sha, 64, folder_path("r"),
	         (const char *const[]){ "rev-parse", "refs/pull/1/merge", NULL });
	repo_ask(id, 64, folder_path("r"),
	         (const char *const[]){ "rev-parse", "refs/pull/1/merge:a/b", NULL });
	REPO_GIT(folder, "init", "-q", "partial");
	REPO_GIT(folder_path("partial"), "remote", "add", remote, url);
	REPO_GIT(folder_path("partial"), "fetch", "-q", filter, "--depth=1", remote,
	         "refs/pull/1/merge");
}

static void a_partial_clone_says_what_to_fetch(void **state)
{
	static const struct {
		const char *remote, *filter;
		partial_check *check;
	} table[] = {
		{ "origin", "--filter=blob:none", a_file_is_missing },
		{ "up.Stream", "--filter=blob:none", a_file_of_upstream_is_missing },
		{ "origin", "--filter=tree:0", a_directory_is_missing },
	};
	char sha[64], id[64];

	for (size_t i = 0; i < BL_COUNT(table); i++) {
		if (i) {
			folder_drop(state);
			set_up(state);
		}
		fetch_in_part(table[i].remote, table[i].filter, sha, id);
		assert_apart(table[i].check, sha, id);
		/* what it says helps */
		REPO_GIT(folder_path("partial"), "fetch", "-q", "--refetch", "--no-filter",
		         table[i].remote, sha);
		assert_apart(all_is_there, sha, id);
	}
}

/* --- What fails ------------------------------------------------------------------------------- */

/* A file that is lost, then one that is cut. */
static void damage_is_told_from_absence(void **state)
{
	static const struct {
		const char *bytes, *text;
		enum bl_code code;
	} table[] = {
		{ NULL, "is not in this clone", BL_ENOENT },
		{ "x\x9cno", "file ", BL_ECORRUPT },
	};
	char id[64], object[96];

	(void)state;
	REPO_ASK(id, folder_path("r"), "rev-parse", "HEAD:a/b");
	snprintf(object, sizeof(object), "r/.git/objects/%.2s/%s", id, id + 2);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_git_commit commit;
		BL_GIT_TREE tree = open_at("r", "HEAD", &commit);
		struct bl_git_blob blob = { 0 };
		struct bl_err err = { 0 };

		remove_path(object);
		if (table[i].bytes)
			put_text(object, table[i].bytes);
		assert_int_equal(bl_git_blob_read(tree, id, &blob, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].text))
			fail_msg("%d %s", err.code, err.text);
		assert_non_null(strstr(err.next, "git fsck"));
	}
}

#define ID_OF_AB "9ae9e86b7bd6cb1472d9373702d8249973da0832"

static int story(struct bl_err *err)
{
	struct bl_git_commit commit;
	BL_GIT_TREE tree = NULL;
	BL_AUTO(bl_buf) seen = BL_BUF(4096);
	struct bl_git_blob blob = { 0 };

	if (bl_git_tree_open(folder_path("r"), "HEAD", &tree, &commit, err) ||
	    bl_git_tree_walk(tree, list, &seen, err) || bl_buf_check(&seen, "seen", err) ||
	    bl_git_blob_read(tree, ID_OF_AB, &blob, err))
		return -1;
	assert_memory_equal(blob.bytes, "ab", 2);
	bl_git_blob_done(&blob);
	return 0;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 2000);
}

#define IN_REPO(test) cmocka_unit_test_setup_teardown(test, set_up, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPO(entries_come_in_gits_own_order),
		IN_REPO(a_commit_is_named_in_many_ways),
		IN_REPO(what_names_no_commit_is_refused),
		IN_REPO(blobs_are_read_whole),
		IN_REPO(a_visitor_leaves_out_and_ends),
		IN_REPO(clones_of_all_kinds_are_enough),
		IN_REPO(a_partial_clone_says_what_to_fetch),
		IN_REPO(damage_is_told_from_absence),
		IN_REPO(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
