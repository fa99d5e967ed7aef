/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_RETRY_H
#define BL_AWS_RETRY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * AWS's retry standard of 2026: pure. Waits of rand(0,1) * min(b * 2^(n-1), 20 s), b = 50 ms for
 * transient failures and 1 s for throttling; x-amz-retry-after within [t, t + 5 s]; a bucket of 500
 * that a retry draws 14 from (throttling: 5), shared by the calls of one client.
 */
enum bl_retry_kind {
	BL_RETRY_FINAL, /* no use */
	BL_RETRY_TRANSIENT,
	BL_RETRY_THROTTLED,
	BL_RETRY_CLOCK,    /* our clock differs: sign once more with the server's */
	BL_RETRY_STALE,    /* credential expired: fetch a new one, once */
	BL_RETRY_CAPACITY, /* EC2 has none, or a quota is used up; whatever the status */
};

/*
 *   status  HTTP status, 0 when no reply came; 500 for a 200 whose body cannot be read
 *   code    the service's error code, "" when it sent none (an HTML page)
 *   lost    err->code of the transport, BL_OK when a whole reply came
 */
enum bl_retry_kind bl_retry_kind(int status, const char *code, enum bl_code lost);

#define BL_RETRY_BUCKET 500

struct bl_retry_bucket {
	int tokens; /* BL_RETRY_BUCKET at first */
};

/* One call with its attempts. Zero-initialise. */
struct bl_retry {
	unsigned failed;   /* attempts, those of clock and stale not counted */
	int drawn;         /* last taken from the bucket */
	bool clock, stale; /* the one repeat of that kind was used */
};

/*
 * After a failed attempt: true when there is to be another, after *wait_ms. CLOCK and STALE are
 * repeated once each, at once, beyond max and without the bucket; whoever finds that the clocks
 * agree (within 4 min) passes FINAL instead of CLOCK.
 *   max          attempts in all (3; AWS_MAX_ATTEMPTS)
 *   random       in [0,1]
 *   retry_after  text of x-amz-retry-after (milliseconds), "" none
 */
bool bl_retry_next(struct bl_retry *retry, struct bl_retry_bucket *bucket, enum bl_retry_kind kind,
                   unsigned max, double random, const char *retry_after, int64_t *wait_ms);
/* After a 2xx. */
void bl_retry_success(const struct bl_retry *retry, struct bl_retry_bucket *bucket);

#endif
