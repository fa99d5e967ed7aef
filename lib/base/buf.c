/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *bl_buf_room(struct bl_buf *buf, size_t len)
{
	size_t need, cap;
	char *data;

	if (buf->failed)
		return NULL;
	if (len > buf->max - buf->len || len == SIZE_MAX - buf->len) {
		buf->failed = BL_ELIMIT;
		return NULL;
	}
	need = buf->len + len + 1;
	if (need <= buf->cap)
		return buf->data + buf->len;
	cap = buf->cap ? buf->cap : 64;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	data = realloc(buf->data, cap);
	if (!data) {
		buf->failed = BL_ENOMEM;
		return NULL;
	}
	buf->data = data;
	buf->cap = cap;
	data[buf->len] = '\0'; /* room that nothing is put in */
	return data + buf->len;
}

void bl_buf_grew(struct bl_buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void bl_buf_add(struct bl_buf *buf, const void *bytes, size_t len)
{
	char *to = bl_buf_room(buf, len);

	if (!to)
		return;
	if (len)
		memcpy(to, bytes, len);
	bl_buf_grew(buf, len);
}

void bl_buf_adds(struct bl_buf *buf, const char *text)
{
	bl_buf_add(buf, text, strlen(text));
}

void bl_buf_addc(struct bl_buf *buf, char c)
{
	bl_buf_add(buf, &c, 1);
}

void bl_buf_addf(struct bl_buf *buf, const char *fmt, ...)
{
	va_list args;
	char small[256], *to;
	int n;

	va_start(args, fmt);
	n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (n < 0) {
		buf->failed = BL_ENOMEM;
		return;
	}
	if ((size_t)n < sizeof(small)) {
		bl_buf_add(buf, small, (size_t)n);
		return;
	}
	to = bl_buf_room(buf, (size_t)n);
	if (!to)
		return;
	va_start(args, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, args);
	va_end(args);
	bl_buf_grew(buf, (size_t)n);
}

void bl_buf_drop(struct bl_buf *buf, size_t len)
{
	if (!len)
		return;
	memmove(buf->data, buf->data + len, buf->len - len + 1);
	buf->len -= len;
}

void bl_buf_reset(struct bl_buf *buf)
{
	buf->len = 0;
	buf->failed = BL_OK;
	if (buf->data)
		buf->data[0] = '\0';
}

int bl_buf_check(const struct bl_buf *buf, const char *what, struct bl_err *err)
{
	if (!buf->failed)
		return 0;
	if (buf->failed == BL_ENOMEM)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	return bl_fail(err, BL_ELIMIT, "%s: over the limit of %zu bytes", what, buf->max);
}

const char *bl_buf_text(const struct bl_buf *buf)
{
	return buf->data ? buf->data : "";
}

char *bl_buf_take(struct bl_buf *buf)
{
	char *data = buf->failed ? NULL : buf->data;

	if (!data)
		return NULL;
	*buf = BL_BUF(buf->max);
	return data;
}

void bl_buf_done(struct bl_buf *buf)
{
	free(buf->data);
	*buf = BL_BUF(buf->max);
}
