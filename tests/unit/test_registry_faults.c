/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked again, what is not, and where a registry cannot send us. */
#include "tests/unit/registry_open.h"

#include "base/clock.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LATER "Retry-After: 30\r\n"

static int ask_for(struct opened *at, struct bl_registry_ask *ask, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	int rc;

	ask->what = "ask";
	ask->method = ask->method ? ask->method : "GET";
	ask->target = ask->target ? ask->target : "/v2/x";
	rc = bl_registry_request(at->registry, ask, &reply, err);
	return rc ? -1 : reply.status;
}

static void what_may_pass_is_asked_again(void **state)
{
	static const struct {
		struct canned_reply first;
		unsigned requests;
	} table[] = {
		{ { .times = 1, .status = 500 }, 2 },
		{ { .times = 4, .status = 503 }, 5 },
		{ { .times = 2, .status = 429 }, 3 },
		{ { .times = 2, .end = CANNED_RESET, .is_cut = true, .cut = 10 }, 3 },
		{ { .times = 1, .status = 404 }, 1 },
		{ { .times = 1, .status = 400 }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply replies[] = { table[i].first, { .body = "at last" } };
		struct bl_registry_ask ask = { 0 };
		struct opened at = { 0 };
		struct bl_err err = { 0 };
		int status;

		registry_open(&at, replies, 2);
		status = ask_for(&at, &ask, &err);
		if (status < 0 || err.code || canned_requests(at.server) != table[i].requests)
			fail_msg("%zu: %d %zu %s", i, status, canned_requests(at.server), err.text);
		assert_int_equal(at.counts.requests, table[i].requests);
		registry_close(&at);
	}
}

static void it_ends_after_five(void **state)
{
	static const struct {
		struct canned_reply reply;
		bool once;
		unsigned requests;
		const char *text, *next;
	} table[] = {
		{ { .status = 503,
		    .body = "{\"errors\":[{\"code\":\"UNAVAILABLE\",\"message\":"
		            "\"busy\"}]}" },
		  false,
		  5,
		  ": ask: HTTP 503 UNAVAILABLE: busy",
		  "" },
		{ { .status = 429 }, false, 5, "HTTP 429", "Docker Hub" },
		{ { .status = 429 }, true, 5, "HTTP 429", "Docker Hub" },
		{ { .status = 502 }, true, 1, "HTTP 502", "" },
		{ { .end = CANNED_RESET, .is_cut = true, .cut = 1 }, true, 1, ": ask: ", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_registry_ask ask = { .once = table[i].once };
		struct opened at = { 0 };
		struct bl_err err = { 0 };

		registry_open(&at, &table[i].reply, 1);
		assert_int_equal(ask_for(&at, &ask, &err), -1);
		if (err.code != BL_ERETRY || !strstr(err.text, table[i].text) ||
		    !strstr(err.next, table[i].next) ||
		    canned_requests(at.server) != table[i].requests)
			fail_msg("%zu: %d %zu %s / %s", i, err.code, canned_requests(at.server),
			         err.text, err.next);
		registry_close(&at);
	}
}

static void it_waits_as_it_is_told(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 429, .headers = "Retry-After: 1\r\n" }, { .body = "ok" }
	};
	struct bl_registry_ask ask = { 0 };
	struct opened at = { 0 };
	struct bl_err err = { 0 };
	int64_t began = bl_mono_ms();

	(void)state;
	registry_open(&at, replies, 2);
	assert_int_equal(ask_for(&at, &ask, &err), 200);
	assert_true(bl_mono_ms() - began >= 1000);
	registry_close(&at);
}

static atomic_bool *to_stop;

/* Asked for just before a wait. */
static double stop_now(void)
{
	atomic_store(to_stop, true);
	return 1;
}

static void a_stop_ends_the_wait_and_what_follows(void **state)
{
	const struct canned_reply reply = { .status = 429, .headers = LATER };
	struct bl_registry_ask ask = { 0 };
	struct opened at = { 0 };
	struct bl_err err = { 0 };
	int64_t began = bl_mono_ms();

	(void)state;
	registry_open(&at, &reply, 1);
	to_stop = &at.stop;
	at.registry->random = stop_now;
	assert_int_equal(ask_for(&at, &ask, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_true(bl_mono_ms() - began < 20000);
	bl_err_clear(&err);
	assert_int_equal(ask_for(&at, &ask, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	assert_int_equal(canned_requests(at.server), 1);
	bl_err_clear(&err);
	assert_int_equal(bl_registry_sleep(at.registry, 60000, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	registry_close(&at);
}

/* The clock is looked at once a request is under way. */
static int64_t stop_by_clock(void)
{
	atomic_store(to_stop, true);
	return 1000;
}

static void a_stop_ends_what_is_under_way(void **state)
{
	static const struct bl_clock clock = { .mono_ms = stop_by_clock, .wall_ms = stop_by_clock };
	const struct canned_reply reply = { .end = CANNED_HANG, .is_cut = true };
	struct bl_http_request request = { .method = "GET" };
	BL_AUTO(bl_http_reply) got = { 0 };
	struct opened at = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, &reply, 1);
	request.url = canned_url(at.server, "/");
	to_stop = &at.stop;
	bl_clock_replace(&clock);
	assert_int_equal(bl_registry_exchange(at.registry, &request, &got, &err), -1);
	bl_clock_replace(NULL);
	assert_int_equal(err.code, BL_ECANCELLED);
	registry_close(&at);
}

/* --- Redirects -------------------------------------------------------------------------------- */

static void redirects_are_followed_where_they_may(void **state)
{
	static const struct {
		const char *location;
		int status;
		enum bl_code code;
		const char *text;
	} table[] = {
		{ "Location: /there?a\r\n", 200, BL_OK, "" },
		{ "Location: ../there?a\r\n", 404, BL_OK, "" },
		{ "Location: /loop\r\n", -1, BL_EIO, "more than 5 redirects" },
		{ "", -1, BL_ECORRUPT, "HTTP 302 without a Location" },
		{ "Location: http://10.0.0.1/x?secret=1\r\n", -1, BL_EDENIED, "10.0.0.1 by plain" },
		{ "Location: http://169.254.169.254/x\r\n", -1, BL_EDENIED, "do not go" },
		{ "Location: file:///etc/passwd\r\n", -1, BL_ECORRUPT, "a bad URL" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply replies[] = {
			{ .on = "GET /v2/x ", .status = 302, .headers = table[i].location },
			{ .on = "GET /there?a ", .body = "here" },
			{ .on = "GET /loop ", .status = 308, .headers = "Location: /loop\r\n" },
		};
		struct bl_registry_ask ask = { .redirects = true };
		struct opened at = { 0 };
		struct bl_err err = { 0 };
		int status;

		registry_open(&at, replies, 3);
		status = ask_for(&at, &ask, &err);
		if (status != table[i].status || err.code != table[i].code ||
		    !strstr(err.text, table[i].text) || strstr(err.text, "secret"))
			fail_msg("%zu: %d %d %s", i, status, err.code, err.text);
		ask.redirects = false;
		bl_err_clear(&err);
		assert_int_equal(ask_for(&at, &ask, &err), 302);
		registry_close(&at);
	}
}

static void a_401_from_elsewhere_is_no_question_to_us(void **state)
{
	const struct canned_reply far_reply = { .status = 401,
		                                .headers = "WWW-Authenticate: Basic\r\n" };
	struct canned *far = canned_start(&far_reply, 1);
	char location[128];
	const struct canned_reply replies[] = { { .status = 307, .headers = location } };
	struct bl_registry_ask ask = { .redirects = true };
	struct opened at = { .logins = { { "u", "p", false } }, .n_logins = 1 };
	struct bl_err err = { 0 };

	(void)state;
	snprintf(location, sizeof(location), "Location: %s\r\n", canned_url(far, "/"));
	registry_open(&at, replies, 1);
	assert_int_equal(ask_for(&at, &ask, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_int_equal(at.n_asked, 0);
	assert_int_equal(canned_requests(far), 1);
	registry_close(&at);
	canned_stop(far);
}

/* --- Bytes both ways -------------------------------------------------------------------------- */

static int five(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg;
	(void)err;
	memcpy(to, "hello" + offset, len);
	return 0;
}

static void a_body_is_sent_again_and_counted(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .status = 500 }, { .status = 201 } };
	struct bl_registry_ask ask = { .method = "PUT", .read = five, .size = 5 };
	struct opened at = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, 2);
	assert_int_equal(ask_for(&at, &ask, &err), 201);
	assert_string_equal(canned_body(at.server, 1, NULL), "hello");
	assert_int_equal(at.counts.sent_bytes, 10);
	registry_close(&at);
}

static void what_is_too_long_is_not_read(void **state)
{
	const struct canned_reply reply = { .body = "hello" };
	struct bl_registry_ask ask = { .reply_max = 4 };
	struct opened at = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, &reply, 1);
	assert_int_equal(ask_for(&at, &ask, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
	registry_close(&at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_pass_is_asked_again),
		cmocka_unit_test(it_ends_after_five),
		cmocka_unit_test(it_waits_as_it_is_told),
		cmocka_unit_test(a_stop_ends_the_wait_and_what_follows),
		cmocka_unit_test(a_stop_ends_what_is_under_way),
		cmocka_unit_test(redirects_are_followed_where_they_may),
		cmocka_unit_test(a_401_from_elsewhere_is_no_question_to_us),
		cmocka_unit_test(a_body_is_sent_again_and_counted),
		cmocka_unit_test(what_is_too_long_is_not_read),
	};

	return cmocka_run_group_tests_name("registry faults", tests, NULL, NULL);
}
