/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jsonl.h"

#include "base/str.h"
#include "codec/jsonl_scan.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What stands in a string as itself: not '"', '\', a control or a byte over 0x7f. */
static inline bool is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

static const char *plain_end(const char *p, const char *end)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	for (; end - p >= 16; p += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)p);
		/* signed: bytes over 0x7f are below the space, too */
		__m128i odd = _mm_or_si128(
			_mm_cmplt_epi8(block, space),
			_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, back)));
		unsigned where = (unsigned)_mm_movemask_epi8(odd);

		if (where)
			return p + __builtin_ctz(where);
	}
#else
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;

	for (; end - p >= 8; p += 8) {
		uint64_t word, quote, back;

		memcpy(&word, p, sizeof(word));
		quote = word ^ ones * '"';
		back = word ^ ones * '\\';
		/* exact whether there is one; where, the loop below finds out */
		if ((word | (word - ones * 0x20) | (quote - ones) | (back - ones)) & highs)
			break;
	}
#endif
	while (p < end && is_plain(*p))
		p++;
	return p;
}

/* Value of four hexadecimal digits, -1 when they are not. */
static int hex4(const char *p)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)p[i], lower = c | 0x20;

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (lower >= 'a' && lower <= 'f')
			value = value << 4 | (lower - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* Length of the \uXXXX at p, a surrogate pair counted whole; 0: a fault. */
static size_t unicode_escape(const char *p, size_t len)
{
	int unit = len >= 6 ? hex4(p + 2) : -1;

	if (unit < 0)
		return 0;
	if (unit < 0xd800 || unit > 0xdfff)
		return 6;
	if (unit > 0xdbff || len < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	unit = hex4(p + 8);
	return unit >= 0xdc00 && unit <= 0xdfff ? 12 : 0;
}

static bool skip_escapes(struct bl_scan *scan)
{
	scan->escaped = true;
	do {
		size_t len = (size_t)(scan->end - scan->at), n = 0;
		char c = len > 1 ? scan->at[1] : '\0';

		if (c == 'u')
			n = unicode_escape(scan->at, len);
		else if (c && strchr("\"\\/bfnrt", c))
			n = 2;
		if (!n)
			return bl_scan_fault(scan, "not a JSON escape");
		scan->at += n;
	} while (bl_scan_peek(scan) == '\\');
	return true;
}

bool bl_scan_string(struct bl_scan *scan)
{
	scan->escaped = false;
	scan->at++;
	for (;;) {
		scan->at = plain_end(scan->at, scan->end);
		if (scan->at == scan->end)
			return bl_scan_fault(scan, NULL);
		if (*scan->at == '"')
			break;
		if (*scan->at == '\\') {
			if (!skip_escapes(scan))
				return false;
			continue;
		}
		if ((unsigned char)*scan->at < 0x20)
			return bl_scan_fault(scan, "a control character in a string");
		do {
			size_t n = bl_utf8_sequence(scan->at, (size_t)(scan->end - scan->at));

			if (!n)
				return bl_scan_fault(scan, "invalid UTF-8");
			scan->at += n;
		} while (scan->at < scan->end && (signed char)*scan->at < 0);
	}
	scan->at++;
	return true;
}

static void skip_digits(struct bl_scan *scan)
{
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
}

static bool skip_some_digits(struct bl_scan *scan)
{
	const char *from = scan->at;

	skip_digits(scan);
	return scan->at > from || bl_scan_fault(scan, "not a JSON number");
}

static bool scan_number(struct bl_scan *scan)
{
	if (bl_scan_peek(scan) == '-')
		scan->at++;
	if (bl_scan_peek(scan) == '0')
		scan->at++;
	else if (!skip_some_digits(scan))
		return false;
	if (bl_scan_peek(scan) == '.') {
		scan->at++;
		if (!skip_some_digits(scan))
			return false;
	}
	if (bl_scan_peek(scan) == 'e' || bl_scan_peek(scan) == 'E') {
		scan->at++;
		if (bl_scan_peek(scan) == '+' || bl_scan_peek(scan) == '-')
			scan->at++;
		return skip_some_digits(scan);
	}
	return true;
}

static bool takes_word(struct bl_scan *scan, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
		return false;
	scan->at += len;
	return true;
}

static bool scan_python_number(struct bl_scan *scan)
{
	const char *from = scan->at;

	if (takes_word(scan, "\xef\xbb\xbf")) {
		scan->at = from;
		return bl_scan_fault(scan, "a byte order mark");
	}
	if (!takes_word(scan, "NaN") && !takes_word(scan, "Infinity") &&
	    !takes_word(scan, "-Infinity"))
		return bl_scan_fault(scan, "not a JSON value");
	if (scan->lenient)
		return true;
	scan->at = from;
	return bl_scan_fault(scan, "NaN and Infinity are not JSON");
}

bool bl_scan_scalar(struct bl_scan *scan)
{
	char c = bl_scan_peek(scan);

	if (c == '"')
		return bl_scan_string(scan);
	if (c == '-' && scan->end - scan->at > 1 && scan->at[1] == 'I')
		return scan_python_number(scan);
	if (c == '-' || (c >= '0' && c <= '9'))
		return scan_number(scan);
	if (takes_word(scan, "true") || takes_word(scan, "false") || takes_word(scan, "null"))
		return true;
	return scan_python_number(scan);
}

bool bl_scan_key(struct bl_scan *scan, const char **key, size_t *len)
{
	bl_scan_space(scan);
	if (bl_scan_peek(scan) != '"')
		return bl_scan_fault(scan, "a key in double quotes is missing");
	*key = scan->at + 1;
	if (!bl_scan_string(scan))
		return false;
	*len = (size_t)(scan->at - 1 - *key);
	bl_scan_space(scan);
	if (bl_scan_peek(scan) != ':')
		return bl_scan_fault(scan, "a colon is missing");
	scan->at++;
	return true;
}

static bool open_bracket(struct bl_scan *scan, bool is_map)
{
	if (scan->depth == BL_SCAN_DEPTH_MAX)
		return bl_scan_fault(scan, "nested deeper than 64");
	scan->kinds = scan->kinds << 1 | is_map;
	scan->depth++;
	scan->at++;
	bl_scan_space(scan);
	return true;
}

bool bl_scan_value(struct bl_scan *scan)
{
	const unsigned base = scan->depth;
	const char *key;
	size_t len;

	for (;;) {
		bl_scan_space(scan);
		char c = bl_scan_peek(scan);

		if (c == '{' || c == '[') {
			if (!open_bracket(scan, c == '{'))
				return false;
			/* of an empty one the loop below takes the end */
			if (bl_scan_peek(scan) != (c == '{' ? '}' : ']')) {
				if (c == '{' && !bl_scan_key(scan, &key, &len))
					return false;
				continue;
			}
		} else if (!bl_scan_scalar(scan)) {
			return false;
		}
		for (;; scan->at++, scan->depth--, scan->kinds >>= 1) {
			if (scan->depth == base)
				return true;
			bl_scan_space(scan);
			c = bl_scan_peek(scan);
			if (c == ',')
				break;
			if (c != (scan->kinds & 1 ? '}' : ']'))
				return bl_scan_fault(scan,
				                     "a comma or a closing bracket is missing");
		}
		scan->at++;
		if (scan->kinds & 1 && !bl_scan_key(scan, &key, &len))
			return false;
	}
}

int bl_scan_failed(const struct bl_scan *scan, struct bl_json_fault *fault)
{
	fault->offset = (size_t)(scan->at - scan->start);
	fault->reason = scan->reason;
	return -1;
}

int bl_json_check(const char *text, size_t len, struct bl_json_fault *fault)
{
	struct bl_scan scan = { .at = text, .end = text + len, .start = text };

	if (!bl_scan_value(&scan))
		return bl_scan_failed(&scan, fault);
	bl_scan_space(&scan);
	if (scan.at == scan.end)
		return 0;
	bl_scan_fault(&scan, "more text after the value");
	return bl_scan_failed(&scan, fault);
}
