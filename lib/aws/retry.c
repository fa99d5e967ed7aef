/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/retry.h"

#include <string.h>

#define WAIT_MAX_MS 20000.0
#define TRANSIENT_BASE_MS 50.0
#define THROTTLED_BASE_MS 1000.0
#define TRANSIENT_COST 14
#define THROTTLED_COST 5
#define RETRY_AFTER_EXTRA_MS 5000

/* First match wins; compared whole, since "Throttling" begins other codes. */
static const struct {
	const char *code;
	enum bl_retry_kind kind;
} codes[] = {
	/* EC2: some of them come as 500 */
	{ "InsufficientInstanceCapacity", BL_RETRY_CAPACITY },
	{ "InsufficientCapacity", BL_RETRY_CAPACITY },
	{ "InsufficientCapacityOnHost", BL_RETRY_CAPACITY },
	{ "InsufficientHostCapacity", BL_RETRY_CAPACITY },
	{ "InsufficientReservedInstanceCapacity", BL_RETRY_CAPACITY },
	{ "InsufficientFreeAddressesInSubnet", BL_RETRY_CAPACITY },
	{ "UnfulfillableCapacity", BL_RETRY_CAPACITY },
	{ "SpotMaxPriceTooLow", BL_RETRY_CAPACITY },
	{ "VcpuLimitExceeded", BL_RETRY_CAPACITY },
	{ "MaxSpotInstanceCountExceeded", BL_RETRY_CAPACITY },
	{ "MaxSpotFleetRequestCountExceeded", BL_RETRY_CAPACITY },
	{ "Unsupported", BL_RETRY_FINAL },
	{ "InvalidFleetConfiguration", BL_RETRY_FINAL },
	{ "UnauthorizedOperation", BL_RETRY_FINAL },
	{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted", BL_RETRY_FINAL },

	{ "Throttling", BL_RETRY_THROTTLED },
	{ "ThrottlingException", BL_RETRY_THROTTLED },
	{ "ThrottledException", BL_RETRY_THROTTLED },
	{ "RequestThrottled", BL_RETRY_THROTTLED },
	{ "RequestThrottledException", BL_RETRY_THROTTLED },
	{ "TooManyRequestsException", BL_RETRY_THROTTLED },
	{ "ProvisionedThroughputExceededException", BL_RETRY_THROTTLED },
	{ "TransactionInProgressException", BL_RETRY_THROTTLED },
	{ "RequestLimitExceeded", BL_RETRY_THROTTLED },
	{ "SlowDown", BL_RETRY_THROTTLED },
	{ "BandwidthLimitExceeded", BL_RETRY_THROTTLED },
	{ "LimitExceededException", BL_RETRY_THROTTLED },
	{ "PriorRequestNotComplete", BL_RETRY_THROTTLED },
	{ "EC2ThrottledException", BL_RETRY_THROTTLED },

	{ "RequestTimeTooSkewed", BL_RETRY_CLOCK },
	{ "RequestInTheFuture", BL_RETRY_CLOCK },
	{ "RequestExpired", BL_RETRY_CLOCK },
	{ "InvalidSignatureException", BL_RETRY_CLOCK },
	{ "SignatureDoesNotMatch", BL_RETRY_CLOCK },
	{ "AuthFailure", BL_RETRY_CLOCK },

	{ "ExpiredToken", BL_RETRY_STALE },
	{ "ExpiredTokenException", BL_RETRY_STALE },
	{ "TokenRefreshRequired", BL_RETRY_STALE },

	/* whatever the status: S3 sends InternalError in a 200, STS its own in a 400 */
	{ "RequestTimeout", BL_RETRY_TRANSIENT },
	{ "RequestTimeoutException", BL_RETRY_TRANSIENT },
	{ "InternalError", BL_RETRY_TRANSIENT },
	{ "ServiceUnavailable", BL_RETRY_TRANSIENT },
	{ "IDPCommunicationError", BL_RETRY_TRANSIENT },
};

static enum bl_retry_kind kind_of_status(int status, const char *code)
{
	switch (status) {
	case 429:
		return BL_RETRY_THROTTLED;
	case 500:
	case 502:
	case 503:
	case 504:
		return BL_RETRY_TRANSIENT;
	case 501:
		return BL_RETRY_FINAL;
	default: /* a page of something between us and the service */
		return status > 504 && !*code ? BL_RETRY_TRANSIENT : BL_RETRY_FINAL;
	}
}

enum bl_retry_kind bl_retry_kind(int status, const char *code, enum bl_code lost)
{
	if (lost)
		return lost == BL_ERETRY ? BL_RETRY_TRANSIENT : BL_RETRY_FINAL;
	for (size_t i = 0; i < BL_COUNT(codes); i++)
		if (!strcmp(code, codes[i].code))
			return codes[i].kind;
	return kind_of_status(status, code);
}

/* min(base * 2^(failed-1), 20 s), drawn by lot */
static int64_t wait_of(double base_ms, unsigned failed, double random)
{
	double wait = base_ms;

	for (unsigned n = 1; n < failed && wait < WAIT_MAX_MS; n++)
		wait *= 2;
	if (wait > WAIT_MAX_MS)
		wait = WAIT_MAX_MS;
	if (!(random >= 0))
		random = 0;
	return (int64_t)(wait * (random < 1 ? random : 1));
}

/* Milliseconds the service asked for; -1: none that can be read. Long ones are cut to 1 h. */
static int64_t asked_ms(const char *text)
{
	int64_t ms = 0;

	if (!*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		if (ms < 3600000)
			ms = ms * 10 + (*text - '0');
	}
	return ms;
}

static int64_t within(int64_t asked, int64_t least)
{
	if (asked < least)
		return least;
	return asked > least + RETRY_AFTER_EXTRA_MS ? least + RETRY_AFTER_EXTRA_MS : asked;
}

static bool repeat_once(bool *used, int64_t *wait_ms)
{
	if (*used)
		return false;
	*used = true;
	*wait_ms = 0;
	return true;
}

bool bl_retry_next(struct bl_retry *retry, struct bl_retry_bucket *bucket, enum bl_retry_kind kind,
                   unsigned max, double random, const char *retry_after, int64_t *wait_ms)
{
	bool throttled = kind == BL_RETRY_THROTTLED;
	int cost = throttled ? THROTTLED_COST : TRANSIENT_COST;

	if (kind == BL_RETRY_CLOCK)
		return repeat_once(&retry->clock, wait_ms);
	if (kind == BL_RETRY_STALE)
		return repeat_once(&retry->stale, wait_ms);
	retry->failed++;
	if ((kind != BL_RETRY_TRANSIENT && !throttled) || retry->failed >= max ||
	    bucket->tokens < cost)
		return false;
	bucket->tokens -= cost;
	retry->drawn = cost;
	*wait_ms = within(
		asked_ms(retry_after),
		wait_of(throttled ? THROTTLED_BASE_MS : TRANSIENT_BASE_MS, retry->failed, random));
	return true;
}

void bl_retry_success(const struct bl_retry *retry, struct bl_retry_bucket *bucket)
{
	bucket->tokens += retry->drawn ? retry->drawn : 1;
	if (bucket->tokens > BL_RETRY_BUCKET)
		bucket->tokens = BL_RETRY_BUCKET;
}
