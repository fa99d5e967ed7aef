/* SPDX-License-Identifier: Apache-2.0 */
/* What GitHub's headers may say: the next page is of the same origin, a wait has its bounds. */
#include "net/github_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void follow(const char *link)
{
	struct bl_err err = { 0 };
	struct bl_url api;
	char target[64];

	must(!bl_url_parse("https://api.github.com", &api, &err));
	if (bl_github_next_page(link, &api, target, sizeof(target)))
		must(target[0] == '/' && strlen(target) < sizeof(target) &&
		     strcasestr(link, "api.github.com") && strcasestr(link, "next"));
}

static void refuse(const char *text, size_t size)
{
	BL_AUTO(bl_http_reply)
	reply = { .status = 403, .head = BL_BUF(1 << 20), .body = BL_BUF(1 << 20) };
	struct bl_github_said said;
	int64_t wait_ms = 0;

	bl_buf_adds(&reply.head, "retry-after: ");
	bl_buf_adds(&reply.head, text);
	bl_buf_adds(&reply.head, "\n");
	bl_buf_add(&reply.body, text, size);
	bl_github_said_read(&reply, &said);
	for (const char *at = said.text; *at; at++)
		must((unsigned char)*at >= ' ' && *at != 127);
	if (bl_github_limited(&reply, said.text, &wait_ms))
		must(wait_ms >= 1000 && wait_ms <= 86400000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);

	must(text);
	if (size)
		memcpy(text, data, size);
	follow(text);
	refuse(text, size);
	free(text);
	return 0;
}
