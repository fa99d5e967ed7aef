/* SPDX-License-Identifier: Apache-2.0 */
#include "failalloc.h"
#include "push_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void two_requests(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct push_peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT);
	push_sent(&peer, 1, TEXT);
	assert_non_null(strstr(canned_head(peer.server, 1), "application/octet-stream"));
	assert_int_equal(peer.told, strlen(TEXT));
	assert_int_equal(peer.counts.sent_bytes, strlen(TEXT));
	assert_false(peer.push.mounted);
	push_done(&peer);
}

/* --- Mounts ----------------------------------------------------------------------------------- */

static void mounted_is_one_request(void **state)
{
	static const struct canned_reply replies[] = { { .on = MOUNT, .status = 201 } };
	struct push_peer peer = { .push.from_repository = "team/base" };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, MOUNT);
	assert_non_null(strstr(canned_head(peer.server, 0), "&from=team%2Fbase "));
	assert_true(peer.push.mounted);
	assert_int_equal(peer.counts.sent_bytes, 0);
	push_done(&peer);
}

static void not_mounted_is_sent(void **state)
{
	static const struct canned_reply session[] = { { .on = MOUNT, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	static const struct canned_reply refused[] = { { .on = MOUNT, ERROR(403, "DENIED") },
		                                       { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct push_peer peer = { .push.from_repository = "base" };
	struct push_peer other = { .push.from_repository = "base" };

	(void)state;
	SUCCEEDS(&peer, session);
	ASKED(&peer, MOUNT, PUT);
	assert_false(peer.push.mounted);
	push_done(&peer);
	SUCCEEDS(&other, refused);
	ASKED(&other, MOUNT, POST, PUT);
	push_done(&other);
}

/* --- Cuts ------------------------------------------------------------------------------------- */

static void the_rest_alone_is_sent(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .times = 1, LOST },
		{ .on = GET, .status = 204, .headers = "Range: 0-9\r\n" },
		{ .on = PATCH, .status = 202, .headers = "Range: 0-25\r\n" },
		{ .on = PUT, .status = 201 },
	};
	struct push_peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, PATCH, PUT);
	push_sent(&peer, 3, TEXT + 10);
	assert_non_null(strstr(canned_head(peer.server, 3), "content-range: 10-25\r\n"));
	push_sent(&peer, 4, "");
	push_done(&peer);
}

static void a_lost_reply_is_looked_up(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, LOST },
		{ .on = GET, ERROR(404, "BLOB_UPLOAD_UNKNOWN") },
		{ .on = HEAD, .status = 200, .body = TEXT },
	};
	struct push_peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, HEAD);
	push_done(&peer);
}

static void a_lost_session_begins_anew(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .times = 1, .status = 500 },
		{ .on = GET, ERROR(416, "RANGE_INVALID") },
		{ .on = PUT, .times = 1, ERROR(404, "BLOB_UPLOAD_UNKNOWN") },
		{ .on = PUT, .status = 201 },
	};
	struct push_peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, HEAD, POST, PUT, HEAD, POST, PUT);
	push_done(&peer);
}

static void after_three_sessions_it_is_over(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .status = 503 },
		{ .on = GET, .status = 204, .headers = "Range: 0-0\r\n" },
	};
	struct push_peer peer = { 0 };

	(void)state;
	FAILS(&peer, replies, BL_ERETRY, "HTTP 503");
	ASKED(&peer, POST, PUT, GET, POST, PUT, GET, POST, PUT, GET);
	push_done(&peer);
}

/* --- Parts ------------------------------------------------------------------------------------ */

static void a_registry_may_want_parts(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .times = 1, ERROR(405, "UNSUPPORTED") },
		{ .on = PATCH, .times = 1, .status = 202, .headers = "Range: 0-9\r\n" },
		{ .on = PATCH, .status = 202 },
		{ .on = PUT, .status = 201 },
	};
	struct push_peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, POST, PATCH, PATCH, PUT);
	assert_non_null(strstr(canned_head(peer.server, 3), "content-range: 0-25\r\n"));
	push_sent(&peer, 3, TEXT);
	/* it took all and kept ten */
	assert_non_null(strstr(canned_head(peer.server, 4), "content-range: 10-25\r\n"));
	push_sent(&peer, 4, TEXT + 10);
	push_sent(&peer, 5, "");
	push_done(&peer);
}

static void an_empty_blob_has_no_parts(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct bl_oci_desc before = push_blob;
	struct push_peer peer = { 0 };

	(void)state;
	push_blob.size = 0;
	SUCCEEDS(&peer, replies);
	push_blob = before;
	ASKED(&peer, POST, PUT);
	assert_non_null(strstr(canned_head(peer.server, 1), "ontent-"));
	push_sent(&peer, 1, "");
	push_done(&peer);
}

/* --- Refusals --------------------------------------------------------------------------------- */

static void refusals_are_told(void **state)
{
	static const struct canned_reply missing[] = { { .on = POST, ERROR(404, "NAME_UNKNOWN") } };
	static const struct canned_reply nowhere[] = { { .on = POST, .status = 202 } };
	static const struct canned_reply elsewhere[] = {
		{ .on = POST, .status = 202, .headers = "Location: https://evil.example/u\r\n" },
	};
	static const struct canned_reply moved[] = {
		{ .on = POST, .status = 307, .headers = "Location: https://evil.example/u\r\n" },
	};
	static const struct canned_reply denied[] = { { .on = POST, BEGUN },
		                                      { .on = PUT, ERROR(403, "DENIED") } };
	struct push_peer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };

	(void)state;
	FAILS(&a, missing, BL_ENOENT, "NAME_UNKNOWN");
	FAILS(&b, nowhere, BL_ECORRUPT, "no Location");
	FAILS(&c, elsewhere, BL_EDENIED, "evil.example");
	FAILS(&d, moved, BL_EDENIED,
	      "HTTP 307: it sends uploads elsewhere, to https://evil.example");
	FAILS(&e, denied, BL_EDENIED, "DENIED");
	assert_int_equal(canned_requests(c.server), 1);
	ASKED(&e, POST, PUT);
	push_done(&a);
	push_done(&b);
	push_done(&c);
	push_done(&d);
	push_done(&e);
}

static struct canned *memory_server;

static int memory_story(struct bl_err *err)
{
	struct bl_registry_options options = { 0 };
	struct bl_registry_session *session = NULL;
	struct bl_registry *registry = NULL;
	struct bl_blob_source source = bl_blob_of_buf(&push_text);
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "127.0.0.1:%u", canned_port(memory_server));
	options.registry = name;
	rc = bl_registry_session_open(&options, &session, err);
	if (!rc)
		rc = bl_registry_open(session, &registry, err);
	if (!rc)
		rc = bl_registry_put_blob(registry, "demo", &push_blob, &source, NULL, err);
	bl_registry_close(registry);
	bl_registry_session_close(session);
	return rc;
}

static void memory_runs_out(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };

	(void)state;
	memory_server = canned_start(replies, BL_COUNT(replies));
	each_allocation_fails(memory_story, 2000);
	canned_stop(memory_server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_requests),
		cmocka_unit_test(mounted_is_one_request),
		cmocka_unit_test(not_mounted_is_sent),
		cmocka_unit_test(the_rest_alone_is_sent),
		cmocka_unit_test(a_lost_reply_is_looked_up),
		cmocka_unit_test(a_lost_session_begins_anew),
		cmocka_unit_test(after_three_sessions_it_is_over),
		cmocka_unit_test(a_registry_may_want_parts),
		cmocka_unit_test(an_empty_blob_has_no_parts),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, push_make_blob, push_drop_blob);
}
