/* SPDX-License-Identifier: Apache-2.0 */
#include "net/registry_parts.h"

#include <string.h>

#define ATTEMPTS 5
#define REDIRECTS 5
#define URL_MAX ((size_t)16 << 10)
#define REPLY_MAX ((size_t)1 << 20)

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

/* A 401 is a question about us, not an answer. */
static void count(const struct counted *counted, const struct bl_http_reply *reply)
{
	if (reply->status == 401)
		counted->counts->auth_requests++;
	else
		counted->counts->requests++;
	if (counted->ask->bytes)
		counted->counts->sent_bytes += counted->ask->size;
	counted->counts->received_bytes += reply->received;
}

/* --- One attempt, redirects followed ---------------------------------------------------------- */

struct trip {
	struct bl_registry *registry;
	const struct bl_registry_ask *ask;
	struct bl_buf url;
	bool is_own;           /* url is the registry's */
	unsigned long serial;  /* of the authorization that it went with; 0: none */
	unsigned long refused; /* of one that is not to be used again */
	bool was_asked;        /* who we are */
	bool was_refused;      /* an authorization, and a new one was got for it */
};

static void restart(struct bl_http_reply *reply)
{
	bl_http_reply_done(reply);
	*reply = (struct bl_http_reply){ 0 };
}

static int go_once(struct trip *trip, struct bl_http_reply *reply, struct bl_err *err)
{
	const struct bl_registry_ask *ask = trip->ask;
	struct bl_registry_counts *counts = trip->registry->session->options.counts;
	struct bl_registry_counts uncounted = { 0 };
	struct counted counted = { ask, counts ? counts : &uncounted };
	BL_SECRET_BUF headers = BL_BUF(BL_AUTHORIZATION_MAX);
	struct bl_http_request request = {
		.method = ask->method,
		.url = bl_buf_text(&trip->url),
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

	restart(reply);
	bl_buf_adds(&headers, ask->headers ? ask->headers : "");
	trip->serial = 0;
	if (trip->is_own && bl_registry_authorize(trip->registry, ask->scope, trip->refused,
	                                          &headers, &trip->serial, err))
		return -1;
	trip->refused = 0;
	if (bl_buf_check(&headers, "headers", err))
		return -1;
	request.headers = bl_buf_text(&headers);
	rc = bl_registry_exchange(trip->registry, &request, reply, err);
	count(&counted, reply);
	return rc;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int move_to(struct trip *trip, const struct bl_http_reply *reply, struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX);
	char location[8192];

	if (!bl_http_header(reply, "location", location, sizeof(location)))
		return bl_fail(err, BL_ECORRUPT, "HTTP %d without a Location", reply->status);
	if (bl_registry_resolve(bl_buf_text(&trip->url), location, &url, err) ||
	    bl_registry_may_go(trip->registry, bl_buf_text(&url), err))
		return -1;
	bl_buf_done(&trip->url);
	trip->url = url;
	url = (struct bl_buf){ 0 };
	trip->is_own = bl_registry_owns(trip->registry, bl_buf_text(&trip->url));
	return 0;
}

static int travel(struct trip *trip, struct bl_http_reply *reply, struct bl_err *err)
{
	const struct bl_registry_ask *ask = trip->ask;

	bl_buf_reset(&trip->url);
	if (*ask->target == '/')
		bl_buf_adds(&trip->url, trip->registry->session->base);
	bl_buf_adds(&trip->url, ask->target);
	if (bl_buf_check(&trip->url, "URL", err))
		return -1;
	trip->is_own = bl_registry_owns(trip->registry, bl_buf_text(&trip->url));
	for (unsigned i = 0; i <= REDIRECTS; i++) {
		if (go_once(trip, reply, err))
			return -1;
		if (!ask->redirects || !is_redirect(reply->status))
			return 0;
		if (move_to(trip, reply, err))
			return -1;
	}
	return bl_fail(err, BL_EIO, "more than %d redirects", REDIRECTS);
}

/* --- Again and again -------------------------------------------------------------------------- */

/*
 * ECR says 403 of a login that has expired, and to a HEAD it says nothing else: then a new one is
 * worth a try.
 */
static bool may_be_expired(const struct trip *trip, const struct bl_http_reply *reply)
{
	struct bl_registry_error error;
	struct bl_ecr_name ecr;

	if (reply->status != 403 || !trip->serial || !trip->is_own || trip->was_refused ||
	    !bl_image_ref_ecr(trip->registry->session->registry, &ecr))
		return false;
	bl_registry_error_read(reply, &error);
	return !strcmp(trip->ask->method, "HEAD") || strstr(error.message, "expired");
}

/* After a 401: the next attempt goes with another authorization; -1: no use. */
static int challenged(struct trip *trip, const struct bl_http_reply *reply, struct bl_err *err)
{
	if (!trip->is_own)
		return bl_fail(err, BL_EDENIED, "HTTP 401 from where it sends us");
	if (trip->serial ? trip->was_refused : trip->was_asked)
		return bl_registry_deny(trip->registry, "", err);
	trip->was_asked = true;
	trip->was_refused = trip->was_refused || trip->serial;
	trip->refused = trip->serial;
	return bl_registry_challenged(trip->registry, reply, err);
}

static int unwilling(const struct bl_registry *registry, const struct bl_http_reply *reply,
                     struct bl_err *err)
{
	struct bl_registry_error error;

	bl_registry_error_read(reply, &error);
	bl_fail(err, BL_ERETRY, "HTTP %d%s%s%s%s", reply->status, error.code[0] ? " " : "",
	        error.code, error.message[0] ? ": " : "", error.message);
	if (reply->status == 429)
		bl_registry_advise(registry, "TOOMANYREQUESTS", NULL, err);
	return -1;
}

static int wait_before(const struct bl_registry *registry, unsigned failed,
                       const struct bl_http_reply *reply, struct bl_err *err)
{
	char after[64] = "", date[64] = "";
	int64_t asked_ms = 0;

	if (bl_http_header(reply, "retry-after", after, sizeof(after))) {
		bl_http_header(reply, "date", date, sizeof(date));
		asked_ms = bl_registry_asked_wait(after, date, reply->date_wall_ms);
	}
	return bl_registry_sleep(registry, bl_registry_wait(failed, asked_ms, registry->random()),
	                         err);
}

static int request_all(struct trip *trip, struct bl_http_reply *reply, struct bl_err *err)
{
	for (unsigned failed = 0;;) {
		int rc = travel(trip, reply, err);

		if (rc && err->code != BL_ERETRY)
			return -1;
		if (!rc && reply->status == 401) {
			if (challenged(trip, reply, err))
				return -1;
			continue;
		}
		if (!rc && may_be_expired(trip, reply)) {
			trip->was_refused = true;
			trip->refused = trip->serial;
			continue;
		}
		if (!rc && reply->status < 500 && reply->status != 429)
			return 0;
		if (!rc)
			unwilling(trip->registry, reply, err);
		if (++failed >= ATTEMPTS || (trip->ask->once && reply->status != 429))
			return -1;
		bl_err_clear(err);
		if (wait_before(trip->registry, failed, reply, err))
			return -1;
	}
}

int bl_registry_request(struct bl_registry *registry, const struct bl_registry_ask *ask,
                        struct bl_http_reply *reply, struct bl_err *err)
{
	struct trip trip = { .registry = registry, .ask = ask, .url = BL_BUF(URL_MAX) };
	int rc = request_all(&trip, reply, err);

	bl_buf_done(&trip.url);
	if (!rc)
		return 0;
	if (err->code == BL_ERETRY)
		bl_next(err, "look whether the registry is up and its name right, then try again: "
		             "what was sent whole is not sent again");
	return bl_wrap(err, "registry %s: %s", registry->session->registry, ask->what);
}
