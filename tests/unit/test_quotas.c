/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/json_call.h"
#include "aws/quotas.h"

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

#define MISSING                                                                                    \
	{                                                                                          \
		.times = 1, .status = 400, .body = "{\"__type\":\"NoSuchResourceException\"}"      \
	}

static void each_type_has_its_family(void **state)
{
	static const struct {
		const char *type, *spot, *on_demand; /* NULL: no quota is known */
	} table[] = {
		{ "g4dn.xlarge", "L-3819A6DF", "L-DB2E81BA" },
		{ "g6e.48xlarge", "L-3819A6DF", "L-DB2E81BA" },
		{ "gr6.4xlarge", "L-3819A6DF", "L-DB2E81BA" },
		{ "vt1.3xlarge", "L-3819A6DF", "L-DB2E81BA" },
		{ "p3.2xlarge", "L-7212CCBC", "L-417A185B" },
		{ "p4d.24xlarge", "L-7212CCBC", "L-417A185B" },
		{ "p5en.48xlarge", "L-C4BD4855", "L-417A185B" },
		{ "m7i.large", "L-34B43A08", "L-1216C47A" },
		{ "c7gn.large", "L-34B43A08", "L-1216C47A" },
		{ "trn1.2xlarge", NULL, NULL },
		{ "mac2.metal", NULL, NULL },
		{ "inf2.xlarge", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *spot = bl_quota_of(table[i].type, true);
		const char *on_demand = bl_quota_of(table[i].type, false);

		if (!spot || !on_demand || !table[i].spot) {
			assert_true(!spot && !on_demand && !table[i].spot);
			continue;
		}
		assert_string_equal(spot, table[i].spot);
		assert_string_equal(on_demand, table[i].on_demand);
	}
}

static void the_accounts_value_or_the_default(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = "{\"Quota\":{\"Value\":64.0}}" },
		MISSING,
		{ .body = "{\"Quota\":{\"Value\":5}}" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));
	double value = -1;
	size_t len;

	(void)state;
	must(bl_quota_get(aws, "L-3819A6DF", &value, &err), &err);
	assert_true(value == 64);
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"ServiceCode\":\"ec2\",\"QuotaCode\":\"L-3819A6DF\"}");
	assert_non_null(strstr(canned_head(server, 0), "/us-east-1/servicequotas/aws4_request"));
	must(bl_quota_get(aws, "L-3819A6DF", &value, &err), &err);
	assert_true(value == 5);
	assert_int_equal(canned_requests(server), 3);
	assert_non_null(strcasestr(canned_head(server, 2),
	                           "\r\nx-amz-target: "
	                           "ServiceQuotasV20190624.GetAWSDefaultServiceQuota\r\n"));
	canned_stop(server);
}

static void what_is_no_quota(void **state)
{
	static const struct {
		struct canned_reply reply;
		enum bl_code code;
		unsigned requests;
		const char *why;
	} table[] = {
		{ { .status = 400, .body = "{\"__type\":\"NoSuchResourceException\"}" },
		  BL_ENOENT,
		  2,
		  "NoSuchResourceException" },
		{ { .status = 400,
		    .body = "{\"__type\":\"AccessDeniedException\",\"Message\":\"no\"}" },
		  BL_EDENIED,
		  1,
		  "AccessDeniedException" },
		{ { .body = "{}" }, BL_ECORRUPT, 1, "without Quota.Value" },
		{ { .body = "{\"Quota\":{\"Value\":-1}}" }, BL_ECORRUPT, 1, "without Quota.Value" },
		{ { .body = "{\"Quota\":{\"Value\":\"8\"}}" }, BL_ECORRUPT, 1, "Quota.Value" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));
		double value = 7;

		assert_int_equal(bl_quota_get(aws, "L-1", &value, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why))
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
		assert_int_equal(canned_requests(server), table[i].requests);
		assert_true(value == 7);
		canned_stop(server);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	static const struct bl_aws_service service = { "servicequotas", "Target." };
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(64);
	BL_VALUE root = NULL;
	double value;

	bl_buf_adds(&body, "{}");
	return bl_quota_get(open_already, "L-1", &value, err) ||
	                       bl_aws_json(open_already, &service, NULL, "Any", &body, &reply,
	                                   err) ||
	                       bl_aws_json_value(open_already, &service, "Any", &body, &root, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply reply = { .body = "{\"Quota\":{\"Value\":64.0}}" };

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_family),
		cmocka_unit_test(the_accounts_value_or_the_default),
		cmocka_unit_test(what_is_no_quota),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("quotas", tests, NULL, NULL);
}
