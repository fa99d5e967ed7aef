/* SPDX-License-Identifier: Apache-2.0 */
/* What callbacks may do: start, cancel, send; and what time does while nothing else happens. */
#include "net/http.h"

#include "base/clock.h"
#include "tests/unit/canned.h"
#include "tests/unit/http_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"

enum act { NOTHING, CANCEL_OTHER, CANCEL_SELF, START_OTHER, STEP, SEND_OTHER };

struct scene {
	struct canned *server;
	struct bl_http *http;
	struct bl_http_call *self, *other;
	struct bl_http_reply reply, other_reply;
	enum act in_write, in_done;
	unsigned writes, ends, other_ends; /* calls of each callback */
	struct bl_err err;
};

static void end_other(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct scene *scene = arg;

	scene->other_ends++;
	assert_int_equal(err->code, BL_OK);
	assert_int_equal(reply->status, 200);
}

static void play(struct scene *scene, enum act act)
{
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(scene->server, "/other"),
		                           .reply_max = 10 };
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_err err = { 0 };

	switch (act) {
	case NOTHING:
		break;
	case CANCEL_OTHER:
		bl_http_cancel(scene->http, scene->other);
		break;
	case CANCEL_SELF:
		bl_http_cancel(scene->http, scene->self);
		break;
	case START_OTHER:
		must(bl_http_start(scene->http, &request, &scene->other_reply, end_other, scene,
		                   &scene->other, &err),
		     &err);
		break;
	case STEP:
		assert_int_equal(bl_http_step(scene->http, 0, &err), -1);
		assert_int_equal(err.code, BL_EBUG);
		break;
	case SEND_OTHER:
		must(bl_http_send(scene->http, &request, &reply, &err), &err);
		assert_int_equal(reply.status, 200);
		break;
	}
}

static int write_some(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct scene *scene = arg;

	(void)bytes, (void)len, (void)err;
	if (!scene->writes++)
		play(scene, scene->in_write);
	return 0;
}

static void end_self(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct scene *scene = arg;

	(void)reply;
	scene->ends++;
	scene->err = *err;
	play(scene, scene->in_done);
}

static void start_self(struct scene *scene)
{
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(scene->server, "/self"),
		                           .write = write_some,
		                           .arg = scene };
	struct bl_err err = { 0 };

	must(bl_http_start(scene->http, &request, &scene->reply, end_self, scene, &scene->self,
	                   &err),
	     &err);
}

static void callbacks_may_start_cancel_and_send(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /hangs ", .bytes = "", .is_cut = true, .end = CANNED_HANG },
		{ .body = "bytes" },
	};
	static const struct {
		enum act in_write, in_done;
		bool other_first; /* another is under way before, which would never end */
		unsigned ends, other_ends;
	} cases[] = {
		{ NOTHING, NOTHING, false, 1, 0 },          { CANCEL_OTHER, NOTHING, true, 1, 0 },
		{ NOTHING, CANCEL_OTHER, true, 1, 0 },      { CANCEL_SELF, NOTHING, false, 0, 0 },
		{ START_OTHER, NOTHING, false, 1, 1 },      { NOTHING, START_OTHER, false, 1, 1 },
		{ START_OTHER, CANCEL_OTHER, false, 1, 0 }, { STEP, NOTHING, false, 1, 0 },
		{ NOTHING, SEND_OTHER, false, 1, 0 },       { STEP, SEND_OTHER, false, 1, 0 },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct scene scene = { .server = server,
			               .in_write = cases[i].in_write,
			               .in_done = cases[i].in_done };
		struct bl_http_request hangs = { .method = "GET",
			                         .url = canned_url(server, "/hangs") };
		struct bl_err err = { 0 };
		size_t before = canned_requests(server);

		scene.http = open_http();
		if (cases[i].other_first) {
			must(bl_http_start(scene.http, &hangs, &scene.other_reply, end_other,
			                   &scene, &scene.other, &err),
			     &err);
			while (canned_requests(server) == before)
				must(bl_http_step(scene.http, 1, &err), &err);
		}
		start_self(&scene);
		while (bl_http_under_way(scene.http))
			must(bl_http_step(scene.http, -1, &err), &err);
		if (scene.ends != cases[i].ends || scene.other_ends != cases[i].other_ends)
			fail_msg("case %zu: %u ends, %u of the other", i, scene.ends,
			         scene.other_ends);
		assert_int_equal(scene.err.code, BL_OK);
		assert_int_equal(scene.writes, 1);
		bl_http_close(scene.http);
		bl_http_reply_done(&scene.reply);
		bl_http_reply_done(&scene.other_reply);
	}
	canned_stop(server);
}

static void fifty_wait_for_their_replies_at_once(void **state)
{
	static const struct canned_reply replies[] = { { .body = "bytes", .pause = true } };
	struct scene scene = { .server = canned_start(replies, 1) };
	struct bl_http_reply replies_of[50] = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	scene.http = open_http();
	for (size_t i = 0; i < 50; i++) {
		struct bl_http_request request = { .method = "GET",
			                           .url = canned_url(scene.server, "/"),
			                           .reply_max = 10 };

		must(bl_http_start(scene.http, &request, &replies_of[i], end_other, &scene, NULL,
		                   &err),
		     &err);
	}
	while (canned_requests(scene.server) < 50)
		must(bl_http_step(scene.http, 1, &err), &err);
	assert_int_equal(scene.other_ends, 0);
	for (size_t i = 0; i < 50; i++)
		canned_go(scene.server);
	while (bl_http_under_way(scene.http))
		must(bl_http_step(scene.http, -1, &err), &err);
	assert_int_equal(scene.other_ends, 50);
	assert_int_equal(canned_connections(scene.server), 50);
	for (size_t i = 0; i < 50; i++) {
		assert_string_equal(bl_buf_text(&replies_of[i].body), "bytes");
		bl_http_reply_done(&replies_of[i]);
	}
	bl_http_close(scene.http);
	canned_stop(scene.server);
}

/* --- Time, by a clock of the test's ----------------------------------------------------------- */

static int64_t now_ms = 1000000;

static int64_t fake_mono_ms(void)
{
	return now_ms;
}

static void read_nothing_more(void *arg, struct bl_http_reply *reply, struct bl_err *err)
{
	struct scene *scene = arg;

	(void)reply;
	scene->ends++;
	scene->err = *err;
}

static int give_zeros(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)offset, (void)err;
	memset(to, 0, len);
	((struct scene *)arg)->writes++;
	return 0;
}

/* An upload to a server that has stopped reading: what lies in the sockets' buffers is all. */
static void an_upload_that_stalls_is_given_up(void **state)
{
	static const struct bl_clock clock = { fake_mono_ms, fake_mono_ms };
	static const struct canned_reply replies[] = {
		{ .on = "PUT ", .bytes = "", .is_cut = true, .early = true, .end = CANNED_HANG }
	};
	struct scene scene = { .server = canned_start(replies, 1) };
	struct bl_http_request request = { .method = "PUT",
		                           .url = canned_url(scene.server, "/"),
		                           .read = give_zeros,
		                           .size = 1 << 30,
		                           .arg = &scene };
	struct bl_err err = { 0 };
	unsigned given = 0, quiet = 0;

	(void)state;
	bl_clock_replace(&clock);
	scene.http = open_http();
	must(bl_http_start(scene.http, &request, &scene.reply, read_nothing_more, &scene, NULL,
	                   &err),
	     &err);
	/* until the buffers are full: 100 rounds without a read */
	while (quiet < 100) {
		must(bl_http_step(scene.http, 1, &err), &err);
		quiet = scene.writes && scene.writes == given ? quiet + 1 : 0;
		given = scene.writes;
	}
	for (int s = 0; s < 29; s++) {
		now_ms += 1000;
		must(bl_http_step(scene.http, 0, &err), &err);
		assert_int_equal(scene.ends, 0);
	}
	for (int s = 0; s < 10 && !scene.ends; s++) {
		now_ms += 1000;
		must(bl_http_step(scene.http, 0, &err), &err);
	}
	assert_int_equal(scene.ends, 1);
	assert_int_equal(scene.err.code, BL_ERETRY);
	assert_non_null(strstr(scene.err.text, "stalled for 30000 ms"));
	assert_true(scene.reply.sent);
	bl_clock_replace(NULL);
	bl_http_reply_done(&scene.reply);
	bl_http_close(scene.http);
	canned_stop(scene.server);
}

/* Bytes come, but the deadline is the whole call's. Kept to 100 ms; a busy machine gets more. */
static void a_deadline_ends_a_reply_under_way(void **state)
{
	static const struct canned_reply replies[] = {
		{ .body = "0123456789", .pause = true, .pause_at = 50 },
	};
	struct scene scene = { .server = canned_start(replies, 1) };
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_http_request request = { .method = "GET",
		                           .url = canned_url(scene.server, "/"),
		                           .deadline_mono_ms = bl_mono_ms() + 150,
		                           .reply_max = 100 };
	struct bl_err err = { 0 };

	(void)state;
	scene.http = open_http();
	assert_int_equal(bl_http_send(scene.http, &request, &reply, &err), -1);
	int64_t late_ms = bl_mono_ms() - request.deadline_mono_ms;
	assert_int_equal(err.code, BL_ETIMEOUT);
	assert_non_null(strstr(err.text, "while the reply came"));
	assert_int_equal(reply.status, 0);
	assert_true(late_ms >= 0 && late_ms <= 500);
	bl_http_close(scene.http);
	canned_stop(scene.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callbacks_may_start_cancel_and_send),
		cmocka_unit_test(fifty_wait_for_their_replies_at_once),
		cmocka_unit_test(an_upload_that_stalls_is_given_up),
		cmocka_unit_test(a_deadline_ends_a_reply_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
