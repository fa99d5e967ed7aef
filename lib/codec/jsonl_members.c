/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jsonl.h"

#include "base/str.h"
#include "codec/jsonl_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 256

/* path holds "outer.inner." of the object that is being read. */
struct walk {
	struct bl_scan scan;
	bl_member_fn *fn;
	void *arg;
	char path[PATH_MAX_BYTES];
};

static void add_bytes(struct walk *walk, size_t *len, const char *bytes, size_t n)
{
	size_t room = PATH_MAX_BYTES - *len;

	if (n > room)
		n = room;
	memcpy(walk->path + *len, bytes, n);
	*len += n;
}

static unsigned hex4(const char *p)
{
	char digits[5] = { p[0], p[1], p[2], p[3], '\0' };

	return (unsigned)strtoul(digits, NULL, 16);
}

static size_t to_utf8(unsigned c, char out[4])
{
	static const unsigned char leads[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(leads[n % 5] | c);
	return n;
}

/* Decodes the escape at p, which the scanner has found good; returns its length. */
static size_t add_escape(struct walk *walk, size_t *len, const char *p)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, p[1]);
	unsigned c;
	char text[4];
	size_t n = 6;

	if (p[1] != 'u') {
		add_bytes(walk, len, at ? to + (at - from) : p + 1, 1);
		return 2;
	}
	c = hex4(p + 2);
	if (c >= 0xd800 && c <= 0xdfff) {
		c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 8) - 0xdc00);
		n = 12;
	}
	if (!c) /* keys end up in C strings */
		c = 0xfffd;
	add_bytes(walk, len, text, to_utf8(c, text));
	return n;
}

/* Appends a key to the path at `len`; returns the new length, cut between characters. */
static size_t add_key(struct walk *walk, size_t len, const char *key, size_t key_len)
{
	const char *end = key + key_len;
	size_t from = len;

	while (key < end) {
		const char *back = memchr(key, '\\', (size_t)(end - key));
		const char *stop = back ? back : end;

		add_bytes(walk, &len, key, (size_t)(stop - key));
		key = back ? back + add_escape(walk, &len, back) : end;
	}
	return len < PATH_MAX_BYTES ? len : from + bl_utf8_valid(walk->path + from, len - from);
}

/* The words that Python and our own stream write for numbers that JSON lacks. */
static bool is_special(const char *text, size_t len, double *number)
{
	if (len == 3 && !memcmp(text, "NaN", 3))
		*number = (double)NAN;
	else if (len == 8 && !memcmp(text, "Infinity", 8))
		*number = (double)INFINITY;
	else if (len == 9 && !memcmp(text, "-Infinity", 9))
		*number = -(double)INFINITY;
	else
		return false;
	return true;
}

static bool read_scalar(struct bl_scan *scan, struct bl_member *member)
{
	char first = bl_scan_peek(scan);
	const char *from = scan->at;

	if (!bl_scan_scalar(scan))
		return false;
	member->text = from + (first == '"');
	member->text_len = (size_t)(scan->at - from) - (first == '"' ? 2 : 0);
	member->number = 0;
	if (is_special(member->text, member->text_len, &member->number)) {
		member->kind = BL_SCALAR_NUMBER;
	} else if (first == '"') {
		member->kind = BL_SCALAR_TEXT;
	} else if (first == 't' || first == 'f' || first == 'n') {
		member->kind = first == 't'   ? BL_SCALAR_TRUE
		               : first == 'f' ? BL_SCALAR_FALSE
		                              : BL_SCALAR_NULL;
	} else {
		member->kind = BL_SCALAR_NUMBER;
		member->number = bl_scan_double(member->text, member->text_len);
	}
	return true;
}

static int read_object(struct walk *walk, size_t prefix);

static int read_value(struct walk *walk, size_t prefix, const char *key, size_t key_len)
{
	struct bl_member member = { .key = key, .key_len = key_len };
	struct bl_scan *scan = &walk->scan;
	bool escaped = scan->escaped;

	bl_scan_space(scan);
	if (bl_scan_peek(scan) == '[')
		return bl_scan_value(scan) ? 0 : -1;
	if (bl_scan_peek(scan) == '{') {
		size_t len = add_key(walk, prefix, key, key_len);

		add_bytes(walk, &len, ".", 1);
		return read_object(walk, len);
	}
	if (!read_scalar(scan, &member))
		return -1;
	if (prefix || escaped) {
		member.key = walk->path;
		member.key_len = add_key(walk, prefix, key, key_len);
	}
	return walk->fn(walk->arg, &member);
}

/* From one member to the next one's value; false behind the closing brace, or with a reason. */
static bool next_member(struct bl_scan *scan, bool first, const char **key, size_t *len)
{
	bl_scan_space(scan);
	if (bl_scan_peek(scan) == '}') {
		scan->at++;
		return false;
	}
	if (!first && bl_scan_peek(scan) != ',')
		return bl_scan_fault(scan, "a comma or a closing bracket is missing");
	if (!first)
		scan->at++;
	return bl_scan_key(scan, key, len);
}

/* scan->at is at the opening brace. Recursion ends at the scanner's depth. */
static int read_object(struct walk *walk, size_t prefix)
{
	struct bl_scan *scan = &walk->scan;
	const char *key;
	size_t key_len;

	if (scan->depth++ == BL_SCAN_DEPTH_MAX) {
		bl_scan_fault(scan, "nested deeper than 64");
		return -1;
	}
	scan->at++;
	for (bool first = true; next_member(scan, first, &key, &key_len); first = false) {
		int rc = read_value(walk, prefix, key, key_len);

		if (rc)
			return rc;
	}
	scan->depth--;
	return scan->reason ? -1 : 0;
}

/* scan->at is at the opening bracket. */
static int read_items(struct bl_scan *scan, bl_item_fn *fn, void *arg)
{
	scan->at++;
	bl_scan_space(scan);
	for (bool first = true; first || bl_scan_peek(scan) == ','; first = false) {
		const char *from;
		int rc;

		if (first && bl_scan_peek(scan) == ']')
			break;
		scan->at += !first;
		bl_scan_space(scan);
		from = scan->at;
		if (!bl_scan_value(scan))
			return -1;
		rc = fn(arg, from, (size_t)(scan->at - from));
		if (rc)
			return rc;
		bl_scan_space(scan);
	}
	if (bl_scan_peek(scan) != ']') {
		bl_scan_fault(scan, "a comma or a closing bracket is missing");
		return -1;
	}
	scan->at++;
	return 0;
}

static bool begins_object(struct bl_scan *scan)
{
	bl_scan_space(scan);
	return bl_scan_peek(scan) == '{' || bl_scan_fault(scan, "not an object");
}

/* What the whole came to: a callback's wish, a fault, or the end of the text. */
static int ended(struct bl_scan *scan, int rc, struct bl_json_fault *fault)
{
	*fault = (struct bl_json_fault){ 0 };
	if (rc && !scan->reason)
		return rc;
	if (scan->reason)
		return bl_scan_failed(scan, fault);
	bl_scan_space(scan);
	if (scan->at == scan->end)
		return 0;
	bl_scan_fault(scan, "more text after the value");
	return bl_scan_failed(scan, fault);
}

int bl_json_members(const char *text, size_t len, bool lenient, bl_member_fn *fn, void *arg,
                    struct bl_json_fault *fault)
{
	struct walk walk;
	int rc = -1;

	walk.scan = (struct bl_scan){
		.at = text, .end = text + len, .start = text, .lenient = lenient
	};
	walk.fn = fn;
	walk.arg = arg;
	if (begins_object(&walk.scan))
		rc = read_object(&walk, 0);
	return ended(&walk.scan, rc, fault);
}

int bl_json_items(const char *text, size_t len, const char *name, bool lenient, bl_item_fn *fn,
                  void *arg, struct bl_json_fault *fault)
{
	struct bl_scan scan = { .at = text, .end = text + len, .start = text, .lenient = lenient };
	const char *key;
	size_t key_len;
	int rc = 0;

	if (!begins_object(&scan))
		return ended(&scan, -1, fault);
	scan.at++;
	for (bool first = true; !rc && next_member(&scan, first, &key, &key_len); first = false) {
		bl_scan_space(&scan);
		if (bl_scan_peek(&scan) == '[' && key_len == strlen(name) &&
		    !memcmp(key, name, key_len))
			rc = read_items(&scan, fn, arg);
		else
			rc = bl_scan_value(&scan) ? 0 : -1;
	}
	return ended(&scan, rc, fault);
}
