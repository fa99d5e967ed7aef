/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/clock.h"
#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static double whole_wait(void)
{
	return 1;
}

struct heard {
	unsigned times;
	struct bl_err err;
	unsigned attempts;
};

static void hear(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct heard *heard = arg;

	heard->times++;
	heard->err = *err;
	heard->attempts = reply->attempts;
}

static struct bl_aws_request get(const char *path)
{
	struct bl_aws_request request = BL_AWS_REQUEST;

	request.service = "s3";
	request.operation = "GetObject";
	request.protocol = BL_AWS_S3;
	request.method = "GET";
	bl_buf_adds(&request.path, path);
	return request;
}

/* Steps as a poll loop does, until it was heard. */
static void go_on_until_heard(struct bl_aws *aws, const struct heard *heard)
{
	struct bl_err err = { 0 };

	for (int i = 0; i < 10000 && !heard->times; i++) {
		struct pollfd fds[16];
		int timeout_ms = 10000;
		size_t n = bl_aws_poll(aws, fds, BL_COUNT(fds), &timeout_ms);

		assert_true(n <= BL_COUNT(fds));
		poll(fds, (nfds_t)n, timeout_ms);
		must(bl_aws_step(aws, 0, &err), &err);
	}
	assert_int_equal(heard->times, 1);
}

static void a_call_ends_in_a_later_step(void **state)
{
	static const struct canned_reply replies[] = { { .body = "hello" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct heard heard = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_aws_start(aws, &request, &reply, hear, &heard, &err), &err);
	assert_int_equal(heard.times, 0);
	assert_int_equal(bl_aws_under_way(aws), 1);
	go_on_until_heard(aws, &heard);
	assert_int_equal(heard.err.code, BL_OK);
	assert_int_equal(bl_aws_under_way(aws), 0);
	assert_string_equal(bl_buf_text(&reply.http.body), "hello");
	canned_stop(server);
}

static void what_fails_to_start_ends_in_a_later_step_too(void **state)
{
	BL_AWS aws = client_of("http://not-this-machine.example");
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct heard heard = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_aws_start(aws, &request, &reply, hear, &heard, &err), &err);
	assert_int_equal(heard.times, 0);
	go_on_until_heard(aws, &heard);
	assert_int_equal(heard.err.code, BL_EINPUT); /* plain http */
	assert_memory_equal(heard.err.text, "s3 GetObject: ", 14);
	assert_non_null(strstr(heard.err.next, "--allow-http"));
	assert_int_equal(bl_aws_under_way(aws), 0);
}

/* Between two attempts nothing is blocked: the loop is told when to come back. */
static void a_wait_is_a_timer(void **state)
{
	static const struct canned_reply replies[] = {
		{ .times = 1, .status = 503, .body = "<Error><Code>SlowDown</Code></Error>" },
		{ .body = "at last" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct heard heard = { 0 };
	struct bl_err err = { 0 };
	int64_t began = bl_mono_ms(), failed_at;
	int timeout_ms = -1;

	(void)state;
	aws->random = whole_wait;
	must(bl_aws_start(aws, &request, &reply, hear, &heard, &err), &err);
	while (aws->bucket.tokens == BL_RETRY_BUCKET)
		must(bl_aws_step(aws, 1000, &err), &err);
	failed_at = bl_mono_ms();
	assert_true(failed_at - began < 900);
	bl_aws_poll(aws, NULL, 0, &timeout_ms);
	assert_in_range(timeout_ms, 1, 1000);
	go_on_until_heard(aws, &heard);
	assert_int_equal(heard.err.code, BL_OK);
	assert_int_equal(heard.attempts, 2);
	assert_true(bl_mono_ms() - failed_at >= 900);
	canned_stop(server);
}

static void cancelled_calls_are_not_heard_of(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /b/deaf ", .is_cut = true, .end = CANNED_HANG },
		{ .on = "GET /b/slow ", .status = 503 },
		{ .body = "hello" },
	};
	static const char *const paths[] = { "/b/deaf", "/b/slow", "/b/other" };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	struct bl_aws_request requests[3];
	struct bl_aws_reply answers[3] = { 0 };
	struct heard heard[2] = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	aws->random = whole_wait;
	for (size_t i = 0; i < 3; i++) {
		requests[i] = get(paths[i]);
		must(bl_aws_start(aws, &requests[i], &answers[i], hear, &heard[i / 2], &err), &err);
	}
	go_on_until_heard(aws, &heard[1]);
	while (aws->bucket.tokens == BL_RETRY_BUCKET) /* the second one waits */
		must(bl_aws_step(aws, 1000, &err), &err);
	assert_int_equal(bl_aws_under_way(aws), 2);
	bl_aws_cancel(aws, &heard[0]);
	assert_int_equal(bl_aws_under_way(aws), 0);
	assert_int_equal(bl_http_under_way(bl_aws_http(aws)), 0);
	must(bl_aws_step(aws, 0, &err), &err);
	assert_int_equal(heard[0].times, 0);
	for (size_t i = 0; i < 3; i++) {
		bl_aws_request_done(&requests[i]);
		bl_aws_reply_done(&answers[i]);
	}
	canned_stop(server);
}

static void closing_ends_what_is_under_way(void **state)
{
	static const struct canned_reply replies[] = { { .is_cut = true, .end = CANNED_HANG } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_aws *aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct heard heard = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_aws_start(aws, &request, &reply, hear, &heard, &err), &err);
	must(bl_aws_step(aws, 0, &err), &err);
	bl_aws_close(aws);
	assert_int_equal(heard.times, 0);
	bl_aws_close(NULL);
	canned_stop(server);
}

/* --- Time of our own -------------------------------------------------------------------------- */

static int64_t ahead_ms;
static struct timespec real_mono;

static int64_t shifted_mono(void)
{
	clock_gettime(CLOCK_BOOTTIME, &real_mono);
	return real_mono.tv_sec * 1000 + real_mono.tv_nsec / 1000000 + ahead_ms;
}

static int64_t real_wall(void)
{
	return 1795570140000;
}

static const struct bl_clock shifted = { shifted_mono, real_wall };

/* A peer that stopped: two attempts of 30 s, and no third. */
static void what_does_not_move_ends_after_a_minute(void **state)
{
	static const struct canned_reply replies[] = { { .is_cut = true, .end = CANNED_HANG } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct heard heard = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	ahead_ms = 0;
	bl_clock_replace(&shifted);
	must(bl_aws_start(aws, &request, &reply, hear, &heard, &err), &err);
	for (int i = 0; i < 1000 && !heard.times; i++) {
		must(bl_aws_step(aws, 5, &err), &err);
		ahead_ms += 1000;
	}
	bl_clock_replace(NULL);
	assert_int_equal(heard.times, 1);
	assert_int_equal(heard.err.code, BL_ETIMEOUT);
	assert_int_equal(heard.attempts, 2);
	assert_in_range(ahead_ms, 59000, 75000);
	canned_stop(server);
}

static void a_deadline_that_passed_sends_nothing(void **state)
{
	static const struct canned_reply replies[] = { { .body = "" } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_AWS aws = client_of(canned_url(server, ""));
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	request.call.deadline_mono_ms = bl_mono_ms();
	assert_int_equal(bl_aws_send(aws, &request, &reply, &err), -1);
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_int_equal(canned_connections(server), 0);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int fails_as_told(struct bl_aws *aws, const char *path, const char *code, bool in_200,
                         struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = get(path);
	BL_AUTO(bl_aws_reply) reply = { 0 };

	request.body_may_fail = in_200;
	if (!bl_aws_send(aws, &request, &reply, err))
		return bl_fail(err, BL_EBUG, "%s: success", path);
	if (err->code == BL_ENOMEM || strcmp(reply.code, code) != 0)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int send_and_fail(struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = get("/b/k");
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_endpoint endpoint;
	BL_AWS aws = NULL;

	bl_aws_query(&request, "versionId", "v");
	bl_aws_header(&request, "x-amz-meta-a", "b");
	if (open_client(&aws, err) || bl_aws_endpoint(aws, "s3", NULL, &endpoint, err) ||
	    bl_aws_send(aws, &request, &reply, err) ||
	    fails_as_told(aws, "/b/xml", "NoSuchKey", false, err) ||
	    fails_as_told(aws, "/b/json", "Refused", false, err))
		return -1;
	return fails_as_told(aws, "/b/200", "NoSuchUpload", true, err);
}

static void no_allocation_is_trusted(void **state)
{
	static const struct canned_reply replies[] = {
		/* libcurl 7.88 drops the query where it lacks memory; AWS would miss it in the
		 * signature */
		{ .on = "GET /b/k", .body = "hello" },
		{ .on = "GET /b/xml ",
		  .status = 404,
		  .body = "<Error><Code>NoSuchKey</Code><Message>m</Message></Error>" },
		{ .on = "GET /b/json ",
		  .status = 400,
		  .body = "{\"__type\":\"Refused\",\"message\":\"m\"}" },
		{ .on = "GET /b/200 ",
		  .body = "<Error><Code>NoSuchUpload</Code><Message>m</Message></Error>" },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));

	(void)state;
	set_endpoint(canned_url(server, ""));
	each_allocation_fails(send_and_fail, 6000);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_ends_in_a_later_step),
		cmocka_unit_test(what_fails_to_start_ends_in_a_later_step_too),
		cmocka_unit_test(a_wait_is_a_timer),
		cmocka_unit_test(cancelled_calls_are_not_heard_of),
		cmocka_unit_test(closing_ends_what_is_under_way),
		cmocka_unit_test(what_does_not_move_ends_after_a_minute),
		cmocka_unit_test(a_deadline_that_passed_sends_nothing),
		cmocka_unit_test(no_allocation_is_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
