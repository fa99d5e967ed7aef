/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4_parts.h"

#include "net/url.h"

#include <string.h>

/* The most that the encoded query or the lower-cased names may take. */
#define SCRATCH_MAX ((size_t)64 << 10)

struct entry {
	const char *name, *value;
};

typedef int entry_order(const struct entry *a, const struct entry *b);

static int by_name(const struct entry *a, const struct entry *b)
{
	return strcmp(a->name, b->name);
}

static int by_name_and_value(const struct entry *a, const struct entry *b)
{
	int order = strcmp(a->name, b->name);

	return order ? order : strcmp(a->value, b->value);
}

/* Few, and mostly in order already; and it must not move equals, as qsort() may. */
static void sort_entries(struct entry *entries, size_t n, entry_order *order)
{
	for (size_t i = 1; i < n; i++) {
		struct entry moving = entries[i];
		size_t at = i;

		for (; at > 0 && order(&entries[at - 1], &moving) > 0; at--)
			entries[at] = entries[at - 1];
		entries[at] = moving;
	}
}

static void add_entry(const struct entry *entry, struct bl_buf *out)
{
	bl_buf_adds(out, entry->name);
	bl_buf_addc(out, '=');
	bl_buf_adds(out, entry->value);
}

/* Each text encoded and NUL-terminated; room was made before, so that none moves. */
static const char *encode_into(struct bl_buf *scratch, const char *text)
{
	size_t at = scratch->len;

	bl_uri_add(scratch, text, strlen(text));
	bl_buf_addc(scratch, '\0');
	return scratch->failed ? "" : scratch->data + at;
}

void bl_sign_add_query(const struct bl_pair *query, size_t n, struct bl_buf *out)
{
	struct entry entries[BL_SIGN_ENTRIES_MAX];
	BL_AUTO(bl_buf) scratch = BL_BUF(SCRATCH_MAX);
	size_t most = 0;

	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		most += 3 * (strlen(query[i].name) + strlen(query[i].value ? query[i].value : "")) +
		        2;
	if (n > BL_COUNT(entries) || !bl_buf_room(&scratch, most)) {
		out->failed = scratch.failed ? scratch.failed : BL_ELIMIT;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		entries[i].name = encode_into(&scratch, query[i].name);
		entries[i].value = encode_into(&scratch, query[i].value ? query[i].value : "");
	}
	sort_entries(entries, n, by_name_and_value);
	for (size_t i = 0; i < n; i++) {
		if (i)
			bl_buf_addc(out, '&');
		add_entry(&entries[i], out);
	}
}

/* Names in lower case, as entries in order; equals as they came. */
static int sorted_headers(const struct bl_pair *headers, size_t n, struct entry *entries,
                          struct bl_buf *scratch)
{
	size_t most = 0;
	char *to;

	for (size_t i = 0; i < n; i++)
		most += strlen(headers[i].name) + 1;
	to = n > BL_SIGN_ENTRIES_MAX ? NULL : bl_buf_room(scratch, most);
	if (!to)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *from = headers[i].name;

		entries[i] = (struct entry){ to, headers[i].value };
		for (; *from; from++)
			*to++ = (char)(*from >= 'A' && *from <= 'Z' ? *from | 0x20 : *from);
		*to++ = '\0';
	}
	sort_entries(entries, n, by_name);
	return 0;
}

static bool is_repeat(const struct entry *entries, size_t i)
{
	return i > 0 && !strcmp(entries[i - 1].name, entries[i].name);
}

static void add_names(const struct entry *entries, size_t n, struct bl_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (is_repeat(entries, i))
			continue;
		if (i)
			bl_buf_addc(out, ';');
		bl_buf_adds(out, entries[i].name);
	}
}

/* Without the spaces around it, runs of spaces as one. */
static void add_trimmed(const char *value, struct bl_buf *out)
{
	for (bool first = true;; first = false) {
		size_t len;

		value += strspn(value, " \t");
		len = strcspn(value, " \t");
		if (!len)
			return;
		if (!first)
			bl_buf_addc(out, ' ');
		bl_buf_add(out, value, len);
		value += len;
	}
}

static void add_headers(const struct entry *entries, size_t n, struct bl_buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (is_repeat(entries, i)) {
			bl_buf_addc(out, ',');
		} else {
			if (i)
				bl_buf_addc(out, '\n');
			bl_buf_adds(out, entries[i].name);
			bl_buf_addc(out, ':');
		}
		add_trimmed(entries[i].value, out);
	}
	bl_buf_adds(out, "\n\n");
}

void bl_sign_add_names(const struct bl_pair *headers, size_t n, struct bl_buf *out)
{
	struct entry entries[BL_SIGN_ENTRIES_MAX];
	BL_AUTO(bl_buf) scratch = BL_BUF(SCRATCH_MAX);

	if (!sorted_headers(headers, n, entries, &scratch))
		add_names(entries, n, out);
	else
		out->failed = scratch.failed ? scratch.failed : BL_ELIMIT;
}

/* Drops the last segment that was added, with its '/'. */
static void drop_segment(struct bl_buf *path)
{
	while (path->len > 0 && path->data[--path->len] != '/')
		;
}

/* RFC 3986, 5.2.4, and no empty segments: then encoded once more, as '%' is not spared. */
static void add_normalised(const char *path, struct bl_buf *out)
{
	BL_AUTO(bl_buf) plain = BL_BUF(SCRATCH_MAX);
	size_t len, all = strlen(path);

	for (const char *at = path; *at; at += len) {
		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (len == 2 && !memcmp(at, "..", 2)) {
			drop_segment(&plain);
		} else if (len && !(len == 1 && *at == '.')) {
			bl_buf_addc(&plain, '/');
			bl_buf_add(&plain, at, len);
		}
	}
	if (!plain.len || path[all - 1] == '/')
		bl_buf_addc(&plain, '/');
	if (plain.failed)
		out->failed = plain.failed;
	else
		bl_uri_add_path(out, plain.data, plain.len);
}

void bl_sign_canonical(const struct bl_sign *sign, struct bl_buf *out)
{
	struct entry entries[BL_SIGN_ENTRIES_MAX];
	BL_AUTO(bl_buf) scratch = BL_BUF(SCRATCH_MAX);

	if (sorted_headers(sign->headers, sign->n_headers, entries, &scratch)) {
		out->failed = scratch.failed ? scratch.failed : BL_ELIMIT;
		return;
	}
	bl_buf_adds(out, sign->method);
	bl_buf_addc(out, '\n');
	if (sign->is_s3)
		bl_buf_adds(out, sign->path);
	else
		add_normalised(sign->path, out);
	bl_buf_addc(out, '\n');
	bl_sign_add_query(sign->query, sign->n_query, out);
	bl_buf_addc(out, '\n');
	add_headers(entries, sign->n_headers, out);
	add_names(entries, sign->n_headers, out);
	bl_buf_addc(out, '\n');
	bl_buf_adds(out, sign->payload_hash);
}
