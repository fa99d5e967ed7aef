/* SPDX-License-Identifier: Apache-2.0 */
#include "push_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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
	struct push_peer peer = { 0 }, other = { 0 };

	(void)state;
	SUCCEEDS(&peer, once);
	ASKED(&peer, POST, PUT, POST, PUT);
	push_done(&peer);
	FAILS(&other, always, BL_ECORRUPT, "damaged on the way");
	ASKED(&other, POST, PUT, POST, PUT, POST, PUT);
	push_done(&other);
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
	struct push_peer peer = { .source.read = no_bytes };

	(void)state;
	FAILS(&peer, replies, BL_ECORRUPT, "its bytes changed meanwhile");
	ASKED(&peer, POST, PUT);
	push_done(&peer);
}

static void another_digest_is_not_success(void **state)
{
	static const struct canned_reply replies[] = {
		{ .on = POST, BEGUN },
		{ .on = PUT, .status = 201, .headers = "Docker-Content-Digest: sha256:0123\r\n" },
	};
	struct push_peer peer = { 0 };

	(void)state;
	FAILS(&peer, replies, BL_ECORRUPT, "it says that it took sha256:0123");
	assert_non_null(strstr(peer.err.text, push_blob.digest));
	push_done(&peer);
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
	struct push_peer peer = { .source.read = broken };

	(void)state;
	FAILS(&peer, replies, BL_ERETRY, "the other registry went away");
	assert_true(canned_requests(peer.server) <= 2);
	push_done(&peer);
}

static void a_file_that_ends_early_is_final(void **state)
{
	static const struct canned_reply replies[] = { { .on = POST, BEGUN } };
	struct push_peer peer = { 0 };
	FILE *file = tmpfile();
	int fd;

	(void)state;
	assert_non_null(file);
	fd = fileno(file);
	peer.source = bl_blob_of_fd(&fd);
	FAILS(&peer, replies, BL_ECORRUPT, "");
	fclose(file);
	push_done(&peer);
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
	struct push_peer peer = { 0 };

	(void)state;
	peer.push = (struct bl_push){ .progress = stop, .arg = &peer.stop };
	FAILS(&peer, replies, BL_ECANCELLED, "stopped");
	assert_true(canned_requests(peer.server) <= 2);
	push_done(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_on_the_way_is_sent_again),
		cmocka_unit_test(a_source_that_changed_is_named),
		cmocka_unit_test(another_digest_is_not_success),
		cmocka_unit_test(a_source_that_fails_is_final),
		cmocka_unit_test(a_file_that_ends_early_is_final),
		cmocka_unit_test(a_stop_ends_it),
	};

	return cmocka_run_group_tests(tests, push_make_blob, push_drop_blob);
}
