/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/iam.h"

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

#define ROLE                                                                                       \
	"<GetRoleResponse xmlns='x'><GetRoleResult><Role><Path>/</Path><Arn>arn:r</Arn></Role>"    \
	"</GetRoleResult></GetRoleResponse>"
#define PROFILE(roles)                                                                             \
	"<GetInstanceProfileResponse><GetInstanceProfileResult><InstanceProfile><Arn>arn:p</Arn>"  \
	"<Roles>" roles "</Roles></InstanceProfile></GetInstanceProfileResult>"                    \
	"</GetInstanceProfileResponse>"
#define MEMBER "<member><RoleName>r</RoleName><Arn>arn:r</Arn></member>"
#define NONE                                                                                       \
	"<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>cannot be found.</Message>"       \
	"</Error></ErrorResponse>"

static void roles_and_profiles(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = ROLE },
		{ .times = 1, .body = PROFILE(MEMBER) },
		{ .body = PROFILE("") },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_iam_profile profile;
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));
	char arn[256];
	size_t len;

	(void)state;
	must(bl_iam_role(aws, BL_IAM_SPOT_ROLE, arn, &err), &err);
	assert_string_equal(arn, "arn:r");
	assert_string_equal(canned_body(server, 0, &len),
	                    "Action=GetRole&Version=2010-05-08&RoleName=" BL_IAM_SPOT_ROLE);
	assert_non_null(strstr(canned_head(server, 0), "/us-east-1/iam/aws4_request"));
	must(bl_iam_instance_profile(aws, "arn:aws:iam::1:instance-profile/a/b", &profile, &err),
	     &err);
	assert_string_equal(profile.arn, "arn:p");
	assert_string_equal(profile.role, "r");
	assert_non_null(strstr(canned_body(server, 1, &len), "&InstanceProfileName=b"));
	must(bl_iam_instance_profile(aws, "b+c", &profile, &err), &err);
	assert_string_equal(profile.role, "");
	assert_non_null(strstr(canned_body(server, 2, &len), "&InstanceProfileName=b%2Bc"));
	canned_stop(server);
}

static void trust_policies_are_decoded(void **state)
{
	static const struct {
		const char *body;
		const char *policy; /* NULL: none */
	} table[] = {
		{ "<R><GetRoleResult><Role><AssumeRolePolicyDocument>%7B%22a%22%3A%20%22b%22%7D"
		  "</AssumeRolePolicyDocument></Role></GetRoleResult></R>",
		  "{\"a\": \"b\"}" },
		{ "<R><GetRoleResult><Role><AssumeRolePolicyDocument>%7</AssumeRolePolicyDocument>"
		  "</Role></GetRoleResult></R>",
		  NULL },
		{ ROLE, NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply reply = { .body = table[i].body };
		struct canned *server = canned_start(&reply, 1);
		BL_AUTO(bl_buf) policy = BL_BUF(1024);
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));
		size_t len;
		int rc = bl_iam_trust(aws, "arn:aws:iam::1:role/path/name", &policy, &err);

		assert_int_equal(rc, table[i].policy ? 0 : -1);
		assert_int_equal(err.code, table[i].policy ? BL_OK : BL_ECORRUPT);
		assert_string_equal(bl_buf_text(&policy), table[i].policy ? table[i].policy : "");
		assert_non_null(strstr(canned_body(server, 0, &len), "&RoleName=name"));
		canned_stop(server);
	}
}

static void refusals(void **state)
{
	static const struct {
		struct canned_reply reply;
		enum bl_code code;
		const char *why;
	} table[] = {
		{ { .status = 404, .body = NONE }, BL_ENOENT, "NoSuchEntity" },
		{ { .status = 403,
		    .body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: u is "
		            "not "
		            "authorized to perform: "
		            "iam:GetRole</Message></Error></ErrorResponse>" },
		  BL_EDENIED,
		  "iam:GetRole" },
		{ { .body = "<a/>" }, BL_ECORRUPT, "a reply without" },
		{ { .body = "<a>" }, BL_ECORRUPT, "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_iam_profile profile = { .role = "before" };
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));
		char arn[256] = "before";

		assert_int_equal(bl_iam_role(aws, "r", arn, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why))
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
		err = (struct bl_err){ 0 };
		assert_int_equal(bl_iam_instance_profile(aws, "p", &profile, &err), -1);
		assert_int_equal(err.code, table[i].code);
		assert_string_equal(arn, "before");
		assert_string_equal(profile.role, "before");
		canned_stop(server);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	BL_AUTO(bl_buf) policy = BL_BUF(256);
	struct bl_iam_profile profile;
	char arn[256];

	return bl_iam_role(open_already, "r", arn, err) ||
	                       bl_iam_trust(open_already, "r", &policy, err) ||
	                       bl_iam_instance_profile(open_already, "p", &profile, err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	/* one that is both */
	const struct canned_reply reply = {
		.body = "<r><GetRoleResult><Role><Arn>a</Arn><AssumeRolePolicyDocument>%7B%7D</"
			"AssumeRolePolicyDocument></Role>"
			"</GetRoleResult><Result><InstanceProfile>"
			"<Arn>p</Arn></InstanceProfile></Result></r>"
	};

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_and_profiles),
		cmocka_unit_test(trust_policies_are_decoded),
		cmocka_unit_test(refusals),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("iam", tests, NULL, NULL);
}
