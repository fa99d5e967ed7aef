/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sts.h"

#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLAIMS                                                                                     \
	"{\"iss\":\"https://token.actions.githubusercontent.com\",\"aud\":\"sts.amazonaws.com\","  \
	"\"sub\":\"repo:acme/widgets:pull_request\",\"repository\":\"acme/widgets\","              \
	"\"repository_owner_id\":\"1001\",\"repository_id\":\"5005\"}"

/* An error as STS writes it. */
#define REFUSAL(http, error, said)                                                                 \
	{                                                                                          \
		.status = http,                                                                    \
		.body = "<ErrorResponse><Error><Code>" error "</Code><Message>" said               \
			"</Message></Error><RequestId>R-1</RequestId></ErrorResponse>"             \
	}

static int open_anonymous(struct bl_aws **out, struct bl_err *err)
{
	const struct bl_aws_options options = { .anonymous = true };

	return bl_aws_open(&options, out, err);
}

static int assume_web(const struct bl_assume *assume, const char *jwt, struct bl_credentials *out,
                      bool *renew, struct bl_err *err)
{
	struct bl_secret token = { 0 };
	BL_AWS aws = NULL;
	int rc;

	if (open_anonymous(&aws, err) || bl_secret_set(&token, jwt, strlen(jwt), err))
		return -1;
	rc = bl_sts_assume_web(aws, assume, &token, out, renew, err);
	bl_secret_done(&token);
	return rc;
}

static void a_role_is_assumed_without_a_signature(void **state)
{
	const struct canned_reply replies[] = { { .body = assumed_xml("ASIAONE", INPUT_NOON) } };
	struct canned *server = canned_start(replies, 1);
	struct bl_assume assume = { .role_arn = INPUT_ROLE,
		                    .session_name = "a b/c",
		                    .policy = "{\"a\":1}",
		                    .duration_s = 900 };
	BL_AUTO(bl_credentials) got = { 0 };
	const char *jwt = jwt_of(CLAIMS);
	struct bl_err err = { 0 };
	char expect[4096];
	bool renew;
	size_t len;

	(void)state;
	be_a_job(server);
	must(assume_web(&assume, jwt, &got, &renew, &err), &err);
	assert_string_equal(got.access_key, "ASIAONE");
	assert_string_equal(bl_secret_text(&got.secret), "the/secret+key");
	assert_string_equal(bl_secret_text(&got.token), "the//token");
	assert_string_equal(got.account, "111122223333");
	assert_int_equal(got.expires_wall_ms, INPUT_NOON);
	assert_null(strcasestr(canned_head(server, 0), "\r\nauthorization:"));
	snprintf(expect, sizeof(expect),
	         "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn="
	         "arn%%3Aaws%%3Aiam%%3A%%3A111122223333%%3Arole%%2Ftrain&RoleSessionName=a-b-c&"
	         "Policy=%%7B%%22a%%22%%3A1%%7D&DurationSeconds=900&WebIdentityToken=%s",
	         jwt);
	assert_string_equal(canned_body(server, 0, &len), expect);
	canned_stop(server);
}

static const struct {
	struct canned_reply reply;
	enum bl_code code;
	bool renew;
	unsigned requests;
	const char *text, *next;
} refusals[] = {
	{ REFUSAL(403, "AccessDenied", "Not authorized"), BL_EDENIED, false, 1,
	  "the token says sub repo:acme/widgets:pull_request, aud sts.amazonaws.com, "
	  "repository_id 5005",
	  "repo:acme/widgets:pull_request repo:acme@1001/widgets@5005:pull_request" },
	{ REFUSAL(403, "IDPRejectedClaim", "no"), BL_EDENIED, false, 1, "repository_id 5005",
	  "repo:acme@1001/widgets@5005:pull_request" },
	{ REFUSAL(400, "InvalidIdentityToken", "Couldn't retrieve verification key"), BL_ERETRY,
	  true, 1, "InvalidIdentityToken", "" },
	{ REFUSAL(400, "ExpiredTokenException", "Token expired"), BL_ERETRY, true, 1,
	  "ExpiredTokenException", "" },
	{ REFUSAL(400, "InvalidIdentityToken",
	          "No OpenIDConnect provider found in your account for https://x"),
	  BL_EDENIED, false, 1, "No OpenIDConnect provider", "identity provider" },
	{ REFUSAL(400, "InvalidIdentityToken", "Incorrect token audience"), BL_EDENIED, false, 1,
	  "Incorrect token audience", "audience" },
	{ REFUSAL(400, "IDPCommunicationError", "later"), BL_ERETRY, false, 3,
	  "IDPCommunicationError", "issuer" },
	{ REFUSAL(400, "ValidationError",
	          "The requested DurationSeconds exceeds the MaxSessionDuration set for "
	          "this "
	          "role."),
	  BL_EINPUT, false, 1, "MaxSessionDuration", "maximum" },
	{ { .status = 503 }, BL_ERETRY, false, 3, "HTTP 503", "" },
	{ { .body = "<AssumeRoleWithWebIdentityResponse/>" },
	  BL_ECORRUPT,
	  false,
	  1,
	  "without credentials",
	  "" },
	{ { .body = "<html>" }, BL_ECORRUPT, false, 1, "AssumeRoleWithWebIdentity", "" },
};

static void refusals_say_what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(refusals); i++) {
		struct canned *server = canned_start(&refusals[i].reply, 1);
		struct bl_assume assume = { .role_arn = INPUT_ROLE };
		BL_AUTO(bl_credentials) got = { 0 };
		struct bl_err err = { 0 };
		bool renew = false;

		be_a_job(server);
		assert_int_equal(assume_web(&assume, jwt_of(CLAIMS), &got, &renew, &err), -1);
		assert_int_equal(err.code, refusals[i].code);
		assert_int_equal(renew, refusals[i].renew);
		assert_non_null(strstr(err.text, refusals[i].text));
		assert_non_null(strstr(err.next, refusals[i].next));
		assert_int_equal(canned_requests(server), refusals[i].requests);
		assert_null(strstr(err.text, "eyJ"));
		assert_string_equal(got.access_key, "");
		canned_stop(server);
	}
}

#define LONG_CLAIMS(branch)                                                                        \
	"{\"aud\":\"sts.amazonaws.com\",\"sub\":\"repo:my-organisation/training-pipelines:ref:"    \
	"refs/heads/" branch "\",\"repository\":\"my-organisation/training-pipelines\","           \
	"\"repository_owner_id\":\"10010010\",\"repository_id\":700500500}"
#define LONG_BRANCH                                                                                \
	"feature/0123456789012345678901234567890123456789012345678901234567890123456789012345678"  \
	"90123456789012345678901234567890123456789012345678901234567890123456789012345678901"

static void refuse(const char *claims, struct bl_err *err)
{
	const struct canned_reply replies[] = { REFUSAL(403, "AccessDenied", "no") };
	struct canned *server = canned_start(replies, 1);
	struct bl_assume assume = { .role_arn = INPUT_ROLE };
	BL_AUTO(bl_credentials) got = { 0 };
	bool renew;

	be_a_job(server);
	assert_int_equal(assume_web(&assume, jwt_of(claims), &got, &renew, err), -1);
	canned_stop(server);
}

/* What is cut in the middle would be pasted into a policy as it stands. */
static void conditions_are_whole_or_elsewhere(void **state)
{
	struct bl_err fits = { 0 }, over = { 0 };

	(void)state;
	refuse(LONG_CLAIMS("feature/longer-context-and-more"), &fits);
	assert_non_null(strstr(fits.text, "repository_id 700500500"));
	assert_non_null(strstr(fits.next,
	                       "repo:my-organisation@10010010/training-pipelines@700500500:"
	                       "ref:refs/heads/feature/longer-context-and-more"));
	refuse(LONG_CLAIMS(LONG_BRANCH), &over);
	assert_null(strstr(over.next, "repo:"));
	assert_non_null(strstr(over.next, "branchline whoami"));
}

static void a_role_named_githubactions_is_pointed_at(void **state)
{
	const struct canned_reply replies[] = { REFUSAL(403, "AccessDenied", "no") };
	struct canned *server = canned_start(replies, 1);
	struct bl_assume assume = { .role_arn = "arn:aws:iam::111122223333:role/GitHubActions" };
	BL_AUTO(bl_credentials) got = { 0 };
	struct bl_err err = { 0 };
	bool renew;

	(void)state;
	be_a_job(server);
	assert_int_equal(assume_web(&assume, jwt_of(CLAIMS), &got, &renew, &err), -1);
	assert_non_null(strstr(err.next, "give it another name"));
	canned_stop(server);
}

static void what_sts_would_not_take_is_not_sent(void **state)
{
	static char long_policy[BL_STS_POLICY_MAX + 2];
	const struct bl_assume table[] = {
		{ .role_arn = "GitHubActions" },
		{ .role_arn = INPUT_ROLE, .policy = long_policy },
	};

	(void)state;
	forget_identity();
	memset(long_policy, 'x', sizeof(long_policy) - 1);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_credentials) got = { 0 };
		struct bl_err err = { 0 };
		bool renew;

		setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1", 1);
		assert_int_equal(assume_web(&table[i], jwt_of(CLAIMS), &got, &renew, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
	BL_AUTO(bl_credentials) got = { 0 };
	struct bl_err err = { 0 };
	bool renew;
	assert_int_equal(assume_web(&(struct bl_assume){ .role_arn = INPUT_ROLE }, "abc", &got,
	                            &renew, &err),
	                 -1);
	assert_non_null(strstr(err.text, "4 to 20000"));
}

/* --- Pure ------------------------------------------------------------------------------------- */

static void any_text_becomes_a_session_name(void **state)
{
	static const struct {
		const char *text, *name;
	} table[] = {
		{ "branchline-1", "branchline-1" },
		{ "a b\n$(id)", "a-b-id-" },
		{ "_+=,.@-", "_+=,.@-" },
		{ "", "--" },
		{ "x", "x-" },
		{ "\xc3\xa9\xc3\xa9", "--" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char name[BL_STS_NAME_MAX + 1];

		bl_sts_session_name(table[i].text, name);
		assert_string_equal(name, table[i].name);
	}
}

static void roles_are_checked(void **state)
{
	static const struct {
		const char *arn, *why; /* NULL: fine */
	} table[] = {
		{ "arn:aws:iam::123456789012:role/train", NULL },
		{ "arn:aws-cn:iam::123456789012:role/path/to/a+b=c,d.e@f-g_h", NULL },
		{ "arn:aws-us-gov:iam::123456789012:role/x", NULL },
		{ "", "not the ARN of an IAM role" },
		{ "train", "not the ARN of an IAM role" },
		{ "arn:aws:sts::123456789012:assumed-role/x/y", "not the ARN of an IAM role" },
		{ "arn:evil:iam::123456789012:role/x", "not the ARN of an IAM role" },
		{ "arn:aws:iam::12345678901:role/x", "12 digits" },
		{ "arn:aws:iam::1234567890123:role/x", "12 digits" },
		{ "arn:aws:iam::123456789012:user/x", "not a role" },
		{ "arn:aws:iam::123456789012:role/", "1 to 64" },
		{ "arn:aws:iam::123456789012:role/a/", "1 to 64" },
		{ "arn:aws:iam::123456789012:role/a b", "a character" },
		{ "arn:aws:iam::123456789012:role/a\nb", "a character" },
		{ "arn:aws:iam::123456789012:role/"
		  "01234567890123456789012345678901234567890123456789012345678901234",
		  "1 to 64" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { 0 };
		int rc = bl_sts_check_role(table[i].arn, &err);

		assert_int_equal(rc, table[i].why ? -1 : 0);
		if (!table[i].why)
			continue;
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, table[i].why));
		assert_non_null(strstr(err.next, "arn:aws:iam::123456789012:role/NAME"));
	}
}

/* --- Signed ----------------------------------------------------------------------------------- */

#define CALLER                                                                                     \
	"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn>"     \
	"<UserId>U</UserId><Account>111122223333</Account></GetCallerIdentityResult>"              \
	"</GetCallerIdentityResponse>"

static int signed_story(struct bl_err *err)
{
	const struct bl_assume assume = { .role_arn = INPUT_ROLE, .external_id = "x y" };
	const struct bl_aws_options options = { .region = "us-east-1" };
	BL_AUTO(bl_credentials) got = { 0 };
	struct bl_caller caller;
	BL_AWS aws = NULL;

	if (bl_aws_open(&options, &aws, err) || bl_sts_assume(aws, &assume, &got, err) ||
	    bl_sts_caller(aws, &caller, err))
		return -1;
	if (strcmp(got.access_key, "ASIATWO") != 0 || strcmp(caller.account, "111122223333") != 0)
		return bl_fail(err, BL_EBUG, "%s %s", got.access_key, caller.account);
	return 0;
}

static void roles_are_assumed_with_other_credentials(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = assumed_xml("ASIATWO", INPUT_NOON) },
		{ .body = CALLER },
	};
	struct canned *server = canned_start(replies, 2);
	struct bl_err err = { 0 };
	size_t len;

	(void)state;
	be_a_job(server);
	unsetenv("AWS_ROLE_ARN");
	setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
	must(signed_story(&err), &err);
	assert_non_null(
		strcasestr(canned_head(server, 0), "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"));
	assert_non_null(strstr(canned_body(server, 0, &len), "&ExternalId=x%20y"));
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int web_story(struct bl_err *err)
{
	const struct bl_assume assume = { .role_arn = INPUT_ROLE, .policy = "{}" };
	BL_AUTO(bl_credentials) got = { 0 };
	bool renew;

	return assume_web(&assume, getenv("STORY_JWT"), &got, &renew, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply web[] = { { .body = assumed_xml("ASIAONE", INPUT_NOON) } };
	struct canned *server = canned_start(web, 1);

	(void)state;
	be_a_job(server);
	setenv("STORY_JWT", jwt_of(CLAIMS), 1);
	each_allocation_fails(web_story, 4000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_is_assumed_without_a_signature),
		cmocka_unit_test(refusals_say_what_to_do),
		cmocka_unit_test(conditions_are_whole_or_elsewhere),
		cmocka_unit_test(a_role_named_githubactions_is_pointed_at),
		cmocka_unit_test(what_sts_would_not_take_is_not_sent),
		cmocka_unit_test(any_text_becomes_a_session_name),
		cmocka_unit_test(roles_are_checked),
		cmocka_unit_test(roles_are_assumed_with_other_credentials),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("sts", tests, NULL, NULL);
}
