/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include "base/clock.h"
#include "tests/unit/canned.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/http_open.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define AT_ONCE 50
#define PATIENCE_MS 20000

struct exchange {
	struct bl_http_reply reply;
	struct bl_err err;
	unsigned ended;
};

static void note_end(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct exchange *exchange = arg;

	assert_ptr_equal(reply, &exchange->reply);
	exchange->err = *err;
	exchange->ended++;
}

static void start(struct bl_http *http, struct bl_http_request *request, struct exchange *exchange)
{
	struct bl_err err = { 0 };

	must(bl_http_start(http, request, &exchange->reply, note_end, exchange, NULL, &err), &err);
}

static void step_until(struct bl_http *http, const unsigned *ended, unsigned want)
{
	int64_t give_up = bl_mono_ms() + PATIENCE_MS;
	struct bl_err err = { 0 };

	while (*ended < want && bl_mono_ms() < give_up)
		must(bl_http_step(http, 100, &err), &err);
	assert_int_equal(*ended, want);
}

/* Somebody else's loop: its own pipe beside what http gives to poll for. */
static void a_poll_loop_has_other_things_to_do(void **state)
{
	static const struct canned_reply replies[] = {
		{ .body = "slowly", .pause = true, .pause_at = 10 },
	};
	struct canned *server = canned_start(replies, 1);
	struct exchange exchange = { 0 };
	struct bl_err err = { 0 };
	BL_HTTP http = open_http();
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/"),
		                           .reply_max = 100 };
	bool told = false;
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	start(http, &request, &exchange);
	assert_int_equal(exchange.ended, 0); /* never from start */
	assert_int_equal(write(pipes[1], "x", 1), 1);
	while (!exchange.ended) {
		struct pollfd fds[8] = { { .fd = pipes[0], .events = POLLIN } };
		int timeout_ms = PATIENCE_MS;
		size_t n = bl_http_poll(http, fds + 1, 7, &timeout_ms);

		assert_true(n <= 7);
		assert_true(poll(fds, n + 1, timeout_ms) >= 0);
		if (fds[0].revents & POLLIN) {
			char byte;

			assert_int_equal(read(pipes[0], &byte, 1), 1);
			told = true;
			canned_go(server); /* the reply comes only after our own event was served */
		}
		must(bl_http_step(http, 0, &err), &err);
	}
	assert_true(told);
	assert_string_equal(bl_buf_text(&exchange.reply.body), "slowly");
	assert_int_equal(bl_http_under_way(http), 0);
	bl_http_reply_done(&exchange.reply);
	close(pipes[0]);
	close(pipes[1]);
	canned_stop(server);
}

static void poll_says_how_much_room_it_needs(void **state)
{
	static const struct canned_reply replies[] = {
		{ .body = "x", .pause = true, .pause_at = 0 },
	};
	struct canned *server = canned_start(replies, 1);
	struct exchange exchanges[3] = { 0 };
	BL_HTTP http = open_http();
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/"),
		                           .reply_max = 100 };
	struct bl_err err = { 0 };
	struct pollfd one[1];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		start(http, &request, &exchanges[i]);
	for (int64_t give_up = bl_mono_ms() + PATIENCE_MS; n != 3 && bl_mono_ms() < give_up;) {
		int timeout_ms = -1;

		must(bl_http_step(http, 10, &err), &err);
		n = bl_http_poll(http, one, 1, &timeout_ms);
	}
	assert_int_equal(n, 3); /* one socket each, and room for one was given */
	bl_http_auto(&http);    /* ends them without calling back */
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(exchanges[i].ended, 0);
		bl_http_reply_done(&exchanges[i].reply);
	}
	canned_stop(server);
}

static void many_exchanges_run_at_once(void **state)
{
	static const struct canned_reply replies[] = { { .on = "PUT /", .status = 201 },
		                                       { .on = "GET /", .body = "got" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct exchange exchanges[AT_ONCE] = { 0 };
	BL_HTTP http = open_http();
	unsigned ended = 0;

	(void)state;
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct bl_http_request request = { .method = i % 2 ? "PUT" : "GET",
			                           .url = canned_url(server, "/x"),
			                           .bytes = i % 2 ? "body" : NULL,
			                           .size = i % 2 ? 4 : 0,
			                           .reply_max = 100 };

		start(http, &request, &exchanges[i]);
	}
	assert_int_equal(bl_http_under_way(http), AT_ONCE);
	for (int64_t give_up = bl_mono_ms() + PATIENCE_MS;
	     ended < AT_ONCE && bl_mono_ms() < give_up;) {
		struct bl_err err = { 0 };

		must(bl_http_step(http, 100, &err), &err);
		ended = 0;
		for (size_t i = 0; i < AT_ONCE; i++)
			ended += exchanges[i].ended;
	}
	assert_int_equal(ended, AT_ONCE);
	for (size_t i = 0; i < AT_ONCE; i++) {
		assert_int_equal(exchanges[i].ended, 1);
		assert_int_equal(exchanges[i].err.code, BL_OK);
		assert_int_equal(exchanges[i].reply.status, i % 2 ? 201 : 200);
		bl_http_reply_done(&exchanges[i].reply);
	}
	assert_int_equal(canned_requests(server), AT_ONCE);
	canned_stop(server);
}

static void connections_are_used_again(void **state)
{
	static const struct canned_reply replies[] = { { .body = "ok" } };
	struct canned *server = canned_start(replies, 1);
	BL_HTTP http = open_http();

	(void)state;
	for (int i = 0; i < 20; i++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(server, "/"),
			                           .reply_max = 100 };
		struct bl_err err = { 0 };

		must(bl_http_send(http, &request, &reply, &err), &err);
	}
	assert_int_equal(canned_connections(server), 1);
	canned_stop(server);
}

static void a_cancelled_call_calls_nobody(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /slow", .body = "x", .pause = true, .pause_at = 0 },
		{ .on = "GET /", .body = "y" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct exchange slow = { 0 }, quick = { 0 };
	BL_HTTP http = open_http();
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/slow"),
		                           .reply_max = 100 };
	struct bl_http_call *call = NULL;
	struct bl_err err = { 0 };

	(void)state;
	must(bl_http_start(http, &request, &slow.reply, note_end, &slow, &call, &err), &err);
	request.url = canned_url(server, "/quick");
	start(http, &request, &quick);
	bl_http_cancel(http, call);
	step_until(http, &quick.ended, 1);
	assert_int_equal(slow.ended, 0);
	assert_int_equal(bl_http_under_way(http), 0);
	bl_http_reply_done(&slow.reply);
	bl_http_reply_done(&quick.reply);
	canned_stop(server);
}

static void a_deadline_is_kept(void **state)
{
	static const struct canned_reply replies[] = {
		{ .body = "x", .pause = true, .pause_at = 0 },
	};
	struct canned *server = canned_start(replies, 1);
	BL_AUTO(bl_http_reply) reply = { 0 };
	BL_HTTP http = open_http();
	int64_t began = bl_mono_ms();
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/"),
		                           .deadline_mono_ms = began + 300,
		                           .reply_max = 100 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_http_send(http, &request, &reply, &err), -1);
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_true(bl_mono_ms() >= began + 300);
	canned_stop(server);
}

static int64_t late_by_ms;

static int64_t later_mono_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + late_by_ms;
}

static int64_t any_wall_ms(void)
{
	return 1;
}

/* Somebody was busy elsewhere for ten minutes; the server was not. */
static void a_late_step_reads_before_it_judges(void **state)
{
	static const struct canned_reply replies[] = {
		{ .body = "0123456789", .pause = true, .pause_at = 42 },
	};
	static const struct bl_clock later = { later_mono_ms, any_wall_ms };
	struct canned *server = canned_start(replies, 1);
	struct exchange exchange = { 0 };
	BL_HTTP http = open_http();
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(server, "/"),
		                           .reply_max = 100 };
	struct bl_err err = { 0 };
	struct pollfd fds[4];
	int timeout_ms = -1;

	(void)state;
	start(http, &request, &exchange);
	while (!exchange.reply.head.len)
		must(bl_http_step(http, PATIENCE_MS, &err), &err);
	assert_int_equal(bl_http_poll(http, fds, 4, &timeout_ms), 1);
	late_by_ms = 600000; /* what had come by then is noted */
	bl_clock_replace(&later);
	must(bl_http_step(http, 0, &err), &err);
	assert_int_equal(exchange.ended, 0);
	canned_go(server);
	assert_int_equal(poll(fds, 1, PATIENCE_MS), 1);
	late_by_ms = 1200000;
	must(bl_http_step(http, 0, &err), &err);
	bl_clock_replace(NULL);
	step_until(http, &exchange.ended, 1);
	assert_int_equal(exchange.err.code, BL_OK);
	assert_string_equal(bl_buf_text(&exchange.reply.body), "0123456789");
	bl_http_reply_done(&exchange.reply);
	canned_stop(server);
}

static void a_silent_server_is_given_up(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /head", .body = "x", .pause = true, .pause_at = 0 },
		{ .on = "GET /body", .body = "0123456789", .pause = true, .pause_at = 42 },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	const struct {
		const char *path;
		int first_byte_ms, stall_ms;
	} cases[] = { { "/head", 200, 0 }, { "/head", 0, 200 }, { "/body", 5000, 200 } };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(server, cases[i].path),
			                           .first_byte_ms = cases[i].first_byte_ms,
			                           .stall_ms = cases[i].stall_ms,
			                           .reply_max = 100 };
		struct bl_err err = { 0 };

		assert_int_equal(bl_http_send(http, &request, &reply, &err), -1);
		assert_int_equal(err.code, BL_ERETRY);
	}
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static const char *story_url;

static int one_of_a_story(struct bl_http *http, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = { .method = "PUT",
		                           .url = story_url,
		                           .headers = "x-a: 1\nx-b: 2\n",
		                           .bytes = "body",
		                           .size = 4,
		                           .reply_max = 100 };

	if (bl_http_send(http, &request, &reply, err)) {
		/* libcurl calls some of it a name that cannot be resolved; no request went out */
		return err->code == BL_ERETRY ? bl_recode(err, BL_ENOMEM) : -1;
	}
	/* a library that lacked memory for a header must not send the request without it */
	return reply.status == 200 ? 0 : bl_fail(err, BL_EBUG, "status %d", reply.status);
}

/* One that ended behind its head must not have the next one taken for its body. */
static int exchange_story(struct bl_err *err)
{
	struct bl_http_options options = { .max_idle = 2 };
	BL_HTTP http = NULL;

	if (bl_http_open(&options, &http, err))
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		struct bl_err other = { 0 };

		if (one_of_a_story(http, &other) && (!err->code || other.code != BL_ENOMEM))
			*err = other;
	}
	return err->code ? -1 : 0;
}

static void no_allocation_is_trusted(void **state)
{
	static const struct canned_reply replies[] = { { .on = "PUT /k?q=1 ", .body = "ok" },
		                                       { .status = 400 } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));

	(void)state;
	story_url = canned_url(server, "/k?q=1");
	each_allocation_fails(exchange_story, 4000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poll_loop_has_other_things_to_do),
		cmocka_unit_test(poll_says_how_much_room_it_needs),
		cmocka_unit_test(many_exchanges_run_at_once),
		cmocka_unit_test(connections_are_used_again),
		cmocka_unit_test(a_cancelled_call_calls_nobody),
		cmocka_unit_test(a_deadline_is_kept),
		cmocka_unit_test(a_late_step_reads_before_it_judges),
		cmocka_unit_test(a_silent_server_is_given_up),
		cmocka_unit_test(no_allocation_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
