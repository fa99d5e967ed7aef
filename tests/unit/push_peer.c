/* SPDX-License-Identifier: Apache-2.0 */
#include "push_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct bl_oci_desc push_blob;
struct bl_buf push_text;

static double zero(void)
{
	return 0; /* no test waits before a new session */
}

static void note(void *arg, uint64_t sent)
{
	((struct push_peer *)arg)->told = sent;
}

int push_put(struct push_peer *peer, const struct canned_reply *replies, size_t n)
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
		peer->source = bl_blob_of_buf(&push_text);
	return bl_registry_put_blob(peer->registry, "demo", &push_blob, &peer->source, &peer->push,
	                            &peer->err);
}

void push_done(struct push_peer *peer)
{
	bl_registry_close(peer->registry);
	bl_registry_session_close(peer->session);
	canned_stop(peer->server);
}

void push_asked(const struct push_peer *peer, const char *const *asked)
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

void push_sent(const struct push_peer *peer, size_t i, const char *body)
{
	size_t len;
	const char *got = canned_body(peer->server, i, &len);

	assert_int_equal(len, strlen(body));
	assert_memory_equal(got, body, len);
}

void push_succeeds(struct push_peer *peer, const struct canned_reply *replies, size_t n)
{
	if (push_put(peer, replies, n))
		fail_msg("%s", peer->err.text);
	assert_int_equal(peer->err.code, BL_OK);
}

void push_fails(struct push_peer *peer, const struct canned_reply *replies, size_t n,
                enum bl_code code, const char *why)
{
	assert_int_equal(push_put(peer, replies, n), -1);
	if (peer->err.code != code || !strstr(peer->err.text, why))
		fail_msg("%d: %s", (int)peer->err.code, peer->err.text);
	assert_non_null(strstr(peer->err.text, "put blob demo@sha256:"));
}

int push_make_blob(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	push_text = BL_BUF(64);
	bl_buf_adds(&push_text, TEXT);
	push_blob = (struct bl_oci_desc){ .media_type = BL_OCI_LAYER_TAR, .size = strlen(TEXT) };
	return bl_digest_of(TEXT, strlen(TEXT), push_blob.digest, &err);
}

int push_drop_blob(void **state)
{
	(void)state;
	bl_buf_done(&push_text);
	return 0;
}
