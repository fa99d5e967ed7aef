/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "net/registry_parts.h"

#include <string.h>
#include <time.h>

#define STEP_MS 200 /* how soon a stop is seen */
#define FIRST_WAIT_MS 200
#define LONGEST_WAIT_MS 5000
#define ASKED_WAIT_MAX_MS 30000

static bool stopped(const struct bl_registry *registry)
{
	const atomic_bool *stop = registry->session->options.stop;

	return (stop && atomic_load(stop)) || (registry->stop && atomic_load(registry->stop));
}

struct waited {
	bool done;
	struct bl_err *err;
};

static void on_done(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct waited *waited = arg;

	(void)reply;
	waited->done = true;
	*waited->err = *err;
}

int bl_registry_exchange(struct bl_registry *registry, const struct bl_http_request *request,
                         struct bl_http_reply *reply, struct bl_err *err)
{
	struct waited waited = { .err = err };
	struct bl_http_call *call;

	if (stopped(registry))
		return bl_fail(err, BL_ECANCELLED, "stopped");
	if (bl_http_start(registry->http, request, reply, on_done, &waited, &call, err))
		return -1;
	while (!waited.done) {
		if (stopped(registry)) {
			bl_http_cancel(registry->http, call);
			return bl_fail(err, BL_ECANCELLED, "stopped");
		}
		if (bl_http_step(registry->http, STEP_MS, err)) {
			if (!waited.done)
				bl_http_cancel(registry->http, call);
			return -1;
		}
	}
	return err->code ? -1 : 0;
}

int bl_registry_sleep(const struct bl_registry *registry, int64_t ms, struct bl_err *err)
{
	int64_t until = bl_mono_ms() + ms;

	for (;;) {
		int64_t left = until - bl_mono_ms();
		struct timespec part = { .tv_nsec = 1000000L *
			                            (long)(left < STEP_MS ? left : STEP_MS) };

		if (stopped(registry))
			return bl_fail(err, BL_ECANCELLED, "stopped");
		if (left <= 0)
			return 0;
		nanosleep(&part, NULL);
	}
}

/* --- How long --------------------------------------------------------------------------------- */

int64_t bl_registry_asked_wait(const char *retry_after, const char *date, int64_t now_wall_ms)
{
	struct bl_err ignored = { 0 };
	int64_t until_ms;
	uint64_t s;

	if (*retry_after && !retry_after[strspn(retry_after, "0123456789")]) {
		if (bl_str_u64(retry_after, 0, ASKED_WAIT_MAX_MS / 1000, &s, &ignored))
			return ASKED_WAIT_MAX_MS;
		return (int64_t)s * 1000;
	}
	if (!bl_http_date(retry_after, &until_ms))
		return 0;
	bl_http_date(date, &now_wall_ms); /* its own clock, where it says it */
	if (until_ms <= now_wall_ms)
		return 0;
	return until_ms - now_wall_ms > ASKED_WAIT_MAX_MS ? ASKED_WAIT_MAX_MS
	                                                  : until_ms - now_wall_ms;
}

int64_t bl_registry_wait(unsigned failed, int64_t asked_ms, double chance)
{
	int64_t ms = FIRST_WAIT_MS;

	while (failed-- > 1 && ms < LONGEST_WAIT_MS)
		ms *= 2;
	if (ms > LONGEST_WAIT_MS)
		ms = LONGEST_WAIT_MS;
	ms = ms / 2 + (int64_t)((double)ms / 2 * chance);
	return ms > asked_ms ? ms : asked_ms;
}
