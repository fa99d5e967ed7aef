/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_market.h"

#include "tests/unit/client_open.h"
#include "tests/unit/ec2_replies.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/launch_input.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPES                                                                                      \
	OK("DescribeInstanceTypes", "<instanceTypeSet><item><instanceType>g6.xlarge</"             \
	                            "instanceType></item></instanceTypeSet>")

static void prices_that_cannot_be_had_stay_unknown(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .body = TYPES },
		                                { .times = 1, .body = LAUNCH_OFFERS },
		                                { .status = 403,
		                                  .body = REFUSAL("UnauthorizedOperation") } };
	const struct bl_candidates candidates = { .items = { { "g6.xlarge", 0 } }, .n = 1 };
	struct canned *server = canned_start(replies, 3);
	BL_AUTO(bl_market_answers) answers = { 0 };
	BL_AUTO(bl_buf) notes = BL_BUF(4096);
	struct bl_ec2_type *types = NULL;
	struct bl_fits fits = { .n = 1 };
	struct bl_err err = { 0 };
	size_t n = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_launch_ask_types(aws, &candidates, &types, &n, &err), &err);
	assert_int_equal(n, 1);
	fits.items[0].type = types[0];
	free(types);
	must(bl_launch_ask_market(aws, &fits, &answers, &notes, &err), &err);
	assert_int_equal(answers.n_offers, 1);
	assert_int_equal(bl_market_facts_of(&answers).n_spot, 0);
	assert_int_equal(answers.n_list, 0);
	assert_non_null(strstr(bl_buf_text(&notes), "spot prices: "));
	assert_non_null(strstr(bl_buf_text(&notes), "list price: "));
	canned_stop(server);
}

static struct bl_aws *open_already;

static int ask(struct bl_err *err)
{
	const struct bl_candidates candidates = { .items = { { "g6.xlarge", 0 } }, .n = 1 };
	BL_AUTO(bl_market_answers) answers = { 0 };
	BL_AUTO(bl_buf) notes = BL_BUF(4096);
	struct bl_ec2_type *types = NULL;
	struct bl_fits fits = { .n = 1 };
	size_t n;

	if (bl_launch_ask_types(open_already, &candidates, &types, &n, err))
		return -1;
	fits.items[0].type = types[0];
	free(types);
	return bl_launch_ask_market(open_already, &fits, &answers, &notes, err);
}

static void asking_fails_cleanly(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "POST / ", .end = CANNED_CLOSE, .body = TYPES },
	};
	struct canned *server = canned_start(replies, 1);
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	open_already = aws;
	must(ask(&err), &err);
	each_allocation_fails(ask, 4000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prices_that_cannot_be_had_stay_unknown),
		cmocka_unit_test(asking_fails_cleanly),
	};

	return cmocka_run_group_tests_name("launch_market", tests, NULL, NULL);
}
