/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as what a registry says of an upload or a range: no upload leaves its registry, and
 * no offset lies outside the blob.
 */
#include "base/str.h"
#include "net/registry_push_parts.h"
#include "net/registry_stream_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE 1000

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void locate(const char *base, const char *location)
{
	BL_AUTO(bl_buf) out = BL_BUF(9 << 10);
	struct bl_err err = { 0 };
	size_t len = strlen(base);

	if (bl_upload_location(base, "/v2/demo/blobs/uploads/", location, &out, &err)) {
		must(err.code == BL_EDENIED || err.code == BL_ECORRUPT || err.code == BL_ELIMIT);
		return;
	}
	must(!strncmp(bl_buf_text(&out), base, len) && bl_buf_text(&out)[len] == '/');
	/* what it gives it takes again, unchanged */
	BL_AUTO(bl_buf) again = BL_BUF(9 << 10);
	must(!bl_upload_location(base, "/", bl_buf_text(&out), &again, &err));
	must(!strcmp(bl_buf_text(&again), bl_buf_text(&out)));
}

static void range(const char *text, uint64_t offset)
{
	struct bl_err err = { 0 };
	uint64_t kept, at;

	if (bl_upload_kept(text, SIZE, &kept))
		must(kept <= SIZE);
	if (!bl_fetch_begins(text, text, offset, SIZE, &at, &err))
		must(at == offset || (!*text && at == 0));
	else
		must(err.code == BL_ECORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];

	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	locate("https://reg.example", text);
	locate("http://localhost:5000", text);
	range(text, 0);
	range(text, 40);
	return 0;
}
