/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

#include <stdbool.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_group(uint32_t bits, size_t len, char *to)
{
	to[0] = alphabet[bits >> 18 & 63];
	to[1] = alphabet[bits >> 12 & 63];
	to[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
	to[3] = len > 2 ? alphabet[bits & 63] : '=';
}

void bl_base64_add(struct bl_buf *buf, const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	size_t out_len = len / 3 * 4 + (len % 3 ? 4 : 0);
	char *to = bl_buf_room(buf, len < SIZE_MAX / 2 ? out_len : SIZE_MAX - 1);

	if (!to)
		return;
	for (; len >= 3; from += 3, len -= 3, to += 4)
		encode_group((uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2], 3, to);
	if (len == 2)
		encode_group((uint32_t)from[0] << 16 | (uint32_t)from[1] << 8, 2, to);
	else if (len == 1)
		encode_group((uint32_t)from[0] << 16, 1, to);
	bl_buf_grew(buf, out_len);
}

/* 64 and up: no digit of it. */
static unsigned digit_of(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	if (c == (url ? '_' : '/'))
		return 63;
	return 64;
}

/* text without padding to `to`; false: a bad digit, or bits that no byte is left for are not 0. */
static bool decode(const char *text, size_t len, bool url, char *to)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = digit_of(text[i], url);

		if (digit > 63)
			return false;
		bits = bits << 6 | digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		*to++ = (char)(bits >> have & 255);
		bits &= (1U << have) - 1;
	}
	return have < 6 && !bits;
}

static int decode_to(const char *text, size_t len, bool url, struct bl_buf *out, struct bl_err *err)
{
	const char *name = url ? "base64url" : "base64";
	size_t out_len = len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0);
	char *to = bl_buf_room(out, out_len);

	if (!to)
		return bl_buf_check(out, name, err);
	if (!decode(text, len, url, to)) {
		memset(to, 0, out_len + 1); /* half of it may be half of a secret */
		return bl_fail(err, BL_EINPUT, "this is no %s", name);
	}
	bl_buf_grew(out, out_len);
	return 0;
}

int bl_base64_decode(const char *text, size_t len, struct bl_buf *out, struct bl_err *err)
{
	if (len % 4)
		return bl_fail(err, BL_EINPUT, "base64 of %zu characters: cut or without padding",
		               len);
	for (int i = 0; i < 2 && len && text[len - 1] == '='; i++)
		len--;
	return decode_to(text, len, false, out, err);
}

int bl_base64url_decode(const char *text, size_t len, struct bl_buf *out, struct bl_err *err)
{
	if (len % 4 == 0)
		for (int i = 0; i < 2 && len && text[len - 1] == '='; i++)
			len--;
	return decode_to(text, len, true, out, err);
}
