/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/ssm.h"

#include "aws/json_call.h"

static const struct bl_aws_service service = { "ssm", "AmazonSSM." };

int bl_ssm_parameter(struct bl_aws *aws, const char *name, struct bl_buf *value, struct bl_err *err)
{
	static const char operation[] = "GetParameter";
	BL_AUTO(bl_buf) body = BL_BUF(2048);
	struct bl_json json = BL_JSON(&body);
	BL_VALUE root = NULL;
	const char *text;

	bl_json_map(&json, NULL);
	bl_json_text(&json, "Name", name);
	bl_json_bool(&json, "WithDecryption", false);
	bl_json_end_map(&json);
	if (bl_aws_json_value(aws, &service, operation, &body, &root, err))
		return -1;
	if (bl_value_text(root, "Parameter.Value", &text, err))
		return bl_wrap(err, "ssm %s", operation);
	bl_buf_adds(value, text);
	return bl_buf_check(value, "the parameter", err);
}
