/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, and terminals' escapes. */
#include "base/str.h"

#include <string.h>

size_t bl_utf8_sequence(const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (!len)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	n = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	if (u[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (u[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (u[0] == 0xf0)
		low = 0x90;
	else if (u[0] == 0xf4)
		high = 0x8f; /* over U+10FFFF */
	if (u[1] < low || u[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t bl_utf8_valid(const char *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint64_t word;

		if (len - at >= 8) {
			memcpy(&word, p + at, 8);
			if (!(word & 0x8080808080808080)) {
				at += 8;
				continue;
			}
		}
		size_t n = bl_utf8_sequence(p + at, len - at);
		if (!n)
			break;
		at += n;
	}
	return at;
}

size_t bl_utf8_add(struct bl_buf *buf, const char *p, size_t len)
{
	size_t replaced = 0;

	while (len) {
		size_t good = bl_utf8_valid(p, len);

		bl_buf_add(buf, p, good);
		p += good;
		len -= good;
		if (!len)
			break;
		bl_buf_adds(buf, "\xef\xbf\xbd");
		replaced++;
		p++;
		len--;
	}
	return replaced;
}

static bool is_between(char c, char low, char high)
{
	return c >= low && c <= high;
}

/*
 * Length of the escape sequence at p (p[0] is ESC); a cut one counts whole, and a wrong
 * byte ends it without being taken.
 */
static size_t ansi_sequence(const char *p, size_t len)
{
	size_t n = 2;

	if (len < 2)
		return len;
	if (p[1] == '[') {
		while (n < len && is_between(p[n], 0x20, 0x3f))
			n++;
		return n < len && is_between(p[n], 0x40, 0x7e) ? n + 1 : n;
	}
	if (p[1] == ']') { /* ends at BEL or ESC \ */
		while (n < len && p[n] != '\a' && p[n] != 0x1b)
			n++;
		if (n < len && p[n] == 0x1b)
			n++;
		return n < len ? n + 1 : len;
	}
	n = 1; /* "ESC ( B", as `tput sgr0` writes it, and the two-byte ones */
	while (n < len && is_between(p[n], 0x20, 0x2f))
		n++;
	return n < len && is_between(p[n], 0x30, 0x7e) ? n + 1 : n;
}

size_t bl_str_strip_ansi(char *p, size_t len)
{
	char *esc = memchr(p, 0x1b, len);
	size_t to, from;

	if (!esc)
		return len;
	to = from = (size_t)(esc - p);
	while (from < len) {
		if (p[from] == 0x1b)
			from += ansi_sequence(p + from, len - from);
		else
			p[to++] = p[from++];
	}
	return to;
}
