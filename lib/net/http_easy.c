/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange, as libcurl is told of it. */
#include "net/http_parts.h"

#include "base/secret.h"
#include "net/url.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECT_MS = 5000,
	RECEIVE_BYTES = 128 << 10,
	SEND_BYTES = 128 << 10,
};

/* --- Callbacks of an exchange ----------------------------------------------------------------- */

static size_t on_head(char *line, size_t size, size_t n, void *call)
{
	return bl_http_take_head(call, line, size * n) ? 0 : size * n;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *call)
{
	return bl_http_take_body(call, bytes, size * n) ? 0 : size * n;
}

static size_t on_read(char *to, size_t size, size_t n, void *call)
{
	size_t len = size * n;

	return bl_http_give_body(call, to, &len) ? CURL_READFUNC_ABORT : len;
}

/* For a body that is sent again because an idle connection turned out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct bl_http_call *call = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > call->size)
		return CURL_SEEKFUNC_CANTSEEK;
	call->offset = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_connected(void *call, char *peer, char *own, int peer_port, int own_port)
{
	(void)peer, (void)own, (void)peer_port, (void)own_port;
	return bl_http_connected(call) ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

uint64_t bl_curl_moved(const struct bl_http_call *call)
{
	curl_off_t sent = 0;

	if (call->size)
		curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	return call->head.bytes + call->reply->received + (uint64_t)sent;
}

/* --- Handles ---------------------------------------------------------------------------------- */

bool bl_curl_set_trust(struct bl_http_call *call)
{
	const struct bl_http_trust *trust = &call->http->trust;
	const char *dir = trust->dir[0] ? trust->dir : NULL;
	const char *file = !dir && trust->file[0] ? trust->file : NULL;
	CURL *easy = call->easy;

	call->trusts_dir = dir;
	return !curl_easy_setopt(easy, CURLOPT_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_CAPATH, dir) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, file) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, dir);
}

/* What is the same for every exchange. */
static bool set_up(struct bl_http_call *call)
{
	CURL *easy = call->easy;
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_QUICK_EXIT, 1 }, /* a deadline does not wait for the resolver's thread */
		{ CURLOPT_TCP_NODELAY, 1 },
		{ CURLOPT_BUFFERSIZE, RECEIVE_BYTES },
		{ CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
	};

	for (size_t i = 0; i < BL_COUNT(numbers); i++)
		if (curl_easy_setopt(easy, numbers[i].option, numbers[i].value))
			return false;
	return bl_curl_set_trust(call) &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(easy, CURLOPT_PRIVATE, call) &&
	       !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->why) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, call) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) &&
	       !curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) &&
	       !curl_easy_setopt(easy, CURLOPT_READDATA, call) &&
	       !curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) &&
	       !curl_easy_setopt(easy, CURLOPT_SEEKDATA, call) &&
	       !curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected) &&
	       !curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
}

struct bl_http_call *bl_curl_new_call(struct bl_http *http, struct bl_err *err)
{
	struct bl_http_call *call = calloc(1, sizeof(*call));

	if (!call) {
		bl_fail(err, BL_ENOMEM, "http: out of memory");
		return NULL;
	}
	call->http = http;
	call->lines = BL_BUF(BL_HTTP_HEAD_MAX);
	call->easy = curl_easy_init();
	if (!call->easy || !set_up(call)) {
		bl_fail(err, BL_ENOMEM, "http: out of memory");
		bl_curl_free_call(call);
		return NULL;
	}
	return call;
}

void bl_curl_free_call(struct bl_http_call *call)
{
	curl_easy_cleanup(call->easy);
	bl_buf_wipe(&call->lines);
	free(call->nodes);
	free(call);
}

/* Links the NUL-ended lines, and takes away what libcurl would add. */
static int link_lines(struct bl_http_call *call, size_t n, struct bl_err *err)
{
	static const char *const removed[] = { "Expect:", "Accept:" };
	size_t want = n + BL_COUNT(removed);
	struct curl_slist *nodes = call->nodes;
	char *line = call->lines.data;

	if (want > call->n_nodes) {
		nodes = realloc(nodes, want * sizeof(*nodes));
		if (!nodes)
			return bl_fail(err, BL_ENOMEM, "http: out of memory");
		call->nodes = nodes;
		call->n_nodes = want;
	}
	for (size_t i = 0; i < want; i++) {
		nodes[i].next = i + 1 < want ? &nodes[i + 1] : NULL;
		nodes[i].data = i < n ? line : (char *)(uintptr_t)removed[i - n];
		if (i < n)
			line += strlen(line) + 1;
	}
	return 0;
}

static bool set_method(struct bl_http_call *call, const char *agent)
{
	CURL *easy = call->easy;
	const char *other = call->is_usual ? NULL : call->method;

	return !curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_NOBODY, call->is_head ? 1L : 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_UPLOAD, call->has_body ? 1L : 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
	                         call->has_body ? (curl_off_t)call->size : (curl_off_t)-1) &&
	       !curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, other) &&
	       !curl_easy_setopt(easy, CURLOPT_USERAGENT, agent);
}

int bl_curl_prepare(struct bl_http_call *call, const struct bl_http_request *request,
                    struct bl_err *err)
{
	CURL *easy = call->easy;
	bool is_near = bl_host_is_loopback(call->host) || bl_host_is_metadata(call->host);
	bool is_direct = request->no_proxy || is_near;
	/* libcurl can lose the query of a URL for want of memory, but not a target of our own */
	const char *target = is_direct || call->is_tls ? bl_http_target(request->url) : NULL;
	long connect_ms = request->connect_ms ? request->connect_ms : CONNECT_MS;
	size_t n;

	bl_buf_reset(&call->lines);
	if (bl_http_head_lines(request->headers, &call->lines, &n, err) || link_lines(call, n, err))
		return -1;
	call->why[0] = '\0';
	if (call->trusts_dir && !call->http->trust.dir[0] && !bl_curl_set_trust(call))
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	/* Where libcurl alone writes it does so without SIGPIPE; TLS libraries do not. */
	if (curl_easy_setopt(easy, CURLOPT_URL, request->url) ||
	    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target) ||
	    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->nodes) ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, is_direct ? "" : NULL) ||
	    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) ||
	    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, is_direct && !call->is_tls ? 1L : 0L) ||
	    !set_method(call, bl_http_user_agent()))
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	return 0;
}
