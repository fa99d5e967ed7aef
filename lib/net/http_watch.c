/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

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

void bl_http_explain_verdict(struct bl_http_call *call, enum bl_http_verdict verdict)
{
	const struct bl_http_watch *watch = &call->watch;
	struct bl_err *err = &call->err;

	bl_err_clear(err);
	if (verdict == BL_HTTP_DEADLINE)
		bl_fail(err, BL_ETIMEOUT, "%s %s:%u: the deadline passed %s", call->method,
		        call->host, call->port,
		        watch->got_byte    ? "while the reply came"
		        : watch->connected ? "without a reply"
		                           : "without a connection");
	else if (verdict == BL_HTTP_NO_ANSWER)
		bl_fail(err, BL_ERETRY, "%s %s:%u: no reply within %d ms", call->method, call->host,
		        call->port, watch->first_byte_ms);
	else
		bl_fail(err, BL_ERETRY, "%s %s:%u: stalled for %d ms", call->method, call->host,
		        call->port, watch->stall_ms);
}

void bl_http_explain(struct bl_http_call *call, enum bl_code code, const char *why)
{
	struct bl_err *err = &call->err;

	if (err->code != BL_OK) /* a callback of ours knows better */
		return;
	bl_fail(err, code, "%s %s:%u: %s", call->method, call->host, call->port, why);
	if (code == BL_EDENIED)
		bl_next(err, "where a proxy of your own signs its traffic, name its CA file in "
		             "AWS_CA_BUNDLE");
}

/* libcurl takes a head that was cut, or a body without a length, for whole. */
void bl_http_check_whole(struct bl_http_call *call)
{
	const struct bl_http_head *head = &call->head;
	bool is_streamed = call->write && head->status / 100 == 2 && head->status != 204;

	if (!head->complete)
		bl_http_explain(call, BL_ERETRY, "the reply was cut within its head");
	else if (is_streamed && !call->is_head && !head->has_length)
		bl_http_explain(call, BL_ERETRY,
		                "a reply without a length: whether it is whole cannot be known");
}
