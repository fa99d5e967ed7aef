/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/retry.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	int status;
	const char *code;
	enum bl_code lost;
	enum bl_retry_kind kind;
} rules[] = {
	/* capacity and quota of EC2, whatever the status */
	{ 500, "InsufficientInstanceCapacity", BL_OK, BL_RETRY_CAPACITY },
	{ 503, "InsufficientInstanceCapacity", BL_OK, BL_RETRY_CAPACITY },
	{ 400, "UnfulfillableCapacity", BL_OK, BL_RETRY_CAPACITY },
	{ 500, "InsufficientCapacityOnHost", BL_OK, BL_RETRY_CAPACITY },
	{ 400, "VcpuLimitExceeded", BL_OK, BL_RETRY_CAPACITY },
	{ 400, "MaxSpotInstanceCountExceeded", BL_OK, BL_RETRY_CAPACITY },
	{ 400, "SpotMaxPriceTooLow", BL_OK, BL_RETRY_CAPACITY },
	{ 500, "Unsupported", BL_OK, BL_RETRY_FINAL },
	{ 500, "InvalidFleetConfiguration", BL_OK, BL_RETRY_FINAL },
	{ 403, "UnauthorizedOperation", BL_OK, BL_RETRY_FINAL },
	{ 403, "AuthFailure.ServiceLinkedRoleCreationNotPermitted", BL_OK, BL_RETRY_FINAL },
	/* throttling */
	{ 400, "Throttling", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "ThrottlingException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "ThrottledException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "RequestThrottled", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "RequestThrottledException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "TooManyRequestsException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "ProvisionedThroughputExceededException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "TransactionInProgressException", BL_OK, BL_RETRY_THROTTLED },
	{ 503, "RequestLimitExceeded", BL_OK, BL_RETRY_THROTTLED },
	{ 503, "SlowDown", BL_OK, BL_RETRY_THROTTLED },
	{ 200, "SlowDown", BL_OK, BL_RETRY_THROTTLED },
	{ 509, "BandwidthLimitExceeded", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "LimitExceededException", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "PriorRequestNotComplete", BL_OK, BL_RETRY_THROTTLED },
	{ 503, "EC2ThrottledException", BL_OK, BL_RETRY_THROTTLED },
	{ 429, "", BL_OK, BL_RETRY_THROTTLED },
	{ 429, "RateLimited", BL_OK, BL_RETRY_THROTTLED },
	{ 400, "ThrottlingX", BL_OK, BL_RETRY_FINAL }, /* whole, not by its beginning */
	/* clock */
	{ 403, "RequestTimeTooSkewed", BL_OK, BL_RETRY_CLOCK },
	{ 403, "RequestInTheFuture", BL_OK, BL_RETRY_CLOCK },
	{ 400, "RequestExpired", BL_OK, BL_RETRY_CLOCK },
	{ 403, "InvalidSignatureException", BL_OK, BL_RETRY_CLOCK },
	{ 403, "SignatureDoesNotMatch", BL_OK, BL_RETRY_CLOCK },
	{ 401, "AuthFailure", BL_OK, BL_RETRY_CLOCK },
	/* credentials */
	{ 400, "ExpiredToken", BL_OK, BL_RETRY_STALE },
	{ 403, "ExpiredTokenException", BL_OK, BL_RETRY_STALE },
	/* transient */
	{ 500, "InternalError", BL_OK, BL_RETRY_TRANSIENT },
	{ 500, "Whatever", BL_OK, BL_RETRY_TRANSIENT },
	{ 200, "InternalError", BL_OK, BL_RETRY_TRANSIENT },
	{ 502, "", BL_OK, BL_RETRY_TRANSIENT },
	{ 503, "ServiceUnavailable", BL_OK, BL_RETRY_TRANSIENT },
	{ 504, "", BL_OK, BL_RETRY_TRANSIENT },
	{ 520, "", BL_OK, BL_RETRY_TRANSIENT },
	{ 400, "RequestTimeout", BL_OK, BL_RETRY_TRANSIENT },
	{ 400, "RequestTimeoutException", BL_OK, BL_RETRY_TRANSIENT },
	{ 400, "IDPCommunicationError", BL_OK, BL_RETRY_TRANSIENT },
	{ 0, "", BL_ERETRY, BL_RETRY_TRANSIENT },
	{ 200, "", BL_ERETRY, BL_RETRY_TRANSIENT }, /* cut in its body */
	/* final */
	{ 0, "", BL_ETIMEOUT, BL_RETRY_FINAL },
	{ 0, "", BL_EDENIED, BL_RETRY_FINAL },
	{ 500, "", BL_ELIMIT, BL_RETRY_FINAL },
	{ 0, "", BL_OK, BL_RETRY_FINAL },
	{ 400, "", BL_OK, BL_RETRY_FINAL },
	{ 403, "AccessDenied", BL_OK, BL_RETRY_FINAL },
	{ 404, "NoSuchKey", BL_OK, BL_RETRY_FINAL },
	{ 409, "ConditionalRequestConflict", BL_OK, BL_RETRY_FINAL },
	{ 412, "PreconditionFailed", BL_OK, BL_RETRY_FINAL },
	{ 501, "NotImplemented", BL_OK, BL_RETRY_FINAL },
	{ 501, "", BL_OK, BL_RETRY_FINAL },
	{ 301, "PermanentRedirect", BL_OK, BL_RETRY_FINAL },
	{ 200, "AccessDenied", BL_OK, BL_RETRY_FINAL },
};

static void the_first_rule_that_matches_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(rules); i++)
		if (bl_retry_kind(rules[i].status, rules[i].code, rules[i].lost) != rules[i].kind)
			fail_msg("%d '%s' lost %d: not %d", rules[i].status, rules[i].code,
			         rules[i].lost, rules[i].kind);
}

/* The waits of one call that fails again and again, with the lot at its highest. */
static void expect_waits(enum bl_retry_kind kind, const int64_t *waits, size_t n)
{
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };
	struct bl_retry retry = { 0 };

	for (size_t i = 0; i < n; i++) {
		int64_t wait = -1;

		assert_true(bl_retry_next(&retry, &bucket, kind, 100, 1, "", &wait));
		assert_int_equal(wait, waits[i]);
	}
}

static void waits_double_up_to_20_s(void **state)
{
	static const int64_t transient[] = { 50,   100,  200,   400,   800,  1600,
		                             3200, 6400, 12800, 20000, 20000 };
	static const int64_t throttled[] = { 1000, 2000, 4000, 8000, 16000, 20000, 20000 };

	(void)state;
	expect_waits(BL_RETRY_TRANSIENT, transient, BL_COUNT(transient));
	expect_waits(BL_RETRY_THROTTLED, throttled, BL_COUNT(throttled));
}

static int64_t one_wait(double random, const char *retry_after)
{
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };
	struct bl_retry retry = { 0 };
	int64_t wait = -1;

	assert_true(
		bl_retry_next(&retry, &bucket, BL_RETRY_THROTTLED, 3, random, retry_after, &wait));
	return wait;
}

static void the_lot_scales_the_wait(void **state)
{
	(void)state;
	assert_int_equal(one_wait(0, ""), 0);
	assert_int_equal(one_wait(0.25, ""), 250);
	assert_int_equal(one_wait(1.5, ""), 1000);
	assert_int_equal(one_wait(-1, ""), 0);
	assert_int_equal(one_wait(NAN, ""), 0);
}

/* t is 500 ms here: within [t, t + 5 s], or ignored */
static void what_the_service_asks_for_is_bounded(void **state)
{
	static const struct {
		const char *text;
		int64_t wait;
	} table[] = {
		{ "0", 500 },        { "499", 500 },
		{ "501", 501 },      { "1500", 1500 },
		{ "5500", 5500 },    { "5501", 5500 },
		{ "3600000", 5500 }, { "99999999999999999999999999", 5500 },
		{ "-1", 500 },       { "-2000", 500 },
		{ "+2000", 500 },    { "2000.5", 500 },
		{ "2e3", 500 },      { "2000 ", 500 },
		{ "soon", 500 },     { "", 500 },
		{ "2000ms", 500 },   { "Wed, 21 Oct 2026 07:28:00 GMT", 500 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		int64_t wait = one_wait(0.5, table[i].text);

		if (wait != table[i].wait)
			fail_msg("'%s' gave %ld", table[i].text, (long)wait);
	}
}

/* Attempts until a call gives up, or succeeds at attempt `good` (0: never). */
static unsigned attempts_of(struct bl_retry_bucket *bucket, enum bl_retry_kind kind, unsigned good)
{
	struct bl_retry retry = { 0 };
	int64_t wait;
	unsigned attempts = 1;

	for (;; attempts++) {
		if (attempts == good) {
			bl_retry_success(&retry, bucket);
			return attempts;
		}
		if (!bl_retry_next(&retry, bucket, kind, 3, 1, "", &wait))
			return attempts;
	}
}

/* F03: 500 on every call of a long run. */
static void an_empty_bucket_leaves_one_attempt_per_call(void **state)
{
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };
	unsigned retries = 0, calls = 0;

	(void)state;
	for (; calls < 18; calls++)
		retries += attempts_of(&bucket, BL_RETRY_TRANSIENT, 0) - 1;
	assert_int_equal(retries, 35);
	assert_int_equal(bucket.tokens, 10);
	for (; calls < 1000; calls++)
		assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 0), 1);
	/* throttling is cheaper */
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 0), 3);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 0), 1);
	assert_int_equal(bucket.tokens, 0);
	/* four calls that succeed at once buy nothing, the fifth a retry of throttling */
	for (int i = 0; i < 4; i++)
		assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 1), 1);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 0), 1);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 1), 1);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 0), 2);
}

static void success_refunds_the_last_retry(void **state)
{
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };

	(void)state;
	assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 2), 2);
	assert_int_equal(bucket.tokens, 500);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 3), 3);
	assert_int_equal(bucket.tokens, 486);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_THROTTLED, 3), 3);
	assert_int_equal(bucket.tokens, 481);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 0), 3);
	assert_int_equal(bucket.tokens, 453);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 1), 1);
	assert_int_equal(bucket.tokens, 454);
	bucket.tokens = 500;
	assert_int_equal(attempts_of(&bucket, BL_RETRY_TRANSIENT, 1), 1);
	assert_int_equal(bucket.tokens, 500);
}

static void attempts_are_counted(void **state)
{
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };
	struct bl_retry retry = { 0 };
	int64_t wait = 7;

	(void)state;
	assert_false(bl_retry_next(&retry, &bucket, BL_RETRY_TRANSIENT, 1, 1, "", &wait));
	assert_int_equal(attempts_of(&bucket, BL_RETRY_FINAL, 0), 1);
	assert_int_equal(attempts_of(&bucket, BL_RETRY_CAPACITY, 0), 1);
	assert_int_equal(bucket.tokens, BL_RETRY_BUCKET);
	assert_int_equal(wait, 7);
}

static void clock_and_credentials_are_healed_once_each(void **state)
{
	struct bl_retry_bucket bucket = { 0 };
	struct bl_retry retry = { 0 };
	int64_t wait = -1;

	(void)state;
	assert_true(bl_retry_next(&retry, &bucket, BL_RETRY_CLOCK, 1, 1, "5000", &wait));
	assert_int_equal(wait, 0);
	assert_true(bl_retry_next(&retry, &bucket, BL_RETRY_STALE, 1, 1, "", &wait));
	assert_false(bl_retry_next(&retry, &bucket, BL_RETRY_CLOCK, 1, 1, "", &wait));
	assert_false(bl_retry_next(&retry, &bucket, BL_RETRY_STALE, 1, 1, "", &wait));
	assert_int_equal(bucket.tokens, 0);
	assert_int_equal(retry.failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_rule_that_matches_decides),
		cmocka_unit_test(waits_double_up_to_20_s),
		cmocka_unit_test(the_lot_scales_the_wait),
		cmocka_unit_test(what_the_service_asks_for_is_bounded),
		cmocka_unit_test(an_empty_bucket_leaves_one_attempt_per_call),
		cmocka_unit_test(success_refunds_the_last_retry),
		cmocka_unit_test(attempts_are_counted),
		cmocka_unit_test(clock_and_credentials_are_healed_once_each),
	};

	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
