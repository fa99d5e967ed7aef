/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "net/github_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_MS 100 /* how soon a stop is seen */
#define ATTEMPTS 4
#define EXCHANGE_MS 20000
#define CALL_MS 60000 /* without the waits that a reply asked for */
#define URL_MAX ((size_t)8 << 10)

/* --- Waiting ---------------------------------------------------------------------------------- */

int bl_github_wait(struct bl_github *github, int64_t ms, struct bl_err *err)
{
	int64_t until = bl_mono_ms() + ms;

	(void)github;
	for (;;) {
		int64_t left = until - bl_mono_ms();
		struct timespec part = { .tv_nsec = 1000000L *
			                            (long)(left < STEP_MS ? left : STEP_MS) };

		if (bl_http_is_stopped())
			return bl_fail(err, BL_ECANCELLED, "a signal came while waiting");
		if (left <= 0)
			return 0;
		nanosleep(&part, NULL);
	}
}

/* --- One exchange ----------------------------------------------------------------------------- */

static void add_headers(const struct bl_github *github, bool has_body, struct bl_buf *out)
{
	/* one piece of memory for all: growing would leave the token's bytes behind */
	if (!bl_buf_room(out, github->token.len + 256))
		return;
	bl_buf_adds(out, "accept: application/vnd.github+json\n"
	                 "x-github-api-version: 2022-11-28\n");
	if (has_body)
		bl_buf_adds(out, "content-type: application/json\n");
	if (!github->token.len)
		return;
	bl_buf_adds(out, "authorization: Bearer ");
	bl_buf_adds(out, bl_secret_text(&github->token));
	bl_buf_addc(out, '\n');
}

static int send_once(struct bl_github *github, const struct bl_github_ask *ask,
                     int64_t deadline_mono_ms, struct bl_http_reply *reply, struct bl_err *err)
{
	BL_SECRET_BUF headers = BL_BUF(BL_HTTP_HEAD_MAX);
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX);
	int64_t end = bl_mono_ms() + EXCHANGE_MS;
	struct bl_http_request request = {
		.method = ask->method,
		.bytes = ask->body ? bl_buf_text(ask->body) : NULL,
		.size = ask->body ? ask->body->len : 0,
		.reply_max = ask->reply_max ? ask->reply_max : BL_GITHUB_REPLY_MAX,
		.deadline_mono_ms = end < deadline_mono_ms ? end : deadline_mono_ms,
		.once = !bl_github_may_repeat(ask, true),
	};

	bl_http_reply_done(reply);
	*reply = (struct bl_http_reply){ 0 };
	add_headers(github, ask->body, &headers);
	bl_github_url(github, ask->path, &url);
	if (bl_buf_check(&headers, "headers", err) || bl_buf_check(&url, "URL", err))
		return -1;
	request.headers = bl_buf_text(&headers);
	request.url = bl_buf_text(&url);
	github->requests++;
	return bl_http_send(github->http, &request, reply, err);
}

/* --- Again and again -------------------------------------------------------------------------- */

/* Not more than one write a second. */
static int make_room(struct bl_github *github, const struct bl_github_ask *ask, struct bl_err *err)
{
	int64_t ms;

	if (!strcmp(ask->method, "GET"))
		return 0;
#ifdef BL_TESTING
	if (getenv("BRANCHLINE_TEST_WRITES_AT_ONCE"))
		return 0;
#endif
	ms = bl_github_spacing(github->wrote, github->wrote_mono_ms, bl_mono_ms());
	if (ms && github->wait(github, ms, err))
		return -1;
	github->wrote = true;
	github->wrote_mono_ms = bl_mono_ms();
	return 0;
}

/* It asks us to wait: out of the patience that is left, or not at all. */
static int obey(struct bl_github *github, int64_t ms, const struct bl_github_said *said, int status,
                struct bl_err *err)
{
	if (ms <= github->patience_ms) {
		github->patience_ms -= ms;
		return github->wait(github, ms, err);
	}
	github->not_before_mono_ms = bl_mono_ms() + ms;
	bl_fail(err, BL_ERETRY, "HTTP %d: %s%swait %" PRId64 " s", status, said->text,
	        said->text[0] ? ": " : "", ms / 1000);
	bl_next(err, "GitHub's limit of requests is used up: run this again later");
	github->limited = *err;
	return -1;
}

/* Who goes on asking is locked out for longer. */
static int heed(struct bl_github *github, struct bl_err *err)
{
	int64_t ms = github->not_before_mono_ms - bl_mono_ms();

	if (!github->not_before_mono_ms || ms <= 0)
		return 0;
	if (ms <= github->patience_ms) {
		github->patience_ms -= ms;
		return github->wait(github, ms, err);
	}
	*err = github->limited;
	return -1;
}

static bool may_pass(const struct bl_err *err)
{
	return err->code == BL_ERETRY || err->code == BL_ETIMEOUT;
}

/* After a failure that may pass: another attempt, or its end. */
static int try_again(struct bl_github *github, const struct bl_github_ask *ask, bool sent,
                     unsigned *failed, int64_t deadline_mono_ms, struct bl_err *err)
{
	int64_t ms = bl_github_backoff(++*failed, github->random());

	if (*failed >= ATTEMPTS || !bl_github_may_repeat(ask, sent) ||
	    bl_mono_ms() + ms >= deadline_mono_ms)
		return bl_recode(err, BL_ERETRY);
	bl_err_clear(err);
	return github->wait(github, ms, err);
}

static int ask_all(struct bl_github *github, const struct bl_github_ask *ask,
                   struct bl_http_reply *reply, struct bl_err *err)
{
	int64_t deadline;

	if (heed(github, err))
		return -1;
	deadline = bl_mono_ms() + CALL_MS;
	for (unsigned failed = 0;;) {
		struct bl_github_said said;
		int64_t ms;

		if (make_room(github, ask, err))
			return -1;
		if (!send_once(github, ask, deadline, reply, err)) {
			if (reply->status / 100 == 2)
				return 0;
			bl_github_said_read(reply, &said);
			if (bl_github_limited(reply, said.text, &ms)) {
				if (obey(github, ms, &said, reply->status, err))
					return -1;
				deadline += ms;
				continue;
			}
			bl_github_refused(ask, reply, &said, err);
		}
		if (!may_pass(err))
			return -1;
		if (try_again(github, ask, reply->sent, &failed, deadline, err))
			return -1;
	}
}

int bl_github_ask(struct bl_github *github, const struct bl_github_ask *ask,
                  struct bl_http_reply *reply, struct bl_err *err)
{
	if (!ask_all(github, ask, reply, err))
		return 0;
	if (err->code == BL_ERETRY)
		bl_next(err, "look whether %s can be reached, then run this again", github->origin);
	return bl_wrap(err, "GitHub: %s %.*s", ask->method, (int)strcspn(ask->path, "?"),
	               ask->path);
}
