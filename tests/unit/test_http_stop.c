/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "net/http.h"
#include "tests/unit/canned.h"
#include "tests/unit/http_open.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/time.h>

#include <cmocka.h>

static volatile int signalled;

static void note_signal(int signum)
{
	signalled = signum;
}

static enum bl_code ask(struct bl_http *http, const char *url)
{
	struct bl_http_request request = { .method = "GET", .url = url, .reply_max = 100 };
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_err err = { 0 };
	int rc = bl_http_send(http, &request, &reply, &err);

	assert_int_equal(rc, err.code == BL_OK ? 0 : -1);
	return err.code;
}

static void a_signal_ends_the_wait_for_a_deaf_server(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = "GET /deaf ", .bytes = "HTTP/1.1 200 OK\r\n", .end = CANNED_HANG },
		{ .body = "x" },
	};
	const struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	BL_HTTP http = open_http();
	int64_t began = bl_mono_ms();

	(void)state;
	signalled = 0;
	signal(SIGALRM, note_signal);
	bl_http_stop_when(&signalled);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(ask(http, canned_url(server, "/deaf")), BL_ECANCELLED);
	assert_true(bl_mono_ms() - began < 2000);
	assert_int_equal(bl_http_under_way(http), 0);
	assert_int_equal(ask(http, canned_url(server, "/")), BL_ECANCELLED); /* the signal stands */
	bl_http_stop_when(NULL);
	assert_int_equal(ask(http, canned_url(server, "/")), BL_OK);
	canned_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_ends_the_wait_for_a_deaf_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
