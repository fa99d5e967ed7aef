/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include "base/str.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void break_line(struct bl_json *json)
{
	if (!json->indent)
		return;
	bl_buf_addc(json->buf, '\n');
	for (int i = 0; i < json->depth * json->indent; i++)
		bl_buf_addc(json->buf, ' ');
}

/* One byte that may not stand in a string as it is. Our reader refuses NUL, so none is written. */
static void add_escape(struct bl_buf *buf, unsigned char c)
{
	static const char names[] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
	};

	if (!c)
		bl_buf_adds(buf, "\xef\xbf\xbd");
	else if (c == '"' || c == '\\')
		bl_buf_addf(buf, "\\%c", c);
	else if (c < sizeof(names) && names[c])
		bl_buf_addf(buf, "\\%c", names[c]);
	else
		bl_buf_addf(buf, "\\u%04x", c);
}

static void add_valid(struct bl_buf *buf, const char *bytes, size_t len)
{
	size_t from = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		bl_buf_add(buf, bytes + from, i - from);
		add_escape(buf, c);
		from = i + 1;
	}
	bl_buf_add(buf, bytes + from, len - from);
}

static void add_string(struct bl_buf *buf, const char *bytes, size_t len)
{
	bl_buf_addc(buf, '"');
	while (len) {
		size_t good = bl_utf8_valid(bytes, len);

		add_valid(buf, bytes, good);
		if (good == len)
			break;
		bl_buf_adds(buf, "\xef\xbf\xbd");
		bytes += good + 1;
		len -= good + 1;
	}
	bl_buf_addc(buf, '"');
}

/* What stands before a value: comma, line break, key. */
static void before(struct bl_json *json, const char *key)
{
	if (json->comma)
		bl_buf_addc(json->buf, ',');
	if (json->depth)
		break_line(json);
	json->comma = true;
	if (!key)
		return;
	add_string(json->buf, key, strlen(key));
	bl_buf_adds(json->buf, json->indent ? ": " : ":");
}

static void open_level(struct bl_json *json, const char *key, char bracket)
{
	before(json, key);
	bl_buf_addc(json->buf, bracket);
	json->depth++;
	json->comma = false;
}

static void close_level(struct bl_json *json, char bracket)
{
	json->depth--;
	if (json->comma)
		break_line(json);
	bl_buf_addc(json->buf, bracket);
	json->comma = true;
}

void bl_json_map(struct bl_json *json, const char *key)
{
	open_level(json, key, '{');
}

void bl_json_list(struct bl_json *json, const char *key)
{
	open_level(json, key, '[');
}

void bl_json_end_map(struct bl_json *json)
{
	close_level(json, '}');
}

void bl_json_end_list(struct bl_json *json)
{
	close_level(json, ']');
}

void bl_json_bytes(struct bl_json *json, const char *key, const char *bytes, size_t len)
{
	before(json, key);
	add_string(json->buf, bytes, len);
}

void bl_json_text(struct bl_json *json, const char *key, const char *text)
{
	if (!text)
		bl_json_null(json, key);
	else
		bl_json_bytes(json, key, text, strlen(text));
}

void bl_json_int(struct bl_json *json, const char *key, int64_t number)
{
	before(json, key);
	bl_buf_addf(json->buf, "%" PRId64, number);
}

void bl_json_bool(struct bl_json *json, const char *key, bool boolean)
{
	before(json, key);
	bl_buf_adds(json->buf, boolean ? "true" : "false");
}

void bl_json_null(struct bl_json *json, const char *key)
{
	before(json, key);
	bl_buf_adds(json->buf, "null");
}

void bl_json_real(struct bl_json *json, const char *key, double number)
{
	before(json, key);
	if (isnan(number))
		bl_buf_adds(json->buf, "\"NaN\"");
	else if (isinf(number))
		bl_buf_adds(json->buf, number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	else
		bl_json_add_real(json->buf, number);
}

void bl_json_real_or_null(struct bl_json *json, const char *key, double number)
{
	if (isnan(number))
		bl_json_null(json, key);
	else
		bl_json_real(json, key, number);
}

void bl_json_value(struct bl_json *json, const char *key, const struct bl_value *value)
{
	switch (value->type) {
	case BL_NULL:
		bl_json_null(json, key);
		return;
	case BL_BOOL:
		bl_json_bool(json, key, value->boolean);
		return;
	case BL_INT:
		bl_json_int(json, key, value->integer);
		return;
	case BL_REAL:
		bl_json_real(json, key, value->real);
		return;
	case BL_STRING:
		bl_json_text(json, key, value->text);
		return;
	case BL_LIST:
	case BL_MAP:
		break;
	}
	bool is_map = value->type == BL_MAP;
	open_level(json, key, is_map ? '{' : '[');
	for (size_t i = 0; i < value->n; i++)
		bl_json_value(json, is_map ? value->items[i]->key : NULL, value->items[i]);
	close_level(json, is_map ? '}' : ']');
}

void bl_json_begin(struct bl_json *json, int schema)
{
	bl_json_map(json, NULL);
	bl_json_int(json, "schema", schema);
}

/*
 * Most metrics have few decimals: n / 10^k with both exact is rounded once, as a
 * reader rounds "n * 10^-k", so equality proves the text without printf and strtod.
 */
static bool add_short_decimal(struct bl_buf *buf, double number)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };
	double size = fabs(number);
	char text[32];
	int at = sizeof(text);

	if (!(size >= 1e-4 && size < 1e9))
		return false;
	for (int k = 0; k < (int)BL_COUNT(powers); k++) {
		double scaled = size * powers[k];

		if (scaled >= 1e15)
			return false;
		int64_t n = (int64_t)(scaled + 0.5);
		if ((double)n / powers[k] != size)
			continue;
		for (int digit = 0; n || digit <= k; digit++, n /= 10) {
			if (k && digit == k)
				text[--at] = '.';
			text[--at] = (char)('0' + n % 10);
		}
		if (number < 0)
			text[--at] = '-';
		bl_buf_add(buf, text + at, sizeof(text) - (size_t)at);
		return true;
	}
	return false;
}

void bl_json_add_real(struct bl_buf *buf, double number)
{
	/* below the normal numbers fewer digits than 15 may tell them apart */
	int digits = fabs(number) < 2.3e-308 ? 1 : 15;
	char text[40];

	if (add_short_decimal(buf, number))
		return;
	do {
		snprintf(text, sizeof(text), "%.*g", digits, number);
	} while (digits++ < 17 && strtod(text, NULL) != number);
	bl_buf_adds(buf, text);
}
