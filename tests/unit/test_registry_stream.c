/* SPDX-License-Identifier: Apache-2.0 */
#include "canned.h"
#include "failalloc.h"
#include "net/registry_stream_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE ((size_t)10 << 20) /* more than twice the ring */

static char *bytes; /* SIZE, no two pieces alike */
static struct bl_oci_desc blob;

struct peer {
	struct canned *server;
	struct bl_registry_session *session;
	struct bl_blob_stream *stream;
	struct bl_blob_source source;
	char *got;
	atomic_bool stop;
};

static void peer_open(struct peer *peer, const struct canned_reply *replies, size_t n)
{
	struct bl_registry_options options = { .stop = &peer->stop };
	struct bl_err err = { 0 };
	char name[64];

	peer->server = canned_start(replies, n);
	snprintf(name, sizeof(name), "127.0.0.1:%u", canned_port(peer->server));
	options.registry = name;
	assert_int_equal(bl_registry_session_open(&options, &peer->session, &err), 0);
	assert_int_equal(bl_blob_stream_open(peer->session, "demo", &blob, &peer->stream, &err), 0);
	peer->source = bl_blob_of_stream(peer->stream);
	peer->got = malloc(SIZE);
	assert_non_null(peer->got);
}

static void peer_done(struct peer *peer)
{
	bl_blob_stream_close(peer->stream);
	bl_registry_session_close(peer->session);
	canned_stop(peer->server);
	free(peer->got);
}

static int take(struct peer *peer, uint64_t offset, size_t len, struct bl_err *err)
{
	return peer->source.read(peer->source.arg, offset, peer->got + offset, len, err);
}

/* In pieces of odd sizes, up to `end`. */
static void take_all(struct peer *peer, uint64_t from, uint64_t end)
{
	struct bl_err err = { 0 };
	size_t n = 1;

	for (uint64_t at = from; at < end; at += n) {
		n = (n * 7 + 3) % 300000 + 1;
		if (n > end - at)
			n = (size_t)(end - at);
		if (take(peer, at, n, &err))
			fail_msg("%s", err.text);
	}
	assert_memory_equal(peer->got + from, bytes + from, end - from);
}

#define WHOLE .body = bytes, .body_len = SIZE
#define REST(from, range)                                                                          \
	.status = 206, .headers = "Content-Range: bytes " range "\r\n", .body = bytes + (from),    \
	.body_len = SIZE - (from)

static void in_order_it_is_one_request(void **state)
{
	struct canned_reply replies[] = { { .on = "GET /v2/demo/blobs/sha256:", WHOLE } };
	struct peer peer = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	peer_open(&peer, replies, 1);
	take_all(&peer, 0, SIZE);
	assert_int_equal(canned_requests(peer.server), 1);
	assert_null(strstr(canned_head(peer.server, 0), "range:"));
	assert_int_equal(take(&peer, SIZE - 1, 2, &err), -1);
	assert_int_equal(err.code, BL_EBUG);
	peer_done(&peer);
}

static void a_cut_goes_on_with_a_range(void **state)
{
	struct canned_reply replies[] = {
		{ .times = 1, WHOLE, .is_cut = true, .cut = 5000000, .end = CANNED_CLOSE },
		{ .times = 1, .status = 503, .body = "busy" },
		{ .times = 1, WHOLE }, /* it knows no ranges: all of it */
	};
	struct peer peer = { 0 };
	char range[96];

	(void)state;
	peer_open(&peer, replies, 3);
	take_all(&peer, 0, SIZE);
	assert_int_equal(canned_requests(peer.server), 3);
	snprintf(range, sizeof(range), "%s", strstr(canned_head(peer.server, 2), "range: bytes="));
	assert_true(strtoul(range + strlen("range: bytes="), NULL, 10) > 4990000);
	peer_done(&peer);
}

static void a_read_elsewhere_fetches_there(void **state)
{
	struct canned_reply replies[] = {
		{ .times = 1, WHOLE },
		{ .times = 1, REST(9000000, "9000000-10485759/10485760") },
		{ .times = 1, REST(100, "100-10485759/*") },
		{ .times = 1, WHOLE },
	};
	struct peer peer = { 0 };

	(void)state;
	peer_open(&peer, replies, BL_COUNT(replies));
	take_all(&peer, 0, 1000);
	take_all(&peer, 9000000, SIZE);
	take_all(&peer, 100, 5000000);
	take_all(&peer, 0, SIZE);
	assert_int_equal(canned_requests(peer.server), 4);
	assert_non_null(strstr(canned_head(peer.server, 1), "range: bytes=9000000-\r\n"));
	assert_non_null(strstr(canned_head(peer.server, 2), "range: bytes=100-\r\n"));
	peer_done(&peer);
}

/* All but the last byte may have been read: that one is never handed over. */
static void assert_corrupt(const struct canned_reply *reply, const char *why)
{
	struct peer peer = { 0 };
	struct bl_err err = { 0 };
	int rc = 0;

	peer_open(&peer, reply, 1);
	for (size_t at = 0; at < SIZE && !rc; at += SIZE / 8)
		rc = take(&peer, at, SIZE / 8, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
	assert_non_null(strstr(err.text, blob.digest));
	/* it stays so, and nothing hangs */
	bl_err_clear(&err);
	assert_int_equal(take(&peer, 0, 1, &err), -1);
	assert_int_equal(canned_requests(peer.server), 1);
	peer_done(&peer);
}

static void wrong_bytes_are_not_handed_over(void **state)
{
	char *damaged = malloc(SIZE + 1);
	struct canned_reply wrong = { .body = damaged, .body_len = SIZE };
	struct canned_reply longer = { .body = damaged, .body_len = SIZE + 1 };
	struct canned_reply shorter = { .body = damaged, .body_len = SIZE - 1 };

	(void)state;
	assert_non_null(damaged);
	memcpy(damaged, bytes, SIZE);
	damaged[SIZE] = 'x';
	assert_corrupt(&longer, "it has 10485761 bytes, not 10485760");
	assert_corrupt(&shorter, "it has 10485759 bytes, not 10485760");
	damaged[SIZE - 1] ^= 1;
	assert_corrupt(&wrong, "its bytes are sha256:");
	free(damaged);
}

static void a_refusal_is_the_reads(void **state)
{
	static const struct canned_reply replies[] = {
		{ .status = 404,
		  .body = "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"no such\"}]}" },
	};
	struct peer peer = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	peer_open(&peer, replies, 1);
	assert_int_equal(take(&peer, 0, 10, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "BLOB_UNKNOWN"));
	peer_done(&peer);
}

/* Five times in a row without a byte, then it is over: the read does not wait for ever. */
static void it_gives_up(void **state)
{
	static const struct canned_reply replies[] = { { .status = 502 } };
	struct peer peer = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	peer_open(&peer, replies, 1);
	assert_int_equal(take(&peer, 0, 10, &err), -1);
	assert_int_equal(err.code, BL_ERETRY);
	assert_int_equal(canned_requests(peer.server), 6);
	peer_done(&peer);
}

/* In the middle, before the first byte, and while nobody reads: close ends the thread. */
static void close_ends_what_is_under_way(void **state)
{
	struct canned_reply replies[] = {
		{ WHOLE },
		{ WHOLE, .pause = true, .pause_at = 0 },
		{ WHOLE, .pause = true, .pause_at = 100000 },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(replies); i++) {
		struct peer peer = { 0 };

		peer_open(&peer, &replies[i], 1);
		if (i != 1)
			take_all(&peer, 0, 50000);
		peer_done(&peer);
	}
}

static void a_stop_is_seen(void **state)
{
	struct canned_reply replies[] = { { WHOLE, .pause = true, .pause_at = 200000 } };
	struct peer peer = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	peer_open(&peer, replies, 1);
	take_all(&peer, 0, 100000);
	atomic_store(&peer.stop, true);
	assert_int_equal(take(&peer, 100000, 1000000, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	peer_done(&peer);
}

static void heads_are_judged(void **state)
{
	static const struct {
		const char *range, *length;
		uint64_t offset, size, at;
		bool ok;
	} cases[] = {
		{ "", "", 0, 100, 0, true },
		{ "", "100", 0, 100, 0, true },
		{ "", "100", 40, 100, 0, true },
		{ "", "60", 40, 100, 0, false }, /* a 206 that does not say of what */
		{ "", "99", 0, 100, 0, false },
		{ "bytes 40-99/100", "60", 40, 100, 40, true },
		{ "bytes 40-99/*", "60", 40, 100, 40, true },
		{ "bytes 41-99/100", "59", 40, 100, 0, false },
		{ "bytes 40-98/100", "59", 40, 100, 0, false },
		{ "bytes 40-99/101", "60", 40, 100, 0, false },
		{ "bytes */100", "", 40, 100, 0, false },
		{ "bytes 40-99", "", 40, 100, 0, false },
		{ "bytes 99-40/100", "", 99, 100, 0, false },
		{ "items 40-99/100", "", 40, 100, 0, false },
		{ "bytes 40-99/100-", "", 40, 100, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_err err = { 0 };
		uint64_t at = 7;
		int rc = bl_fetch_begins(cases[i].range, cases[i].length, cases[i].offset,
		                         cases[i].size, &at, &err);

		assert_int_equal(rc, cases[i].ok ? 0 : -1);
		assert_int_equal(at, cases[i].ok ? cases[i].at : 7);
		assert_int_equal(err.code, cases[i].ok ? BL_OK : BL_ECORRUPT);
	}
}

static struct canned *memory_server;

static int memory_story(struct bl_err *err)
{
	struct bl_registry_session *session = NULL;
	struct bl_blob_stream *stream = NULL;
	struct bl_registry_options options = { 0 };
	char name[64], byte;
	int rc;

	snprintf(name, sizeof(name), "127.0.0.1:%u", canned_port(memory_server));
	options.registry = name;
	rc = bl_registry_session_open(&options, &session, err);
	if (!rc)
		rc = bl_blob_stream_open(session, "demo", &blob, &stream, err);
	if (!rc) {
		struct bl_blob_source source = bl_blob_of_stream(stream);

		rc = source.read(source.arg, 0, &byte, 1, err);
	}
	bl_blob_stream_close(stream);
	bl_registry_session_close(session);
	return rc;
}

static void memory_runs_out(void **state)
{
	static const struct canned_reply replies[] = { { .body = "short" } };
	struct bl_oci_desc before = blob;
	struct bl_err err = { 0 };

	(void)state;
	blob.size = strlen("short");
	assert_int_equal(bl_digest_of("short", 5, blob.digest, &err), 0);
	memory_server = canned_start(replies, 1);
	each_allocation_fails(memory_story, 2000);
	canned_stop(memory_server);
	blob = before;
}

static int make_bytes(void **state)
{
	struct bl_err err = { 0 };
	uint32_t x = 1;

	(void)state;
	bytes = malloc(SIZE);
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)(x >> 24);
	}
	blob = (struct bl_oci_desc){ .media_type = BL_OCI_LAYER_TAR, .size = SIZE };
	return bl_digest_of(bytes, SIZE, blob.digest, &err);
}

static int drop_bytes(void **state)
{
	(void)state;
	free(bytes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_judged),
		cmocka_unit_test(in_order_it_is_one_request),
		cmocka_unit_test(a_cut_goes_on_with_a_range),
		cmocka_unit_test(a_read_elsewhere_fetches_there),
		cmocka_unit_test(wrong_bytes_are_not_handed_over),
		cmocka_unit_test(a_refusal_is_the_reads),
		cmocka_unit_test(it_gives_up),
		cmocka_unit_test(close_ends_what_is_under_way),
		cmocka_unit_test(a_stop_is_seen),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, make_bytes, drop_bytes);
}
