/* SPDX-License-Identifier: Apache-2.0 */
/* The end of instances, and what they said while they booted. */
#include "aws/ec2_parts.h"
#include "base/clock.h"
#include "codec/base64.h"

#include <string.h>

#define MANY 1000 /* ids that TerminateInstances takes */
#define END_MS 30000
#define OUTPUT_MAX ((size_t)128 << 10)

/* --- TerminateInstances ----------------------------------------------------------------------- */

static int terminate(struct bl_aws *aws, const char *const *ids, size_t n, int64_t end_ms,
                     struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_ec2_form form = { .out = &text };
	int64_t left_ms = end_ms - bl_mono_ms();
	struct bl_ec2_call call = { .operation = "TerminateInstances", .form = &text };

	if (left_ms <= 0)
		return bl_fail(err, BL_ETIMEOUT, "TerminateInstances: no time is left");
	call.deadline_ms = (int)left_ms;
	bl_ec2_begin(&form, call.operation);
	bl_ec2_add_each(&form, "InstanceId", ids, n);
	return bl_ec2_send(aws, &call, &reply, err);
}

/* The first failure is told; the others are tried all the same. */
static void terminate_each(struct bl_aws *aws, const char *const *ids, size_t n, int64_t end_ms,
                           size_t *n_ended, struct bl_err *first)
{
	for (size_t i = 0; i < n; i++) {
		struct bl_err err = { 0 };

		if (!terminate(aws, &ids[i], 1, end_ms, &err)) {
			(*n_ended)++;
			continue;
		}
		/* gone for an hour at least, or never there */
		if (err.code != BL_ENOENT && !first->code)
			*first = err;
	}
}

int bl_ec2_terminate(struct bl_aws *aws, const char *const *ids, size_t n, int deadline_ms,
                     size_t *n_ended, struct bl_err *err)
{
	int64_t end_ms = bl_mono_ms() + (deadline_ms ? deadline_ms : END_MS);
	struct bl_err first = { 0 };
	size_t ended = 0;

	for (size_t at = 0, step; at < n; at += step) {
		struct bl_err whole = { 0 };

		step = n - at < MANY ? n - at : MANY;
		if (!terminate(aws, ids + at, step, end_ms, &whole))
			ended += step;
		else if (step == 1 || whole.code == BL_ERETRY || whole.code == BL_ETIMEOUT)
			first = first.code || whole.code == BL_ENOENT ? first : whole;
		else /* one bad id is enough to refuse them all */
			terminate_each(aws, ids + at, step, end_ms, &ended, &first);
	}
	if (n_ended)
		*n_ended = ended;
	if (!first.code)
		return 0;
	*err = first;
	return -1;
}

/* --- GetConsoleOutput ------------------------------------------------------------------------- */

/* In base64 with line ends. */
static int on_console(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct bl_buf *base64 = arg;

	if (strcmp(path, "GetConsoleOutputResponse/output") != 0)
		return 0;
	for (size_t len; *text; text += len + strspn(text + len, " \t\r\n")) {
		len = strcspn(text, " \t\r\n");
		bl_buf_add(base64, text, len);
	}
	return bl_buf_check(base64, "the console's output", err);
}

int bl_ec2_console(struct bl_aws *aws, const char *id, struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096), base64 = BL_BUF(OUTPUT_MAX);
	BL_AUTO(bl_aws_reply) reply = { 0 };
	struct bl_ec2_form form = { .out = &text };
	const struct bl_ec2_call call = { .operation = "GetConsoleOutput", .form = &text };

	bl_ec2_begin(&form, call.operation);
	bl_ec2_add(&form, id, "InstanceId");
	if (bl_ec2_send(aws, &call, &reply, err) ||
	    bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, call.operation,
	                on_console, &base64, err))
		return -1;
	if (bl_base64_decode(bl_buf_text(&base64), base64.len, out, err))
		return bl_wrap(err, "the console's output of %s", id);
	return 0;
}
