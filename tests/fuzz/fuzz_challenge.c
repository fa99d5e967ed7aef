/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry may say in a header or a refusal: it is bounded, and sends us nowhere odd. */
#include "net/registry_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void ask(const char *text)
{
	struct bl_challenge challenge;

	bl_challenge_parse(text, &challenge);
	must(strlen(challenge.realm) < sizeof(challenge.realm));
	must(strlen(challenge.service) < sizeof(challenge.service));
	must(strlen(challenge.scope) < sizeof(challenge.scope));
	must(challenge.kind != BL_CHALLENGE_BEARER || challenge.realm[0]);
	must(challenge.kind != BL_CHALLENGE_NONE ||
	     !(challenge.realm[0] || challenge.service[0] || challenge.scope[0]));
}

static void refuse(const char *text, size_t len)
{
	BL_AUTO(bl_http_reply) reply = { .status = 400, .body = BL_BUF(1 << 20) };
	struct bl_registry_error error;

	bl_buf_add(&reply.body, text, len);
	bl_registry_error_read(&reply, &error);
	must(strlen(error.code) < sizeof(error.code));
	must(strlen(error.message) < sizeof(error.message));
	for (const char *at = error.message; *at; at++)
		must((unsigned char)*at >= ' ' && *at != 127);
}

static void redirect(const char *text)
{
	struct bl_registry_session session = { .registry = "r.io", .base = "https://r.io" };
	const struct bl_registry registry = { .session = &session };
	BL_AUTO(bl_buf) url = BL_BUF(1 << 20);
	struct bl_err err = { 0 };

	must(!bl_registry_resolve("https://r.io/v2/x?y", text, &url, &err));
	if (bl_registry_may_go(&registry, bl_buf_text(&url), &err)) {
		must(err.code == BL_EDENIED || err.code == BL_ECORRUPT);
		return;
	}
	must(!strncasecmp(bl_buf_text(&url), "https://", 8));
	if (bl_registry_owns(&registry, bl_buf_text(&url)))
		must(!strncasecmp(bl_buf_text(&url), "https://r.io", 12));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	int64_t wait_ms;

	must(text);
	memcpy(text, data, size);
	ask(text);
	refuse(text, size);
	redirect(text);
	wait_ms = bl_registry_asked_wait(text, text, 0);
	must(wait_ms >= 0 && wait_ms <= 30000);
	free(text);
	return 0;
}
