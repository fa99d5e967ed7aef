/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "run/image_build_parts.h"
#include "run/image_layout.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/repo.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A buildah whose image is what lies in IMAGE. */
#define BUILDER                                                                                    \
	"#!/bin/sh\n"                                                                              \
	"case $1 in info) echo /;; build) echo \"$SAYS\"; exit ${RC:-0};;\n"                       \
	"push) dir=${3#oci:}; cp -r \"$IMAGE\"/. \"${dir%:base}\";; esac\n"

static int set_up(void **state)
{
	if (folder_make(state))
		return -1;
	put_text("bin/buildah", BUILDER);
	chmod(folder_path("bin/buildah"), 0755);
	put_text("image/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	put_text(
		"image/index.json",
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/"
		"vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:"
		"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2}]}");
	put_text("image/blobs/sha256/"
	         "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
	         "{}");
	put_text("r/Dockerfile", "FROM a:1\n");
	REPO_GIT(folder_path("r"), "init", "-q", "-b", "main");
	REPO_GIT(folder_path("r"), "add", "-A");
	REPO_GIT(folder_path("r"), "commit", "-q", "-m", "one");
	setenv("PATH", folder_path("bin:/usr/bin:/bin"), 1);
	setenv("IMAGE", folder_path("image"), 1);
	unsetenv("BRANCHLINE_BUILDER");
	unsetenv("GITHUB_ACTIONS");
	unsetenv("RC");
	unsetenv("SAYS");
	return 0;
}

static int build_of(struct bl_git_tree *tree, struct bl_err *err)
{
	struct bl_build how = { .dockerfile = "Dockerfile",
		                .context = ".",
		                .platform = "linux/amd64",
		                .tool_version = "1" };
	struct bl_oci_desc desc;
	BL_FD layout = -1;
	char path[4096], work[96];

	snprintf(work, sizeof(work), "%s/w-XXXXXX", folder);
	assert_non_null(mkdtemp(work));
	how.tree = tree;
	if (bl_build_run(&how, work, NULL, path, err) || bl_layout_open(path, false, &layout, err))
		return -1;
	return bl_layout_head_manifest(layout, "base", &desc, err);
}

static struct bl_git_tree *open_tree(void)
{
	struct bl_git_tree *tree = NULL;
	struct bl_git_commit commit;
	struct bl_err err = { 0 };

	if (bl_git_tree_open(folder_path("r"), "HEAD", &tree, &commit, &err))
		fail_msg("%s", err.text);
	return tree;
}

static int build(struct bl_err *err)
{
	BL_GIT_TREE tree = open_tree();

	return build_of(tree, err);
}

static void the_only_image_gets_our_name(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	if (build(&err))
		fail_msg("%s", err.text);
}

static void a_failure_is_the_builders(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	setenv("RC", "1", 1);
	setenv("SAYS", "Error: no such thing", 1);
	assert_int_equal(build(&err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.text, "the build failed: Error: no such thing");
}

static void a_builder_is_found_or_asked_for(void **state)
{
	enum bl_builder builder = BL_BUILDER_NONE;
	struct bl_err err = { 0 };
	char path[4096];

	(void)state;
	assert_int_equal(bl_build_find(&builder, path, &err), 0);
	assert_int_equal(builder, BL_BUILDER_BUILDAH);
	assert_string_equal(path, folder_path("bin/buildah"));
	setenv("BRANCHLINE_BUILDER", "kaniko", 1);
	assert_int_equal(bl_build_find(&builder, path, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
}

/* --- A child ---------------------------------------------------------------------------------- */

static int run_shell(const char *script, struct build_child how, struct bl_buf *said, int *status,
                     struct bl_err *err)
{
	const char *args[] = { "sh", "-c", script, NULL };

	how.program = "/bin/sh";
	how.args = args;
	return build_child_run(&how, said, status, err);
}

static void the_end_of_what_it_says_is_kept(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(5000);
	struct bl_err err = { 0 };
	int status = 0;

	(void)state;
	assert_int_equal(run_shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; "
	                           "echo out >&2; exit 7",
	                           (struct build_child){ 0 }, &said, &status, &err),
	                 0);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(said.len, 5000);
	assert_string_equal(bl_buf_text(&said) + 5000 - 20, "line 2998\nline 2999\n");
}

static void its_environment_is_ours_and_more(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(5000);
	struct bl_err err = { 0 };
	int status = 0;

	(void)state;
	setenv("ONE", "old", 1);
	setenv("TWO", "ours", 1);
	assert_int_equal(
		run_shell("echo $ONE $TWO $THREE",
	                  (struct build_child){
				  .set_env = (const char *const[]){ "ONE=new", "THREE=3", NULL } },
	                  &said, &status, &err),
		0);
	assert_string_equal(bl_buf_text(&said), "new ours 3\n");
}

static void a_helper_that_is_left_behind_holds_nobody_up(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(5000);
	struct bl_err err = { 0 };
	int status = -1;

	(void)state;
	assert_int_equal(
		run_shell("sleep 60 & echo $!", (struct build_child){ 0 }, &said, &status, &err),
		0);
	assert_int_equal(status, 0);
	assert_int_equal(kill((pid_t)strtol(bl_buf_text(&said), NULL, 10), SIGKILL), 0);
}

static void it_is_ended_at_a_stop_and_at_its_deadline(void **state)
{
	BL_AUTO(bl_buf) said = BL_BUF(5000);
	atomic_bool stop = true;
	struct bl_err err = { 0 };
	int status;

	(void)state;
	assert_int_equal(run_shell("exec sleep 60", (struct build_child){ .stop = &stop }, &said,
	                           &status, &err),
	                 -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	bl_err_clear(&err);
	assert_int_equal(run_shell("exec sleep 60", (struct build_child){ .deadline_ms = 1 }, &said,
	                           &status, &err),
	                 -1);
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_git_tree *opened; /* before an allocation is made to fail */

static int build_opened(struct bl_err *err)
{
	return build_of(opened, err);
}

static void memory_may_end(void **state)
{
	(void)state;
	opened = open_tree();
	each_allocation_fails(build_opened, 5000);
	bl_git_tree_close(opened);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, folder_drop)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(the_only_image_gets_our_name),
		IN_FOLDER(a_failure_is_the_builders),
		IN_FOLDER(a_builder_is_found_or_asked_for),
		cmocka_unit_test(the_end_of_what_it_says_is_kept),
		cmocka_unit_test(its_environment_is_ours_and_more),
		cmocka_unit_test(a_helper_that_is_left_behind_holds_nobody_up),
		cmocka_unit_test(it_is_ended_at_a_stop_and_at_its_deadline),
		IN_FOLDER(memory_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
