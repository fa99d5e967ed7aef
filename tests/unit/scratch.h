/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_SCRATCH_H
#define BL_TESTS_SCRATCH_H

#include "run/store.h"

/*
 * A directory of its own per test, with an empty store in it: cmocka set-up and tear-down.
 * *state is the open store; scratch_dir() the directory, the working directory of the
 * test, "store" the store in it.
 */
int scratch_store(void **state);
int scratch_done(void **state);
const char *scratch_dir(void);
/* Regular files below a path. */
size_t count_files(const char *path);
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_store, scratch_done)

/* Fails the test with the error's text. */
void must(int result, const struct bl_err *err);

/* Objects of a store. */
void put_object(struct bl_store *store, const char *key, const char *text);
void assert_object(struct bl_store *store, const char *key, const char *text);
void assert_absent(struct bl_store *store, const char *key);

/* A run.json; texts NULL: a plain value. */
struct fixture_run {
	const char *id, *repository, *branch, *job, *head, *tree, *overrides, *parents;
	int pr, ms; /* ms: within its second */
	bool dirty;
};
void put_run(struct bl_store *store, const struct fixture_run *run);

#endif
