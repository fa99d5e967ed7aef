/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "base/secret.h"
#include "net/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECT_MS = 5000,
	RECEIVE_BYTES = 128 << 10,
	SEND_BYTES = 128 << 10,
	FDS_PER_CALL = 4, /* two addresses tried at once, the resolver, one closing */
};

/* --- Sockets and the timer -------------------------------------------------------------------- */

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct bl_http *http = arg;

	(void)multi;
	http->timer_ms = timeout_ms < 0 ? -1 : bl_http_timer_clock_ms() + timeout_ms;
	return 0;
}

/* A socket's place in fds, plus one, is what libcurl keeps for it. */
static void forget_socket(struct bl_http *http, size_t place)
{
	http->n_fds--;
	if (place == http->n_fds)
		return;
	http->fds[place] = http->fds[http->n_fds];
	curl_multi_assign(http->multi, http->fds[place].fd, (void *)(uintptr_t)(place + 1));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *kept)
{
	struct bl_http *http = arg;
	size_t place = (size_t)(uintptr_t)kept;
	short events =
		(short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (place)
			forget_socket(http, place - 1);
		return 0;
	}
	if (!place) {
		if (bl_http_make_room(http, http->n_fds + 1))
			return -1;
		place = ++http->n_fds;
		curl_multi_assign(http->multi, fd, (void *)(uintptr_t)place);
	}
	http->fds[place - 1] = (struct pollfd){ .fd = fd, .events = events };
	return 0;
}

static int act(struct bl_http *http, curl_socket_t fd, int mask, struct bl_err *err)
{
	int running;

	if (http->is_spoilt)
		return bl_fail(err, BL_ENOMEM, "http: it ran out of memory before");
	http->is_inside = true;
	CURLMcode code = curl_multi_socket_action(http->multi, fd, mask, &running);
	http->is_inside = false;
	/* libcurl 7.88 keeps a socket whose table it could not make, and would divide by 0 */
	http->is_spoilt = code == CURLM_OUT_OF_MEMORY;
	if (http->is_spoilt)
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	return code == CURLM_OK ? 0 : bl_fail(err, BL_EBUG, "http: %s", curl_multi_strerror(code));
}

int bl_curl_act(struct bl_http *http, const struct pollfd *seen, struct bl_err *err)
{
	int mask = (seen->revents & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
	           (seen->revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
	           (seen->revents & (POLLERR | POLLNVAL) ? CURL_CSELECT_ERR : 0);

	return act(http, seen->fd, mask, err);
}

int bl_curl_run_timer(struct bl_http *http, struct bl_err *err)
{
	if (http->timer_ms < 0 || http->timer_ms > bl_http_timer_clock_ms())
		return 0;
	http->timer_ms = -1;
	return act(http, CURL_SOCKET_TIMEOUT, 0, err);
}

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

static bool set_trust(struct bl_http_call *call)
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
	return set_trust(call) && !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
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

	if (call) {
		call->http = http;
		call->lines = BL_BUF(BL_HTTP_HEAD_MAX);
		call->easy = curl_easy_init();
		if (call->easy && set_up(call))
			return call;
		bl_curl_free_call(call);
	}
	bl_fail(err, BL_ENOMEM, "http: out of memory");
	return NULL;
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
	if (call->trusts_dir && !call->http->trust.dir[0] && !set_trust(call))
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

/* --- Ends ------------------------------------------------------------------------------------- */

static enum bl_code meaning_of(CURLcode code)
{
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return BL_ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
		return BL_EDENIED;
	case CURLE_SSL_CACERT_BADFILE:
		return BL_EINPUT;
	default:
		return BL_ERETRY; /* connect, DNS, reset, cut: the network's doing */
	}
}

/*
 * A certificate that somebody added to the file alone is not in the directory: from here on the
 * file it is. Nothing of the request was sent yet.
 */
static bool tries_the_file(struct bl_http_call *call)
{
	if (!call->trusts_dir)
		return false;
	call->http->trust.dir[0] = '\0';
	bl_curl_remove(call);
	return set_trust(call) && !curl_multi_add_handle(call->http->multi, call->easy);
}

struct bl_http_call *bl_curl_next_ended(struct bl_http *http)
{
	struct bl_http_call *call = NULL;
	CURLMsg *message;
	CURLcode code;
	int left;

	do {
		message = curl_multi_info_read(http->multi, &left);
		if (!message)
			return NULL;
		code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
	} while (code == CURLE_PEER_FAILED_VERIFICATION && tries_the_file(call));
	if (code != CURLE_OK)
		bl_http_explain(call, meaning_of(code),
		                call->why[0] ? call->why : curl_easy_strerror(code));
	else
		bl_http_check_whole(call);
	bl_curl_remove(call);
	return call;
}

int bl_curl_add(struct bl_http_call *call)
{
	struct bl_http *http = call->http;

	if (bl_http_make_room(http, http->n_calls * FDS_PER_CALL))
		return bl_fail(&call->err, BL_ENOMEM, "http: out of memory");
	if (http->n_calls + http->max_idle > http->max_connections) {
		/* libcurl counts those in use too, and would close each one that falls idle */
		http->max_connections = http->n_calls + http->max_idle;
		curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->max_connections);
	}
	if (!curl_multi_add_handle(http->multi, call->easy))
		return 0;
	return bl_fail(&call->err, BL_ENOMEM, "http: out of memory");
}

void bl_curl_remove(struct bl_http_call *call)
{
	curl_multi_remove_handle(call->http->multi, call->easy);
}

/* --- The whole -------------------------------------------------------------------------------- */

int bl_curl_open(struct bl_http *http, struct bl_err *err)
{
	static bool is_ready;

	if (!is_ready && curl_global_init_mem(CURL_GLOBAL_DEFAULT, bl_http_malloc, bl_http_free,
	                                      bl_http_realloc, strdup, calloc))
		return bl_fail(err, BL_ENOMEM, "http: libcurl cannot start: out of memory");
	is_ready = true;
	http->timer_ms = -1;
	http->multi = curl_multi_init();
	if (!http->multi || curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer) ||
	    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) ||
	    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING))
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	return 0;
}

void bl_curl_close(struct bl_http *http)
{
	curl_multi_cleanup(http->multi);
	free(http->fds);
	free(http->ready);
}

const char *bl_http_versions(void)
{
	static char text[128];
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	const char *tls = info->ssl_version ? info->ssl_version : "no TLS";
	const char *slash = strchr(tls, '/');

	snprintf(text, sizeof(text), "libcurl %s, %.*s%s%s", info->version,
	         slash ? (int)(slash - tls) : (int)strlen(tls), tls, slash ? " " : "",
	         slash ? slash + 1 : "");
	return text;
}
