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

/* And of files. */
void files_go_and_come_with_their_sum(void **state);
void a_file_is_taken_from_its_start_to_size(void **state);
void a_file_shorter_than_said_is_not_stored(void **state);
void many_files_come_at_once(void **state);

/* A file in memory that holds these bytes; the caller's to close. */
int memory_file(const char *bytes, size_t len);

/* A list as text into a struct bl_buf: "key=size " or "prefix/ " each. */
int note_listed(void *arg, const struct bl_listed *item, struct bl_err *err);
void assert_list(struct bl_store *store, const char *prefix, const char *start_after,
                 char delimiter, const char *want);

#endif
