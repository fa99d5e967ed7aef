/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
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
	if (code == CURLM_OUT_OF_MEMORY)
		return bl_fail(err, BL_ENOMEM, "http: out of memory");
	if (code != CURLM_OK)
		return bl_fail(err, BL_EBUG, "http: %s", curl_multi_strerror(code));
	return 0;
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
	return bl_curl_set_trust(call) && !curl_multi_add_handle(call->http->multi, call->easy);
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
