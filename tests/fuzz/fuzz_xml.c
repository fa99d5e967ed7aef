/* SPDX-License-Identifier: Apache-2.0 */
/* What is read is bounded, and can be written as text and read back. */
#include "codec/xml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int same_text(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)err;
	must(!strcmp(path, "t") && !strcmp(text, arg));
	return 0;
}

/* arg: how many elements until it is enough */
static int look(void *arg, const char *path, const char *text, struct bl_err *err)
{
	BL_AUTO(bl_buf) again = BL_BUF(1 << 20);
	struct bl_err unread = { 0 };
	char *copy = strdup(text);
	size_t slashes = 0;
	int *left = arg;

	(void)err;
	must(copy && *path && strlen(path) <= 256 && strlen(text) <= 65536);
	for (const char *at = path; *at; at++)
		slashes += *at == '/';
	must(slashes < 16);
	bl_buf_adds(&again, "<t>");
	bl_xml_add_text(&again, text);
	bl_buf_adds(&again, "</t>");
	must(!bl_buf_check(&again, "text", &unread));
	/* character references to control characters are refused, but for tab and line ends */
	if (bl_xml_read(again.data, again.len, "again", same_text, copy, &unread))
		must(unread.code == BL_ECORRUPT);
	free(copy);
	return --*left ? 0 : 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_err err = { 0 };
	int left = 100;
	int rc = bl_xml_read((const char *)data, size, "input", look, &left, &err);

	must(rc == 0 || rc == -1 || (rc == 5 && !left));
	must((rc == -1) == (err.code == BL_ECORRUPT));
	return 0;
}
