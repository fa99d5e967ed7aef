/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/quotas.h"

#include "aws/json_call.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

static const struct bl_aws_service service = { "servicequotas", "ServiceQuotasV20190624." };

/* The first that fits; Service Quotas, "Amazon EC2 endpoints and quotas". */
static const struct family {
	char prefix[4]; /* of a type; "": one letter of `letters`, then a digit */
	char letters[12], spot[12], on_demand[12];
} families[] = {
	/* P5; P4, P3 and P2; on demand all P */
	{ "p5", "", "L-C4BD4855", "L-417A185B" },
	{ "", "p", "L-7212CCBC", "L-417A185B" },
	/* G and VT */
	{ "", "g", "L-3819A6DF", "L-DB2E81BA" },
	{ "gr", "", "L-3819A6DF", "L-DB2E81BA" },
	{ "vt", "", "L-3819A6DF", "L-DB2E81BA" },
	/* Standard */
	{ "", "acdhimrtz", "L-34B43A08", "L-1216C47A" },
};

static bool is_of(const struct family *family, const char *type)
{
	if (family->prefix[0])
		return bl_str_starts(type, family->prefix);
	return *type && strchr(family->letters, *type) && type[1] >= '0' && type[1] <= '9';
}

const char *bl_quota_of(const char *type, bool spot)
{
	for (size_t i = 0; i < BL_COUNT(families); i++)
		if (is_of(&families[i], type))
			return spot ? families[i].spot : families[i].on_demand;
	return NULL;
}

int bl_quota_get(struct bl_aws *aws, const char *code, double *value, struct bl_err *err)
{
	/* the first knows no quota that the account never used or changed */
	static const char *const operations[] = { "GetServiceQuota", "GetAWSDefaultServiceQuota" };
	BL_AUTO(bl_buf) body = BL_BUF(1024);
	struct bl_json json = BL_JSON(&body);
	BL_VALUE root = NULL;
	double got;
	int rc = -1;

	bl_json_map(&json, NULL);
	bl_json_text(&json, "ServiceCode", "ec2");
	bl_json_text(&json, "QuotaCode", code);
	bl_json_end_map(&json);
	for (size_t i = 0; rc && i < BL_COUNT(operations); i++) {
		if (i && err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		rc = bl_aws_json_value(aws, &service, operations[i], &body, &root, err);
	}
	if (rc)
		return -1;
	got = bl_value_real_or(root, "Quota.Value", NAN);
	if (!(got >= 0) || isinf(got))
		return bl_fail(err, BL_ECORRUPT, "servicequotas: a reply without Quota.Value");
	*value = got;
	return 0;
}
