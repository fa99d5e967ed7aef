/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/advice.h"

#include "aws/advice_table.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *advice_on(const struct bl_refusal *refusal, struct bl_err *err)
{
	*err = (struct bl_err){ .code = BL_EDENIED };
	bl_advise(refusal, err);
	return err->next;
}

static const struct {
	const char *service, *operation, *code, *message, *says;
} refusals[] = {
	{ "ec2", "CreateFleet", "UnauthorizedOperation", "You are not", "allow ec2:CreateFleet," },
	{ "ec2", "TerminateInstances", "UnauthorizedOperation", "no", "ec2:TerminateInstances" },
	{ "ec2", "DescribeInstances", "UnauthorizedOperation",
	  "User: u is not authorized to perform: ec2:DescribeInstances because", "ec2:Describe" },
	{ "ec2", "CreateFleet", "AuthFailure.ServiceLinkedRoleCreationNotPermitted", "no",
	  "create-service-linked-role" },
	{ "ec2", "CreateFleet", "InsufficientInstanceCapacity", "no", "wait_for_capacity" },
	{ "ec2", "CreateFleet", "VcpuLimitExceeded", "no", "Service Quotas" },
	{ "ec2", "CreateFleet", "InvalidLaunchTemplateId.NotFound", "no", "Terraform" },
	{ "ec2", "DescribeSubnets", "InvalidSubnetID.NotFound", "no", "Terraform" },
	{ "s3", "GetObject", "AccessDenied", "Access Denied", "allow s3:GetObject on b/*" },
	{ "s3", "HeadObject", "AccessDenied", NULL, "s3:ListBucket on b:" },
	{ "s3", "PutObject", "AccessDenied", "", "allow s3:PutObject on b/runs/*" },
	{ "s3", "CreateMultipartUpload", "AccessDenied", "", "allow s3:PutObject on" },
	{ "s3", "UploadPart", "AccessDenied", "", "allow s3:PutObject on" },
	{ "s3", "CompleteMultipartUpload", "AccessDenied", "", "allow s3:PutObject on" },
	{ "s3", "CopyObject", "AccessDenied", "", "allow s3:PutObject on" },
	{ "s3", "ListObjectsV2", "AccessDenied", "", "arn:aws:s3:::b, without /*" },
	{ "s3", "HeadBucket", "AccessDenied", "", "allow s3:ListBucket on" },
	{ "s3", "ListMultipartUploads", "AccessDenied", "", "allow s3:ListBucketMultipartUploads" },
	{ "s3", "ListParts", "AccessDenied", "", "allow s3:ListMultipartUploadParts" },
	{ "s3", "AbortMultipartUpload", "AccessDenied", "", "allow s3:AbortMultipartUpload" },
	{ "s3", "DeleteObject", "AccessDenied", "", "allow s3:DeleteObject on b/*" },
	{ "s3", "DeleteObjects", "AccessDenied", "", "allow s3:DeleteObject on b/*" },
	{ "s3", "GetBucketLocation", "AccessDenied", "", "or set AWS_REGION" },
	{ "s3", "RestoreObject", "AccessDenied", "", "branchline whoami" },
	{ "s3", "RestoreObject", "AccessDenied",
	  "User: u is not authorized to perform: s3:RestoreObject on resource: r",
	  "allow s3:RestoreObject on the resource" },
	{ "s3", "PutObject", "AccessDenied",
	  "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: "
	  "s3:PutObject "
	  "on resource: \"arn:aws:s3:::b/k\" with an explicit deny in a resource-based "
	  "policy",
	  "change the Deny of s3:PutObject in the resource-based policy:" },
	{ "s3", "PutObject", "AccessDenied",
	  "not authorized to perform: s3:PutObject on resource: r with an explicit deny in "
	  "an "
	  "identity-based policy",
	  "in the identity-based policy:" },
	{ "s3", "PutObject", "AccessDenied", "with an explicit deny",
	  "change the Deny of the action in the policy that holds it:" },
	{ "s3", "PutObject", "AccessDenied",
	  "is not authorized to perform: s3:PutObject on resource: r because no session "
	  "policy allows the s3:PutObject action",
	  "give a session policy that allows s3:PutObject" },
	{ "s3", "GetObject", "AccessDenied",
	  "User: u is not authorized to perform: kms:Decrypt on the resource associated "
	  "with "
	  "this ciphertext",
	  "allow kms:Decrypt on the key that encrypts" },
	{ "s3", "GetObject", "KMS.DisabledException", "", "enable the KMS key" },
	{ "s3", "GetObject", "KMS.KMSInvalidStateException", "", "enable the KMS key" },
	{ "s3", "PutObject", "KMS.NotFoundException", "", "name a KMS key that exists" },
	{ "s3", "ListObjectsV2", "NoSuchBucket", "", "check the bucket's name (b)" },
	{ "s3", "GetObject", "NoSuchKey", "", "aws s3 ls --recursive s3://b/" },
	{ "s3", "GetObject", "PermanentRedirect", "", "set AWS_REGION" },
	{ "s3", "GetObject", "AuthorizationHeaderMalformed", "", "--bucket b shows it" },
	{ "s3", "HeadBucket", "BucketRegionError", "", "set AWS_REGION" },
	{ "s3", "GetObject", "InvalidObjectState", "",
	  "aws s3api restore-object --bucket b --key k/l --restore-request Days=7" },
	{ "s3", "PutObject", "SlowDown", "", "3,500 writes" },
	{ "s3", "PutObject", "EntityTooLarge", "", "5 TiB" },
	{ "s3", "CompleteMultipartUpload", "EntityTooSmall", "", "5 MiB" },
	{ "s3", "PutObject", "BadDigest", "", "the bytes changed" },
	{ "s3", "PutObject", "XAmzContentSHA256Mismatch", "", "the bytes changed" },
	{ "s3", "GetObject", "PreconditionFailed", "", "replaced while it was read" },
	{ "s3", "PutObject", "PreconditionFailed", "", "choose another key" },
	{ "s3", "PutObject", "ConditionalRequestConflict", "", "another write" },
	{ "s3", "UploadPart", "NoSuchUpload", "", "start the upload again" },
	{ "s3", "CompleteMultipartUpload", "InvalidPart", "", "start the upload again" },
	{ "s3", "PutObject", "InvalidBucketState", "", "versioning or object lock" },
	{ "s3", "PutObject", "InvalidBucketName", "", "3 to 63" },
	{ "s3", "PutObject", "KeyTooLongError", "", "1,024 bytes" },
	{ "s3", "PutObject", "MethodNotAllowed", "", "AWS_ENDPOINT_URL_S3" },
	{ "s3", "PutObject", "NotImplemented", "", "AWS_ENDPOINT_URL_S3" },
	{ "s3", "PutObject", "AllAccessDisabled", "", "ask the bucket's owner" },
	{ "sts", "AssumeRoleWithWebIdentity", "AccessDenied",
	  "Not authorized to perform sts:AssumeRoleWithWebIdentity",
	  "make the trust policy of b/k/l allow" },
	{ "sts", "AssumeRole", "AccessDenied", "", "allow the caller sts:AssumeRole on b/k/l" },
	{ "sts", "AssumeRoleWithWebIdentity", "InvalidIdentityToken",
	  "No OpenIDConnect provider found in your account for https://x",
	  "create the identity provider" },
	{ "sts", "AssumeRoleWithWebIdentity", "InvalidIdentityToken", "Incorrect token audience",
	  "compare audience and issuer" },
	{ "sts", "AssumeRoleWithWebIdentity", "IDPRejectedClaim", "", "run the job again" },
	{ "sts", "AssumeRoleWithWebIdentity", "ExpiredTokenException", "", "too old" },
	{ "sts", "AssumeRoleWithWebIdentity", "IDPCommunicationError", "", "issuer" },
	{ "sts", "AssumeRole", "MalformedPolicyDocument", "", "correct the session policy" },
	{ "sts", "AssumeRole", "PackedPolicyTooLarge", "", "shorten the session policy" },
	{ "sts", "AssumeRole", "RegionDisabledException", "", "STS for eu-west-9 in" },
	{ "sts", "AssumeRole", "ValidationError",
	  "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
	  "ask for a shorter session" },
	{ "sts", "AssumeRole", "ValidationError", "1 validation error: at 'roleArn' failed",
	  "arn:aws:iam::123456789012:role/NAME" },
	{ "sts", "GetCallerIdentity", "InvalidClientTokenId", "", "use keys that are active" },
	{ "s3", "PutObject", "InvalidAccessKeyId", "", "use keys that are active" },
	{ "logs", "PutLogEvents", "UnrecognizedClientException", "", "use keys that are" },
	{ "s3", "PutObject", "SignatureDoesNotMatch", "", "check the secret key" },
	{ "s3", "PutObject", "ExpiredToken", "", "get new credentials" },
	{ "sts", "GetCallerIdentity", "ExpiredTokenException", "", "get new credentials" },
	{ "s3", "PutObject", "InvalidToken", "", "AWS_SESSION_TOKEN" },
	{ "s3", "PutObject", "RequestTimeTooSkewed", "", "clock" },
	{ "ec2", "CreateFleet", "AuthFailure", "", "clock" },
	{ "portal.sso", "GetRoleCredentials", "UnauthorizedException", "", "aws sso login" },
	{ "ec2", "CreateFleet", "OptInRequired", "", "the region eu-west-9" },
	{ "s3", "PutObject", "AccountProblem", "", "AWS Support" },
	{ "logs", "PutLogEvents", "AccessDeniedException",
	  "User: u is not authorized to perform: logs:PutLogEvents on resource: r",
	  "allow logs:PutLogEvents on the resource" },
	{ "ec2", "GetConsoleOutput", "UnauthorizedOperation", "", "branchline whoami" },
	{ "ec2", "CreateFleet", "RequestLimitExceeded", "", "wait a minute" },
	{ "logs", "PutLogEvents", "ThrottlingException", "", "wait a minute" },
	{ "ecr", "GetAuthorizationToken", "AccessDeniedException",
	  "User: u is not authorized to perform: ecr:GetAuthorizationToken on resource: *",
	  "allow ecr:GetAuthorizationToken on * in" },
	{ "ecr", "CreateRepository", "AccessDeniedException", "",
	  "allow ecr:CreateRepository on the repository" },
	{ "ecr", "DescribeImages", "AccessDeniedException", "", "allow ecr:DescribeImages and" },
	{ "ecr", "DescribeRepositories", "AccessDeniedException", "",
	  "ecr:DescribeRepositories on the repository" },
	{ "ecr", "DescribeImages", "AccessDeniedException", "with an explicit deny",
	  "change the Deny" },
	{ "ecr", "CreateRepository", "LimitExceededException", "",
	  "ask for more in Service Quotas, for eu-west-9" },
	{ "ecr", "CreateRepository", "InvalidParameterException", "", "2 to 256 of a-z" },
	{ "ecr", "CreateRepository", "ServiceQuotaExceededException", "", "for eu-west-9" },
	{ "s3", "PutObject", "InternalError", "", "AWS Support" },
};

/* What users meet; `says` is a part of what they read. */
static void each_refusal_has_its_advice(void **state)
{
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(refusals); i++) {
		const char *got =
			advice_on(&(struct bl_refusal){ refusals[i].service, refusals[i].operation,
		                                        400, refusals[i].code, refusals[i].message,
		                                        "b/k/l", "eu-west-9" },
		                  &err);

		if (!strstr(got, refusals[i].says))
			fail_msg("%s %s %s: '%s' lacks '%s'", refusals[i].service,
			         refusals[i].operation, refusals[i].code, got, refusals[i].says);
	}
}

static void what_is_not_known_gets_none(void **state)
{
	static const char *const codes[] = { "", "NoSuchThing", "Access", "AccessDeniedX", "KMS" };
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(codes); i++)
		assert_string_equal(advice_on(&(struct bl_refusal){ .service = "s3",
		                                                    .status = 400,
		                                                    .code = codes[i] },
		                              &err),
		                    "");
	assert_string_equal(advice_on(&(struct bl_refusal){ 0 }, &err), "");
	err = (struct bl_err){ .code = BL_EDENIED, .next = "known better" };
	bl_advise(&(struct bl_refusal){ .service = "s3", .code = "NoSuchKey" }, &err);
	assert_string_equal(err.next, "known better");
}

/* The reply to HEAD has no body. */
static void a_status_stands_for_its_code(void **state)
{
	static const struct {
		int status;
		const char *operation, *says;
	} table[] = {
		{ 301, "HeadBucket", "set AWS_REGION" },
		{ 403, "HeadObject", "allow s3:GetObject" },
		{ 403, "HeadBucket", "allow s3:ListBucket" },
		{ 404, "HeadBucket", "check the bucket's name" },
		{ 404, "HeadObject", "look what is there" },
		{ 405, "HeadObject", "AWS_ENDPOINT_URL_S3" },
		{ 412, "HeadObject", "replaced" },
		{ 429, "GetObject", "wait a minute" },
		{ 501, "PutObject", "AWS_ENDPOINT_URL_S3" },
		{ 502, "PutObject", "repeat it later" },
	};
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_non_null(strstr(advice_on(
					       &(struct bl_refusal){
						       .service = "s3",
						       .operation = table[i].operation,
						       .status = table[i].status,
						       .resource = "b",
					       },
					       &err),
		                       table[i].says));
}

static const char *restore_of(const char *resource, struct bl_err *err)
{
	const char *got = advice_on(&(struct bl_refusal){ .service = "s3",
	                                                  .operation = "GetObject",
	                                                  .status = 403,
	                                                  .code = "InvalidObjectState",
	                                                  .resource = resource },
	                            err);
	const char *command = strstr(got, "--bucket");

	assert_non_null(command);
	return command;
}

static void names_are_quoted_or_left_out(void **state)
{
	static const struct {
		const char *resource, *command;
	} table[] = {
		{ "b/runs/a.pt", "--bucket b --key runs/a.pt --restore-request Days=7" },
		{ "b/a b", "--bucket b --key 'a b' --restore-request Days=7" },
		{ "b/it's", "--bucket b --key 'it'\\''s' --restore-request Days=7" },
		{ "b/$(id)`id`", "--bucket b --key '$(id)`id`' --restore-request Days=7" },
		{ "b/{bucket}", "--bucket b --key '{bucket}' --restore-request Days=7" },
		{ "b/\xc3\xa9", "--bucket b --key '\xc3\xa9' --restore-request Days=7" },
		{ "b/a\nb", "--bucket b --key KEY --restore-request Days=7" },
		{ "b/a\x1b[0m", "--bucket b --key KEY --restore-request Days=7" },
		{ "b/", "--bucket b --key KEY --restore-request Days=7" },
		{ "b", "--bucket b --key KEY --restore-request Days=7" },
		{ NULL, "--bucket BUCKET --key KEY --restore-request Days=7" },
	};
	char long_key[1027] = "b/";
	struct bl_err err;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		assert_string_equal(restore_of(table[i].resource, &err), table[i].command);
	memset(long_key + 2, 'k', 1024);
	assert_string_equal(restore_of(long_key, &err),
	                    "--bucket b --key KEY --restore-request Days=7");
	long_key[180] = '\0'; /* quoted it fits, but not with the sentence */
	assert_string_equal(restore_of(long_key, &err),
	                    "--bucket BUCKET --key KEY --restore-request Days=7");
}

/* No sentence is cut, even where no name is known. */
static void every_sentence_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < advice_count; i++) {
		const struct advice *row = &advice_table[i];
		char code[64] = "", operation[64] = "";
		size_t len = strcspn(row->codes, " *");
		struct bl_err err;
		const char *got;

		memcpy(code, row->codes, len);
		if (row->operations)
			memcpy(operation, row->operations, strcspn(row->operations, " "));
		got = advice_on(&(struct bl_refusal){ .service = row->service,
		                                      .operation = operation,
		                                      .code = code,
		                                      .message = row->message },
		                &err);
		if (!*got || strlen(got) > 250 || strchr(got, '{') || strchr(got, '\n'))
			fail_msg("row %zu (%s): '%s'", i, code, got);
		if (got[strlen(got) - 1] == '.')
			fail_msg("row %zu ends in a full stop", i);
	}
}

static const struct {
	const char *service;
	int status;
	const char *code;
	enum bl_code ours;
} codes[] = {
	{ "s3", 403, "AccessDenied", BL_EDENIED },
	{ "s3", 403, "", BL_EDENIED },
	{ "s3", 403, "SomethingNew", BL_EDENIED },
	{ "sts", 401, "", BL_EDENIED },
	{ "s3", 403, "InvalidObjectState", BL_EDENIED },
	{ "s3", 400, "ExpiredToken", BL_EDENIED },
	{ "s3", 400, "InvalidToken", BL_EDENIED },
	{ "s3", 403, "RequestTimeTooSkewed", BL_EDENIED },
	{ "s3", 400, "KMS.DisabledException", BL_EDENIED },
	{ "sts", 400, "InvalidIdentityToken", BL_EDENIED },
	{ "s3", 404, "NoSuchKey", BL_ENOENT },
	{ "s3", 404, "NoSuchBucket", BL_ENOENT },
	{ "s3", 404, "NoSuchUpload", BL_ENOENT },
	{ "s3", 404, "", BL_ENOENT },
	{ "ec2", 400, "InvalidInstanceID.NotFound", BL_ENOENT },
	{ "ec2", 400, ".NotFound", BL_EIO },
	{ "s3", 412, "PreconditionFailed", BL_EEXIST },
	{ "s3", 412, "", BL_EEXIST },
	{ "x", 412, "", BL_EIO },
	{ "s3", 409, "ConditionalRequestConflict", BL_ERETRY },
	{ "s3", 409, "OperationAborted", BL_ERETRY },
	{ "s3", 409, "", BL_ERETRY },
	{ "s3", 409, "BucketNotEmpty", BL_EIO },
	{ "x", 409, "", BL_EIO },
	{ "s3", 503, "SlowDown", BL_ERETRY },
	{ "s3", 500, "InternalError", BL_ERETRY },
	{ "s3", 200, "InternalError", BL_ERETRY },
	{ "s3", 502, "", BL_ERETRY },
	{ "s3", 429, "", BL_ERETRY },
	{ "sts", 400, "Throttling", BL_ERETRY },
	{ "sts", 400, "IDPCommunicationError", BL_ERETRY },
	{ "ec2", 500, "InsufficientInstanceCapacity", BL_ECAPACITY },
	{ "ec2", 400, "VcpuLimitExceeded", BL_ECAPACITY },
	{ "ecr", 400, "ServiceQuotaExceededException", BL_ECAPACITY },
	{ "ecr", 400, "RepositoryNotFoundException", BL_ENOENT },
	{ "ecr", 400, "ImageNotFoundException", BL_ENOENT },
	{ "ecr", 400, "RepositoryAlreadyExistsException", BL_EEXIST },
	{ "ecr", 400, "InvalidParameterException", BL_EINPUT },
	{ "s3", 301, "PermanentRedirect", BL_EINPUT },
	{ "s3", 400, "AuthorizationHeaderMalformed", BL_EINPUT },
	{ "sts", 400, "ValidationError", BL_EINPUT },
	{ "s3", 400, "BadDigest", BL_ECORRUPT },
	{ "s3", 400, "XAmzContentSHA256Mismatch", BL_ECORRUPT },
	{ "s3", 501, "NotImplemented", BL_EIO },
	{ "s3", 416, "InvalidRange", BL_EIO },
	{ "s3", 400, "", BL_EIO },
};

static void errors_of_aws_have_our_codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(codes); i++) {
		enum bl_code got = bl_aws_code(codes[i].service, codes[i].status, codes[i].code);

		if (got != codes[i].ours)
			fail_msg("%s %d %s is %d", codes[i].service, codes[i].status, codes[i].code,
			         got);
	}
}

/* Without memory there is no advice, and the error stays what it was. */
static int advise(struct bl_err *err)
{
	struct bl_err told = { .code = BL_EDENIED, .text = "refused" };

	(void)err;
	bl_advise(&(struct bl_refusal){ .service = "s3",
	                                .operation = "GetObject",
	                                .code = "InvalidObjectState",
	                                .resource = "bucket/a key that is not short at all, and so "
	                                            "needs more than one piece of memory" },
	          &told);
	return told.code == BL_EDENIED && !strcmp(told.text, "refused") ? 0 : -2;
}

static void a_failed_allocation_costs_the_advice_only(void **state)
{
	(void)state;
	each_allocation_fails(advise, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_has_its_advice),
		cmocka_unit_test(what_is_not_known_gets_none),
		cmocka_unit_test(a_status_stands_for_its_code),
		cmocka_unit_test(names_are_quoted_or_left_out),
		cmocka_unit_test(every_sentence_fits),
		cmocka_unit_test(errors_of_aws_have_our_codes),
		cmocka_unit_test(a_failed_allocation_costs_the_advice_only),
	};

	return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
