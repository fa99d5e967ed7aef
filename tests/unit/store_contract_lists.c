/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store_contract_parts.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int note_listed(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	(void)err;
	if (item->is_prefix)
		bl_buf_addf(arg, "%s ", item->key);
	else
		bl_buf_addf(arg, "%s=%llu ", item->key, (unsigned long long)item->size);
	return 0;
}

void assert_list(struct bl_store *store, const char *prefix, const char *start_after,
                 char delimiter, const char *want)
{
	BL_AUTO(bl_buf) got = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(bl_store_list(store, NULL, prefix, start_after, delimiter, note_listed, &got, &err),
	     &err);
	assert_string_equal(bl_buf_text(&got), want);
}
void lists_are_in_key_order(void **state)
{
	/* by whole keys: '.' < '/' < '0', so that a.c stands before a/b and a0 behind */
	put_object(*state, "a0", "1");
	put_object(*state, "a/b", "12");
	put_object(*state, "a/b.x", "123");
	put_object(*state, "a.c", "1234");
	put_object(*state, "a-", "12345");
	put_object(*state, "\xc3\xa9", "");
	assert_list(*state, "", NULL, 0, "a-=5 a.c=4 a/b=2 a/b.x=3 a0=1 \xc3\xa9=0 ");
}

void a_prefix_is_text_not_a_directory(void **state)
{
	put_object(*state, "runs/1a/x", "");
	put_object(*state, "runs/1b", "");
	put_object(*state, "runs/2", "");
	put_object(*state, "run", "");
	assert_list(*state, "runs/1", NULL, 0, "runs/1a/x=0 runs/1b=0 ");
	assert_list(*state, "run", NULL, 0, "run=0 runs/1a/x=0 runs/1b=0 runs/2=0 ");
	assert_list(*state, "runs/", NULL, 0, "runs/1a/x=0 runs/1b=0 runs/2=0 ");
	assert_list(*state, "runs/1a/x", NULL, 0, "runs/1a/x=0 ");
	assert_list(*state, "runs/1a/xx", NULL, 0, "");
	assert_list(*state, "none/", NULL, 0, "");
	assert_list(*state, "run/", NULL, 0, "");
}

void a_list_goes_on_after_a_key(void **state)
{
	put_object(*state, "a/1", "");
	put_object(*state, "a/2", "");
	put_object(*state, "b", "");
	put_object(*state, "c/1", "");
	assert_list(*state, "", "a/1", 0, "a/2=0 b=0 c/1=0 ");
	assert_list(*state, "", "a/2", 0, "b=0 c/1=0 ");
	assert_list(*state, "", "a/", 0, "a/1=0 a/2=0 b=0 c/1=0 ");
	assert_list(*state, "", "a0", 0, "b=0 c/1=0 ");
	assert_list(*state, "", "bb", 0, "c/1=0 ");
	assert_list(*state, "", "c/1", 0, "");
	assert_list(*state, "a/", "a/1", 0, "a/2=0 ");
	assert_list(*state, "b", "a/1", 0, "b=0 ");
}

void a_delimiter_folds(void **state)
{
	put_object(*state, "runs/1/x", "");
	put_object(*state, "runs/1/y/z", "");
	put_object(*state, "runs/2/x", "");
	put_object(*state, "runs/note", "1");
	assert_list(*state, "runs/", NULL, '/', "runs/1/ runs/2/ runs/note=1 ");
	assert_list(*state, "", NULL, '/', "runs/ ");
	assert_list(*state, "runs/1", NULL, '/', "runs/1/ ");
	assert_list(*state, "runs/1/", NULL, '/', "runs/1/x=0 runs/1/y/ ");
	assert_list(*state, "runs/", "runs/1/x", '/', "runs/1/ runs/2/ runs/note=1 ");
	assert_list(*state, "runs/", "runs/1/y/z", '/', "runs/2/ runs/note=1 ");
	assert_list(*state, "runs/", "runs/1/~", '/', "runs/2/ runs/note=1 ");
}

static int stop_at_second(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	int *seen = arg;

	(void)item;
	(void)err;
	return ++*seen == 2 ? 42 : 0;
}

void a_callback_ends_the_list(void **state)
{
	struct bl_err err = { 0 };
	int seen = 0;

	put_object(*state, "a/1", "");
	put_object(*state, "a/2", "");
	put_object(*state, "b/3", "");
	assert_int_equal(bl_store_list(*state, NULL, "", NULL, 0, stop_at_second, &seen, &err), 42);
	assert_int_equal(seen, 2);
	assert_int_equal(err.code, BL_OK);
}

struct pruning {
	struct bl_store *store;
	struct bl_buf seen;
};

static int delete_listed(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct pruning *pruning = arg;

	bl_buf_addf(&pruning->seen, "%s ", item->key);
	return bl_store_delete(pruning->store, NULL, item->key, err);
}

void what_is_listed_may_be_deleted(void **state)
{
	struct pruning pruning = { *state, BL_BUF(1000) };
	struct bl_err err = { 0 };

	put_object(*state, "a/1", "");
	put_object(*state, "a/2", "");
	put_object(*state, "b", "");
	must(bl_store_list(*state, NULL, "", NULL, 0, delete_listed, &pruning, &err), &err);
	assert_string_equal(bl_buf_text(&pruning.seen), "a/1 a/2 b ");
	assert_list(*state, "", NULL, 0, "");
	bl_buf_done(&pruning.seen);
}
