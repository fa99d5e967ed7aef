/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "aws/advice.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What one attempt came to. */
struct ending {
	int status; /* 0: no whole reply */
	struct bl_aws_error error;
	char location[2048], retry_after[32];
	int64_t offset_ms; /* the server's clock less ours */
	bool has_date;
};

static void text_header(const struct bl_http_reply *reply, const char *name, char *value,
                        size_t size)
{
	if (!bl_http_header(reply, name, value, size))
		value[0] = '\0';
}

static void read_date(const struct bl_http_reply *reply, struct ending *ending)
{
	char date[64];
	int64_t server_ms;

	text_header(reply, "date", date, sizeof(date));
	if (!bl_http_date(date, &server_ms))
		return;
	ending->has_date = true;
	ending->offset_ms = server_ms - reply->date_wall_ms;
}

/* 0 for a whole reply: *success, else what it says is in `ending`. */
static int read_reply(const struct bl_aws_call *call, struct ending *ending, bool *success,
                      struct bl_err *err)
{
	const struct bl_http_reply *reply = &call->reply->http;
	bool is_error = reply->status < 200 || reply->status > 299;
	int rc = 0;

	if (is_error)
		rc = bl_aws_error_read(reply, &ending->error, err);
	else if (call->request->body_may_fail)
		rc = bl_aws_body_is_error(reply, &ending->error, &is_error, err);
	if (rc)
		return -1;
	*success = !is_error;
	if (*success)
		return 0;
	ending->status = reply->status;
	text_header(reply, "location", ending->location, sizeof(ending->location));
	text_header(reply, "x-amz-retry-after", ending->retry_after, sizeof(ending->retry_after));
	read_date(reply, ending);
	return 0;
}

/* A failure inside a 200 is judged by its code; without one, as a server's that broke. */
static int judged_status(const struct ending *ending)
{
	if (ending->status >= 300)
		return ending->status;
	return ending->status && !ending->error.code[0] ? 500 : ending->status;
}

static void decide(const struct bl_aws_call *call, const struct ending *ending, enum bl_code lost,
                   struct bl_aws_verdict *out)
{
	const struct bl_aws_facts facts = {
		.status = judged_status(ending),
		.lost = lost,
		.sent = call->reply->http.sent,
		.code = ending->error.code,
		.is_head = !strcmp(call->request->method, "HEAD"),
		.unsafe = call->request->unsafe,
		.has_token = call->has_token && !call->aws->anonymous,
		.moved = call->moved,
		.custom = call->custom,
		.offset_ms = ending->has_date ? ending->offset_ms - call->skew_ms : 0,
		.signed_region = call->signed_region,
		.region = ending->error.region,
		.location = ending->location,
	};

	bl_aws_decide(&facts, out);
}

static void move(struct bl_aws_call *call, const struct bl_aws_verdict *verdict)
{
	call->moved = true;
	if (verdict->region[0])
		snprintf(call->region, sizeof(call->region), "%s", verdict->region);
	if (verdict->act == BL_AWS_FOLLOW)
		snprintf(call->host, sizeof(call->host), "%s", verdict->host);
	else
		bl_aws_remember_region(call->aws, call->request, verdict->region);
}

/* Whether there is another attempt; does what it needs. */
static bool prepare_next(struct bl_aws_call *call, const struct bl_aws_verdict *verdict,
                         const struct ending *ending, int64_t *wait_ms)
{
	struct bl_aws *aws = call->aws;

	*wait_ms = 0;
	switch (verdict->act) {
	case BL_AWS_REGION:
	case BL_AWS_FOLLOW:
		move(call, verdict);
		return true;
	case BL_AWS_END:
	case BL_AWS_REFUSE:
		return false;
	case BL_AWS_REPEAT:
	case BL_AWS_HEAL:
	case BL_AWS_RENEW:
		break;
	}
	if (!bl_retry_next(&call->retry, &aws->bucket, verdict->kind, aws->max_attempts,
	                   aws->random(), ending->retry_after, wait_ms))
		return false;
	if (verdict->act == BL_AWS_HEAL)
		aws->skew_ms = ending->offset_ms;
	/* another call may have had them renewed since this one was signed */
	else if (verdict->act == BL_AWS_RENEW && call->creds_serial == aws->creds_serial)
		bl_creds_stale(aws->creds);
	return true;
}

/* --- What people read ------------------------------------------------------------------------- */

static void append(struct bl_err *err, const char *text)
{
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, "%s", text);
}

/* "bucket/key", decoded; "" when it is no request of S3. */
static void resource_of(const struct bl_aws_request *request, struct bl_buf *out)
{
	const char *path = bl_buf_text(&request->path), *prefix = request->host_prefix;

	if (request->protocol != BL_AWS_S3)
		return;
	if (prefix)
		bl_buf_add(out, prefix, strlen(prefix) - (*prefix ? 1 : 0));
	else
		path += *path == '/';
	if (strcmp(path, "/") != 0)
		bl_buf_adds(out, path);
	if (out->failed || (out->data && bl_uri_decode(out->data) < 0))
		bl_buf_reset(out);
}

static void advise(const struct bl_aws_call *call, const struct ending *ending, struct bl_err *err)
{
	BL_AUTO(bl_buf) resource = BL_BUF(8192);

	resource_of(call->request, &resource);
	bl_advise(&(struct bl_refusal){ .service = call->request->service,
	                                .operation = call->request->operation,
	                                .status = ending->status,
	                                .code = ending->error.code,
	                                .message = ending->error.message,
	                                .resource = bl_buf_text(&resource),
	                                .region = call->signed_region },
	          err);
}

/* What to say of our clock: it was healed in vain. */
static void name_skew(const struct bl_aws_call *call, const struct ending *ending,
                      struct bl_err *err)
{
	bool clock = bl_retry_kind(ending->status, ending->error.code, BL_OK) == BL_RETRY_CLOCK;
	int64_t s = ending->offset_ms / 1000;
	char text[96];

	/* a HEAD that was healed in vain has no code */
	if (!ending->has_date || (!clock && !(call->retry.clock && ending->status == 403)) ||
	    (s <= BL_AWS_SKEW_MS / 1000 && s >= -BL_AWS_SKEW_MS / 1000))
		return;
	snprintf(text, sizeof(text), "; this machine's clock is %" PRId64 " s %s AWS's",
	         s < 0 ? -s : s, s < 0 ? "ahead of" : "behind");
	append(err, text);
	bl_next(err, "set the clock of this machine, for instance by: chronyc makestep");
}

static void fail_reply(const struct bl_aws_call *call, const struct ending *ending,
                       struct bl_err *err)
{
	const struct bl_aws_error *error = &ending->error;
	bool has_id = error->request_id[0];

	bl_fail(err, bl_aws_code(call->request->service, judged_status(ending), error->code),
	        "%s %s: HTTP %d%s%s%s%s (%s%s%s%u attempt%s)", call->request->service,
	        call->request->operation, ending->status, error->code[0] ? " " : "", error->code,
	        error->message[0] ? ": " : "", error->message, has_id ? "request ID " : "",
	        error->request_id, has_id ? ", " : "", call->attempts,
	        call->attempts == 1 ? "" : "s");
	name_skew(call, ending, err);
	advise(call, ending, err);
}

static void fail_redirect(const struct bl_aws_call *call, const struct ending *ending,
                          struct bl_err *err)
{
	BL_AUTO(bl_buf) authority = BL_BUF(300);
	struct bl_err unread = { 0 };
	struct bl_url url;

	/* the host alone: the rest is the server's to choose */
	if (!bl_url_parse(ending->location, &url, &unread)) {
		bl_buf_adds(&authority, url.tls ? "https://" : "http://");
		bl_url_add_authority(&authority, &url);
	}
	bl_fail(err, BL_EDENIED,
	        "%s %s: HTTP %d: a redirect to '%s', which is not AWS over https, was refused",
	        call->request->service, call->request->operation, ending->status,
	        bl_buf_text(&authority));
	bl_next(err, "check AWS_ENDPOINT_URL and the bucket's region; nothing was sent there");
}

/* Not to be repeated blindly, neither by us nor by the caller. */
static void warn_unknown(struct bl_err *err)
{
	bl_recode(err, BL_EIO);
	append(err, "; it may have been carried out");
}

/* The transport's own words, in context. */
static void fail_lost(const struct bl_aws_call *call, struct bl_err *err)
{
	char text[64];

	if (call->attempts > 1) {
		snprintf(text, sizeof(text), " (%u attempts)", call->attempts);
		append(err, text);
	}
	bl_wrap(err, "%s %s", call->request->service, call->request->operation);
}

static bool fits(const struct bl_aws_call *call, int64_t wait_ms)
{
	int64_t deadline = call->request->call.deadline_mono_ms, then = bl_mono_ms() + wait_ms;

	return deadline ? then < deadline : then - call->moved_mono_ms < BL_AWS_STILL_MS;
}

/* Branches on the code of the transport: a clean err with a status is a reply. */
bool bl_aws_judge(struct bl_aws_call *call, int64_t *wait_ms, struct bl_err *err)
{
	struct ending ending = { 0 };
	struct bl_aws_verdict verdict;
	bool again, success = false;

	if (!err->code && !read_reply(call, &ending, &success, err) && success) {
		bl_retry_success(&call->retry, &call->aws->bucket);
		return false;
	}
	decide(call, &ending, err->code, &verdict);
	again = prepare_next(call, &verdict, &ending, wait_ms);
	if (again && fits(call, *wait_ms)) {
		bl_err_clear(err);
		return true;
	}
	memcpy(call->reply->code, ending.error.code, sizeof(call->reply->code));
	memcpy(call->reply->message, ending.error.message, sizeof(call->reply->message));
	memcpy(call->reply->request_id, ending.error.request_id, sizeof(call->reply->request_id));
	if (err->code)
		fail_lost(call, err);
	else if (verdict.act == BL_AWS_REFUSE)
		fail_redirect(call, &ending, err);
	else
		fail_reply(call, &ending, err);
	/* repeating would have helped, had it not been unsafe */
	if (verdict.act == BL_AWS_END && verdict.kind == BL_RETRY_TRANSIENT)
		warn_unknown(err);
	if (again) {
		append(err, "; no time is left for another attempt");
		bl_recode(err, BL_ETIMEOUT);
	}
	return false;
}
