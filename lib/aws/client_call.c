/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/clock.h"
#include "codec/hash.h"

#include <stdlib.h>
#include <string.h>

/* How often a call without a deadline is looked at: does anything move? */
#define STILL_LOOK_MS 5000

/* --- The list of what is under way ------------------------------------------------------------ */

static void look_at(struct bl_aws_call *call, int64_t due_mono_ms)
{
	call->due_mono_ms = due_mono_ms;
	if (due_mono_ms < call->aws->next_due_mono_ms)
		call->aws->next_due_mono_ms = due_mono_ms;
}

static void add_call(struct bl_aws *aws, struct bl_aws_call *call)
{
	call->next = aws->calls;
	if (aws->calls)
		aws->calls->prev = call;
	aws->calls = call;
	aws->n_calls++;
}

static void remove_call(struct bl_aws_call *call)
{
	struct bl_aws *aws = call->aws;

	if (call->prev)
		call->prev->next = call->next;
	else
		aws->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	aws->n_calls--;
}

/* UUID-shaped, of the client's random bytes and a count. */
static void set_invocation(struct bl_aws *aws, char text[37])
{
	static const unsigned char groups[] = { 4, 2, 2, 2, 6 };
	unsigned char bytes[16];
	const unsigned char *from = bytes;
	uint64_t n = ++aws->invocations;

	memcpy(bytes, aws->invocation, sizeof(bytes));
	for (size_t i = 0; i < sizeof(n); i++)
		bytes[15 - i] ^= (unsigned char)(n >> 8 * i);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(groups); i++) {
		bl_hex(from, groups[i], text);
		from += groups[i];
		text += 2 * groups[i];
		*text++ = i + 1 < sizeof(groups) ? '-' : '\0';
	}
}

/* --- One call --------------------------------------------------------------------------------- */

/* The call is gone when the caller hears of it: its structs may be used again inside. */
static void finish(struct bl_aws_call *call, struct bl_err *err)
{
	bl_aws_done_fn *done = call->done;
	struct bl_aws_reply *reply = call->reply;
	void *arg = call->done_arg;

	remove_call(call);
	free(call);
	done(arg, reply, err);
}

/* A whole reply counts, also a refusal: attempts have a limit of their own. */
static void note_movement(struct bl_aws_call *call, int64_t now, bool is_whole)
{
	uint64_t moved = call->bytes_moved + call->reply->http.received;

	if (moved <= call->moved_seen && !is_whole)
		return;
	call->moved_seen = moved;
	call->moved_mono_ms = now;
}

static void after_exchange(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct bl_aws_call *call = arg;
	int64_t wait_ms;

	(void)reply;
	call->http = NULL;
	note_movement(call, bl_mono_ms(), !err->code);
	if (bl_aws_judge(call, &wait_ms, err))
		look_at(call, bl_mono_ms() + wait_ms);
	else
		finish(call, err);
}

/* Begins the next attempt, or leaves the failure to a step. */
static void begin_attempt(struct bl_aws_call *call, int64_t now)
{
	int64_t deadline = call->request->call.deadline_mono_ms;

	if (!call->attempts)
		call->moved_mono_ms = now;
	call->moved_seen = call->bytes_moved;
	look_at(call, now + STILL_LOOK_MS);
	if (deadline && now >= deadline) {
		bl_fail(&call->err, BL_ETIMEOUT, "the deadline had passed before it was sent");
	} else if (!bl_aws_attempt(call, after_exchange, &call->err)) {
		return;
	}
	bl_wrap(&call->err, "%s %s", call->request->service, call->request->operation);
	call->failed = true;
	look_at(call, now);
}

int bl_aws_start(struct bl_aws *aws, struct bl_aws_request *request, struct bl_aws_reply *reply,
                 bl_aws_done_fn *done, void *done_arg, struct bl_err *err)
{
	struct bl_aws_call *call = calloc(1, sizeof(*call));

	if (!call)
		return bl_fail(err, BL_ENOMEM, "%s %s: out of memory", request->service,
		               request->operation);
	call->aws = aws;
	call->request = request;
	call->reply = reply;
	call->done = done;
	call->done_arg = done_arg;
	set_invocation(aws, call->invocation);
	add_call(aws, call);
	begin_attempt(call, bl_mono_ms());
	if (call->failed && call->err.code == BL_ENOMEM) {
		*err = call->err;
		remove_call(call);
		free(call);
		return -1;
	}
	return 0;
}

static void drop(struct bl_aws_call *call)
{
	if (call->http)
		bl_http_cancel(call->aws->http, call->http);
	remove_call(call);
	free(call);
}

void bl_aws_cancel(struct bl_aws *aws, void *done_arg)
{
	struct bl_aws_call *next;

	for (struct bl_aws_call *call = aws->calls; call; call = next) {
		next = call->next;
		if (call->done_arg == done_arg)
			drop(call);
	}
}

/* --- Time ------------------------------------------------------------------------------------- */

static void end_still(struct bl_aws_call *call)
{
	struct bl_err err = { 0 };

	bl_http_cancel(call->aws->http, call->http);
	call->http = NULL;
	bl_fail(&err, BL_ETIMEOUT, "%s %s: nothing moved for %d s (attempt %u)",
	        call->request->service, call->request->operation, BL_AWS_STILL_MS / 1000,
	        call->attempts);
	finish(call, &err);
}

/* One whose time has come. */
static void attend(struct bl_aws_call *call, int64_t now)
{
	if (call->failed) {
		struct bl_err err = call->err;

		finish(call, &err);
		return;
	}
	if (!call->http) {
		begin_attempt(call, now);
		return;
	}
	note_movement(call, now, false);
	if (!call->request->call.deadline_mono_ms && now - call->moved_mono_ms >= BL_AWS_STILL_MS)
		end_still(call);
	else
		look_at(call, now + STILL_LOOK_MS);
}

static struct bl_aws_call *first_due(struct bl_aws *aws, int64_t now)
{
	aws->next_due_mono_ms = INT64_MAX;
	for (struct bl_aws_call *call = aws->calls; call; call = call->next) {
		if (call->due_mono_ms <= now)
			return call;
		if (call->due_mono_ms < aws->next_due_mono_ms)
			aws->next_due_mono_ms = call->due_mono_ms;
	}
	return NULL;
}

/* Each is attended to once: what begins anew is due later, what failed to is the next step's. */
static void attend_to_due(struct bl_aws *aws)
{
	int64_t now = bl_mono_ms();
	struct bl_aws_call *call;

	for (size_t left = aws->n_calls; left > 0 && now >= aws->next_due_mono_ms; left--) {
		call = first_due(aws, now);
		if (!call)
			return;
		attend(call, now);
		/* the look was cut short: the rest may be due too */
		aws->next_due_mono_ms = now;
	}
}

static void lower(const struct bl_aws *aws, int *timeout_ms)
{
	int64_t left = aws->next_due_mono_ms - bl_mono_ms();

	if (aws->next_due_mono_ms == INT64_MAX)
		return;
	if (left < 0)
		left = 0;
	if (*timeout_ms < 0 || left < *timeout_ms)
		*timeout_ms = (int)(left < INT32_MAX ? left : INT32_MAX);
}

size_t bl_aws_poll(struct bl_aws *aws, struct pollfd *fds, size_t n, int *timeout_ms)
{
	size_t used = bl_http_poll(aws->http, fds, n, timeout_ms);

	lower(aws, timeout_ms);
	return used;
}

int bl_aws_step(struct bl_aws *aws, int timeout_ms, struct bl_err *err)
{
	attend_to_due(aws);
	lower(aws, &timeout_ms);
	return bl_http_step(aws->http, timeout_ms, err);
}

/* --- Blocking --------------------------------------------------------------------------------- */

struct sent {
	bool done;
	struct bl_err *err;
};

static void note_end(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct sent *sent = arg;

	(void)reply;
	sent->done = true;
	*sent->err = *err;
}

int bl_aws_send(struct bl_aws *aws, struct bl_aws_request *request, struct bl_aws_reply *reply,
                struct bl_err *err)
{
	struct sent sent = { .err = err };

	if (bl_aws_start(aws, request, reply, note_end, &sent, err))
		return -1;
	while (!sent.done) {
		struct bl_err step = { 0 };

		if (bl_aws_step(aws, -1, &step) && !sent.done) {
			bl_aws_cancel(aws, &sent);
			*err = step;
			return bl_wrap(err, "%s %s", request->service, request->operation);
		}
	}
	return err->code ? -1 : 0;
}
