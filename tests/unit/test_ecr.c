/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ecr.h"

#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/ecr_call.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNT "111122223333"
#define DIGEST "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
/* AWS:p:w */
#define TOKEN(text, expires)                                                                       \
	"{\"authorizationData\":[{\"authorizationToken\":\"" text "\",\"expiresAt\":" expires      \
	",\"proxyEndpoint\":\"https://x\"}]}"
#define REFUSAL(name, said)                                                                        \
	{                                                                                          \
		.status = 400, .headers = "x-amzn-RequestId: R-1\r\n",                             \
		.body = "{\"__type\":\"" name "\",\"message\":\"" said "\"}"                       \
	}

static struct bl_aws *client_for(const struct canned *server)
{
	return client_of(canned_url(server, ""));
}

static void a_token_is_of_the_region_asked(void **state)
{
	const struct canned_reply replies[] = { { .body = TOKEN("QVdTOnA6dw==",
		                                                "1.7956512345E9") } };
	struct canned *server = canned_start(replies, 1);
	BL_AUTO(bl_ecr_token) token = { 0 };
	struct bl_err err = { 0 };
	const char *head;
	BL_AWS aws = client_for(server);
	size_t len;

	(void)state;
	must(bl_ecr_token(aws, "eu-west-1", &token, &err), &err);
	assert_string_equal(token.user, "AWS");
	assert_string_equal(bl_secret_text(&token.password), "p:w");
	assert_int_equal(token.expires_wall_ms, 1795651234500);
	head = canned_head(server, 0);
	assert_non_null(strstr(head, "POST / HTTP/1.1\r\n"));
	assert_non_null(strcasestr(head, "\r\nx-amz-target: AmazonEC2ContainerRegistry_V20150921."
	                                 "GetAuthorizationToken\r\n"));
	assert_non_null(strcasestr(head, "\r\ncontent-type: application/x-amz-json-1.1\r\n"));
	assert_non_null(strstr(head, "/eu-west-1/ecr/aws4_request"));
	assert_string_equal(canned_body(server, 0, &len), "{}");
	canned_stop(server);
}

static void the_expiry_is_by_our_clock(void **state)
{
	/* two hours ahead of us */
	const struct canned_reply replies[] = {
		{ .headers = "Date: Wed, 25 Nov 2026 14:00:00 GMT\r\n",
		  .body = TOKEN("QVdTOnB3", "1795651200") },
	};
	struct canned *server = canned_start(replies, 1);
	BL_AUTO(bl_ecr_token) token = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = client_for(server);

	(void)state;
	stop_clock(INPUT_NOON);
	must(bl_ecr_token(aws, NULL, &token, &err), &err);
	start_clock();
	assert_int_equal(token.expires_wall_ms, 1795651200000 - 2 * 3600000);
	canned_stop(server);
}

static void replies_that_hold_no_token(void **state)
{
	static const struct {
		const char *body, *why;
	} table[] = {
		{ "{}", "without authorizationData" },
		{ "{\"authorizationData\":[]}", "without authorizationData" },
		{ "{\"authorizationData\":{}}", "without authorizationData" },
		{ "{\"authorizationData\":[{\"expiresAt\":1}]}", "without authorizationToken" },
		{ "{\"authorizationData\":[{\"authorizationToken\":7}]}", "without authorization" },
		{ TOKEN("", "1795651200"), "token of 0 bytes" },
		{ TOKEN("!", "1795651200"), "not base64" },
		{ TOKEN("QVdT", "1795651200"), "not USER:PASSWORD" },
		{ TOKEN("QVdTOg==", "1795651200"), "not USER:PASSWORD" },
		{ TOKEN("OnB3", "1795651200"), "not USER:PASSWORD" },
		{ TOKEN("QVdTOnAAdw==", "1795651200"), "not USER:PASSWORD" },
		{ TOKEN("QVdTOnB3", "0"), "without expiresAt" },
		{ TOKEN("QVdTOnB3", "\"soon\""), "without expiresAt" },
		{ TOKEN("QVdTOnB3", "1e300"), "without expiresAt" },
		{ "<html>", "GetAuthorizationToken" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply reply = { .body = table[i].body };
		struct canned *server = canned_start(&reply, 1);
		BL_AUTO(bl_ecr_token) token = { .user = "before" };
		struct bl_err err = { 0 };
		BL_AWS aws = client_for(server);

		assert_int_equal(bl_ecr_token(aws, NULL, &token, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		if (!strstr(err.text, table[i].why) || strstr(err.text, "QVdT"))
			fail_msg("%zu: %s", i, err.text);
		assert_string_equal(token.user, "before");
		canned_stop(server);
	}
}

static int token_of(struct bl_aws *aws, struct bl_err *err)
{
	BL_AUTO(bl_ecr_token) token = { 0 };

	return bl_ecr_token(aws, NULL, &token, err);
}

static int digest_of(struct bl_aws *aws, struct bl_err *err)
{
	char digest[72] = "before";
	int rc = bl_ecr_tag(aws, NULL, ACCOUNT, "team/name", "base-1", digest, err);

	assert_string_equal(digest, rc ? "before" : DIGEST);
	return rc;
}

static int create(struct bl_aws *aws, struct bl_err *err)
{
	return bl_ecr_create(aws, NULL, ACCOUNT, "team/name", err);
}

static int reach(struct bl_aws *aws, struct bl_err *err)
{
	return bl_ecr_reach(aws, NULL, ACCOUNT, "team/name", err);
}

static void refusals_say_what_to_do(void **state)
{
	static const struct {
		int (*call)(struct bl_aws *aws, struct bl_err *err);
		struct canned_reply reply;
		enum bl_code code;
		unsigned requests;
		const char *text, *next;
	} table[] = {
		{ token_of,
		  REFUSAL("AccessDeniedException",
		          "User: u is not authorized to perform: ecr:GetAuthorizationToken on "
		          "resource: * because no identity-based policy allows it"),
		  BL_EDENIED, 1, "ecr GetAuthorizationToken: HTTP 400 AccessDeniedException",
		  "allow ecr:GetAuthorizationToken on *" },
		{ token_of, REFUSAL("ServerException", "later"), BL_EIO, 1, "ServerException", "" },
		{ token_of, { .status = 500 }, BL_ERETRY, 3, "HTTP 500", "" },
		{ digest_of,
		  REFUSAL("RepositoryNotFoundException",
		          "The repository with name 'team/name' does not exist"),
		  BL_ENOENT, 1, "RepositoryNotFoundException",
		  "aws ecr create-repository --region us-east-1 --registry-id 111122223333 "
		  "--repository-name team/name" },
		{ digest_of, REFUSAL("ImageNotFoundException", "no"), BL_ENOENT, 1,
		  "ImageNotFoundException", "" },
		{ digest_of, { .body = "{}" }, BL_ECORRUPT, 1, "without a digest", "" },
		{ digest_of,
		  { .body = "{\"imageDetails\":[{\"imageDigest\":\"sha256:12\"}]}" },
		  BL_ECORRUPT,
		  1,
		  "without a digest",
		  "" },
		{ reach, REFUSAL("RepositoryNotFoundException", "no"), BL_ENOENT, 1,
		  "ecr DescribeRepositories", "aws ecr create-repository" },
		{ reach, REFUSAL("AccessDeniedException", "no"), BL_EDENIED, 1,
		  "ecr DescribeRepositories", "ecr:DescribeRepositories" },
		{ create, REFUSAL("AccessDeniedException", "no"), BL_EDENIED, 1,
		  "ecr CreateRepository", "allow ecr:CreateRepository" },
		{ create, REFUSAL("LimitExceededException", "10000 repositories"), BL_ECAPACITY, 3,
		  "10000 repositories", "Service Quotas" },
		{ create, REFUSAL("InvalidParameterException", "no"), BL_EINPUT, 1,
		  "InvalidParameterException", "2 to 256" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_err err = { 0 };
		BL_AWS aws = client_for(server);

		assert_int_equal(table[i].call(aws, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].text) ||
		    !strstr(err.next, table[i].next))
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
		assert_int_equal(canned_requests(server), table[i].requests);
		canned_stop(server);
	}
}

static void a_tag_has_a_digest(void **state)
{
	const struct canned_reply replies[] = {
		{ .body = "{\"imageDetails\":[{\"imageDigest\":\"" DIGEST
		          "\",\"imageTags\":[]}]}" },
	};
	struct canned *server = canned_start(replies, 1);
	struct bl_err err = { 0 };
	BL_AWS aws = client_for(server);
	size_t len;

	(void)state;
	must(digest_of(aws, &err), &err);
	assert_non_null(strstr(canned_head(server, 0), "_V20150921.DescribeImages\r\n"));
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"registryId\":\"" ACCOUNT "\",\"repositoryName\":\"team/name\","
	                    "\"imageIds\":[{\"imageTag\":\"base-1\"}]}");
	canned_stop(server);
}

static void a_repository_is_asked_for_by_name(void **state)
{
	const struct canned_reply replies[] = { { .body = "{\"repositories\":[{}]}" } };
	struct canned *server = canned_start(replies, 1);
	struct bl_err err = { 0 };
	BL_AWS aws = client_for(server);
	size_t len;

	(void)state;
	must(reach(aws, &err), &err);
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"registryId\":\"" ACCOUNT "\",\"repositoryNames\":[\"team/name\"]}");
	canned_stop(server);
}

static void one_that_is_there_counts_as_created(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .body = "{\"repository\":{}}" },
		REFUSAL("RepositoryAlreadyExistsException", "there"),
	};
	struct canned *server = canned_start(replies, 2);
	struct bl_err err = { 0 };
	BL_AWS aws = client_for(server);
	size_t len;

	(void)state;
	must(create(aws, &err), &err);
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"registryId\":\"" ACCOUNT "\",\"repositoryName\":\"team/name\","
	                    "\"imageTagMutability\":\"MUTABLE\","
	                    "\"imageScanningConfiguration\":{\"scanOnPush\":true}}");
	must(create(aws, &err), &err);
	assert_int_equal(err.code, BL_OK);
	canned_stop(server);
}

static void what_does_not_fit_is_not_sent(void **state)
{
	struct canned *server = canned_start(NULL, 0);
	static char name[4096];
	struct bl_err err = { 0 };
	BL_AWS aws = client_for(server);

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	assert_int_equal(bl_ecr_create(aws, NULL, ACCOUNT, name, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_int_equal(canned_requests(server), 0);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	BL_AUTO(bl_ecr_token) token = { 0 };
	char digest[72];

	return bl_ecr_token(open_already, NULL, &token, err) ||
	                       bl_ecr_tag(open_already, NULL, ACCOUNT, "r", "t", digest, err) ||
	                       bl_ecr_reach(open_already, NULL, ACCOUNT, "r", err) ||
	                       bl_ecr_create(open_already, NULL, ACCOUNT, "r", err)
	               ? -1
	               : 0;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ .body = "{\"authorizationData\":[{\"authorizationToken\":\"QVdTOnB3\","
		          "\"expiresAt\":1795651200}],"
		          "\"imageDetails\":[{\"imageDigest\":\"" DIGEST "\"}]}" },
	};
	struct canned *server = canned_start(replies, 1);
	struct bl_err err = { 0 };

	(void)state;
	open_already = client_for(server);
	must(story(&err), &err); /* what is set up once has thousands */
	each_allocation_fails(story, 2000);
	bl_aws_close(open_already);
	canned_stop(server);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_of_the_region_asked),
		cmocka_unit_test(the_expiry_is_by_our_clock),
		cmocka_unit_test(replies_that_hold_no_token),
		cmocka_unit_test(refusals_say_what_to_do),
		cmocka_unit_test(a_tag_has_a_digest),
		cmocka_unit_test(a_repository_is_asked_for_by_name),
		cmocka_unit_test(one_that_is_there_counts_as_created),
		cmocka_unit_test(what_does_not_fit_is_not_sent),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	if (argc > 1 && !strcmp(argv[1], "--call"))
		return ecr_calls();
	return cmocka_run_group_tests_name("ecr", tests, NULL, NULL);
}
