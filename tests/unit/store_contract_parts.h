/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_STORE_CONTRACT_PARTS_H
#define BL_TESTS_STORE_CONTRACT_PARTS_H

#include "run/store.h"

/* The contract's tests of lists; *state is the open store. */
void lists_are_in_key_order(void **state);
void a_prefix_is_text_not_a_directory(void **state);
void a_list_goes_on_after_a_key(void **state);
void a_delimiter_folds(void **state);
void a_callback_ends_the_list(void **state);
void what_is_listed_may_be_deleted(void **state);

/* A list as text into a struct bl_buf: "key=size " or "prefix/ " each. */
int note_listed(void *arg, const struct bl_listed *item, struct bl_err *err);
void assert_list(struct bl_store *store, const char *prefix, const char *start_after,
                 char delimiter, const char *want);

#endif
