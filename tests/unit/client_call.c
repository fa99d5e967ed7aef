/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client_call.h"

#include "aws/client_parts.h"
#include "base/clock.h"
#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)64 << 20)
#define AT_ONCE_MAX 32

static double fixed_lot;

static double by_no_chance(void)
{
	return fixed_lot;
}

struct asked {
	struct bl_aws_request request;
	struct bl_aws_reply reply;
	struct bl_buf written;
	const char *body;
	unsigned restarts;
	uint64_t progress_bytes;
	bool done;
	struct bl_err err;
};

static int on_read(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct asked *asked = arg;

	(void)err;
	memcpy(to, asked->body + offset, len);
	return 0;
}

static int on_write(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct asked *asked = arg;

	bl_buf_add(&asked->written, bytes, len);
	return bl_buf_check(&asked->written, "body", err);
}

static int on_restart(void *arg, struct bl_err *err)
{
	struct asked *asked = arg;

	(void)err;
	asked->restarts++;
	bl_buf_reset(&asked->written);
	return 0;
}

static void on_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct asked *asked = arg;

	(void)total_bytes;
	asked->progress_bytes = done_bytes;
}

static enum bl_aws_protocol protocol_of(const struct bl_value *root)
{
	const char *name = bl_value_text_or(root, "protocol", "s3");

	return !strcmp(name, "json") ? BL_AWS_JSON : !strcmp(name, "s3") ? BL_AWS_S3 : BL_AWS_QUERY;
}

static void fill(const struct bl_value *root, struct asked *asked)
{
	const struct bl_value *query = bl_value_get(root, "query");
	const struct bl_value *headers = bl_value_get(root, "headers");
	int64_t deadline_ms = bl_value_int_or(root, "deadline_ms", 0);
	struct bl_aws_request *request = &asked->request;

	*asked = (struct asked){ .request = BL_AWS_REQUEST, .written = BL_BUF(BODY_MAX) };
	request->service = bl_value_text_or(root, "service", "s3");
	request->operation = bl_value_text_or(root, "operation", "GetObject");
	request->protocol = protocol_of(root);
	request->method = bl_value_text_or(root, "method", "GET");
	request->payload_hash = bl_value_text_or(root, "hash", NULL);
	request->host_prefix = bl_value_text_or(root, "host_prefix", NULL);
	request->region = bl_value_text_or(root, "region", NULL);
	request->unsafe = bl_value_bool_or(root, "unsafe", false);
	request->body_may_fail = bl_value_bool_or(root, "body_may_fail", false);
	bl_buf_adds(&request->path, bl_value_text_or(root, "path", ""));
	for (size_t i = 0; query && i < query->n; i++)
		bl_aws_query(request, query->items[i]->items[0]->text,
		             query->items[i]->items[1]->text);
	for (size_t i = 0; headers && i < headers->n; i++)
		bl_aws_header(request, headers->items[i]->items[0]->text,
		              headers->items[i]->items[1]->text);
	asked->body = bl_value_text_or(root, "body", NULL);
	request->size = asked->body ? strlen(asked->body) : 0;
	if (bl_value_bool_or(root, "read", false))
		request->read = on_read;
	else
		request->bytes = asked->body;
	if (bl_value_bool_or(root, "write", false))
		request->write = on_write;
	request->restart = on_restart;
	request->arg = asked;
	request->call.progress = on_progress;
	request->call.arg = asked;
	if (deadline_ms)
		request->call.deadline_mono_ms = bl_mono_ms() + deadline_ms;
}

static void on_done(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct asked *asked = arg;

	(void)reply;
	asked->err = *err;
	asked->done = true;
}

static void tell(const struct bl_aws *aws, const struct asked *asked, int64_t took_ms)
{
	BL_AUTO(bl_buf) out = BL_BUF(BODY_MAX);
	struct bl_json json = BL_JSON(&out);
	const struct bl_buf *body =
		asked->request.write ? &asked->written : &asked->reply.http.body;

	bl_json_map(&json, NULL);
	bl_json_int(&json, "error", asked->err.code);
	bl_json_text(&json, "text", asked->err.text);
	bl_json_text(&json, "next", asked->err.next);
	bl_json_int(&json, "status", asked->reply.http.status);
	bl_json_text(&json, "code", asked->reply.code);
	bl_json_text(&json, "message", asked->reply.message);
	bl_json_text(&json, "request_id", asked->reply.request_id);
	bl_json_int(&json, "attempts", asked->reply.attempts);
	bl_json_text(&json, "body", bl_buf_text(body));
	bl_json_int(&json, "restarts", asked->restarts);
	bl_json_int(&json, "progress", (int64_t)asked->progress_bytes);
	bl_json_int(&json, "skew", bl_aws_skew_s(aws));
	bl_json_int(&json, "tokens", aws->bucket.tokens);
	bl_json_int(&json, "took_ms", took_ms);
	bl_json_end_map(&json);
	bl_buf_addc(&out, '\n');
	fputs(bl_buf_text(&out), stdout);
	fflush(stdout);
}

/* As many at once as asked, from a poll loop; one alone by the blocking call. */
static int carry_out(struct bl_aws *aws, struct asked *all, size_t n, struct bl_err *err)
{
	if (n == 1) {
		if (bl_aws_send(aws, &all->request, &all->reply, &all->err) && !all->err.code)
			return bl_fail(err, BL_EBUG, "-1 without a code");
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		if (bl_aws_start(aws, &all[i].request, &all[i].reply, on_done, &all[i], err))
			return -1;
	while (bl_aws_under_way(aws)) {
		struct pollfd fds[2 * AT_ONCE_MAX];
		int timeout_ms = -1;
		size_t n_fds = bl_aws_poll(aws, fds, BL_COUNT(fds), &timeout_ms);

		poll(fds, (nfds_t)(n_fds < BL_COUNT(fds) ? n_fds : BL_COUNT(fds)), timeout_ms);
		if (bl_aws_step(aws, 0, err))
			return -1;
	}
	return 0;
}

static int one_line(struct bl_aws *aws, const char *line, size_t len, struct bl_err *err)
{
	static struct asked all[AT_ONCE_MAX];
	int64_t began = bl_mono_ms();
	BL_VALUE root = NULL;
	size_t n;
	int rc;

	if (bl_json_parse(line, len, "call", &root, err))
		return -1;
	n = (size_t)bl_value_int_or(root, "repeat", 1);
	if (n < 1 || n > AT_ONCE_MAX)
		return bl_fail(err, BL_EINPUT, "repeat: 1..%d", AT_ONCE_MAX);
	for (size_t i = 0; i < n; i++)
		fill(root, &all[i]);
	rc = carry_out(aws, all, n, err);
	for (size_t i = 0; i < n; i++) {
		if (!rc)
			tell(aws, &all[i], bl_mono_ms() - began);
		bl_buf_done(&all[i].written);
		bl_aws_request_done(&all[i].request);
		bl_aws_reply_done(&all[i].reply);
	}
	return rc;
}

int client_calls(const char *random)
{
	struct bl_aws_options options = { .anonymous = getenv("CALL_ANONYMOUS") != NULL };
	struct bl_err err = { 0 };
	BL_AWS aws = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = 0;

	fixed_lot = strtod(random, NULL);
	rc = bl_aws_open(&options, &aws, &err);
	if (!rc)
		aws->random = by_no_chance;
	while (!rc && (len = getline(&line, &room, stdin)) > 0)
		rc = one_line(aws, line, (size_t)len, &err);
	free(line);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	return rc ? 1 : 0;
}
