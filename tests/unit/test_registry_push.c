/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "canned.h"
#include "failalloc.h"
#include "net/registry_push_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT "twenty-six letters: a to z"
#define POST "POST /v2/demo/blobs/uploads/ "
#define MOUNT "POST /v2/demo/blobs/uploads/?mount=sha256%3A"
#define PUT "PUT /v2/demo/u1?s=1&digest=sha256%3A"
#define GET "GET /v2/demo/u1?s=1 "
#define PATCH "PATCH /v2/demo/u1?s=1 "
#define HEAD "HEAD /v2/demo/blobs/sha256:"
#define BEGUN .status = 202, .headers = "Location: /v2/demo/u1?s=1\r\nRange: 0-0\r\n"
/* the connection ends without a word */
#define LOST .bytes = "", .is_cut = true, .cut = 0, .end = CANNED_CLOSE
#define ERROR(status_, code)                                                                       \
	.status = (status_), .body = "{\"errors\":[{\"code\":\"" code "\",\"message\":\"m\"}]}"

static struct bl_oci_desc blob;
static struct bl_buf text;

static double zero(void)
{
	return 0; /* no test waits before a new session */
}

struct peer {
	struct canned *server;
	struct bl_registry_session *session;
	struct bl_registry *registry;
	struct bl_registry_counts counts;
	struct bl_push push;
	struct bl_blob_source source;
	struct bl_err err;
	uint64_t told;
	atomic_bool stop;
	char name[64];
};

static void note(void *arg, uint64_t sent)
{
	((struct peer *)arg)->told = sent;
}

/* Puts the blob to a registry that answers so. */
static int put(struct peer *peer, const struct canned_reply *replies, size_t n)
{
	struct bl_registry_options options = { .registry = peer->name,
		                               .counts = &peer->counts,
		                               .stop = &peer->stop };

	peer->server = canned_start(replies, n);
	snprintf(peer->name, sizeof(peer->name), "127.0.0.1:%u", canned_port(peer->server));
	assert_int_equal(bl_registry_session_open(&options, &peer->session, &peer->err), 0);
	assert_int_equal(bl_registry_open(peer->session, &peer->registry, &peer->err), 0);
	peer->registry->random = zero;
	if (!peer->push.progress) {
		peer->push.progress = note;
		peer->push.arg = peer;
	}
	if (!peer->source.read)
		peer->source = bl_blob_of_buf(&text);
	return bl_registry_put_blob(peer->registry, "demo", &blob, &peer->source, &peer->push,
	                            &peer->err);
}

static void done(struct peer *peer)
{
	bl_registry_close(peer->registry);
	bl_registry_session_close(peer->session);
	canned_stop(peer->server);
}

/* The requests that were made, each as it begins; NULL at the end. */
static void assert_asked(const struct peer *peer, const char *const *asked)
{
	size_t n = 0;

	for (; asked[n]; n++) {
		if (n >= canned_requests(peer->server))
			fail_msg("%s was not asked", asked[n]);
		if (strncmp(canned_head(peer->server, n), asked[n], strlen(asked[n])) != 0)
			fail_msg("%.80s, not %s", canned_head(peer->server, n), asked[n]);
	}
	assert_int_equal(canned_requests(peer->server), n);
}
#define ASKED(peer, ...) assert_asked(peer, (const char *const[]){ __VA_ARGS__, NULL })

static void assert_sent(const struct peer *peer, size_t i, const char *body)
{
	size_t len;
	const char *got = canned_body(peer->server, i, &len);

	assert_int_equal(len, strlen(body));
	assert_memory_equal(got, body, len);
}

static void succeeds(struct peer *peer, const struct canned_reply *replies, size_t n)
{
	if (put(peer, replies, n))
		fail_msg("%s", peer->err.text);
	assert_int_equal(peer->err.code, BL_OK);
}
#define SUCCEEDS(peer, replies) succeeds(peer, replies, BL_COUNT(replies))

static void fails(struct peer *peer, const struct canned_reply *replies, size_t n,
                  enum bl_code code, const char *why)
{
	assert_int_equal(put(peer, replies, n), -1);
	if (peer->err.code != code || !strstr(peer->err.text, why))
		fail_msg("%d: %s", (int)peer->err.code, peer->err.text);
	assert_non_null(strstr(peer->err.text, "put blob demo@sha256:"));
}
#define FAILS(peer, replies, code, why) fails(peer, replies, BL_COUNT(replies), code, why)

static void two_requests(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT);
	assert_sent(&peer, 1, TEXT);
	assert_non_null(strstr(canned_head(peer.server, 1), "application/octet-stream"));
	assert_int_equal(peer.told, strlen(TEXT));
	assert_int_equal(peer.counts.sent_bytes, strlen(TEXT));
	assert_false(peer.push.mounted);
	done(&peer);
}

/* --- Mounts ----------------------------------------------------------------------------------- */

static void mounted_is_one_request(void **state)
{
	static const struct canned_reply replies[] = { { .on = MOUNT, .status = 201 } };
	struct peer peer = { .push.from_repository = "team/base" };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, MOUNT);
	assert_non_null(strstr(canned_head(peer.server, 0), "&from=team%2Fbase "));
	assert_true(peer.push.mounted);
	assert_int_equal(peer.counts.sent_bytes, 0);
	done(&peer);
}

static void not_mounted_is_sent(void **state)
{
	static const struct canned_reply session[] = { { .on = MOUNT, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	static const struct canned_reply refused[] = { { .on = MOUNT, ERROR(403, "DENIED") },
		                                       { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct peer peer = { .push.from_repository = "base" };
	struct peer other = { .push.from_repository = "base" };

	(void)state;
	SUCCEEDS(&peer, session);
	ASKED(&peer, MOUNT, PUT);
	assert_false(peer.push.mounted);
	done(&peer);
	SUCCEEDS(&other, refused);
	ASKED(&other, MOUNT, POST, PUT);
	done(&other);
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
	struct peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, PATCH, PUT);
	assert_sent(&peer, 3, TEXT + 10);
	assert_non_null(strstr(canned_head(peer.server, 3), "content-range: 10-25\r\n"));
	assert_sent(&peer, 4, "");
	done(&peer);
}

static void a_lost_reply_is_looked_up(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, LOST },
		{ .on = GET, ERROR(404, "BLOB_UPLOAD_UNKNOWN") },
		{ .on = HEAD, .status = 200, .body = TEXT },
	};
	struct peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, HEAD);
	done(&peer);
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
	struct peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, GET, HEAD, POST, PUT, HEAD, POST, PUT);
	done(&peer);
}

static void after_three_sessions_it_is_over(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .status = 503 },
		{ .on = GET, .status = 204, .headers = "Range: 0-0\r\n" },
	};
	struct peer peer = { 0 };

	(void)state;
	FAILS(&peer, replies, BL_ERETRY, "HTTP 503");
	ASKED(&peer, POST, PUT, GET, POST, PUT, GET, POST, PUT, GET);
	done(&peer);
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
	struct peer peer = { 0 };

	(void)state;
	SUCCEEDS(&peer, replies);
	ASKED(&peer, POST, PUT, POST, PATCH, PATCH, PUT);
	assert_non_null(strstr(canned_head(peer.server, 3), "content-range: 0-25\r\n"));
	assert_sent(&peer, 3, TEXT);
	/* it took all and kept ten */
	assert_non_null(strstr(canned_head(peer.server, 4), "content-range: 10-25\r\n"));
	assert_sent(&peer, 4, TEXT + 10);
	assert_sent(&peer, 5, "");
	done(&peer);
}

static void an_empty_blob_has_no_parts(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN },
		                                       { .on = PUT, .status = 201 } };
	struct bl_oci_desc before = blob;
	struct peer peer = { 0 };

	(void)state;
	blob.size = 0;
	SUCCEEDS(&peer, replies);
	blob = before;
	ASKED(&peer, POST, PUT);
	assert_non_null(strstr(canned_head(peer.server, 1), "ontent-"));
	assert_sent(&peer, 1, "");
	done(&peer);
}

/* --- Whose fault ------------------------------------------------------------------------------ */

static void damaged_on_the_way_is_sent_again(void **state)
{
	static const struct canned_reply once[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .times = 1, ERROR(400, "DIGEST_INVALID") },
		{ .on = PUT, .status = 201 },
	};
	static const struct canned_reply always[] = { { .on = POST, BEGUN },
		                                      { .on = PUT, ERROR(400, "DIGEST_INVALID") } };
	struct peer peer = { 0 }, other = { 0 };

	(void)state;
	SUCCEEDS(&peer, once);
	ASKED(&peer, POST, PUT, POST, PUT);
	done(&peer);
	FAILS(&other, always, BL_ECORRUPT, "damaged on the way");
	ASKED(&other, POST, PUT, POST, PUT, POST, PUT);
	done(&other);
}

static int no_bytes(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg;
	(void)offset;
	(void)err;
	memset(to, 0, len);
	return 0;
}

static void a_source_that_changed_is_named(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN }, { .on = PUT, ERROR(400, "DIGEST_INVALID") }
	};
	struct peer peer = { .source.read = no_bytes };

	(void)state;
	FAILS(&peer, replies, BL_ECORRUPT, "its bytes changed meanwhile");
	ASKED(&peer, POST, PUT);
	done(&peer);
}

static void another_digest_is_not_success(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .status = 201, .headers = "Docker-Content-Digest: sha256:0123\r\n" },
	};
	struct peer peer = { 0 };

	(void)state;
	FAILS(&peer, replies, BL_ECORRUPT, "it says that it took sha256:0123");
	assert_non_null(strstr(peer.err.text, blob.digest));
	done(&peer);
}

static int broken(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	(void)arg;
	(void)offset;
	(void)to;
	(void)len;
	return bl_fail(err, BL_ERETRY, "the other registry went away");
}

/* Its error looks like a loss, but no other session would help. */
static void a_source_that_fails_is_final(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN } };
	struct peer peer = { .source.read = broken };

	(void)state;
	FAILS(&peer, replies, BL_ERETRY, "the other registry went away");
	assert_true(canned_requests(peer.server) <= 2);
	done(&peer);
}

static void a_file_that_ends_early_is_final(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN } };
	struct peer peer = { 0 };
	FILE *file = tmpfile();
	int fd;

	(void)state;
	assert_non_null(file);
	fd = fileno(file);
	peer.source = bl_blob_of_fd(&fd);
	FAILS(&peer, replies, BL_ECORRUPT, "");
	fclose(file);
	done(&peer);
}

/* The progress of the first bytes is where this one is stopped. */
static void stop(void *arg, uint64_t sent)
{
	(void)sent;
	atomic_store((atomic_bool *)arg, true);
}

static void a_stop_ends_it(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .status = 201, .pause = true, .pause_at = 0 },
	};
	struct peer peer = { 0 };

	(void)state;
	peer.push = (struct bl_push){ .progress = stop, .arg = &peer.stop };
	FAILS(&peer, replies, BL_ECANCELLED, "stopped");
	assert_true(canned_requests(peer.server) <= 2);
	done(&peer);
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
	struct peer a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };

	(void)state;
	FAILS(&a, missing, BL_ENOENT, "NAME_UNKNOWN");
	FAILS(&b, nowhere, BL_ECORRUPT, "no Location");
	FAILS(&c, elsewhere, BL_EDENIED, "evil.example");
	FAILS(&d, moved, BL_EINPUT, "307");
	FAILS(&e, denied, BL_EDENIED, "DENIED");
	assert_int_equal(canned_requests(c.server), 1);
	ASKED(&e, POST, PUT);
	done(&a);
	done(&b);
	done(&c);
	done(&d);
	done(&e);
}

static struct canned *memory_server;

static int memory_story(struct bl_err *err)
{
	struct bl_registry_options options = { 0 };
	struct bl_registry_session *session = NULL;
	struct bl_registry *registry = NULL;
	struct bl_blob_source source = bl_blob_of_buf(&text);
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "127.0.0.1:%u", canned_port(memory_server));
	options.registry = name;
	rc = bl_registry_session_open(&options, &session, err);
	if (!rc)
		rc = bl_registry_open(session, &registry, err);
	if (!rc)
		rc = bl_registry_put_blob(registry, "demo", &blob, &source, NULL, err);
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

static int make_blob(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	text = BL_BUF(64);
	bl_buf_adds(&text, TEXT);
	blob = (struct bl_oci_desc){ .media_type = BL_OCI_LAYER_TAR, .size = strlen(TEXT) };
	return bl_digest_of(TEXT, strlen(TEXT), blob.digest, &err);
}

static int drop_blob(void **state)
{
	(void)state;
	bl_buf_done(&text);
	return 0;
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
		cmocka_unit_test(damaged_on_the_way_is_sent_again),
		cmocka_unit_test(a_source_that_changed_is_named),
		cmocka_unit_test(another_digest_is_not_success),
		cmocka_unit_test(a_source_that_fails_is_final),
		cmocka_unit_test(a_file_that_ends_early_is_final),
		cmocka_unit_test(a_stop_ends_it),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, make_blob, drop_blob);
}
