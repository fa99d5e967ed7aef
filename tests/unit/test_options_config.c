/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"

#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void found_in(const char *dir, const char *path, int64_t gpus, const char *shown)
{
	struct bl_args args = { 0 };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_found found;
	struct bl_err err = { 0 };

	assert_int_equal(chdir(dir), 0);
	if (bl_options_config(path, NULL, &args, NULL, &config, &found, &err))
		fail_msg("%s", err.text);
	assert_int_equal(bl_config_int(&config, "gpus"), gpus);
	assert_string_equal(found.path, shown);
	assert_true(found.root[0] == '/');
}

static void the_file_is_found_upwards_in_the_repository(void **state)
{
	struct bl_args args = { 0 };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_found found;
	struct bl_err err = { 0 };
	char here[4096];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	put_text("branchline.yaml", "version: 1\ngpus: 3\n");
	put_text("repo/a/file", "");
	found_in(folder_path("repo/a"), NULL, 1, ""); /* no repository: only here */
	put_text("repo/.git/HEAD", "");
	found_in(folder_path("repo/a"), NULL, 1, ""); /* not beyond the repository */
	put_text("repo/branchline.yaml", "version: 1\ngpus: 4\n");
	found_in(folder_path("repo/a"), NULL, 4, folder_path("repo/branchline.yaml"));
	found_in(folder_path("repo"), NULL, 4, "branchline.yaml");
	found_in(folder_path("repo"), "../branchline.yaml", 3, "../branchline.yaml");
	assert_int_equal(bl_options_config("no.yaml", NULL, &args, NULL, &config, &found, &err),
	                 -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_string_equal(err.text, "'no.yaml': No such file or directory");
	assert_int_equal(chdir(here), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLDER_TEST(the_file_is_found_upwards_in_the_repository),
	};

	return cmocka_run_group_tests_name("options: the file", tests, NULL, NULL);
}
