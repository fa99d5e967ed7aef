/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LARGE ((size_t)128 << 10)

static void *must_have(void *block)
{
	assert_non_null(block);
	return block;
}

static void a_large_block_comes_again(void **state)
{
	char *a = must_have(bl_http_malloc(LARGE + 1)), *b = must_have(bl_http_malloc(LARGE));

	(void)state;
	memset(a, 1, LARGE + 1);
	memset(b, 2, LARGE);
	bl_http_free(a);
	bl_http_free(b);
	assert_ptr_equal(bl_http_malloc(LARGE + 1), a);
	assert_int_equal(a[LARGE], 1); /* as it was left: its pages have stayed */
	/* half as large would waste it */
	bl_http_free(a);
	b = must_have(bl_http_malloc(LARGE / 2 - 1));
	assert_ptr_not_equal(b, a);
	bl_http_free(b);
	bl_http_free(NULL);
}

static void one_that_grew_is_an_ordinary_block(void **state)
{
	char *a = must_have(bl_http_malloc(2 * LARGE)), *b;

	(void)state;
	a = must_have(bl_http_realloc(a, 3 * LARGE));
	memset(a, 1, 3 * LARGE);
	bl_http_free(a);
	b = must_have(bl_http_realloc(NULL, 10));
	memset(b, 2, 10);
	bl_http_free(b);
	/* were a among those kept, this would be it */
	b = must_have(bl_http_malloc(2 * LARGE));
	memset(b, 3, 2 * LARGE);
	bl_http_free(b);
}

static void more_than_are_kept_are_given_back(void **state)
{
	enum { MANY = 100 };
	char *blocks[MANY];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			size_t size = i % 3 ? LARGE : 100;

			blocks[i] = must_have(bl_http_malloc(size));
			memset(blocks[i], i, size);
		}
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(blocks[i][99], (char)i);
			bl_http_free(blocks[i]);
		}
	}
}

static void *use_one(void *arg)
{
	char *block = bl_http_malloc(LARGE);

	if (block)
		memset(block, 1, LARGE);
	bl_http_free(block);
	return block ? arg : NULL;
}

/* What a thread keeps ends with it: the leak checker of check-asan is the judge. */
static void a_thread_leaves_nothing(void **state)
{
	for (int i = 0; i < 8; i++) {
		pthread_t thread;
		void *got;

		assert_int_equal(pthread_create(&thread, NULL, use_one, state), 0);
		assert_int_equal(pthread_join(thread, &got), 0);
		assert_ptr_equal(got, state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_block_comes_again),
		cmocka_unit_test(one_that_grew_is_an_ordinary_block),
		cmocka_unit_test(more_than_are_kept_are_given_back),
		cmocka_unit_test(a_thread_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
