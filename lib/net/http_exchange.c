/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "base/clock.h"

#include <string.h>

/* --- Called from within libcurl: -1 ends the exchange ----------------------------------------- */

int bl_http_connected(struct bl_http_call *call)
{
	struct bl_http_watch *watch = &call->watch;

	/* The first may have done its work before the connection died. */
	if (watch->connected && !call->may_repeat)
		return bl_fail(&call->err, BL_ERETRY,
		               "%s %s:%u: the connection was lost before a reply", call->method,
		               call->host, call->port);
	watch->mark_ms = bl_mono_ms();
	watch->mark_bytes = 0;
	watch->connected = true;
	watch->sent_ms = call->size ? 0 : watch->mark_ms;
	call->reply->sent = true;
	call->http->due_ms = 0;
	return 0;
}

int bl_http_give_body(struct bl_http_call *call, char *to, size_t *len)
{
	uint64_t left = call->size - call->offset;

	if (left < *len)
		*len = (size_t)left;
	if (call->is_cancelled ||
	    (call->read && *len && call->read(call->arg, call->offset, to, *len, &call->err)))
		return -1;
	if (call->bytes && *len)
		memcpy(to, call->bytes + call->offset, *len);
	call->offset += *len;
	if (call->offset == call->size) {
		call->watch.sent_ms = bl_mono_ms();
		call->http->due_ms = 0; /* first_byte_ms counts from here */
	}
	return 0;
}

int bl_http_take_head(struct bl_http_call *call, const char *line, size_t len)
{
	struct bl_http_reply *reply = call->reply;

	call->watch.got_byte = true;
	if (call->is_cancelled ||
	    bl_http_head_line(&call->head, &reply->head, line, len, &call->err))
		return -1;
	if (call->head.complete && !reply->date_wall_ms)
		reply->date_wall_ms = bl_wall_ms();
	return 0;
}

int bl_http_take_body(struct bl_http_call *call, const char *bytes, size_t len)
{
	struct bl_http_reply *reply = call->reply;

	if (call->is_cancelled)
		return -1;
	reply->received += len;
	if (call->write && call->head.status / 100 == 2)
		return call->write(call->arg, bytes, len, &call->err);
	bl_buf_add(&reply->body, bytes, len);
	return bl_buf_check(&reply->body, "body of the reply", &call->err);
}

/* --- How it ended ----------------------------------------------------------------------------- */

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
