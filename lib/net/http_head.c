/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parts.h"

#include <string.h>
#include <time.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* "HTTP/1.1 200 OK" */
static int status_of(const char *line, size_t len)
{
	const char *p = memchr(line, ' ', len);
	int status = 0;

	if (!p || len - (size_t)(p - line) < 4)
		return 0;
	for (int i = 1; i <= 3; i++) {
		if (p[i] < '0' || p[i] > '9')
			return 0;
		status = status * 10 + (p[i] - '0');
	}
	return status;
}

static void add_field(struct bl_http_head *head, struct bl_buf *out, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value, *end = line + len;
	size_t name_len = colon ? (size_t)(colon - line) : 0;
	char *to;

	if (!name_len)
		return;
	for (value = colon + 1; value < end && is_blank(*value); value++)
		continue;
	to = bl_buf_room(out, name_len + 3 + (size_t)(end - value));
	if (!to)
		return;
	for (size_t i = 0; i < name_len; i++)
		to[i] = lower(line[i]);
	if ((name_len == 14 && !memcmp(to, "content-length", 14)) ||
	    (name_len == 17 && !memcmp(to, "transfer-encoding", 17)))
		head->has_length = true;
	memcpy(to + name_len, ": ", 2);
	memcpy(to + name_len + 2, value, (size_t)(end - value));
	to[name_len + 2 + (size_t)(end - value)] = '\n';
	bl_buf_grew(out, name_len + 3 + (size_t)(end - value));
}

/* A line that goes on on the next one (obsolete, RFC 9112 5.2): a blank joins them. */
static void add_continued(struct bl_buf *out, const char *line, size_t len)
{
	if (!out->len || out->failed)
		return;
	out->data[out->len - 1] = ' ';
	bl_buf_add(out, line, len);
	bl_buf_addc(out, '\n');
}

int bl_http_head_line(struct bl_http_head *head, struct bl_buf *out, const char *line, size_t len,
                      struct bl_err *err)
{
	head->bytes += len;
	if (head->bytes > BL_HTTP_HEAD_MAX)
		return bl_fail(err, BL_ELIMIT, "head of the reply: over the limit of %zu bytes",
		               BL_HTTP_HEAD_MAX);
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r' || is_blank(line[len - 1])))
		len--;
	if (memchr(line, '\0', len) || memchr(line, '\r', len))
		return bl_fail(err, BL_ERETRY, "head of the reply: a control character");
	if (head->complete) /* trailers: nobody has asked for them */
		return 0;
	if (len > 5 && !memcmp(line, "HTTP/", 5)) {
		bl_buf_reset(out);
		head->status = status_of(line, len);
		head->has_length = false;
		return 0;
	}
	if (!len) {
		head->complete = head->status >= 200;
		return 0;
	}
	if (is_blank(line[0]))
		add_continued(out, line + 1, len - 1);
	else
		add_field(head, out, line, len);
	return bl_buf_check(out, "head of the reply", err);
}

/* A header line of ours: a name, a colon, a value without control characters. */
static int check_line(const char *line, size_t len, const char *colon, struct bl_err *err)
{
	if (!colon || colon == line)
		return bl_fail(err, BL_EINPUT, "header: a line without a name");
	for (const char *p = line; p < colon; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return bl_fail(err, BL_EINPUT,
			               "header: a name with a blank or control "
			               "character");
	for (const char *p = colon; p < line + len; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return bl_fail(err, BL_EINPUT,
			               "header %.*s: its value holds a control "
			               "character",
			               (int)(colon - line), line);
	return 0;
}

int bl_http_head_lines(const char *text, struct bl_buf *out, size_t *n, struct bl_err *err)
{
	size_t count = 0;

	while (text && *text) {
		size_t len = strcspn(text, "\n");
		const char *colon = memchr(text, ':', len), *value;

		if (check_line(text, len, colon, err))
			return -1;
		for (value = colon + 1; value < text + len && is_blank(*value); value++)
			continue;
		if (value == text + len) {
			/* "name:" would take the header away */
			bl_buf_add(out, text, (size_t)(colon - text));
			bl_buf_add(out, ";", 2);
		} else {
			bl_buf_add(out, text, len);
			bl_buf_addc(out, '\0');
		}
		count++;
		text += len + (text[len] == '\n');
	}
	if (bl_buf_check(out, "headers", err))
		return -1;
	*n = count;
	return 0;
}

bool bl_http_header(const struct bl_http_reply *reply, const char *name, char *value, size_t size)
{
	size_t name_len = strlen(name);
	const char *line = bl_buf_text(&reply->head), *end;

	for (; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return false;
		if ((size_t)(end - line) < name_len + 2 || memcmp(line, name, name_len) != 0 ||
		    line[name_len] != ':')
			continue;
		line += name_len + 1;
		while (line < end && is_blank(*line))
			line++;
		while (end > line && is_blank(end[-1]))
			end--;
		if ((size_t)(end - line) >= size)
			return false;
		memcpy(value, line, (size_t)(end - line));
		value[end - line] = '\0';
		return true;
	}
	return false;
}

bool bl_http_date(const char *text, int64_t *wall_ms)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!end || *end)
		return false;
	*wall_ms = (int64_t)timegm(&tm) * 1000;
	return true;
}

void bl_http_reply_done(struct bl_http_reply *reply)
{
	bl_buf_done(&reply->head);
	bl_buf_done(&reply->body);
}

const char *bl_http_target(const char *url)
{
	const char *at = strstr(url, "://") + 3;

	at += strcspn(at, "/?");
	return *at == '/' ? at : NULL;
}
