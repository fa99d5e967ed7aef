/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

static bool resolve_word(struct bl_value *scalar)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	static const char *const trues[] = { "true", "True", "TRUE" };
	static const char *const falses[] = { "false", "False", "FALSE" };

	if (is_one_of(scalar->text, nulls, BL_COUNT(nulls))) {
		scalar->type = BL_NULL;
		return true;
	}
	scalar->boolean = is_one_of(scalar->text, trues, BL_COUNT(trues));
	if (!scalar->boolean && !is_one_of(scalar->text, falses, BL_COUNT(falses)))
		return false;
	scalar->type = BL_BOOL;
	return true;
}

static bool resolve_special(struct bl_value *scalar)
{
	static const char *const infinities[] = { ".inf", ".Inf", ".INF" };
	static const char *const nans[] = { ".nan", ".NaN", ".NAN" };
	const char *text = scalar->text;

	if (is_one_of(text, nans, BL_COUNT(nans))) {
		scalar->real = (double)NAN;
	} else {
		bool sign = *text == '-' || *text == '+';

		if (!is_one_of(text + sign, infinities, BL_COUNT(infinities)))
			return false;
		scalar->real = *text == '-' ? -(double)INFINITY : (double)INFINITY;
	}
	scalar->type = BL_REAL;
	return true;
}

/* 10, 8 or 16 when text is a whole number in that base, else 0. */
static int base_of(const char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	size_t n;

	if (!strncmp(text, "0x", 2)) {
		n = strspn(text + 2, hex);
		return n && !text[2 + n] ? 16 : 0;
	}
	if (!strncmp(text, "0o", 2)) {
		n = strspn(text + 2, "01234567");
		return n && !text[2 + n] ? 8 : 0;
	}
	if (*text == '-' || *text == '+')
		text++;
	n = strspn(text, "0123456789");
	return n && !text[n] ? 10 : 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *text)
{
	static const char digits[] = "0123456789";
	size_t whole, part = 0;

	if (*text == '-' || *text == '+')
		text++;
	whole = strspn(text, digits);
	text += whole;
	if (*text == '.') {
		part = strspn(++text, digits);
		text += part;
	}
	if (!whole && !part)
		return false;
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '-' || *text == '+')
			text++;
		if (!*text)
			return false;
		text += strspn(text, digits);
	}
	return !*text;
}

int bl_yaml_resolve(struct bl_value *scalar, const char **why)
{
	const char *text = scalar->text;
	int base;

	if (resolve_word(scalar) || resolve_special(scalar))
		return 0;
	errno = 0;
	base = base_of(text);
	if (base) {
		scalar->type = BL_INT;
		scalar->integer = strtoll(base == 10 ? text : text + 2, NULL, base);
		scalar->real = (double)scalar->integer;
		*why = "is beyond a 64-bit whole number";
		return errno ? -1 : 0;
	}
	if (!is_real(text))
		return 0;
	scalar->type = BL_REAL;
	scalar->real = strtod(text, NULL);
	*why = "is beyond a double's range";
	return isinf(scalar->real) ? -1 : 0;
}
