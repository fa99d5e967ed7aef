/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ec2_parts.h"
#include "base/clock.h"
#include "base/str.h"
#include "net/url.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "2016-11-15"
#define CALL_MS 30000
#define PAGES_MAX 1000
#define LOOK_MS 100 /* how soon a signal is noticed */

/* --- Parameters ------------------------------------------------------------------------------- */

static void add_pair(struct bl_ec2_form *form, const char *name, const char *value)
{
	if (form->for_people) {
		bl_buf_addf(form->out, "%s=%s\n", name, value);
		return;
	}
	bl_buf_addf(form->out, "%s%s=", form->out->len ? "&" : "", name);
	bl_uri_add(form->out, value, strlen(value));
}

void bl_ec2_begin(struct bl_ec2_form *form, const char *operation)
{
	add_pair(form, "Action", operation);
	add_pair(form, "Version", VERSION);
}

void bl_ec2_add(struct bl_ec2_form *form, const char *value, const char *name, ...)
{
	char text[160];
	va_list args;

	va_start(args, name);
	vsnprintf(text, sizeof(text), name, args);
	va_end(args);
	add_pair(form, text, value);
}

void bl_ec2_add_each(struct bl_ec2_form *form, const char *name, const char *const *values,
                     size_t n)
{
	for (size_t i = 0; i < n; i++)
		bl_ec2_add(form, values[i], "%s.%zu", name, i + 1);
}

void bl_ec2_add_filter(struct bl_ec2_form *form, unsigned number, const char *name,
                       const char *values)
{
	char value[256];
	size_t n = 0, len;

	bl_ec2_add(form, name, "Filter.%u.Name", number);
	for (;; values += len + 1) {
		len = strcspn(values, ",");
		snprintf(value, sizeof(value), "%.*s", (int)len, values);
		bl_ec2_add(form, value, "Filter.%u.Value.%zu", number, ++n);
		if (!values[len])
			break;
	}
}

void bl_ec2_add_filter_each(struct bl_ec2_form *form, unsigned number, const char *name,
                            const char *const *values, size_t n)
{
	bl_ec2_add(form, name, "Filter.%u.Name", number);
	for (size_t i = 0; i < n; i++)
		bl_ec2_add(form, values[i], "Filter.%u.Value.%zu", number, i + 1);
}

/* --- A call ----------------------------------------------------------------------------------- */

struct ending {
	bool done;
	struct bl_err err;
};

static void on_done(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct ending *ending = arg;

	(void)reply;
	ending->err = *err;
	ending->done = true;
}

/* As bl_aws_send(), but a signal ends it soon. */
static int send_until(struct bl_aws *aws, struct bl_aws_request *request, const volatile int *stop,
                      struct bl_aws_reply *reply, struct bl_err *err)
{
	struct ending ending = { 0 };
	int64_t end_ms = 0;

	if (bl_aws_start(aws, request, reply, on_done, &ending, err))
		return -1;
	while (!ending.done) {
		if (bl_aws_step(aws, LOOK_MS, err)) {
			bl_aws_cancel(aws, &ending);
			return -1;
		}
		if (!*stop)
			continue;
		if (!end_ms)
			end_ms = bl_mono_ms() + BL_EC2_STOP_MS;
		if (!ending.done && bl_mono_ms() >= end_ms) {
			bl_aws_cancel(aws, &ending);
			return bl_fail(err, BL_ECANCELLED,
			               "%s: stopped before the reply came; it may have been done",
			               request->operation);
		}
	}
	if (!ending.err.code)
		return 0;
	*err = ending.err;
	return -1;
}

/* bl_aws_code() knows the words that services share. */
static int coded(const char *code, struct bl_err *err)
{
	if (err->code != BL_EIO)
		return -1;
	if (bl_str_ends(code, "NotFound"))
		return bl_recode(err, BL_ENOENT);
	if (bl_str_starts(code, "Invalid") || bl_str_starts(code, "Missing") ||
	    bl_str_starts(code, "Unknown"))
		return bl_recode(err, BL_EINPUT);
	return -1;
}

int bl_ec2_send(struct bl_aws *aws, const struct bl_ec2_call *call, struct bl_aws_reply *reply,
                struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	int rc;

	if (bl_buf_check(call->form, call->operation, err))
		return -1;
	request.service = "ec2";
	request.operation = call->operation;
	request.protocol = BL_AWS_QUERY;
	request.method = "POST";
	request.bytes = bl_buf_text(call->form);
	request.size = call->form->len;
	request.call.deadline_mono_ms =
		bl_mono_ms() + (call->deadline_ms ? call->deadline_ms : CALL_MS);
	rc = call->stop ? send_until(aws, &request, call->stop, reply, err)
	                : bl_aws_send(aws, &request, reply, err);
	return rc ? coded(reply->code, err) : 0;
}

/* --- Pages ------------------------------------------------------------------------------------ */

struct page {
	bl_xml_fn *fn;
	void *arg;
	struct bl_buf token;
};

static void page_done(struct page *page)
{
	bl_buf_done(&page->token);
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct page *page = arg;
	const char *slash = strchr(path, '/');

	if (slash && !strcmp(slash, "/nextToken")) {
		bl_buf_adds(&page->token, text);
		return bl_buf_check(&page->token, "nextToken", err);
	}
	return page->fn(page->arg, path, text, err);
}

static int one_page(struct bl_aws *aws, const char *operation, const struct bl_buf *form,
                    const char *token, struct page *page, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_ec2_form whole = { .out = &text };
	struct bl_ec2_call call = { .operation = operation, .form = &text };

	if (bl_buf_check(form, operation, err))
		return -1;
	bl_buf_add(&text, bl_buf_text(form), form->len);
	if (*token)
		bl_ec2_add(&whole, token, "NextToken");
	if (bl_ec2_send(aws, &call, &reply, err))
		return -1;
	return bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, operation,
	                   on_element, page, err);
}

int bl_ec2_pages(struct bl_aws *aws, const char *operation, const struct bl_buf *form,
                 bl_xml_fn *fn, void *arg, struct bl_err *err)
{
	BL_AUTO(bl_buf) token = BL_BUF(4096);

	for (unsigned n = 0; n < PAGES_MAX; n++) {
		__attribute__((cleanup(page_done))) struct page page = { .fn = fn,
			                                                 .arg = arg,
			                                                 .token = BL_BUF(4096) };

		if (one_page(aws, operation, form, bl_buf_text(&token), &page, err))
			return -1;
		if (!page.token.len)
			return 0;
		if (!strcmp(bl_buf_text(&token), bl_buf_text(&page.token)))
			return bl_fail(err, BL_ECORRUPT, "%s: the same page again", operation);
		bl_buf_reset(&token);
		bl_buf_adds(&token, bl_buf_text(&page.token));
		if (bl_buf_check(&token, "NextToken", err))
			return -1;
	}
	return bl_fail(err, BL_ELIMIT, "%s: over %d pages", operation, PAGES_MAX);
}

/* --- What replies hold ------------------------------------------------------------------------ */

const char *bl_ec2_below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(path, prefix, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path + len + (path[len] == '/');
}

int bl_ec2_text(const char *text, char *out, size_t size, struct bl_err *err)
{
	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "'%.40s...' is longer than EC2's are", text);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

void bl_ec2_words(const char *text, char *out, size_t size)
{
	snprintf(out, size, "%s", text);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	/* snprintf() cuts at a byte */
	out[bl_utf8_valid(out, strlen(out))] = '\0';
}

int64_t bl_ec2_int(const char *text)
{
	struct bl_err none = { 0 };
	uint64_t number;

	return bl_str_u64(text, 0, INT64_MAX, &number, &none) ? 0 : (int64_t)number;
}

double bl_ec2_price(const char *text)
{
	char *end;
	double usd = strtod(text, &end);

	return end == text || *end || !isfinite(usd) || usd < 0 ? (double)NAN : usd;
}

void *bl_ec2_room(void *items, size_t n, size_t size, struct bl_err *err)
{
	void *more = items;

	/* doubled at powers of two */
	if (!(n & (n - 1)))
		more = reallocarray(items, n ? 2 * n : 1, size);
	if (!more)
		(void)bl_fail(err, BL_ENOMEM, "out of memory");
	return more;
}

int bl_ec2_add_tag(struct bl_ec2_tag **tags, size_t *n, const char *key, const char *value,
                   struct bl_err *err)
{
	struct bl_ec2_tag *more = bl_ec2_room(*tags, *n, sizeof(*more), err);
	char *key_copy, *value_copy;

	if (!more)
		return -1;
	*tags = more;
	key_copy = strdup(key);
	value_copy = strdup(value);
	if (!key_copy || !value_copy) {
		free(key_copy);
		free(value_copy);
		return bl_fail(err, BL_ENOMEM, "out of memory");
	}
	more[(*n)++] = (struct bl_ec2_tag){ .key = key_copy, .value = value_copy };
	return 0;
}

void bl_ec2_tags_done(struct bl_ec2_tag **tags, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		free((char *)(*tags)[i].key);
		free((char *)(*tags)[i].value);
	}
	free(*tags);
	*tags = NULL;
	*n = 0;
}
