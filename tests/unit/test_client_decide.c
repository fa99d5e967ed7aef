/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MIN_MS ((int64_t)60000)

static struct bl_aws_verdict decide(struct bl_aws_facts facts)
{
	struct bl_aws_verdict verdict;

	facts.code = facts.code ? facts.code : "";
	facts.region = facts.region ? facts.region : "";
	facts.location = facts.location ? facts.location : "";
	facts.signed_region = facts.signed_region ? facts.signed_region : "us-east-1";
	bl_aws_decide(&facts, &verdict);
	return verdict;
}

static const struct {
	struct bl_aws_facts facts;
	enum bl_aws_act act;
} failures[] = {
	{ { .lost = BL_ERETRY }, BL_AWS_REPEAT },
	{ { .lost = BL_ERETRY, .sent = true }, BL_AWS_REPEAT },
	{ { .lost = BL_ERETRY, .unsafe = true }, BL_AWS_REPEAT },
	{ { .lost = BL_ERETRY, .unsafe = true, .sent = true }, BL_AWS_END },
	{ { .lost = BL_ETIMEOUT }, BL_AWS_END },
	{ { .lost = BL_EDENIED }, BL_AWS_END },
	{ { .lost = BL_ELIMIT }, BL_AWS_END },
	{ { .lost = BL_ENOMEM }, BL_AWS_END },
	{ { .lost = BL_ECORRUPT, .sent = true }, BL_AWS_END },

	{ { .status = 500, .code = "InternalError" }, BL_AWS_REPEAT },
	{ { .status = 500, .code = "InternalError", .unsafe = true, .sent = true }, BL_AWS_REPEAT },
	{ { .status = 503, .code = "SlowDown" }, BL_AWS_REPEAT },
	{ { .status = 502 }, BL_AWS_REPEAT },
	{ { .status = 502, .unsafe = true, .sent = true }, BL_AWS_END },
	{ { .status = 429 }, BL_AWS_REPEAT },
	{ { .status = 200, .code = "InternalError" }, BL_AWS_REPEAT },
	{ { .status = 200, .code = "PreconditionFailed" }, BL_AWS_END },
	{ { .status = 500, .code = "InsufficientInstanceCapacity" }, BL_AWS_END },
	{ { .status = 404, .code = "NoSuchKey" }, BL_AWS_END },
	{ { .status = 403, .code = "AccessDenied", .has_token = true }, BL_AWS_END },
	{ { .status = 412 }, BL_AWS_END },
	{ { .status = 304 }, BL_AWS_END },

	/* our clock: only where it explains the refusal */
	{ { .status = 403, .code = "RequestTimeTooSkewed", .offset_ms = 5 * MIN_MS }, BL_AWS_HEAL },
	{ { .status = 403, .code = "RequestTimeTooSkewed", .offset_ms = -360 * MIN_MS },
	  BL_AWS_HEAL },
	{ { .status = 403, .code = "RequestTimeTooSkewed", .offset_ms = 4 * MIN_MS }, BL_AWS_END },
	{ { .status = 403, .code = "SignatureDoesNotMatch" }, BL_AWS_END },
	{ { .status = 403, .code = "SignatureDoesNotMatch", .offset_ms = 20 * MIN_MS },
	  BL_AWS_HEAL },
	{ { .status = 401, .code = "AuthFailure", .offset_ms = -20 * MIN_MS }, BL_AWS_HEAL },
	{ { .status = 403, .code = "AccessDenied", .offset_ms = 20 * MIN_MS }, BL_AWS_END },
	{ { .status = 403, .is_head = true, .offset_ms = 20 * MIN_MS }, BL_AWS_HEAL },
	{ { .status = 403, .is_head = true }, BL_AWS_END },

	{ { .status = 400, .code = "ExpiredToken", .has_token = true }, BL_AWS_RENEW },
	{ { .status = 400, .code = "ExpiredTokenException" }, BL_AWS_END },
	{ { .status = 400, .code = "RequestExpired", .has_token = true }, BL_AWS_RENEW },
	{ { .status = 400, .code = "RequestExpired", .has_token = true, .offset_ms = 5 * MIN_MS },
	  BL_AWS_HEAL },
	{ { .status = 400, .is_head = true, .has_token = true }, BL_AWS_RENEW },
	{ { .status = 400, .is_head = true }, BL_AWS_END },
	{ { .status = 404, .is_head = true, .has_token = true }, BL_AWS_END },
};

static void what_follows_a_failure(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(failures); i++) {
		enum bl_aws_act got = decide(failures[i].facts).act;

		if (got != failures[i].act)
			fail_msg("row %zu: status %d %s: %d, not %d", i, failures[i].facts.status,
			         failures[i].facts.code ? failures[i].facts.code : "", got,
			         failures[i].act);
	}
}

#define MOVED "AuthorizationHeaderMalformed"

static const struct {
	struct bl_aws_facts facts;
	enum bl_aws_act act;
	const char *region, *host;
} redirects[] = {
	{ { .status = 301, .code = "PermanentRedirect", .region = "eu-west-1" },
	  BL_AWS_REGION,
	  "eu-west-1",
	  "" },
	{ { .status = 400, .code = MOVED, .region = "eu-west-1" }, BL_AWS_REGION, "eu-west-1", "" },
	{ { .status = 400, .code = MOVED, .region = "us-east-1" }, BL_AWS_END, "", "" },
	{ { .status = 400, .code = MOVED, .region = "garage" }, BL_AWS_REGION, "garage", "" },
	{ { .status = 400, .code = MOVED, .region = "eu-west-1", .moved = true },
	  BL_AWS_END,
	  "",
	  "" },
	{ { .status = 400, .code = MOVED, .region = "../evil" }, BL_AWS_END, "", "" },
	{ { .status = 403, .code = "AccessDenied", .region = "eu-west-1" }, BL_AWS_END, "", "" },
	{ { .status = 301, .is_head = true, .region = "eu-west-1" },
	  BL_AWS_REGION,
	  "eu-west-1",
	  "" },
	{ { .status = 400, .is_head = true, .region = "eu-west-1", .has_token = true },
	  BL_AWS_REGION,
	  "eu-west-1",
	  "" },
	{ { .status = 301 }, BL_AWS_END, "", "" },

	{ { .status = 307, .location = "https://b.s3.us-west-2.amazonaws.com/k?x=1" },
	  BL_AWS_REGION,
	  "us-west-2",
	  "" },
	{ { .status = 307, .location = "https://b.s3-us-west-2.amazonaws.com/k" },
	  BL_AWS_REGION,
	  "us-west-2",
	  "" },
	{ { .status = 307, .custom = true, .location = "https://b.s3.us-west-2.amazonaws.com/k" },
	  BL_AWS_FOLLOW,
	  "us-west-2",
	  "b.s3.us-west-2.amazonaws.com" },
	{ { .status = 307, .location = "https://b.s3.amazonaws.com:8443/k" },
	  BL_AWS_FOLLOW,
	  "",
	  "b.s3.amazonaws.com:8443" },
	{ { .status = 307, .moved = true, .location = "https://b.s3.amazonaws.com/k" },
	  BL_AWS_END,
	  "",
	  "" },

	{ { .status = 307, .location = "http://b.s3.us-west-2.amazonaws.com/k" },
	  BL_AWS_REFUSE,
	  "",
	  "" },
	{ { .status = 302, .location = "https://amazonaws.com.evil.example/k" },
	  BL_AWS_REFUSE,
	  "",
	  "" },
	{ { .status = 301, .location = "https://evilamazonaws.com/" }, BL_AWS_REFUSE, "", "" },
	{ { .status = 307, .location = "http://169.254.169.254/latest/" }, BL_AWS_REFUSE, "", "" },
	{ { .status = 307, .location = "file:///etc/passwd" }, BL_AWS_REFUSE, "", "" },
	{ { .status = 307, .location = "/other" }, BL_AWS_REFUSE, "", "" },
	{ { .status = 307, .location = "https://u:p@s3.amazonaws.com/" }, BL_AWS_REFUSE, "", "" },
};

static void where_a_redirect_leads(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(redirects); i++) {
		struct bl_aws_verdict got = decide(redirects[i].facts);

		if (got.act != redirects[i].act)
			fail_msg("row %zu: %d, not %d", i, got.act, redirects[i].act);
		assert_string_equal(got.region, redirects[i].region);
		assert_string_equal(got.host, redirects[i].host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_follows_a_failure),
		cmocka_unit_test(where_a_redirect_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
