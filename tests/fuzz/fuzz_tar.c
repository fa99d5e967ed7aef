/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of any path and target: whole blocks with right sums, a path that stays in its place, and
 * nothing at all when it is refused. The first byte chooses the type and whether the size is large.
 */
#include "codec/tar.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_sum(const unsigned char *block)
{
	unsigned sum = 0;

	for (size_t i = 0; i < BL_TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	must(strtoul((const char *)block + 148, NULL, 8) == sum);
	must(!memcmp(block + 257,
	             "ustar\0"
	             "00",
	             8));
}

/* The value of a pax record, or NULL; each record's length leads to the next. */
static const char *pax_value(const char *records, size_t len, const char *key, size_t *value_len)
{
	const char *value = NULL;
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		char *text;

		n = strtoul(records + at, &text, 10);
		must(n > 0 && at + n <= len && *text == ' ' && records[at + n - 1] == '\n');
		text++;
		if (!strncmp(text, key, strlen(key)) && text[strlen(key)] == '=') {
			value = text + strlen(key) + 1;
			*value_len = (size_t)(records + at + n - 1 - value);
		}
	}
	return value;
}

/* What a reader makes of it: prefix, '/', name; or pax. */
static void check_path(const struct bl_buf *out, const char *want, bool is_dir)
{
	const char *last = out->data + out->len - BL_TAR_BLOCK, *value = NULL;
	size_t len = 0, name = strnlen(last, 100), prefix = strnlen(last + 345, 155);
	char text[300];

	if (out->len > BL_TAR_BLOCK) {
		must(out->data[156] == 'x');
		value = pax_value(out->data + BL_TAR_BLOCK, strtoul(out->data + 124, NULL, 8),
		                  "path", &len);
	}
	if (!value) {
		memcpy(text, last + 345, prefix);
		if (prefix)
			text[prefix++] = '/';
		memcpy(text + prefix, last, name);
		value = text;
		len = prefix + name;
	}
	must(len == strlen(want) + is_dir && !memcmp(value, want, strlen(want)));
	must(!is_dir || value[len - 1] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum bl_tar_type types[] = { BL_TAR_FILE, BL_TAR_LINK, BL_TAR_DIR };
	BL_AUTO(bl_buf) out = BL_BUF((size_t)64 << 10);
	struct bl_err err = { 0 };
	unsigned first = size ? data[0] : 0;
	char *path = calloc(2, size + 1), *target;

	must(path);
	if (size)
		memcpy(path, data + 1, size - 1);
	target = strchr(path, '\n');
	if (target)
		*target++ = '\0';
	const struct bl_tar_entry entry = {
		.path = path,
		.type = types[first % BL_COUNT(types)],
		.mode = first & 8 ? 0755 : 0644,
		.size = first & 4 ? (uint64_t)first << 33 : first,
		.target = target ? target : "t",
	};
	if (bl_tar_add_header(&out, &entry, &err)) {
		must(err.code == BL_EINPUT && err.text[0] && !out.len);
	} else {
		must(out.len && out.len % BL_TAR_BLOCK == 0);
		must(path[0] != '/' && !strstr(path, "/../") && strcmp(path, ".."));
		check_sum((const unsigned char *)out.data);
		check_sum((const unsigned char *)out.data + out.len - BL_TAR_BLOCK);
		check_path(&out, path, entry.type == BL_TAR_DIR);
	}
	free(path);
	return 0;
}
