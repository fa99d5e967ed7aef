/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/pricing.h"

#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Products are texts of JSON inside of JSON. */
#define PRICE(unit, usd)                                                                           \
	"\"{\\\"terms\\\":{\\\"OnDemand\\\":{\\\"S.T\\\":{\\\"priceDimensions\\\":{\\\"S.T.D\\\":" \
	"{"                                                                                        \
	"\\\"unit\\\":\\\"" unit "\\\",\\\"pricePerUnit\\\":{\\\"USD\\\":\\\"" usd "\\\"}}}}},"    \
	"\\\"Reserved\\\":{\\\"S.R\\\":{\\\"priceDimensions\\\":{\\\"S.R.D\\\":{\\\"unit\\\":"     \
	"\\\"Hrs\\\","                                                                             \
	"\\\"pricePerUnit\\\":{\\\"USD\\\":\\\"99\\\"}}}}}}}\""
#define LIST(products) "{\"FormatVersion\":\"aws_v1\",\"PriceList\":[" products "]}"

static void the_price_of_its_unit(void **state)
{
	static const struct {
		const char *reply;
		double usd; /* 0: none */
		enum bl_code code;
	} table[] = {
		{ LIST(PRICE("Hrs", "0.8048000000")), 0.8048, BL_OK },
		{ LIST(PRICE("Hrs", "0.8") "," PRICE("Hrs", "0.9")), 0.9, BL_OK },
		{ LIST(PRICE("Hrs", "0.08") "," PRICE("Quantity", "5")), 0.08, BL_OK },
		{ LIST(PRICE("GB-Mo", "0.08")), 0, BL_ENOENT },
		{ LIST(PRICE("Hrs", "0.0000000000")), 0, BL_ENOENT },
		{ LIST(PRICE("Hrs", "cheap")), 0, BL_ENOENT },
		{ LIST(PRICE("Hrs", "inf")), 0, BL_ENOENT },
		{ LIST(PRICE("Hrs", "-1")), 0, BL_ENOENT },
		{ LIST(""), 0, BL_ENOENT },
		{ LIST("\"{}\""), 0, BL_ENOENT },
		{ LIST("\"{\""), 0, BL_ECORRUPT },
		{ LIST("{}"), 0, BL_ECORRUPT },
		{ "{}", 0, BL_ECORRUPT },
		{ "", 0, BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		double usd = 7;
		int rc = bl_price_read(table[i].reply, strlen(table[i].reply), &usd, &err);

		if (rc != (table[i].code ? -1 : 0) || err.code != table[i].code)
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
		assert_true(usd == (table[i].code ? 7 : table[i].usd));
	}
}

static void what_is_asked(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = LIST(PRICE("Hrs", "0.5")) },
		{ .body = LIST("") },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));
	const char *body;
	double usd;
	size_t len;

	(void)state;
	must(bl_price_on_demand(aws, "g6.xlarge", &usd, &err), &err);
	assert_true(usd == 0.5);
	body = canned_body(server, 0, &len);
	assert_non_null(strstr(body, "{\"Type\":\"TERM_MATCH\",\"Field\":\"regionCode\","
	                             "\"Value\":\"us-east-1\"}"));
	assert_non_null(strstr(body, "\"Field\":\"instanceType\",\"Value\":\"g6.xlarge\""));
	assert_non_null(strstr(canned_head(server, 0), "/us-east-1/pricing/aws4_request"));
	assert_int_equal(bl_price_on_demand(aws, "x1.y", &usd, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "list price of x1.y in us-east-1"));
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	static const char reply[] = LIST(PRICE("Hrs", "0.5"));
	double usd;

	return bl_price_on_demand(open_already, "g6.xlarge", &usd, err) ||
	                       bl_price_read(reply, sizeof(reply) - 1, &usd, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply reply = { .body = LIST(
						    PRICE("Hrs", "1") "," PRICE("GB-Mo", "1")) };

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_price_of_its_unit),
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("pricing", tests, NULL, NULL);
}
