/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that cost a call: what is asked, and what a refusal means. */
#include "aws/s3.h"
#include "run/doctor.h"
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

#define IAM_ERROR(status_, code)                                                                   \
	{                                                                                          \
		.status = (status_),                                                               \
		.body = "<ErrorResponse><Error><Code>" code "</Code></Error></ErrorResponse>"      \
	}
#define PROFILE(roles)                                                                             \
	{                                                                                          \
		.body = "<R><GetInstanceProfileResult><InstanceProfile><Arn>p</Arn><Roles>" roles  \
			"</Roles></InstanceProfile></GetInstanceProfileResult></R>"                \
	}

static struct bl_checks checks;

static void spot_role(struct bl_aws *aws)
{
	bl_check_spot_role(aws, &checks);
}

static void profile(struct bl_aws *aws)
{
	bl_check_instance_profile(aws, "p", &checks);
}

static void no_profile(struct bl_aws *aws)
{
	bl_check_instance_profile(aws, "", &checks);
}

static void bucket(struct bl_aws *aws)
{
	bl_check_bucket(aws, "s3://bucket", "us-east-1", &checks);
}

static void folder(struct bl_aws *aws)
{
	bl_check_bucket(aws, "/tmp/x", "us-east-1", &checks);
}

static void quota(struct bl_aws *aws)
{
	static const struct bl_check_type types[] = { { "g6.xlarge", 4 } };

	bl_check_quota(aws, types, 1, true, &checks);
}

static void clock_of(struct bl_aws *aws)
{
	bl_check_clock(aws, &checks);
}

static const struct {
	void (*check)(struct bl_aws *aws);
	struct canned_reply reply;
	enum bl_check_state state;
	enum bl_code code;
	const char *seen, *next;
} meanings[] = {
	{ spot_role,
	  { .body = "<R><GetRoleResult><Role><Arn>a</Arn></Role></GetRoleResult></R>" },
	  BL_CHECK_OK,
	  BL_OK,
	  "is there",
	  "" },
	{ spot_role, IAM_ERROR(404, "NoSuchEntity"), BL_CHECK_FAIL, BL_EDENIED,
	  "AWSServiceRoleForEC2Spot is missing",
	  "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com" },
	{ spot_role, IAM_ERROR(403, "AccessDenied"), BL_CHECK_SKIPPED, BL_OK, "AccessDenied", "" },
	{ spot_role, IAM_ERROR(500, "ServiceFailure"), BL_CHECK_FAIL, BL_ERETRY, "ServiceFailure",
	  "" },
	{ profile, PROFILE("<member><RoleName>r</RoleName></member>"), BL_CHECK_OK, BL_OK,
	  "p, with role r", "" },
	{ profile, PROFILE(""), BL_CHECK_FAIL, BL_EINPUT, "p has no role", "Terraform" },
	{ profile, IAM_ERROR(404, "NoSuchEntity"), BL_CHECK_FAIL, BL_EINPUT, "p does not exist",
	  "Terraform" },
	{ profile, IAM_ERROR(403, "AccessDenied"), BL_CHECK_SKIPPED, BL_OK, "AccessDenied", "" },
	{ no_profile, { 0 }, BL_CHECK_SKIPPED, BL_OK, "names none", "" },
	{ bucket,
	  { .headers = "x-amz-bucket-region: us-east-1\r\n" },
	  BL_CHECK_OK,
	  BL_OK,
	  "s3://bucket, in us-east-1",
	  "" },
	{ bucket,
	  { .headers = "x-amz-bucket-region: eu-west-1\r\n" },
	  BL_CHECK_WARN,
	  BL_OK,
	  "is in eu-west-1",
	  "one region" },
	{ bucket, { .status = 404 }, BL_CHECK_FAIL, BL_ENOENT, "404", "bucket" },
	{ bucket, { .status = 403 }, BL_CHECK_FAIL, BL_EDENIED, "403", "s3:ListBucket" },
	{ folder, { 0 }, BL_CHECK_SKIPPED, BL_OK, "no bucket", "" },
	{ quota,
	  { .body = "{\"Quota\":{\"Value\":0.0}}" },
	  BL_CHECK_FAIL,
	  BL_ECAPACITY,
	  "0 vCPUs, but g6.xlarge needs 4",
	  "request-service-quota-increase" },
	{ quota,
	  { .status = 400, .body = "{\"__type\":\"AccessDeniedException\"}" },
	  BL_CHECK_SKIPPED,
	  BL_OK,
	  "AccessDeniedException",
	  "servicequotas:" },
	{ clock_of, { 0 }, BL_CHECK_OK, BL_OK, "within", "" },
};

static void what_a_reply_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(meanings); i++) {
		struct canned *server = canned_start(&meanings[i].reply, 1);
		BL_AWS aws = client_of(canned_url(server, ""));
		const struct bl_check *check = &checks.items[0];

		checks.n = 0;
		meanings[i].check(aws);
		assert_int_equal(checks.n, 1);
		if (check->state != meanings[i].state || check->code != meanings[i].code ||
		    !strstr(check->seen, meanings[i].seen) ||
		    !strstr(check->next, meanings[i].next))
			fail_msg("%zu: %s %d: %s / %s", i, bl_check_state_name(check->state),
			         check->code, check->seen, check->next);
		canned_stop(server);
	}
}

static void a_template_that_is_gone(void **state)
{
	static const struct canned_reply replies[] = {
		{ .times = 1,
		  .status = 400,
		  .body = "<Response><Errors><Error><Code>InvalidLaunchTemplateId.NotFound</Code>"
		          "<Message>no</Message></Error></Errors></Response>" },
		{ .status = 403,
		  .body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code>"
		          "<Message>no</Message></Error></Errors></Response>" },
	};
	struct bl_value list = { .type = BL_LIST };
	const struct bl_stack_template wanted = {
		.id = "lt-1", .arch = "", .types = &list, .version = 3
	};
	struct canned *server = canned_start(replies, 2);
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	checks.n = 0;
	bl_check_template(aws, &wanted, &checks);
	bl_check_template(aws, &wanted, &checks);
	assert_int_equal(checks.n, 2);
	assert_int_equal(checks.items[0].state, BL_CHECK_FAIL);
	assert_int_equal(checks.items[0].code, BL_EINPUT);
	assert_non_null(strstr(checks.items[0].seen, "lt-1 version 3 does not exist"));
	assert_int_equal(checks.items[1].code, BL_EDENIED);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int ask_for_a_bucket(struct bl_err *err)
{
	const struct bl_s3_options options = { .bucket = "bucket" };
	char region[BL_REGION_SIZE];
	BL_S3 s3 = NULL;

	return bl_s3_open(open_already, &options, &s3, err) ||
	                       bl_s3_region(s3, NULL, region, sizeof(region), err)
	               ? -1
	               : 0;
}

static int check_a_bucket(struct bl_err *err)
{
	checks.n = 0;
	bucket(open_already);
	return bl_checks_verdict(&checks, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const struct canned_reply reply = {
		.headers = "x-amz-bucket-region: us-east-1\r\n",
	};
	struct canned *server = canned_start(&reply, 1);
	struct bl_err err = { 0 };

	(void)state;
	open_already = client_of(canned_url(server, ""));
	must(ask_for_a_bucket(&err), &err);
	each_allocation_fails(ask_for_a_bucket, 1000);
	each_allocation_fails(check_a_bucket, 1000);
	bl_aws_close(open_already);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_reply_means),
		cmocka_unit_test(a_template_that_is_gone),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("doctor_calls", tests, NULL, NULL);
}
