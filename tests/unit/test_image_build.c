/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "run/image_build_parts.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BASE "r.example/b@sha256:00"

static int set_up(void **state)
{
	if (folder_make(state))
		return -1;
	put_text("r/Dockerfile", "FROM a:1\nCOPY . /x\n");
	put_text("r/.dockerignore", "*\n!kept\n!link\n!run\n");
	put_text("r/kept/a", "a");
	put_text("r/run", "#!/bin/sh\n");
	chmod(folder_path("r/run"), 0755);
	make_link("r/link", "kept/a");
	put_text("r/code.py", "1");
	put_text("r/needs/requirements.txt", "-r more/base.txt\n./w/a.whl\n-f wheels\n");
	put_text("r/needs/more/base.txt", "-c ../con.txt\nx==1\n");
	put_text("r/needs/con.txt", "x<2\n");
	put_text("r/needs/w/a.whl", "wheel");
	put_text("r/needs/wheels/b.whl", "b");
	put_text("r/needs/wheels/notes.txt", "-r not-a-requirement.txt\n");
	put_text("r/lock/uv.lock", "source = { directory = \"../lib\" }\n");
	put_text("r/lock/pyproject.toml", "[project]\n");
	put_text("r/lib/setup.py", "s");
	put_text("r/bad/requirements.txt", "x\n-r base.txt\n");
	put_text("r/out/requirements.txt", "-r ../../etc/passwd\n");
	put_text("r/lonely/uv.lock", "");
	REPO_GIT(folder_path("r"), "init", "-q", "-b", "main");
	return 0;
}

static void commit(void)
{
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "one");
}

/* Of the newest commit; tree is opened for it. */
static int ask(struct bl_build build, char hash[BL_BUILD_HASH], struct bl_buf *warn,
               struct bl_err *err)
{
	struct bl_git_commit found;
	BL_GIT_TREE tree = NULL;

	if (bl_git_tree_open(folder_path("r"), "HEAD", &tree, &found, err))
		return -1;
	build.tree = tree;
	return bl_build_hash(&build, hash, warn, err);
}

static const struct bl_build of_dockerfile = {
	.dockerfile = "Dockerfile", .context = ".", .platform = "linux/amd64", .tool_version = "1"
};
static const struct bl_build of_requirements = { .requirements = "needs/requirements.txt",
	                                         .context = ".",
	                                         .base = BASE,
	                                         .platform = "linux/amd64",
	                                         .tool_version = "1" };

static void hash_now(const struct bl_build *build, char hash[BL_BUILD_HASH])
{
	struct bl_err err = { 0 };

	if (ask(*build, hash, NULL, &err))
		fail_msg("%s", err.text);
	assert_int_equal(strlen(hash), BL_BUILD_HASH - 1);
}

struct change {
	const char *path, *text; /* NULL: mode alone */
	bool counts;
};

/* After each change that counts the hash is another one, and only then. */
static void follow(const struct bl_build *build, const struct change *changes, size_t n)
{
	char was[BL_BUILD_HASH], now[BL_BUILD_HASH];

	commit();
	hash_now(build, was);
	for (size_t i = 0; i < n; i++) {
		if (changes[i].text)
			put_text(changes[i].path, changes[i].text);
		else
			chmod(folder_path(changes[i].path), 0755);
		commit();
		hash_now(build, now);
		if (!strcmp(was, now) == changes[i].counts)
			fail_msg("%s: the hash is %s", changes[i].path,
			         changes[i].counts ? "the same" : "another");
		memcpy(was, now, sizeof(was));
	}
}

static void a_dockerfiles_hash_is_of_what_it_can_copy(void **state)
{
	static const struct change changes[] = {
		{ "r/code.py", "2", false },      { "r/kept/a", "b", true },
		{ "r/kept/new", "", true },       { "r/kept/new", NULL, true },
		{ "r/new.py", "", false },        { "r/Dockerfile", "FROM a:2\n", true },
		{ "r/needs/con.txt", "", false },
	};

	(void)state;
	follow(&of_dockerfile, changes, BL_COUNT(changes));
}

static void the_hash_of_requirements_is_of_what_they_name(void **state)
{
	static const struct change changes[] = {
		{ "r/code.py", "2", false },
		{ "r/Dockerfile", "FROM a:2\n", false },
		{ "r/needs/con.txt", "x<3\n", true },
		{ "r/needs/more/base.txt", "x==2\n-c ../con.txt\n", true },
		{ "r/needs/w/a.whl", "another", true },
		{ "r/needs/wheels/c.whl", "more", true },
		{ "r/needs/unnamed.txt", "", false },
		{ "r/needs/requirements.txt", "y\n", true },
		{ "r/needs/con.txt", "x<4\n", false }, /* named no more */
	};

	(void)state;
	follow(&of_requirements, changes, BL_COUNT(changes));
}

static void all_else_that_counts_is_in_the_hash(void **state)
{
	struct bl_build builds[7];
	char hashes[7][BL_BUILD_HASH];

	(void)state;
	commit();
	for (size_t i = 0; i < BL_COUNT(builds); i++)
		builds[i] = of_requirements;
	builds[1].base = "r.example/b@sha256:11";
	builds[2].platform = "linux/arm64";
	builds[3].tool_version = "2";
	builds[4].requirements = "needs/more/base.txt";
	builds[5] = of_dockerfile;
	builds[6].requirements = "lock/uv.lock";
	for (size_t i = 0; i < BL_COUNT(builds); i++)
		hash_now(&builds[i], hashes[i]);
	for (size_t i = 0; i < BL_COUNT(builds); i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(hashes[i], hashes[k]);
}

static void warnings_say_what_may_move(void **state)
{
	struct bl_build build = of_dockerfile;
	BL_AUTO(bl_buf) warn = BL_BUF(4096);
	char hash[BL_BUILD_HASH];
	struct bl_err err = { 0 };

	(void)state;
	commit();
	assert_int_equal(ask(build, hash, &warn, &err), 0);
	assert_string_equal(
		bl_buf_text(&warn),
		"Dockerfile:1: a:1 is not pinned by digest: when it moves, no new base is built");
	bl_buf_reset(&warn);
	build.context = "kept";
	assert_int_equal(ask(build, hash, &warn, &err), 0);
	assert_non_null(strstr(bl_buf_text(&warn), "no .dockerignore: every file of kept"));
	bl_buf_reset(&warn);
	assert_int_equal(ask(of_requirements, hash, &warn, &err), 0);
	assert_int_equal(warn.len, 0);
}

static void what_is_not_there_is_named(void **state)
{
	static const struct {
		const char *dockerfile, *context, *requirements, *text, *next;
	} rows[] = {
		{ "Dockerfil", ".", NULL, "'Dockerfil' is not in the commit", "'Dockerfile'" },
		{ "docker/Dockerfile", ".", NULL, "is not in the commit", "'Dockerfile'" },
		{ "../Dockerfile", ".", NULL, "is not in the commit", "" },
		{ "link", ".", NULL, "'link' is a link, not a file", "" },
		{ "Dockerfile", "nowhere", NULL, "image.context: 'nowhere' is not in the commit",
		  "" },
		{ NULL, ".", "requirements.txt", "'requirements.txt' is not in the commit",
		  "'bad/requirements.txt'" },
		{ NULL, ".", "bad/requirements.txt",
		  "bad/requirements.txt:2: image.requirements: "
		  "'bad/base.txt' is not in the commit",
		  "'needs/more/base.txt'" },
		{ NULL, ".", "out/requirements.txt", "is outside of the repository",
		  "from the commit alone" },
		{ NULL, ".", "lonely/uv.lock", "uv.lock needs: 'lonely/pyproject.toml' is not",
		  "'lock/pyproject.toml'" },
		{ NULL, ".", "code.py", "'code.py' is of no known kind", "uv.lock" },
	};

	(void)state;
	commit();
	for (size_t i = 0; i < BL_COUNT(rows); i++) {
		struct bl_build build = { .dockerfile = rows[i].dockerfile,
			                  .context = rows[i].context,
			                  .requirements = rows[i].requirements,
			                  .base = BASE,
			                  .platform = "p",
			                  .tool_version = "1" };
		char hash[BL_BUILD_HASH] = "untouched";
		struct bl_err err = { 0 };

		assert_int_equal(ask(build, hash, NULL, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		if (!strstr(err.text, rows[i].text) || !strstr(err.next, rows[i].next))
			fail_msg("'%s' '%s'", err.text, err.next);
		assert_string_equal(hash, "untouched");
	}
}

/* --- The context ------------------------------------------------------------------------------ */

static int write_to(const struct bl_build *how, const char *name, struct bl_err *err)
{
	BL_AUTO(build_inputs) inputs = BUILD_INPUTS;
	struct bl_git_commit found;
	struct bl_build build = *how;
	BL_GIT_TREE tree = NULL;
	BL_FD dir = -1;

	if (bl_git_tree_open(folder_path("r"), "HEAD", &tree, &found, err))
		return -1;
	build.tree = tree;
	if (build_inputs_read(&build, &inputs, err) ||
	    bl_fs_make_dir_beneath(folder_fd, name, &dir, err))
		return -1;
	return build_write_context(&build, &inputs, dir, err);
}

static void the_context_is_the_commits(void **state)
{
	struct bl_err err = { 0 };
	char target[64] = "";
	struct stat st;

	(void)state;
	commit();
	put_text("r/kept/a", "changed since");
	put_text("r/kept/untracked", "");
	if (write_to(&of_dockerfile, "c", &err))
		fail_msg("%s", err.text);
	assert_file_holds("c/kept/a", "a");
	assert_false(is_there("c/kept/untracked"));
	assert_false(is_there("c/code.py"));
	assert_int_equal(readlink(folder_path("c/link"), target, sizeof(target) - 1), 6);
	assert_string_equal(target, "kept/a");
	assert_int_equal(lstat(folder_path("c/run"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(st.st_mtime, strtol(BUILD_EPOCH, NULL, 10));
	assert_int_equal(lstat(folder_path("c/kept/a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void what_is_not_in_the_commit_is_refused(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	commit();
	REPO_GIT(folder_path("r"), "update-index", "--add", "--cacheinfo",
	         "160000,1234567890123456789012345678901234567890,kept/sub");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "module");
	assert_int_equal(write_to(&of_dockerfile, "c", &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "submodule 'kept/sub'"));
	assert_non_null(strstr(err.next, ".dockerignore"));
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int hashing(struct bl_err *err)
{
	BL_AUTO(bl_buf) warn = BL_BUF(4096);
	char hash[BL_BUILD_HASH];

	if (ask(of_dockerfile, hash, &warn, err) || bl_buf_check(&warn, "warnings", err))
		return -1;
	return ask(of_requirements, hash, NULL, err);
}

static void memory_may_end(void **state)
{
	(void)state;
	commit();
	each_allocation_fails(hashing, 5000);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, folder_drop)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_dockerfiles_hash_is_of_what_it_can_copy),
		IN_FOLDER(the_hash_of_requirements_is_of_what_they_name),
		IN_FOLDER(all_else_that_counts_is_in_the_hash),
		IN_FOLDER(warnings_say_what_may_move),
		IN_FOLDER(what_is_not_there_is_named),
		IN_FOLDER(the_context_is_the_commits),
		IN_FOLDER(what_is_not_in_the_commit_is_refused),
		IN_FOLDER(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
