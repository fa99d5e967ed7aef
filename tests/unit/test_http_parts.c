/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include "tests/unit/canned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"

/* --- Heads ------------------------------------------------------------------------------------ */

static void heads_are_read_line_by_line(void **state)
{
	static const struct {
		const char *lines[8];
		const char *head;
		int status;
		bool complete, has_length;
	} cases[] = {
		{ { "HTTP/1.1 200 OK\r\n", "ETag: \"A\"\r\n", "\r\n" },
		  "etag: \"A\"\n",
		  200,
		  true,
		  false },
		{ { "HTTP/1.1 200\r\n", "Content-LENGTH:0\r\n" },
		  "content-length: 0\n",
		  200,
		  false,
		  true },
		{ { "HTTP/1.1 100 Go\r\n", "A: b\r\n", "\r\n" }, "a: b\n", 100, false, false },
		{ { "HTTP/1.1 103 Hints\r\n", "Content-Length: 1\r\n", "\r\n",
		    "HTTP/1.1 404 No\r\n", "B:\t c \t\r\n", "\r\n" },
		  "b: c\n",
		  404,
		  true,
		  false },
		/* trailers are not the head's */
		{ { "HTTP/1.1 200 OK\r\n", "\r\n", "ETag: forged\r\n" }, "", 200, true, false },
		/* folded */
		{ { "HTTP/1.1 200 OK\r\n", "A: b\r\n", "  c\r\n", "\r\n" },
		  "a: b  c\n",
		  200,
		  true,
		  false },
		{ { "HTTP/1.1 200 OK\r\n", " c\r\n", "\r\n" }, "", 200, true, false },
		/* nonsense is left out */
		{ { "HTTP/1.1 200 OK\r\n", "no colon\r\n", ": x\r\n", "a:\r\n", "\r\n" },
		  "a: \n",
		  200,
		  true,
		  false },
		{ { "HTTP/1.1 2x0 OK\r\n", "\r\n" }, "", 0, false, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(BL_HTTP_HEAD_MAX);
		struct bl_http_head head = { 0 };
		struct bl_err err = { 0 };

		for (size_t k = 0; k < 8 && cases[i].lines[k]; k++)
			must(bl_http_head_line(&head, &out, cases[i].lines[k],
			                       strlen(cases[i].lines[k]), &err),
			     &err);
		assert_string_equal(bl_buf_text(&out), cases[i].head);
		assert_int_equal(head.status, cases[i].status);
		assert_int_equal(head.complete, cases[i].complete);
		assert_int_equal(head.has_length, cases[i].has_length);
	}
}

static void heads_hold_no_control_characters(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_HTTP_HEAD_MAX);
	struct bl_http_head head = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_http_head_line(&head, &out, "A: b\0c\r\n", 8, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	bl_err_clear(&err);
	assert_int_equal(bl_http_head_line(&head, &out, "A: b\rC: d\r\n", 11, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
}

static void dates_of_http_are_read(void **state)
{
	int64_t ms = 7;

	(void)state;
	assert_true(bl_http_date("Wed, 25 Nov 2026 01:29:00 GMT", &ms));
	assert_int_equal(ms, 1795570140000);
	ms = 7;
	assert_false(bl_http_date("", &ms));
	assert_false(bl_http_date("2026-11-25T01:29:00Z", &ms));
	assert_false(bl_http_date("Wed, 25 Nov 2026 01:29:00 GMT+1", &ms));
	assert_int_equal(ms, 7);
}

static void our_lines_take_libcurls_form(void **state)
{
	static const char wanted[] = "a: b\0x-empty;\0c:d\0";
	BL_AUTO(bl_buf) out = BL_BUF(64);
	struct bl_err err = { 0 };
	size_t n = 7;

	(void)state;
	must(bl_http_head_lines("a: b\nx-empty: \nc:d", &out, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_int_equal(out.len, sizeof(wanted) - 1);
	assert_memory_equal(out.data, wanted, sizeof(wanted) - 1);
	bl_buf_reset(&out);
	must(bl_http_head_lines(NULL, &out, &n, &err), &err);
	assert_int_equal(n, 0);
	assert_null(bl_http_target("https://h"));
	assert_null(bl_http_target("https://h?a"));
	assert_string_equal(bl_http_target("https://h:1/a?b=/c"), "/a?b=/c");
}

/* --- Words ----------------------------------------------------------------------------------- */

static void user_agent_names_product_and_app(void **state)
{
	(void)state;
	unsetenv("AWS_SDK_UA_APP_ID");
	assert_string_equal(bl_http_user_agent(), "branchline/" BL_VERSION);
	setenv("AWS_SDK_UA_APP_ID", "my app\r\nx: y", 1);
	assert_string_equal(bl_http_user_agent(), "branchline/" BL_VERSION " app/my-app--x--y");
	unsetenv("AWS_SDK_UA_APP_ID");
	assert_true(!strncmp(bl_http_versions(), "libcurl ", 8));
	assert_non_null(strstr(bl_http_versions(), "OpenSSL "));
}

/* --- Time ------------------------------------------------------------------------------------- */

static const struct {
	struct bl_http_watch watch;
	int64_t now_ms;
	uint64_t moved;
	enum bl_http_verdict verdict;
	int64_t next_ms;
} judgements[] = {
	/* before there is a connection only the deadline counts */
	{ { .stall_ms = 1000 }, 99999, 0, BL_HTTP_GOES_ON, INT64_MAX },
	{ { .stall_ms = 1000, .deadline_ms = 500 }, 499, 0, BL_HTTP_GOES_ON, 500 },
	{ { .stall_ms = 1000, .deadline_ms = 500 }, 500, 0, BL_HTTP_DEADLINE, 0 },
	/* the first byte, from when all was sent */
	{ { .stall_ms = 30000, .connected = true, .mark_ms = 100, .first_byte_ms = 200 },
	  5000,
	  0,
	  BL_HTTP_GOES_ON,
	  12501 },
	{ { .stall_ms = 30000,
	    .connected = true,
	    .mark_ms = 100,
	    .sent_ms = 100,
	    .first_byte_ms = 200 },
	  299,
	  0,
	  BL_HTTP_GOES_ON,
	  300 },
	{ { .stall_ms = 30000,
	    .connected = true,
	    .mark_ms = 100,
	    .sent_ms = 100,
	    .first_byte_ms = 200 },
	  300,
	  0,
	  BL_HTTP_NO_ANSWER,
	  0 },
	{ { .stall_ms = 30000,
	    .connected = true,
	    .mark_ms = 100,
	    .sent_ms = 100,
	    .first_byte_ms = 200,
	    .got_byte = true },
	  400,
	  0,
	  BL_HTTP_GOES_ON,
	  7901 },
	/* under 1 byte/s for 30 s: 30 bytes since the mark move it */
	{ { .stall_ms = 30000, .connected = true, .mark_ms = 100 },
	  30099,
	  29,
	  BL_HTTP_GOES_ON,
	  30100 },
	{ { .stall_ms = 30000, .connected = true, .mark_ms = 100 }, 30100, 29, BL_HTTP_STALLED, 0 },
	{ { .stall_ms = 30000, .connected = true, .mark_ms = 100 },
	  30100,
	  30,
	  BL_HTTP_GOES_ON,
	  37601 },
	{ { .stall_ms = 30000, .connected = true, .mark_ms = 100, .mark_bytes = 1000 },
	  30100,
	  1029,
	  BL_HTTP_STALLED,
	  0 },
};

static void time_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(judgements); i++) {
		struct bl_http_watch watch = judgements[i].watch;
		int64_t next_ms = INT64_MAX;
		enum bl_http_verdict verdict =
			bl_http_judge(&watch, judgements[i].now_ms, judgements[i].moved, &next_ms);

		if (verdict != judgements[i].verdict)
			fail_msg("case %zu: verdict %d", i, verdict);
		if (verdict == BL_HTTP_GOES_ON)
			assert_int_equal(next_ms, judgements[i].next_ms);
	}
}

/* --- Certificates ----------------------------------------------------------------------------- */

static void a_ca_file_is_found_in_order(void **state)
{
	struct bl_http_trust trust = { .dir = "untouched" };
	struct bl_err err = { 0 };
	char path[64];

	(void)state;
	setenv("SSL_CERT_FILE", "/dev/null", 1);
	unsetenv("AWS_CA_BUNDLE");
	must(bl_http_trust_find(NULL, &trust, &err), &err);
	assert_string_equal(trust.file, "/dev/null");
	assert_string_equal(trust.dir, ""); /* a file that was named stands alone */
	setenv("AWS_CA_BUNDLE", "/no/such/bundle", 1);
	bl_http_ca_file(path, sizeof(path));
	assert_string_equal(path, "/no/such/bundle");
	trust.file[0] = 'x';
	assert_int_equal(bl_http_trust_find(NULL, &trust, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "/no/such/bundle"));
	assert_int_equal(trust.file[0], 'x');
	bl_err_clear(&err);
	must(bl_http_trust_find("/dev/zero", &trust, &err), &err);
	assert_string_equal(trust.file, "/dev/zero");
	unsetenv("AWS_CA_BUNDLE");
	unsetenv("SSL_CERT_FILE");
	must(bl_http_trust_find(NULL, &trust, &err), &err);
	bl_http_ca_file(path, sizeof(path));
	assert_string_equal(trust.file, path);
}

/* --- Proxies ---------------------------------------------------------------------------------- */

static void clear_proxies(void)
{
	static const char *const names[] = { "http_proxy",  "HTTP_PROXY", "https_proxy",
		                             "HTTPS_PROXY", "no_proxy",   "NO_PROXY",
		                             "all_proxy",   "ALL_PROXY" };

	for (size_t i = 0; i < BL_COUNT(names); i++)
		unsetenv(names[i]);
}

/* Which proxy is asked for what: the first line that it saw, "" when it saw none. */
static void ask_through(const char *variable, const char *no_proxy, const char *url, bool direct,
                        char *line, size_t size)
{
	static const struct canned_reply replies[] = {
		{ .on = "CONNECT ", .status = 403, .headers = "Connection: close\r\n" },
		{ .body = "ok" },
	};
	struct canned *proxy = canned_start(replies, BL_COUNT(replies));
	struct bl_http_options options = { .allow_http = true };
	struct bl_http_request request = {
		.method = "GET", .url = url, .reply_max = 100, .connect_ms = 300, .no_proxy = direct
	};
	BL_AUTO(bl_http_reply) reply = { 0 };
	BL_HTTP http = NULL;
	struct bl_err err = { 0 };

	clear_proxies();
	setenv(variable, canned_url(proxy, ""), 1);
	if (no_proxy)
		setenv("NO_PROXY", no_proxy, 1);
	must(bl_http_open(&options, &http, &err), &err);
	int got = bl_http_send(http, &request, &reply, &err);
	line[0] = '\0';
	if (canned_requests(proxy))
		snprintf(line, size, "%.*s", (int)strcspn(canned_head(proxy, 0), "\r"),
		         canned_head(proxy, 0));
	/* a proxy that refuses the tunnel gave no reply of the host's */
	if (!strncmp(line, "CONNECT", 7))
		assert_true(got == -1 && err.code == BL_ERETRY && !reply.status);
	else if (line[0])
		assert_int_equal(reply.status, 200);
	clear_proxies();
	canned_stop(proxy);
}

static void proxies_are_as_the_environment_says(void **state)
{
	static const struct {
		const char *variable, *no_proxy, *url;
		bool direct;
		const char *line;
	} cases[] = {
		{ "http_proxy", NULL, "http://h.invalid/a//b?c=%2F", false,
		  "GET http://h.invalid/a//b?c=%2F HTTP/1.1" },
		{ "http_proxy", NULL, "http://h.invalid:8080/a/../b", false,
		  "GET http://h.invalid:8080/a/../b HTTP/1.1" },
		{ "HTTP_PROXY", NULL, "http://h.invalid/", false, "" }, /* CGI could set that */
		{ "https_proxy", NULL, "https://h.invalid/x", false,
		  "CONNECT h.invalid:443 HTTP/1.1" },
		{ "HTTPS_PROXY", NULL, "https://h.invalid/x", false,
		  "CONNECT h.invalid:443 HTTP/1.1" },
		{ "http_proxy", NULL, "http://h.invalid/", true, "" },
		{ "http_proxy", ".invalid", "http://h.invalid/", false, "" },
		{ "http_proxy", NULL, "http://127.0.0.1:1/", false, "" },
		{ "http_proxy", NULL, "http://localhost:1/", false, "" },
		{ "http_proxy", NULL, "http://169.254.169.254/latest/", false, "" },
		{ "http_proxy", NULL, "http://[fd00:ec2::23]/v1/", false, "" },
	};
	char ca[64], line[128];

	(void)state;
	bl_http_ca_file(ca, sizeof(ca));
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		if (!ca[0] && cases[i].url[4] == 's')
			continue;
		ask_through(cases[i].variable, cases[i].no_proxy, cases[i].url, cases[i].direct,
		            line, sizeof(line));
		if (strcmp(line, cases[i].line) != 0)
			fail_msg("%s %s: the proxy saw '%s'", cases[i].variable, cases[i].url,
			         line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_read_line_by_line),
		cmocka_unit_test(heads_hold_no_control_characters),
		cmocka_unit_test(dates_of_http_are_read),
		cmocka_unit_test(our_lines_take_libcurls_form),
		cmocka_unit_test(user_agent_names_product_and_app),
		cmocka_unit_test(time_is_judged),
		cmocka_unit_test(a_ca_file_is_found_in_order),
		cmocka_unit_test(proxies_are_as_the_environment_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
