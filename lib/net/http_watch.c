/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <time.h>

static void lower_to(int64_t *next_ms, int64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

enum bl_http_verdict bl_http_judge(struct bl_http_watch *watch, int64_t now_ms, uint64_t moved,
                                   int64_t *next_ms)
{
	/* under 1 byte/s for so long: fewer than this many in stall_ms */
	uint64_t need = watch->stall_ms < 1000 ? 1 : (uint64_t)watch->stall_ms / 1000;

	if (watch->deadline_ms) {
		if (now_ms >= watch->deadline_ms)
			return BL_HTTP_DEADLINE;
		lower_to(next_ms, watch->deadline_ms);
	}
	if (!watch->connected) /* libcurl times that */
		return BL_HTTP_GOES_ON;
	if (watch->first_byte_ms && watch->sent_ms && !watch->got_byte) {
		if (now_ms >= watch->sent_ms + watch->first_byte_ms)
			return BL_HTTP_NO_ANSWER;
		lower_to(next_ms, watch->sent_ms + watch->first_byte_ms);
	}
	if (moved >= watch->mark_bytes + need) {
		watch->mark_ms = now_ms;
		watch->mark_bytes = moved;
	}
	if (now_ms >= watch->mark_ms + watch->stall_ms)
		return BL_HTTP_STALLED;
	lower_to(next_ms, watch->mark_ms + watch->stall_ms);
	/* looked at more often than that, so that a stop is seen soon after its time */
	lower_to(next_ms, now_ms + watch->stall_ms / 4 + 1);
	return BL_HTTP_GOES_ON;
}

int64_t bl_http_timer_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
