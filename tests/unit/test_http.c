/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "tests/unit/canned.h"
#include "tests/unit/http_open.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- One at a time ---------------------------------------------------------------------------- */

static void get_brings_head_and_body(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /a?b=c%2Fd ",
		  .headers = "ETag:  \"x\"  \r\nX-Two: 1\r\nX-Two: 2\r\nX-Empty:\r\n",
		  .body = "hello" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = {
		.method = "GET",
		.url = canned_url(server, "/a?b=c%2Fd"),
		.headers = "x-amz-date: 20261124T000000Z\nx-empty:\n",
		.reply_max = 100,
	};
	struct bl_err err = { 0 };
	char value[16];

	(void)state;
	must(bl_http_send(http, &request, &reply, &err), &err);
	assert_int_equal(reply.status, 200);
	assert_string_equal(bl_buf_text(&reply.body), "hello");
	assert_string_equal(bl_buf_text(&reply.head), "content-length: 5\netag: \"x\"\nx-two: 1\n"
	                                              "x-two: 2\nx-empty: \n");
	assert_int_equal(reply.received, 5);
	assert_true(reply.sent && reply.date_wall_ms > 0);
	assert_true(bl_http_header(&reply, "etag", value, sizeof(value)));
	assert_string_equal(value, "\"x\"");
	assert_true(bl_http_header(&reply, "x-two", value, sizeof(value)));
	assert_string_equal(value, "1");
	assert_true(bl_http_header(&reply, "x-empty", value, sizeof(value)));
	assert_string_equal(value, "");
	assert_false(bl_http_header(&reply, "x-tw", value, sizeof(value)));
	assert_false(bl_http_header(&reply, "etag", value, 3));

	const char *head = canned_head(server, 0);
	assert_non_null(strstr(head, "\r\nx-amz-date: 20261124T000000Z\r\n"));
	assert_non_null(strcasestr(head, "\r\nx-empty:"));
	assert_non_null(strstr(head, "\r\nUser-Agent: branchline/" BL_VERSION "\r\n"));
	assert_null(strcasestr(head, "\r\nAccept"));
	canned_stop(server);
}

/* S3 keys: what the signature covers must be what is sent. */
static void target_is_sent_as_it_is(void **state)
{
	static const char *const targets[] = {
		"/a//b",
		"/a/../b",
		"/./x",
		"/..",
		"/%2e%2E/%2f",
		"/a%20b+c",
		"/x/?a&b",
		"/~t(1)*!'",
		"/?list-type=2&prefix=a%2Fb%25",
		"/a/./",
		"/%c3%a9",
		"//",
		"/a;b=c,d:e@f$g&",
		"/[x]{y}|^\\`\"<>",
		"/x?",
		"/x?a=b?c/d/../e",
	};
	struct canned *server = canned_start(&(struct canned_reply){ .body = "ok" }, 1);
	BL_HTTP http = open_http();
	char line[128];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(targets); i++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		struct bl_err err = { 0 };
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(server, targets[i]),
			                           .reply_max = 100 };

		must(bl_http_send(http, &request, &reply, &err), &err);
		snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\n", targets[i]);
		assert_memory_equal(canned_head(server, i), line, strlen(line));
	}
	assert_int_equal(canned_connections(server), 1);
	canned_stop(server);
}

static int read_pattern(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg, (void)err;
	for (size_t i = 0; i < len; i++)
		to[i] = (char)('a' + (offset + i) % 23);
	return 0;
}

static int read_failing(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg;
	memset(to, 'x', len);
	if (offset + len > 100000)
		return bl_fail(err, BL_ECORRUPT, "the file became shorter");
	return 0;
}

static void bodies_are_sent_whole(void **state)
{
	static const struct {
		const char *method;
		const char *bytes;
		bl_http_read_fn *read;
		size_t size;
	} cases[] = {
		{ "PUT", NULL, read_pattern, 3000000 },
		{ "PUT", NULL, read_pattern, 0 },
		{ "PUT", "", NULL, 0 },
		{ "PUT", NULL, NULL, 0 },
		{ "POST", "Action=X", NULL, 8 },
		{ "POST", NULL, NULL, 0 },
		{ "POST", NULL, read_pattern, 70000 },
		{ "PATCH", "{}", NULL, 2 },
		{ "DELETE", "<x/>", NULL, 4 },
	};
	struct canned *server = canned_start(&(struct canned_reply){ .body = "ok" }, 1);
	BL_HTTP http = open_http();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		struct bl_err err = { 0 };
		struct bl_http_request request = {
			.method = cases[i].method,
			.url = canned_url(server, "/x"),
			.bytes = cases[i].bytes,
			.read = cases[i].read,
			.size = cases[i].size,
			.reply_max = 100,
		};
		char wanted[64];
		size_t len;

		must(bl_http_send(http, &request, &reply, &err), &err);
		assert_int_equal(reply.status, 200);
		snprintf(wanted, sizeof(wanted), "%s /x HTTP/1.1\r\n", cases[i].method);
		assert_memory_equal(canned_head(server, i), wanted, strlen(wanted));
		snprintf(wanted, sizeof(wanted), "\r\nContent-Length: %zu\r\n", cases[i].size);
		assert_non_null(strstr(canned_head(server, i), wanted));
		assert_null(strcasestr(canned_head(server, i), "Expect"));
		assert_null(strcasestr(canned_head(server, i), "Content-Type"));
		const char *body = canned_body(server, i, &len);
		assert_int_equal(len, cases[i].size);
		for (size_t k = 0; cases[i].read && k < len; k++)
			assert_int_equal(body[k], 'a' + k % 23);
		if (cases[i].bytes)
			assert_string_equal(body, cases[i].bytes);
	}
	assert_int_equal(canned_connections(server), 1);
	canned_stop(server);
}

static void failing_read_ends_the_call_with_its_error(void **state)
{
	struct canned *server = canned_start(&(struct canned_reply){ .body = "ok" }, 1);
	BL_HTTP http = open_http();
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = { .method = "PUT",
		                           .url = canned_url(server, "/x"),
		                           .read = read_failing,
		                           .size = 500000 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_http_send(http, &request, &reply, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_string_equal(err.text, "the file became shorter");
	assert_int_equal(reply.status, 0);
	assert_int_equal(canned_requests(server), 0);
	assert_int_equal(bl_http_under_way(http), 0);
	canned_stop(server);
}

static int take(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct bl_buf *buf = arg;

	bl_buf_add(buf, bytes, len);
	return bl_buf_check(buf, "taken", err);
}

static void only_a_good_body_goes_to_write(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /good ", .status = 206, .body = "bytes" },
		{ .on = "GET /bad ", .status = 404, .body = "<Error/>" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	BL_AUTO(bl_buf) taken = BL_BUF(100);
	struct bl_http_request request = {
		.method = "GET", .write = take, .arg = &taken, .reply_max = 100
	};
	BL_AUTO(bl_http_reply) good = { 0 };
	BL_AUTO(bl_http_reply) bad = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	request.url = canned_url(server, "/bad");
	must(bl_http_send(http, &request, &bad, &err), &err);
	assert_int_equal(bad.status, 404);
	assert_string_equal(bl_buf_text(&bad.body), "<Error/>");
	assert_int_equal(taken.len, 0);
	request.url = canned_url(server, "/good");
	must(bl_http_send(http, &request, &good, &err), &err);
	assert_int_equal(good.status, 206);
	assert_string_equal(bl_buf_text(&taken), "bytes");
	assert_int_equal(good.body.len, 0);
	assert_int_equal(good.received, 5);

	/* what write says is what the caller gets */
	BL_AUTO(bl_http_reply) failed = { 0 };
	taken.max = 7;
	assert_int_equal(bl_http_send(http, &request, &failed, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	assert_string_equal(err.text, "taken: over the limit of 7 bytes");
	assert_int_equal(failed.status, 0);
	canned_stop(server);
}

static void replies_without_a_body_end_at_their_head(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "HEAD /x ", .body = "12345", .headers = "ETag: \"e\"\r\n" },
		{ .on = "DELETE /x ", .bytes = "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n" },
		{ .on = "GET /same ", .bytes = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n" },
		{ .on = "PUT /x ",
		  .bytes = "HTTP/1.1 100 Continue\r\nX-No: 1\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
		           "HTTP/1.1 201 Created\r\nX-Yes: 1\r\nContent-Length: 0\r\n\r\n" },
		{ .on = "POST /x ",
		  .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		           "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n" },
		{ .on = "GET /html ", .status = 502, .body = "<html>Bad gateway</html>" },
	};
	static const struct {
		const char *method, *path;
		int status;
		const char *head, *body;
	} wanted[] = {
		{ "HEAD", "/x", 200, "content-length: 5\netag: \"e\"\n", "" },
		{ "DELETE", "/x", 204, "a: b\n", "" },
		{ "GET", "/same", 304, "etag: \"e\"\n", "" },
		{ "PUT", "/x", 201, "x-yes: 1\ncontent-length: 0\n", "" },
		{ "POST", "/x", 200, "transfer-encoding: chunked\n", "abcde" },
		{ "GET", "/html", 502, "content-length: 24\n", "<html>Bad gateway</html>" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(wanted); i++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		struct bl_err err = { 0 };
		struct bl_http_request request = { .method = wanted[i].method,
			                           .url = canned_url(server, wanted[i].path),
			                           .reply_max = 100 };

		must(bl_http_send(http, &request, &reply, &err), &err);
		assert_int_equal(reply.status, wanted[i].status);
		assert_string_equal(bl_buf_text(&reply.head), wanted[i].head);
		assert_string_equal(bl_buf_text(&reply.body), wanted[i].body);
	}
	assert_int_equal(canned_connections(server), 1);
	canned_stop(server);
}

/* --- Rules ------------------------------------------------------------------------------------ */

static void plain_http_stays_on_this_machine(void **state)
{
	static const struct {
		const char *url;
		bool allowed;
	} cases[] = {
		{ "http://s3.amazonaws.com/", false },
		{ "http://10.0.0.1/", false },
		{ "http://169.254.169.253/", false },
		{ "http://localhost.evil.example/", false },
		{ "http://127.0.0.1.evil.example/", false },
		{ "http://[::ffff:127.0.0.1]/", false },
		{ "http://127.1/", false },
		{ "http://169.254.169.254/", true },
		{ "http://localhost:1/", true },
		{ "http://[::1]:1/", true },
		{ "http://127.0.0.9:1/", true },
		{ "https://s3.amazonaws.com/", true },
		{ "ftp://127.0.0.1/", false },
		{ "http://u:p@127.0.0.1/", false },
	};
	BL_HTTP http = open_http();
	char ca[64];

	(void)state;
	bl_http_ca_file(ca, sizeof(ca));
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_http_reply reply = { 0 };
		struct bl_http_request request = { .method = "GET", .url = cases[i].url };
		struct bl_http_call *call = NULL;
		struct bl_err err = { 0 };
		int got = bl_http_start(http, &request, &reply, NULL, NULL, &call, &err);

		if (!ca[0] && strstr(cases[i].url, "https"))
			continue;
		assert_int_equal(got, cases[i].allowed ? 0 : -1);
		if (got) {
			assert_int_equal(err.code, BL_EINPUT);
			assert_true(err.next[0]);
			continue;
		}
		bl_http_cancel(http, call); /* never stepped: nobody was asked */
	}
	assert_int_equal(bl_http_under_way(http), 0);
}

static void headers_cannot_be_smuggled(void **state)
{
	static const char *const bad[] = { "no colon\n", ": x\n",      "a b: x\n",  "a: x\rb: y\n",
		                           "a: x\x01\n", "a\x7f: x\n", "\nfoo: x\n" };
	BL_HTTP http = open_http();

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_http_reply reply = { 0 };
		struct bl_http_request request = { .method = "GET",
			                           .url = "http://127.0.0.1:1/",
			                           .headers = bad[i] };
		struct bl_err err = { 0 };

		assert_int_equal(bl_http_start(http, &request, &reply, NULL, NULL, NULL, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
	}
	assert_int_equal(bl_http_under_way(http), 0);
}

static void no_redirect_is_followed(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /a ", .status = 307, .headers = "Location: /b\r\n" },
		{ .on = "GET /b ", .body = "secret" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = { .method = "GET", .url = canned_url(server, "/a") };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_http_send(http, &request, &reply, &err), &err);
	assert_int_equal(reply.status, 307);
	assert_int_equal(canned_requests(server), 1);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_brings_head_and_body),
		cmocka_unit_test(target_is_sent_as_it_is),
		cmocka_unit_test(bodies_are_sent_whole),
		cmocka_unit_test(failing_read_ends_the_call_with_its_error),
		cmocka_unit_test(only_a_good_body_goes_to_write),
		cmocka_unit_test(replies_without_a_body_end_at_their_head),
		cmocka_unit_test(plain_http_stays_on_this_machine),
		cmocka_unit_test(headers_cannot_be_smuggled),
		cmocka_unit_test(no_redirect_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
