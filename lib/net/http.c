/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "net/url.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STALL_MS = 30000, MAX_IDLE = 64 };

/* libcurl is set up by the first: several threads may be that at once. */
static int open_one_at_a_time(struct bl_http *http, struct bl_err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int rc;

	pthread_mutex_lock(&lock);
	rc = bl_curl_open(http, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

int bl_http_open(const struct bl_http_options *options, struct bl_http **out, struct bl_err *err)
{
	static const struct bl_http_options defaults;
	struct bl_http *http = calloc(1, sizeof(*http));

	if (!http)
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	options = options ? options : &defaults;
	http->allow_http = options->allow_http;
	http->max_idle = options->max_idle ? options->max_idle : MAX_IDLE;
	http->due_ms = INT64_MAX;
	http->last_waiting = &http->waiting;
	if (bl_http_trust_find(options->ca_file, &http->trust, err) ||
	    open_one_at_a_time(http, err)) {
		bl_http_close(http);
		return -1;
	}
	*out = http;
	return 0;
}

void bl_http_close(struct bl_http *http)
{
	struct bl_http_call *call;

	if (!http)
		return;
	while ((call = http->calls)) {
		http->calls = call->next;
		if (!call->is_waiting)
			bl_curl_remove(call);
		bl_curl_free_call(call);
	}
	while ((call = http->idle)) {
		http->idle = call->next;
		bl_curl_free_call(call);
	}
	bl_curl_close(http);
	free(http);
}

void bl_http_auto(struct bl_http **http)
{
	bl_http_close(*http);
	*http = NULL;
}

/* --- Starting --------------------------------------------------------------------------------- */

static int check_allowed(const struct bl_http *http, const struct bl_url *url, struct bl_err *err)
{
	if (url->tls && !http->trust.file[0]) {
		bl_fail(err, BL_EINPUT, "https://%s: no CA certificates on this system", url->host);
		return bl_next(err, "install ca-certificates, or name a file in SSL_CERT_FILE");
	}
	if (url->tls || http->allow_http || bl_host_is_loopback(url->host) ||
	    bl_host_is_metadata(url->host))
		return 0;
	bl_fail(err, BL_EINPUT, "http://%s: plain http is for this machine alone", url->host);
	return bl_next(err, "use https://, or give --allow-http where nobody else can listen");
}

static void enlist(struct bl_http *http, struct bl_http_call *call)
{
	call->prev = NULL;
	call->next = http->calls;
	if (call->next)
		call->next->prev = call;
	http->calls = call;
	http->n_calls++;
	call->is_waiting = true;
	call->next_waiting = NULL;
	*http->last_waiting = call;
	http->last_waiting = &call->next_waiting;
}

static void describe_method(struct bl_http_call *call, const struct bl_http_request *request)
{
	const char *method = request->method;
	bool is_post = !strcmp(method, "POST") || !strcmp(method, "PATCH");
	bool is_put = !strcmp(method, "PUT");

	snprintf(call->method, sizeof(call->method), "%s", method);
	call->is_head = !strcmp(method, "HEAD");
	call->may_repeat = !is_post && !request->once;
	call->has_body = request->bytes || request->read || is_put || is_post;
	call->is_usual = call->has_body ? is_put : call->is_head || !strcmp(method, "GET");
}

static void describe(struct bl_http_call *call, const struct bl_http_request *request,
                     const struct bl_url *url)
{
	memcpy(call->host, url->host, strlen(url->host) + 1);
	call->port = url->port;
	call->is_tls = url->tls;
	describe_method(call, request);
	call->bytes = request->bytes;
	call->read = request->bytes ? NULL : request->read;
	call->write = request->write;
	call->arg = request->arg;
	call->size = call->bytes || call->read ? request->size : 0;
	call->offset = 0;
	call->is_cancelled = false;
	call->head = (struct bl_http_head){ 0 };
	call->watch = (struct bl_http_watch){
		.deadline_ms = request->deadline_mono_ms,
		.first_byte_ms = request->first_byte_ms,
		.stall_ms = request->stall_ms ? request->stall_ms : STALL_MS,
	};
	bl_err_clear(&call->err);
}

/* Keeps its memory. */
static void empty(struct bl_buf *buf, size_t max)
{
	bl_buf_reset(buf);
	buf->max = max;
}

int bl_http_start(struct bl_http *http, const struct bl_http_request *request,
                  struct bl_http_reply *reply, bl_http_done_fn *done, void *done_arg,
                  struct bl_http_call **call_out, struct bl_err *err)
{
	struct bl_url url;
	struct bl_http_call *call = http->idle;

	if (bl_url_parse(request->url, &url, err) || check_allowed(http, &url, err))
		return -1;
	if (call)
		http->idle = call->next;
	else if (!(call = bl_curl_new_call(http, err)))
		return -1;
	describe(call, request, &url);
	if (bl_curl_prepare(call, request, err)) {
		call->next = http->idle;
		http->idle = call;
		return -1;
	}
	empty(&reply->head, BL_HTTP_HEAD_MAX);
	empty(&reply->body, request->reply_max);
	call->reply = reply;
	call->done = done;
	call->done_arg = done_arg;
	enlist(http, call);
	if (call->watch.deadline_ms && call->watch.deadline_ms < http->due_ms)
		http->due_ms = call->watch.deadline_ms;
	if (call_out)
		*call_out = call;
	return 0;
}

/* --- One exchange, waited for ----------------------------------------------------------------- */

struct waited {
	bool is_done;
	struct bl_err *err;
};

static void note_done(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct waited *waited = arg;

	(void)reply;
	waited->is_done = true;
	*waited->err = *err;
}

int bl_http_send(struct bl_http *http, const struct bl_http_request *request,
                 struct bl_http_reply *reply, struct bl_err *err)
{
	struct waited waited = { .err = err };
	struct bl_http_call *call;

	if (bl_http_start(http, request, reply, note_done, &waited, &call, err))
		return -1;
	while (!waited.is_done) {
		struct bl_err fault = { 0 };

		if (!bl_http_step(http, -1, &fault))
			continue;
		if (!waited.is_done)
			bl_http_cancel(http, call);
		*err = fault;
		return -1;
	}
	return err->code == BL_OK ? 0 : -1;
}
