/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/str.h"
#include "codec/json.h"
#include "codec/xml.h"

#include <stdio.h>
#include <string.h>

/* For one line of a message: control characters and broken UTF-8 become spaces and U+FFFD. */
static void set_clean(char *to, size_t size, const char *text)
{
	BL_AUTO(bl_buf) clean = BL_BUF(4096);
	size_t len = strlen(text);

	bl_utf8_add(&clean, text, len < 1024 ? len : 1024);
	snprintf(to, size, "%s", bl_buf_text(&clean));
	for (char *at = to; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	/* snprintf() cuts at a byte */
	to[bl_utf8_valid(to, strlen(to))] = '\0';
}

/* Codes are words; anything else must not reach a comparison or a terminal. */
static void set_code(char code[96], const char *text, size_t len)
{
	if (code[0] || !len || len >= 96)
		return;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
			return;
	memcpy(code, text, len);
	code[len] = '\0';
}

/* "aws.protocols#ThrottlingException:http://..." */
static void set_json_code(struct bl_aws_error *out, const char *text)
{
	const char *hash = strchr(text, '#');

	if (hash)
		text = hash + 1;
	set_code(out->code, text, strcspn(text, ":"));
}

static bool ends_in(const char *path, const char *name)
{
	const char *last = strrchr(path, '/');

	return !strcmp(last ? last + 1 : path, name);
}

/* S3: Error/Code; STS: ErrorResponse/Error/Code; EC2: Response/Errors/Error/Code. */
static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct bl_aws_error *out = arg;

	(void)err;
	if (bl_str_ends(path, "Error/Code"))
		set_code(out->code, text, strlen(text));
	else if (bl_str_ends(path, "Error/Message") && !out->message[0])
		set_clean(out->message, sizeof(out->message), text);
	else if (!out->request_id[0] && (ends_in(path, "RequestId") || ends_in(path, "RequestID")))
		set_clean(out->request_id, sizeof(out->request_id), text);
	else if (!strcmp(path, "Error/Region") && strlen(text) < sizeof(out->region))
		set_clean(out->region, sizeof(out->region), text);
	return 0;
}

static int read_json(const struct bl_buf *body, struct bl_aws_error *out, struct bl_err *err)
{
	BL_VALUE root = NULL;
	const char *text;

	if (bl_json_parse(body->data, body->len, "error", &root, err))
		return -1;
	text = bl_value_text_or(root, "__type", NULL);
	set_json_code(out, text ? text : bl_value_text_or(root, "code", ""));
	text = bl_value_text_or(root, "message", NULL);
	if (!out->message[0])
		set_clean(out->message, sizeof(out->message),
		          text ? text : bl_value_text_or(root, "Message", ""));
	return 0;
}

static void read_headers(const struct bl_http_reply *reply, struct bl_aws_error *out)
{
	static const char *const ids[] = { "x-amz-request-id", "x-amzn-requestid",
		                           "x-amzn-request-id" };
	char text[512];

	if (bl_http_header(reply, "x-amzn-errortype", text, sizeof(text)))
		set_json_code(out, text);
	if (bl_http_header(reply, "x-amz-error-code", text, sizeof(text)))
		set_code(out->code, text, strlen(text));
	if (bl_http_header(reply, "x-amz-error-message", text, sizeof(text)))
		set_clean(out->message, sizeof(out->message), text);
	for (size_t i = 0; i < BL_COUNT(ids) && !out->request_id[0]; i++)
		if (bl_http_header(reply, ids[i], text, sizeof(text)))
			set_clean(out->request_id, sizeof(out->request_id), text);
	if (bl_http_header(reply, "x-amz-bucket-region", text, sizeof(out->region)))
		set_clean(out->region, sizeof(out->region), text);
}

/* A document that cannot be read is an answer too, lack of memory is none. */
static int tolerate(struct bl_err *err)
{
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	return 0;
}

int bl_aws_error_read(const struct bl_http_reply *reply, struct bl_aws_error *out,
                      struct bl_err *err)
{
	const char *body = bl_buf_text(&reply->body);
	int rc = 0;

	*out = (struct bl_aws_error){ 0 };
	read_headers(reply, out);
	body += strspn(body, " \t\r\n");
	/* by what it is, not by what was expected: a proxy answers in its own way. Of a cut or
	 * broken document what was whole counts. */
	if (*body == '{')
		rc = read_json(&reply->body, out, err);
	else if (*body == '<')
		rc = bl_xml_read(reply->body.data, reply->body.len, "error", on_element, out, err);
	return rc ? tolerate(err) : 0;
}

struct root {
	struct bl_aws_error *out;
	bool is_error;
};

static int on_root(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct root *root = arg;

	if (!strcmp(path, "Error") || bl_str_starts(path, "Error/"))
		root->is_error = true;
	return on_element(root->out, path, text, err);
}

int bl_aws_body_is_error(const struct bl_http_reply *reply, struct bl_aws_error *out,
                         bool *is_error, struct bl_err *err)
{
	struct root root = { .out = out };

	*out = (struct bl_aws_error){ 0 };
	read_headers(reply, out);
	if (!bl_xml_read(bl_buf_text(&reply->body), reply->body.len, "reply", on_root, &root,
	                 err)) {
		*is_error = root.is_error;
		return 0;
	}
	out->code[0] = '\0';
	set_clean(out->message, sizeof(out->message), "the reply is no whole document");
	*is_error = true;
	return tolerate(err);
}

int64_t bl_aws_offset_ms(const struct bl_aws_reply *reply)
{
	int64_t server_ms, offset_ms;
	char date[64];

	if (!bl_http_header(&reply->http, "date", date, sizeof(date)) ||
	    !bl_http_date(date, &server_ms))
		return 0;
	offset_ms = server_ms - reply->http.date_wall_ms;
	return offset_ms > BL_AWS_SKEW_MS || offset_ms < -BL_AWS_SKEW_MS ? offset_ms : 0;
}
