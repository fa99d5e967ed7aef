/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "base/clock.h"
#include "tests/unit/canned.h"
#include "tests/unit/http_open.h"
#include "tests/unit/scratch.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int drop(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	(void)arg, (void)bytes, (void)len, (void)err;
	return 0;
}

/* What becomes of a GET: its error's code, BL_OK for a reply. */
static enum bl_code outcome(struct bl_http *http, const struct bl_http_request *request,
                            int *status)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_err err = { 0 };

	if (bl_http_send(http, request, &reply, &err)) {
		assert_int_equal(reply.status, 0);
		assert_true(err.code != BL_OK && err.text[0]);
	}
	*status = reply.status;
	return err.code;
}

/* --- Cut and reset ---------------------------------------------------------------------------- */

static const char with_length[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
static const char in_chunks[] =
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
	"chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";

/* enough: with so many bytes all of the body has come, and its end was said */
static void try_cuts(const char *text, size_t enough, enum canned_end end, bl_http_write_fn *write)
{
	size_t len = strlen(text);
	struct canned_reply *replies = calloc(len + 1, sizeof(*replies));
	char(*on)[32] = calloc(len + 1, sizeof(*on));
	struct canned *server;
	BL_HTTP http = open_http();
	int status;

	assert_true(replies && on);
	for (size_t i = 0; i <= len; i++) {
		snprintf(on[i], sizeof(on[i]), "GET /%zu ", i);
		replies[i] = (struct canned_reply){
			.on = on[i], .bytes = text, .is_cut = true, .cut = i, .end = end
		};
	}
	replies[len].end = CANNED_KEEP;
	server = canned_start(replies, len + 1);
	for (size_t i = 0; i <= len; i++) {
		char path[32];
		struct bl_http_request request = { .method = "GET",
			                           .write = write,
			                           .reply_max = 100 };

		snprintf(path, sizeof(path), "/%zu", i);
		request.url = canned_url(server, path);
		enum bl_code code = outcome(http, &request, &status);
		if (i >= enough && i < len)
			continue; /* either is right: a reset may take away what had come */
		if (code != (i < len ? BL_ERETRY : BL_OK))
			fail_msg("cut at byte %zu of %zu: code %d, status %d", i, len, code,
			         status);
	}
	assert_int_equal(status, 200);
	canned_stop(server);
	free(replies);
	free(on);
}

static void cut_reply_is_never_success(void **state)
{
	(void)state;
	size_t whole = sizeof(with_length) - 1;
	size_t chunked = sizeof(in_chunks) - 2; /* libcurl needs no newline after the last CR */

	try_cuts(with_length, whole, CANNED_CLOSE, NULL);
	try_cuts(with_length, whole, CANNED_CLOSE, drop);
	try_cuts(with_length, whole, CANNED_RESET, drop);
	try_cuts(in_chunks, chunked, CANNED_CLOSE, NULL);
	try_cuts(in_chunks, chunked, CANNED_RESET, drop);
}

static void odd_replies_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		bool streamed;
		enum bl_code code;
	} cases[] = {
		/* no length: a document's own end tells, a file's does not */
		{ "HTTP/1.1 200 OK\r\n\r\n<x/>", false, BL_OK },
		{ "HTTP/1.1 200 OK\r\n\r\nbytes", true, BL_ERETRY },
		{ "HTTP/1.1 200 OK\r\n\r\n", true, BL_ERETRY },
		{ "HTTP/1.1 502 Bad\r\n\r\n<html>", true, BL_OK },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nlonger", true, BL_OK },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", true, BL_OK },
		/* no HTTP at all */
		{ "hello\r\n", false, BL_ERETRY },
		{ "\r\n\r\n", false, BL_ERETRY },
		{ "HTTP/1.1 two hundred\r\n\r\n", false, BL_ERETRY },
		{ "SSH-2.0-OpenSSH_9.2\r\n", false, BL_ERETRY },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", false, BL_ERETRY },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, BL_ERETRY },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, BL_ERETRY },
	};
	BL_HTTP http = open_http();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct canned_reply reply = { .bytes = cases[i].bytes, .end = CANNED_CLOSE };
		struct canned *server = canned_start(&reply, 1);
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(server, "/"),
			                           .write = cases[i].streamed ? drop : NULL,
			                           .reply_max = 100 };
		int status;
		enum bl_code code = outcome(http, &request, &status);

		if (code != cases[i].code)
			fail_msg("case %zu: code %d, status %d", i, code, status);
		canned_stop(server);
	}
}

static void refused_connection_may_work_later(void **state)
{
	struct canned *server = canned_start(NULL, 0);
	BL_HTTP http = open_http();
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/?secret=1") };
	struct bl_err err = { 0 };

	(void)state;
	canned_stop(server);
	assert_int_equal(bl_http_send(http, &request, &reply, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	assert_false(reply.sent);
	assert_null(strstr(err.text, "secret"));
	assert_non_null(strstr(err.text, "GET 127.0.0.1:"));
}

static void unknown_name_may_work_later(void **state)
{
	BL_HTTP http = NULL;
	struct bl_http_options options = { .allow_http = true };
	struct bl_http_request request = { .method = "GET",
		                           .url = "http://no-such-host.invalid/",
		                           .connect_ms = 300 };
	struct bl_err err = { 0 };
	int status;

	(void)state;
	must(bl_http_open(&options, &http, &err), &err);
	int64_t before = bl_mono_ms();
	assert_int_equal(outcome(http, &request, &status), BL_ERETRY);
	assert_true(bl_mono_ms() - before < 2000);
}

/* --- An idle connection that has died --------------------------------------------------------- */

static int read_byte(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg, (void)err;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)((offset + i) & 0x7f);
	return 0;
}

static void idle_connection_found_dead_is_replaced(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /warm ", .body = "ok" },
		{ .on = "GET /x ", .times = 1, .is_cut = true, .end = CANNED_CLOSE },
		{ .on = "PUT /x ", .times = 1, .is_cut = true, .end = CANNED_RESET },
		{ .on = "POST /x ", .times = 1, .is_cut = true, .end = CANNED_CLOSE },
		{ .body = "ok" },
	};
	static const struct {
		const char *method;
		size_t size;
		enum bl_code code;
		size_t n_seen;
	} cases[] = {
		{ "GET", 0, BL_OK, 2 },
		{ "PUT", 200000, BL_OK, 2 },
		{ "POST", 10, BL_ERETRY, 1 }, /* it may have done its work */
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	size_t seen = 0, len;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_http_request warm = { .method = "GET",
			                        .url = canned_url(server, "/warm"),
			                        .reply_max = 9 };
		struct bl_http_request request = { .method = cases[i].method,
			                           .url = canned_url(server, "/x"),
			                           .read = cases[i].size ? read_byte : NULL,
			                           .size = cases[i].size,
			                           .reply_max = 9 };
		int status;

		assert_int_equal(outcome(http, &warm, &status), BL_OK);
		assert_int_equal(outcome(http, &request, &status), cases[i].code);
		seen += 1 + cases[i].n_seen;
		assert_int_equal(canned_requests(server), seen);
		const char *body = canned_body(server, seen - 1, &len);
		assert_int_equal(len, cases[i].size);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(body[k], k & 0x7f);
	}
	canned_stop(server);
}

static void closed_idle_connection_is_not_used(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "POST ", .body = "ok", .end = CANNED_CLOSE },
		{ .body = "ok" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	BL_HTTP other = open_http();
	struct bl_http_request request = { .method = "POST",
		                           .url = canned_url(server, "/"),
		                           .bytes = "x",
		                           .size = 1,
		                           .reply_max = 9 };
	struct bl_http_request later = { .method = "GET",
		                         .url = canned_url(server, "/"),
		                         .reply_max = 9 };
	int status;

	(void)state;
	for (size_t i = 1; i <= 5; i++) {
		assert_int_equal(outcome(http, &request, &status), BL_OK);
		assert_int_equal(canned_connections(server), i == 1 ? 1 : i + 1);
		/* once the server answers this it has closed that */
		assert_int_equal(outcome(other, &later, &status), BL_OK);
	}
	canned_stop(server);
}

/* --- Limits ----------------------------------------------------------------------------------- */

static char *repeated(const char *first, const char *line, size_t n, const char *last)
{
	BL_AUTO(bl_buf) buf = BL_BUF(1 << 20);

	bl_buf_adds(&buf, first);
	for (size_t i = 0; i < n; i++)
		bl_buf_adds(&buf, line);
	bl_buf_adds(&buf, last);
	return bl_buf_take(&buf);
}

static void replies_have_limits(void **state)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\n", end[] = "Content-Length: 0\r\n\r\n";
	char *long_head = repeated(ok, "X-Filler: 0123456789\r\n", 3100, end);
	char *fitting_head = repeated(ok, "X-Filler: 0123456789\r\n", 2900, end);
	char *many_heads = repeated("", "HTTP/1.1 102 Wait\r\n\r\n", 4000, ok);
	char *long_line = repeated(ok, "0123456789", 9000, end);
	char *endless_line = repeated(ok, "0123456789", 50000, "");
	const struct {
		const char *bytes;
		enum bl_code code;
	} cases[] = {
		{ long_head, BL_ELIMIT },
		{ fitting_head, BL_OK },
		{ many_heads, BL_ELIMIT },
		{ long_line, BL_ELIMIT },
		{ endless_line, BL_ENOMEM }, /* libcurl has a limit of its own, called so */
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", BL_OK },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", BL_ELIMIT },
		{ "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
		  BL_ELIMIT },
	};
	BL_HTTP http = open_http();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct canned_reply reply = { .bytes = cases[i].bytes, .end = CANNED_CLOSE };
		struct canned *server = canned_start(&reply, 1);
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(server, "/"),
			                           .reply_max = 10 };
		int status;
		enum bl_code code = outcome(http, &request, &status);

		if (code != cases[i].code)
			fail_msg("case %zu: code %d", i, code);
		canned_stop(server);
	}
	free(long_head);
	free(fitting_head);
	free(many_heads);
	free(long_line);
	free(endless_line);
}

/* A reply to an upload that the server does not want. */
static void refusal_before_the_body_ends_is_a_reply(void **state)
{
	static const struct canned_reply reply = { .status = 403,
		                                   .body = "<Error/>",
		                                   .early = true };
	struct canned *server = canned_start(&reply, 1);
	BL_HTTP http = open_http();
	struct bl_http_request request = { .method = "PUT",
		                           .url = canned_url(server, "/"),
		                           .read = read_byte,
		                           .size = 3000000,
		                           .reply_max = 100 };
	int status;

	(void)state;
	assert_int_equal(outcome(http, &request, &status), BL_OK);
	assert_int_equal(status, 403);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_reply_is_never_success),
		cmocka_unit_test(odd_replies_are_told_apart),
		cmocka_unit_test(refused_connection_may_work_later),
		cmocka_unit_test(unknown_name_may_work_later),
		cmocka_unit_test(idle_connection_found_dead_is_replaced),
		cmocka_unit_test(closed_idle_connection_is_not_used),
		cmocka_unit_test(replies_have_limits),
		cmocka_unit_test(refusal_before_the_body_ends_is_a_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
