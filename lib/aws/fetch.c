/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/fetch.h"

#include "aws/retry.h"
#include "base/clock.h"
#include "base/secret.h"
#include "codec/hash.h"

#include <string.h>
#include <time.h>

#define BODY_MAX ((size_t)64 << 10)
#define ATTEMPTS 3
#define DEADLINE_MS 20000

void bl_fetched_done(struct bl_fetched *fetched)
{
	if (fetched->http.body.data)
		bl_wipe(fetched->http.body.data, fetched->http.body.cap);
	bl_http_reply_done(&fetched->http);
	memset(fetched, 0, sizeof(*fetched));
}

static void wait_ms(int64_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000),
		                 .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left))
		;
}

/* In [0,1]. Without randomness the wait is the longest. */
static double chance(void)
{
	struct bl_err ignored = { 0 };
	uint32_t number;

	if (bl_random(&number, sizeof(number), &ignored))
		return 1;
	return (double)number / UINT32_MAX;
}

static int send_once(struct bl_http *http, const struct bl_fetch *fetch, int64_t deadline_mono_ms,
                     struct bl_fetched *fetched, struct bl_err *err)
{
	struct bl_http_request request = {
		.method = fetch->method ? fetch->method : "GET",
		.url = fetch->url,
		.headers = fetch->headers,
		.reply_max = BODY_MAX,
		.deadline_mono_ms = deadline_mono_ms,
		.connect_ms = fetch->connect_ms,
		.first_byte_ms = fetch->first_byte_ms,
		.no_proxy = fetch->no_proxy,
	};

	bl_fetched_done(fetched);
	return bl_http_send(http, &request, &fetched->http, err);
}

int bl_fetch(struct bl_http *http, const struct bl_fetch *fetch, struct bl_fetched *fetched,
             struct bl_err *err)
{
	int64_t ms,
		deadline = bl_mono_ms() + (fetch->deadline_ms ? fetch->deadline_ms : DEADLINE_MS);
	struct bl_retry_bucket bucket = { BL_RETRY_BUCKET };
	unsigned max = fetch->attempts ? fetch->attempts : ATTEMPTS;
	struct bl_retry retry = { 0 };

	for (;;) {
		int rc = send_once(http, fetch, deadline, fetched, err),
		    status = fetched->http.status;
		enum bl_retry_kind kind = bl_retry_kind(status, "", rc ? err->code : BL_OK);
		bool again = kind == BL_RETRY_TRANSIENT || kind == BL_RETRY_THROTTLED;

		if (!rc && (status < 400 || !again))
			return 0;
		if (again && bl_retry_next(&retry, &bucket, kind, max, chance(), "", &ms) &&
		    bl_mono_ms() + ms < deadline) {
			bl_err_clear(err);
			wait_ms(ms);
			continue;
		}
		if (!rc)
			bl_fail(err, BL_ERETRY, "HTTP %d", status);
		return bl_wrap(err, "%s (%u attempts)", fetch->what,
		               retry.failed ? retry.failed : 1);
	}
}
