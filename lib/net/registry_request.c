/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "net/registry_parts.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ATTEMPTS 5
#define ROUNDS_OF_401 2
#define REDIRECTS 5
#define REPLY_MAX ((size_t)1 << 20)
#define STEP_MS 200 /* how soon a stop is seen */
#define FIRST_WAIT_MS 200
#define LONGEST_WAIT_MS 5000
#define ASKED_WAIT_MAX_S 30

/* --- One exchange ----------------------------------------------------------------------------- */

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

/* --- Counting --------------------------------------------------------------------------------- */

struct counted {
	const struct bl_registry_ask *ask;
	struct bl_registry_counts *counts;
};

static int read_counted(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	const struct counted *counted = arg;

	if (counted->ask->read(counted->ask->arg, offset, to, len, err))
		return -1;
	counted->counts->sent_bytes += len;
	return 0;
}

static int write_counted(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	const struct counted *counted = arg;

	return counted->ask->write(counted->ask->arg, bytes, len, err);
}

/* --- Where ------------------------------------------------------------------------------------ */

/* "https://host:port" of a URL; its length, 0 for a path. */
static size_t origin_length(const char *url)
{
	const char *at = strstr(url, "://");

	if (!at || *url == '/')
		return 0;
	return (size_t)(at - url) + 3 + strcspn(at + 3, "/?#");
}

static bool is_own(const struct bl_registry *registry, const char *url)
{
	size_t len = origin_length(url);

	return !len || (len == strlen(registry->session->base) &&
	                !strncasecmp(url, registry->session->base, len));
}

bool bl_registry_owns(const struct bl_registry *registry, const char *url)
{
	return is_own(registry, url);
}

/* --- One attempt, redirects followed ------------------------------------------------------------ */

struct trip {
	struct bl_registry *registry;
	const struct bl_registry_ask *ask;
	struct bl_buf url;
	unsigned long serial; /* of the authorization that it went with */
};

static int go_once(struct trip *trip, unsigned long refused, struct bl_http_reply *reply,
                   struct bl_err *err)
{
	const struct bl_registry_ask *ask = trip->ask;
	struct bl_registry_counts *counts = trip->registry->session->options.counts;
	struct bl_registry_counts uncounted = { 0 };
	struct counted counted = { ask, counts ? counts : &uncounted };
	BL_SECRET_BUF headers = BL_BUF(BL_HTTP_HEAD_MAX);
	struct bl_http_request request = {
		.method = ask->method,
		.bytes = ask->bytes,
		.read = ask->read ? read_counted : NULL,
		.size = ask->size,
		.write = ask->write ? write_counted : NULL,
		.arg = &counted,
		.reply_max = ask->reply_max ? ask->reply_max : REPLY_MAX,
		.stall_ms = ask->stall_ms,
		.once = ask->once && ask->size,
	};
	int rc;

	if (!bl_buf_room(&headers, 16384)) /* one block: no copy of a secret stays behind */
		return bl_buf_check(&headers, "headers", err);
	bl_buf_adds(&headers, ask->headers ? ask->headers : "");
	trip->serial = 0;
	if (is_own(trip->registry, bl_buf_text(&trip->url)) &&
	    bl_registry_authorize(trip->registry, ask->scope, refused, &headers, &trip->serial,
	                          err))
		return -1;
	if (bl_buf_check(&headers, "headers", err) || bl_buf_check(&trip->url, "URL", err))
		return -1;
	request.url = bl_buf_text(&trip->url);
	request.headers = bl_buf_text(&headers);
	bl_http_reply_done(reply);
	*reply = (struct bl_http_reply){ 0 };
	counted.counts->requests++;
	if (ask->bytes)
		counted.counts->sent_bytes += ask->size;
	rc = bl_registry_exchange(trip->registry, &request, reply, err);
	counted.counts->received_bytes += reply->received;
	return rc;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* An absolute URL, or a path of where we are. */
static int move_to(struct trip *trip, const struct bl_http_reply *reply, struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(16384);
	char location[8192];

	if (!bl_http_header(reply, "location", location, sizeof(location)))
		return bl_fail(err, BL_ECORRUPT, "a redirect without a location");
	if (*location == '/' && location[1] != '/')
		bl_buf_add(&url, bl_buf_text(&trip->url), origin_length(bl_buf_text(&trip->url)));
	bl_buf_adds(&url, location);
	bl_buf_reset(&trip->url);
	bl_buf_adds(&trip->url, bl_buf_text(&url));
	return bl_buf_check(&url, "location", err);
}

static int travel(struct trip *trip, unsigned long refused, struct bl_http_reply *reply,
                  struct bl_err *err)
{
	const struct bl_registry_ask *ask = trip->ask;

	bl_buf_reset(&trip->url);
	if (!origin_length(ask->target))
		bl_buf_adds(&trip->url, trip->registry->session->base);
	bl_buf_adds(&trip->url, ask->target);
	for (unsigned i = 0; i <= REDIRECTS; i++) {
		if (go_once(trip, refused, reply, err))
			return -1;
		if (!ask->redirects || !is_redirect(reply->status))
			return 0;
		if (move_to(trip, reply, err))
			return -1;
	}
	return bl_fail(err, BL_EIO, "over %d redirects", REDIRECTS);
}

/* --- Again and again -------------------------------------------------------------------------- */

int64_t bl_registry_wait(unsigned failed, const char *retry_after, double chance)
{
	int64_t ms = FIRST_WAIT_MS;
	struct bl_err ignored = { 0 };
	uint64_t asked_s;

	if (*retry_after && !bl_str_u64(retry_after, 0, ASKED_WAIT_MAX_S, &asked_s, &ignored))
		return (int64_t)asked_s * 1000;
	if (*retry_after && retry_after[strspn(retry_after, "0123456789")] == '\0')
		return (int64_t)ASKED_WAIT_MAX_S * 1000;
	while (failed-- > 1 && ms < LONGEST_WAIT_MS)
		ms *= 2;
	if (ms > LONGEST_WAIT_MS)
		ms = LONGEST_WAIT_MS;
	return ms / 2 + (int64_t)((double)ms / 2 * chance);
}

/* A 401: -1 to give up; else the next round goes with another authorization. */
static int challenged(struct trip *trip, const struct bl_http_reply *reply, unsigned *rounds,
                      unsigned long *refused, struct bl_err *err)
{
	char header[4096];

	*refused = trip->serial;
	if (!is_own(trip->registry, bl_buf_text(&trip->url)) || (*rounds)++ >= ROUNDS_OF_401)
		return bl_registry_deny(trip->registry, err);
	if (!bl_http_header(reply, "www-authenticate", header, sizeof(header)))
		return bl_registry_deny(trip->registry, err);
	bl_registry_challenged(trip->registry, header);
	return 0;
}

static int request_all(struct trip *trip, struct bl_http_reply *reply, struct bl_err *err)
{
	const struct bl_registry_ask *ask = trip->ask;
	unsigned failed = 0, rounds = 0;
	unsigned long refused = 0;

	for (;;) {
		char after[64] = "";
		int rc = travel(trip, refused, reply, err);
		bool lost = rc && err->code == BL_ERETRY;

		refused = 0;
		if (rc && !lost)
			return -1;
		if (!rc && reply->status == 401) {
			if (challenged(trip, reply, &rounds, &refused, err))
				return -1;
			continue;
		}
		if (!rc && reply->status < 500 && reply->status != 429)
			return 0;
		if (!rc)
			bl_fail(err, BL_ERETRY, "HTTP %d", reply->status);
		if (++failed >= ATTEMPTS || (ask->once && reply->status != 429))
			return -1;
		if (!rc)
			bl_http_header(reply, "retry-after", after, sizeof(after));
		bl_err_clear(err);
		if (bl_registry_sleep(trip->registry,
		                      bl_registry_wait(failed, after, trip->registry->random()),
		                      err))
			return -1;
	}
}

int bl_registry_request(struct bl_registry *registry, const struct bl_registry_ask *ask,
                        struct bl_http_reply *reply, struct bl_err *err)
{
	struct trip trip = { .registry = registry, .ask = ask, .url = BL_BUF(16384) };
	int rc = request_all(&trip, reply, err);

	bl_buf_done(&trip.url);
	if (!rc)
		return 0;
	if (err->code == BL_ERETRY && reply->status == 429)
		bl_next(err,
		        "the registry limits how often it is asked: log in, or try again later");
	if (err->code == BL_EDENIED) /* has the registry's name */
		return bl_wrap(err, "%s", ask->what);
	return bl_wrap(err, "registry %s: %s", registry->session->registry, ask->what);
}
