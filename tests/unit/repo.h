/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_REPO_H
#define BL_TESTS_REPO_H

#include "codec/git.h"

/*
 * git itself, in the directory dir, without the user's configuration, always the same author and
 * time (1700000000). Returns its exit status, 127 when there is no git. out: gets what it printed;
 * NULL: nobody.
 */
int repo_run(const char *dir, const char *const *args, struct bl_buf *out);

#define REPO_GIT(dir, ...)                                                                         \
	assert_int_equal(repo_run(dir, (const char *const[]){ __VA_ARGS__, NULL }, NULL), 0)
/* What it prints, without the line's end, into text. */
#define REPO_ASK(text, dir, ...)                                                                   \
	repo_ask(text, sizeof(text), dir, (const char *const[]){ __VA_ARGS__, NULL })
void repo_ask(char *text, size_t size, const char *dir, const char *const *args);

/* FOLDER/repo: one commit of a, b, bin and sub/c on branch main; HOME is the folder. */
int repo_make(void **state);
#define REPO_TEST(f) cmocka_unit_test_setup_teardown(f, repo_make, folder_drop)
/* git in FOLDER/name, and what we read there, which must be no failure. */
#define GIT(name, ...) REPO_GIT(folder_path(name), __VA_ARGS__)
struct bl_git repo_read(const char *name);

#endif
