/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_text.h"

#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define ZERO_WIDTH "\xe2\x80\x8b" /* U+200B: seen by GitHub's filters, not by people */

/* Walks text character by character. */
struct walk {
	const char *p, *end;
	const char *start; /* of the character */
	size_t len;        /* its bytes; replaced: those of U+FFFD or of a space */
	uint32_t code;
};

static struct walk walk_over(const char *text)
{
	return (struct walk){ .p = text, .end = text + strlen(text) };
}

static uint32_t decode(const char *p, size_t len)
{
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code = (unsigned char)p[0] & lead[len];

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)p[i] & 0x3fu);
	return code;
}

/* Controls, and characters that reorder or hide what stands around them. */
static bool is_unfit(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0xfeff ||
	       code == 0x200b || code == 0x200e || code == 0x200f ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2060 && code <= 0x2069) ||
	       (code >= 0xe0000 && code <= 0xe007f) || (code >= 0xfff9 && code <= 0xfffb);
}

static bool next(struct walk *walk)
{
	size_t left = (size_t)(walk->end - walk->p), len;

	if (!left)
		return false;
	len = bl_utf8_sequence(walk->p, left);
	walk->start = walk->p;
	walk->p += len ? len : 1;
	walk->len = len;
	walk->code = len ? decode(walk->start, len) : 0xfffd;
	if (walk->code == '\n' || walk->code == '\t' || walk->code == '\r' ||
	    walk->code == 0x2028 || walk->code == 0x2029)
		walk->code = ' ';
	else if (is_unfit(walk->code))
		walk->code = 0xfffd;
	if (walk->code == ' ' || walk->code == 0xfffd) {
		walk->start = walk->code == ' ' ? " " : REPLACEMENT;
		walk->len = strlen(walk->start);
	}
	return true;
}

static void add_char(struct bl_buf *buf, const struct walk *walk)
{
	bl_buf_add(buf, walk->start, walk->len);
}

static bool is_word(uint32_t code)
{
	return code >= 0x80 || isalnum((int)code);
}

/* What follows the character, as ASCII; 0 at the end. */
static int peek(const struct walk *walk)
{
	return walk->p < walk->end ? (unsigned char)*walk->p : 0;
}

/* Marks that GitHub's filters read after rendering: entities do not stop them, a break does. */
static bool wants_break(uint32_t before, const struct walk *at)
{
	int after = peek(at);

	switch (at->code) {
	case '@':
	case '#':
		return true;
	case ':': /* http:// and :emoji: */
		return after == '/' || isalnum(after) || after == '+' || after == '-';
	case '-': /* GH-12 */
		return (before == 'H' || before == 'h') && isdigit(after);
	case '.': /* www. and example.com */
		return before == 'w' || before == 'W';
	default:
		return false;
	}
}

/* What the writer knows of the characters before. */
struct before {
	uint32_t code;
	bool nothing;     /* the text begins here */
	bool only_digits; /* "12." would begin a list */
};

static bool wants_entity(const struct before *before, const struct walk *at)
{
	if (at->code >= 0x80 || isalnum((int)at->code) || at->code == ' ')
		return false;
	if (at->code == '_')
		return !is_word(before->code) || !is_word((uint32_t)peek(at));
	if (before->nothing)
		return at->code != '.' || !isdigit(peek(at));
	if (before->only_digits && strchr(".)", (int)at->code))
		return !isdigit(peek(at));
	return strchr("\\`*[]<>&|~$\"'#", (int)at->code);
}

void bl_text_md(struct bl_buf *buf, const char *text, size_t max_chars)
{
	struct walk at = walk_over(text);
	struct before before = { ' ', true, true };

	for (size_t n = 0; next(&at); n++) {
		if (n == max_chars) {
			bl_buf_adds(buf, "…");
			return;
		}
		if (wants_entity(&before, &at))
			bl_buf_addf(buf, "&#%u;", (unsigned)at.code);
		else
			add_char(buf, &at);
		if (wants_break(before.code, &at))
			bl_buf_adds(buf, ZERO_WIDTH);
		before.code = at.code;
		before.nothing = false;
		before.only_digits = before.only_digits && at.code < 0x80 && isdigit((int)at.code);
	}
}

static size_t longest_run(const char *text, char of)
{
	size_t longest = 0;

	for (size_t run = 0; *text; text++) {
		run = *text == of ? run + 1 : 0;
		if (run > longest)
			longest = run;
	}
	return longest;
}

static void add_repeated(struct bl_buf *buf, char c, size_t n)
{
	while (n--)
		bl_buf_addc(buf, c);
}

void bl_text_code(struct bl_buf *buf, const char *text, size_t max_chars)
{
	struct walk at = walk_over(text);
	size_t fence = longest_run(text, '`') + 1;

	if (fence > 8 || !*text || strchr(text, '|')) { /* a span has no escapes */
		bl_text_md(buf, text, max_chars);
		return;
	}
	add_repeated(buf, '`', fence);
	if (fence > 1)
		bl_buf_addc(buf, ' ');
	for (size_t n = 0; next(&at); n++) {
		if (n == max_chars) {
			bl_buf_adds(buf, "…");
			break;
		}
		add_char(buf, &at);
	}
	if (fence > 1)
		bl_buf_addc(buf, ' ');
	add_repeated(buf, '`', fence);
}

static void add_html(struct bl_buf *buf, const struct walk *at)
{
	switch (at->code) {
	case '&':
		bl_buf_adds(buf, "&amp;");
		break;
	case '<':
		bl_buf_adds(buf, "&lt;");
		break;
	case '>':
		bl_buf_adds(buf, "&gt;");
		break;
	case '"':
		bl_buf_adds(buf, "&quot;");
		break;
	case '\'':
		bl_buf_adds(buf, "&#39;");
		break;
	default:
		add_char(buf, at);
	}
}

void bl_text_html(struct bl_buf *buf, const char *text, size_t max_chars)
{
	struct walk at = walk_over(text);

	for (size_t n = 0; next(&at); n++) {
		if (n == max_chars) {
			bl_buf_adds(buf, "…");
			return;
		}
		add_html(buf, &at);
	}
}

void bl_text_pre(struct bl_buf *buf, const char *text)
{
	struct walk at = walk_over(text);

	while (at.p < at.end) {
		bool is_break = *at.p == '\n';

		if (!next(&at))
			break;
		if (is_break)
			bl_buf_addc(buf, '\n');
		else
			add_html(buf, &at);
	}
}

void bl_text_term(struct bl_buf *buf, const char *text, size_t max_chars)
{
	struct walk at = walk_over(text);

	for (size_t n = 0; next(&at); n++) {
		if (n == max_chars) {
			bl_buf_adds(buf, "…");
			return;
		}
		add_char(buf, &at);
	}
}

void bl_text_mermaid(struct bl_buf *buf, const char *text, size_t max_chars)
{
	struct walk at = walk_over(text);

	for (size_t n = 0; next(&at) && n < max_chars; n++) {
		bool plain = at.code < 0x80 &&
		             (isalnum((int)at.code) || strchr(" _-./()+", (int)at.code));

		bl_buf_addc(buf, plain ? (char)at.code : '_');
	}
}

void bl_text_fence(struct bl_buf *buf, const char *text)
{
	struct walk at = walk_over(text);
	size_t fence = longest_run(text, '`') + 1;
	bool ended = true;

	if (fence < 3)
		fence = 3;
	add_repeated(buf, '`', fence);
	bl_buf_adds(buf, "text\n");
	while (at.p < at.end) {
		ended = *at.p == '\n';
		if (!next(&at))
			break;
		if (ended)
			bl_buf_addc(buf, '\n');
		else
			add_char(buf, &at);
	}
	if (!ended)
		bl_buf_addc(buf, '\n');
	add_repeated(buf, '`', fence);
	bl_buf_addc(buf, '\n');
}

bool bl_text_is_word(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                          "_-./:=+,@%");

	return len && len <= 400 && !text[len];
}

size_t bl_text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static void trim_zeros(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		end--;
	if (end[-1] == '.')
		end--;
	*end = '\0';
}

struct bl_number bl_number_text(double number)
{
	struct bl_number out;
	double size = fabs(number);

	if (isnan(number)) {
		snprintf(out.text, sizeof(out.text), "NaN");
	} else if (isinf(number)) {
		snprintf(out.text, sizeof(out.text), number > 0 ? "Infinity" : "-Infinity");
	} else if (size >= 1e-4 && size < 1e5) {
		int decimals = 4 - (int)floor(log10(size));

		snprintf(out.text, sizeof(out.text), "%.*f", decimals < 0 ? 0 : decimals, number);
		trim_zeros(out.text);
	} else if (size < 1e15 && number == floor(number)) {
		snprintf(out.text, sizeof(out.text), "%.0f", size ? number : 0.0);
	} else if (size >= 1e5 && size < 1e9) {
		snprintf(out.text, sizeof(out.text), "%.0f", number);
	} else {
		snprintf(out.text, sizeof(out.text), "%.5g", number);
	}
	return out;
}

void bl_number_add(struct bl_buf *buf, double number)
{
	bl_buf_adds(buf, bl_number_text(number).text);
}

static int decimals_of(double number)
{
	struct bl_number shown = bl_number_text(number);
	const char *point = strchr(shown.text, '.');

	return point ? (int)strspn(point + 1, "0123456789") : 0;
}

struct bl_number bl_number_distance(double from, double to)
{
	int decimals = decimals_of(from) > decimals_of(to) ? decimals_of(from) : decimals_of(to);
	double distance = fabs(to - from), unit = pow(10, -decimals);

	if (!isfinite(distance) || distance < unit || distance >= 1e15)
		return bl_number_text(distance);
	return bl_number_text(round(distance / unit) * unit);
}

void bl_number_add_fixed(struct bl_buf *buf, double number, int decimals)
{
	char text[352]; /* the largest double has 309 digits */

	snprintf(text, sizeof(text), "%.*f", decimals, number);
	trim_zeros(text);
	bl_buf_adds(buf, strcmp(text, "-0") ? text : "0");
}
