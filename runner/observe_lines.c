/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "runner/observe.h"

#include <string.h>

/* The first \n or \r, or the end. */
static size_t line_length(const char *bytes, size_t len)
{
	const char *lf = memchr(bytes, '\n', len);
	size_t to = lf ? (size_t)(lf - bytes) : len;
	const char *cr = memchr(bytes, '\r', to);

	return cr ? (size_t)(cr - bytes) : to;
}

static void hand_on(char *line, size_t len, observe_line_fn *fn, void *arg)
{
	len = bl_str_strip_ansi(line, len);
	if (len)
		fn(arg, line, len);
}

static void keep(struct observe_lines *lines, const char *bytes, size_t len)
{
	if (len > sizeof(lines->kept) - lines->len) {
		lines->too_long = true;
		lines->len = 0;
	}
	if (lines->too_long)
		return;
	memcpy(lines->kept + lines->len, bytes, len);
	lines->len += len;
}

static void end_line(struct observe_lines *lines, observe_line_fn *fn, void *arg)
{
	if (!lines->too_long)
		hand_on(lines->kept, lines->len, fn, arg);
	lines->too_long = false;
	lines->len = 0;
}

void observe_lines_feed(struct observe_lines *lines, char *bytes, size_t len, observe_line_fn *fn,
                        void *arg)
{
	while (len) {
		size_t n = line_length(bytes, len);

		if (n == len) {
			keep(lines, bytes, n);
			return;
		}
		if (lines->len || lines->too_long) {
			keep(lines, bytes, n);
			end_line(lines, fn, arg);
		} else if (n && n <= OBSERVE_LINE_MAX) {
			hand_on(bytes, n, fn, arg);
		}
		bytes += n + 1;
		len -= n + 1;
	}
}

void observe_lines_end(struct observe_lines *lines, observe_line_fn *fn, void *arg)
{
	end_line(lines, fn, arg);
}

void observe_tail_add(struct observe_tail *tail, const char *bytes, size_t len)
{
	if (len > sizeof(tail->bytes)) {
		bytes += len - sizeof(tail->bytes);
		len = sizeof(tail->bytes);
	}
	if (len > sizeof(tail->bytes) - tail->len) {
		size_t stay = tail->len < OBSERVE_TAIL_MAX ? tail->len : OBSERVE_TAIL_MAX;

		if (stay > sizeof(tail->bytes) - len)
			stay = sizeof(tail->bytes) - len;
		memmove(tail->bytes, tail->bytes + tail->len - stay, stay);
		tail->len = stay;
	}
	memcpy(tail->bytes + tail->len, bytes, len);
	tail->len += len;
}

const char *observe_tail_last(const struct observe_tail *tail, size_t *len)
{
	*len = tail->len < OBSERVE_TAIL_MAX ? tail->len : OBSERVE_TAIL_MAX;
	return tail->bytes + tail->len - *len;
}
