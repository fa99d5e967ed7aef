/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "base/clock.h"
#include "base/secret.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STOP_LOOK_MS 250

static const volatile int *stop_flag;

void bl_http_stop_when(const volatile int *flag)
{
	stop_flag = flag;
}

bool bl_http_is_stopped(void)
{
	return stop_flag && *stop_flag;
}

int bl_http_make_room(struct bl_http *http, size_t n)
{
	size_t room = http->room_fds ? http->room_fds : 16;
	struct pollfd *fds;

	while (room < n)
		room *= 2;
	if (room == http->room_fds)
		return 0;
	fds = realloc(http->fds, room * sizeof(*fds));
	if (!fds)
		return -1;
	http->fds = fds;
	fds = realloc(http->ready, room * sizeof(*fds));
	if (!fds)
		return -1;
	http->ready = fds;
	http->room_fds = room;
	return 0;
}

void bl_http_stop_waiting(struct bl_http *http, struct bl_http_call *call)
{
	struct bl_http_call **at = &http->waiting;

	while (*at != call)
		at = &(*at)->next_waiting;
	*at = call->next_waiting;
	if (http->last_waiting == &call->next_waiting)
		http->last_waiting = at;
	call->is_waiting = false;
}

/* Back among the idle: libcurl does not know of it any more. */
void bl_http_retire(struct bl_http *http, struct bl_http_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		http->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	http->n_calls--;
	call->next = http->idle;
	http->idle = call;
	if (call->lines.data) /* a session token is in there */
		bl_wipe(call->lines.data, call->lines.len);
}

void bl_http_cancel(struct bl_http *http, struct bl_http_call *call)
{
	if (call->is_waiting) {
		bl_http_stop_waiting(http, call);
		bl_http_retire(http, call);
		return;
	}
	if (http->is_inside) {
		call->is_cancelled = true;
		http->has_cancelled = true;
		return;
	}
	bl_curl_remove(call);
	bl_http_retire(http, call);
}

static void finish(struct bl_http *http, struct bl_http_call *call)
{
	struct bl_http_reply *reply = call->reply;
	bl_http_done_fn *done = call->done;
	void *done_arg = call->done_arg;
	struct bl_err err = call->err;

	/* A status without its whole reply could be taken for success. */
	reply->status = err.code == BL_OK ? call->head.status : 0;
	bl_http_retire(http, call);
	done(done_arg, reply, &err);
}

static size_t hand_over(struct bl_http *http)
{
	struct bl_http_call *call;
	size_t n_ended = 0;

	while ((call = http->waiting)) {
		bl_http_stop_waiting(http, call);
		if (!bl_curl_add(call))
			continue;
		finish(http, call);
		n_ended++;
	}
	return n_ended;
}

static void drop_cancelled(struct bl_http *http)
{
	struct bl_http_call *call = http->has_cancelled ? http->calls : NULL, *next;

	http->has_cancelled = false;
	for (; call; call = next) {
		next = call->next;
		if (!call->is_cancelled)
			continue;
		bl_curl_remove(call);
		bl_http_retire(http, call);
	}
}

/* Ends one call whose time is over; NULL when there is none. */
static struct bl_http_call *next_overdue(struct bl_http *http)
{
	int64_t now = bl_mono_ms(), due = INT64_MAX;

	if (now < http->due_ms)
		return NULL;
	for (struct bl_http_call *call = http->calls; call; call = call->next) {
		enum bl_http_verdict verdict =
			bl_http_judge(&call->watch, now, bl_curl_moved(call), &due);

		if (verdict == BL_HTTP_GOES_ON)
			continue;
		bl_http_explain_verdict(call, verdict);
		if (call->is_waiting)
			bl_http_stop_waiting(http, call);
		else
			bl_curl_remove(call);
		return call; /* due_ms stays past: the others are judged by the next round */
	}
	http->due_ms = due;
	return NULL;
}

static size_t finish_ended(struct bl_http *http)
{
	struct bl_http_call *call;
	size_t n = 0;

	/* Those done functions may start, cancel and step. */
	drop_cancelled(http);
	for (; (call = bl_curl_next_ended(http)); n++)
		finish(http, call);
	for (; (call = next_overdue(http)); n++)
		finish(http, call);
	return n;
}

/* The shorter of two waits, of which -1 is for ever. */
static int shorter(int a_ms, int b_ms)
{
	if (a_ms < 0)
		return b_ms;
	return b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

/* Milliseconds until libcurl wants to be called; -1: never. */
static int curl_wait_ms(const struct bl_http *http)
{
	int64_t left = http->timer_ms - bl_http_timer_clock_ms();

	if (http->timer_ms < 0)
		return -1;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

static int next_wait_ms(const struct bl_http *http)
{
	int64_t left;

	if (http->waiting)
		return 0;
	if (!http->n_calls || http->due_ms == INT64_MAX)
		return curl_wait_ms(http);
	left = http->due_ms - bl_mono_ms();
	left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
	return shorter(curl_wait_ms(http), (int)left);
}

/* Waits for libcurl's sockets, then lets it do what they ask for. */
static int wait_and_act(struct bl_http *http, int timeout_ms, struct bl_err *err)
{
	size_t n_ready = 0;
	int n;

	if (bl_http_is_stopped() && timeout_ms)
		return bl_fail(err, BL_ECANCELLED, "a signal came while waiting for the network");
	n = poll(http->fds, (nfds_t)http->n_fds,
	         stop_flag ? shorter(timeout_ms, STOP_LOOK_MS) : timeout_ms);
	if (n < 0 && errno != EINTR)
		return bl_fail_errno(err, errno, "http: poll");
	/* Each act changes fds: what was seen is kept beside it. */
	for (size_t i = 0; n > 0 && i < http->n_fds; i++) {
		if (!http->fds[i].revents)
			continue;
		http->ready[n_ready++] = http->fds[i];
		n--;
	}
	for (size_t i = 0; i < n_ready; i++)
		if (bl_curl_act(http, &http->ready[i], err))
			return -1;
	return bl_curl_run_timer(http, err);
}

size_t bl_http_poll(struct bl_http *http, struct pollfd *fds, size_t n, int *timeout_ms)
{
	size_t fit = n < http->n_fds ? n : http->n_fds;

	if (fit)
		memcpy(fds, http->fds, fit * sizeof(*fds));
	*timeout_ms = shorter(*timeout_ms, next_wait_ms(http));
	return http->n_fds;
}

int bl_http_step(struct bl_http *http, int timeout_ms, struct bl_err *err)
{
	size_t n_ended;

	if (http->is_inside)
		return bl_fail(err, BL_EBUG, "http: step within a callback of read or write");
	n_ended = hand_over(http);
	if (bl_curl_run_timer(http, err))
		return -1;
	/* who comes late must not take what waits in a socket for silence */
	if (http->due_ms <= bl_mono_ms() && wait_and_act(http, 0, err))
		return -1;
	n_ended += finish_ended(http);
	timeout_ms = n_ended ? 0 : shorter(timeout_ms, next_wait_ms(http));
	if (wait_and_act(http, timeout_ms, err))
		return -1;
	finish_ended(http);
	return 0;
}

size_t bl_http_under_way(const struct bl_http *http)
{
	return http->n_calls;
}
