/* SPDX-License-Identifier: Apache-2.0 */
#include "run/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 1024
#define VALUE_MIN 6
#define VALUE_MAX 65536

struct bl_mask {
	size_t n;
	size_t longest;
	struct {
		char *bytes;
		size_t len;
	} values[VALUES_MAX];
};

int bl_mask_new(struct bl_mask **out, struct bl_err *err)
{
	struct bl_mask *mask = calloc(1, sizeof(*mask));

	if (!mask)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	*out = mask;
	return 0;
}

void bl_mask_free(struct bl_mask *mask)
{
	if (!mask)
		return;
	for (size_t i = 0; i < mask->n; i++) {
		explicit_bzero(mask->values[i].bytes, mask->values[i].len);
		free(mask->values[i].bytes);
	}
	free(mask);
}

static int add_form(struct bl_mask *mask, const char *bytes, size_t len, struct bl_err *err)
{
	if (len < VALUE_MIN)
		return 0;
	if (mask->n == VALUES_MAX || len > VALUE_MAX)
		return bl_fail(err, BL_ELIMIT, "more secrets, or longer ones, than can be hidden");
	char *copy = malloc(len + 1);
	if (!copy)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	/* the longest first: a value that begins another must not hide its beginning alone */
	size_t at = mask->n++;
	for (; at && mask->values[at - 1].len < len; at--)
		mask->values[at] = mask->values[at - 1];
	mask->values[at].bytes = copy;
	mask->values[at].len = len;
	if (len > mask->longest)
		mask->longest = len;
	return 0;
}

/*
 * base64 of the value as it would stand at each of the three alignments within a longer
 * text: the characters that its bytes alone decide.
 */
static void add_base64(struct bl_buf *out, const char *value, size_t len, unsigned shift)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	size_t skip = shift ? shift + 1 : 0, made = 0;

	for (unsigned i = 0; i < shift; i++) {
		bits = bits << 8;
		have += 8;
	}
	for (size_t i = 0; i < len; i++) {
		bits = (bits << 8 | (unsigned char)value[i]) & 0xffffff;
		have += 8;
		while (have >= 6) {
			have -= 6;
			if (made++ >= skip)
				bl_buf_addc(out, digits[bits >> have & 63]);
		}
	}
}

static void add_percent(struct bl_buf *out, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    strchr("-._~", c))
			bl_buf_addc(out, *value);
		else
			bl_buf_addf(out, "%%%02X", c);
	}
}

/* Whoever prints line by line never holds a key file whole: its lines are values, too. */
static int add_lines(struct bl_mask *mask, const char *value, struct bl_err *err)
{
	while (*value) {
		size_t len = strcspn(value, "\r\n");

		if (add_form(mask, value, len, err))
			return -1;
		value += len + strspn(value + len, "\r\n");
	}
	return 0;
}

int bl_mask_add(struct bl_mask *mask, const char *value, struct bl_err *err)
{
	size_t len = strlen(value);

	if (len < VALUE_MIN)
		return 0;
	if (add_form(mask, value, len, err) ||
	    (strpbrk(value, "\r\n") && add_lines(mask, value, err)))
		return -1;
	for (unsigned shift = 0; shift < 4; shift++) {
		BL_AUTO(bl_buf) form = BL_BUF(VALUE_MAX);
		int rc;

		if (shift < 3)
			add_base64(&form, value, len, shift);
		else
			add_percent(&form, value);
		rc = bl_buf_check(&form, "secret", err);
		if (!rc && strcmp(bl_buf_text(&form), value) != 0)
			rc = add_form(mask, bl_buf_text(&form), form.len, err);
		if (form.data)
			explicit_bzero(form.data, form.cap);
		if (rc)
			return -1;
	}
	return 0;
}

size_t bl_mask_overlap(const struct bl_mask *mask)
{
	return mask && mask->longest ? mask->longest - 1 : 0;
}

size_t bl_mask_apply(const struct bl_mask *mask, char *bytes, size_t len)
{
	size_t hidden = 0;

	for (size_t i = 0; mask && i < mask->n; i++) {
		char *at = bytes;

		while ((at = memmem(at, len - (size_t)(at - bytes), mask->values[i].bytes,
		                    mask->values[i].len))) {
			memset(at, '*', mask->values[i].len);
			at += mask->values[i].len;
			hidden++;
		}
	}
	return hidden;
}
