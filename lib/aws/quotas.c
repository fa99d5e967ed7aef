/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/quotas.h"

#include "aws/json_call.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

static const struct bl_aws_service service = { "servicequotas", "ServiceQuotasV20190624." };

/* The first that fits; Service Quotas, "Amazon EC2 endpoints and quotas". */
static const struct family {
	const char *prefix; /* of a type; NULL: one letter of `letters`, then a digit */
	const char *letters;
	struct bl_quota spot, on_demand;
} families[] = {
	{ "p5",
	  NULL,
	  { "L-C4BD4855", "P5", "All P5 Spot Instance Requests", true },
	  { "L-417A185B", "P", "Running On-Demand P instances", false } },
	{ NULL,
	  "p",
	  { "L-7212CCBC", "P", "All P4, P3 and P2 Spot Instance Requests", true },
	  { "L-417A185B", "P", "Running On-Demand P instances", false } },
	{ NULL,
	  "g",
	  { "L-3819A6DF", "G and VT", "All G and VT Spot Instance Requests", true },
	  { "L-DB2E81BA", "G and VT", "Running On-Demand G and VT instances", false } },
	{ "gr",
	  NULL,
	  { "L-3819A6DF", "G and VT", "All G and VT Spot Instance Requests", true },
	  { "L-DB2E81BA", "G and VT", "Running On-Demand G and VT instances", false } },
	{ "vt",
	  NULL,
	  { "L-3819A6DF", "G and VT", "All G and VT Spot Instance Requests", true },
	  { "L-DB2E81BA", "G and VT", "Running On-Demand G and VT instances", false } },
	{ NULL,
	  "acdhimrtz",
	  { "L-34B43A08", "Standard", "All Standard Spot Instance Requests", true },
	  { "L-1216C47A", "Standard", "Running On-Demand Standard instances", false } },
};

static bool is_of(const struct family *family, const char *type)
{
	if (family->prefix)
		return bl_str_starts(type, family->prefix);
	return *type && strchr(family->letters, *type) && type[1] >= '0' && type[1] <= '9';
}

const struct bl_quota *bl_quota_of(const char *type, bool spot)
{
	for (size_t i = 0; i < BL_COUNT(families); i++)
		if (is_of(&families[i], type))
			return spot ? &families[i].spot : &families[i].on_demand;
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
		rc = bl_aws_json_value(aws, &service, operations[i], &body, NULL, &root, err);
	}
	if (rc)
		return -1;
	got = bl_value_real_or(root, "Quota.Value", NAN);
	if (!(got >= 0) || isinf(got))
		return bl_fail(err, BL_ECORRUPT, "servicequotas: a reply without Quota.Value");
	*value = got;
	return 0;
}
