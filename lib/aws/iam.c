/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/iam.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/xml.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define VERSION "2010-05-08"
#define CALL_MS 30000

static int ask(struct bl_aws *aws, const char *operation, const char *parameter, const char *value,
               bl_xml_fn *fn, void *arg, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) form = BL_BUF(2048);

	bl_buf_addf(&form, "Action=%s&Version=" VERSION "&%s=", operation, parameter);
	bl_uri_add(&form, value, strlen(value));
	if (bl_buf_check(&form, operation, err))
		return -1;
	request.service = "iam";
	request.operation = operation;
	request.protocol = BL_AWS_QUERY;
	request.method = "POST";
	request.bytes = bl_buf_text(&form);
	request.size = form.len;
	request.reply_max = (size_t)256 << 10;
	request.call.deadline_mono_ms = bl_mono_ms() + CALL_MS;
	if (bl_aws_send(aws, &request, &reply, err))
		return -1;
	return bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, operation, fn, arg,
	                   err);
}

/* --- Roles ------------------------------------------------------------------------------------ */

static int on_role(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)err;
	if (bl_str_ends(path, "GetRoleResult/Role/Arn"))
		snprintf(arg, 256, "%s", text);
	return 0;
}

int bl_iam_role(struct bl_aws *aws, const char *name, char arn[256], struct bl_err *err)
{
	char got[256] = "";

	if (ask(aws, "GetRole", "RoleName", name, on_role, got, err))
		return -1;
	if (!got[0])
		return bl_fail(err, BL_ECORRUPT, "iam GetRole: a reply without Role.Arn");
	memcpy(arn, got, sizeof(got));
	return 0;
}

static int on_trust(void *arg, const char *path, const char *text, struct bl_err *err)
{
	(void)err;
	if (bl_str_ends(path, "GetRoleResult/Role/AssumeRolePolicyDocument"))
		bl_buf_adds(arg, text);
	return 0;
}

static const char *last_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

int bl_iam_trust(struct bl_aws *aws, const char *name, struct bl_buf *policy, struct bl_err *err)
{
	BL_AUTO(bl_buf) encoded = BL_BUF((size_t)64 << 10);

	if (ask(aws, "GetRole", "RoleName", last_of(name), on_trust, &encoded, err) ||
	    bl_buf_check(&encoded, "trust policy", err))
		return -1;
	if (!encoded.len || bl_uri_decode(encoded.data) < 0)
		return bl_fail(err, BL_ECORRUPT,
		               "iam GetRole: a reply without AssumeRolePolicyDocument");
	bl_buf_adds(policy, encoded.data);
	return bl_buf_check(policy, "trust policy", err);
}

/* --- Instance profiles ------------------------------------------------------------------------ */

static int on_profile(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct bl_iam_profile *got = arg;

	(void)err;
	if (bl_str_ends(path, "Result/InstanceProfile/Arn"))
		snprintf(got->arn, sizeof(got->arn), "%s", text);
	if (bl_str_ends(path, "/InstanceProfile/Roles/member/RoleName"))
		snprintf(got->role, sizeof(got->role), "%s", text);
	return 0;
}

int bl_iam_instance_profile(struct bl_aws *aws, const char *name, struct bl_iam_profile *out,
                            struct bl_err *err)
{
	struct bl_iam_profile got = { 0 };

	if (ask(aws, "GetInstanceProfile", "InstanceProfileName", last_of(name), on_profile, &got,
	        err))
		return -1;
	if (!got.arn[0])
		return bl_fail(err, BL_ECORRUPT,
		               "iam GetInstanceProfile: a reply without InstanceProfile.Arn");
	*out = got;
	return 0;
}
