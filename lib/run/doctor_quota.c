/* SPDX-License-Identifier: Apache-2.0 */
#include "run/doctor_judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define VCPUS_UNKNOWN 4 /* the smallest machine with a GPU has so many */

static const struct name {
	char quota[12];
	enum bl_checkup what;
} names[] = {
	{ "L-3819A6DF", BL_CHECKUP_QUOTA_SPOT_G },
	{ "L-DB2E81BA", BL_CHECKUP_QUOTA_ON_DEMAND_G },
	{ "L-7212CCBC", BL_CHECKUP_QUOTA_SPOT_P },
	{ "L-C4BD4855", BL_CHECKUP_QUOTA_SPOT_P5 },
	{ "L-417A185B", BL_CHECKUP_QUOTA_ON_DEMAND_P },
	{ "L-34B43A08", BL_CHECKUP_QUOTA_SPOT_STANDARD },
	{ "L-1216C47A", BL_CHECKUP_QUOTA_ON_DEMAND_STANDARD },
};

static enum bl_checkup checkup_of(const char *quota)
{
	size_t i = 0;

	while (i < BL_COUNT(names) - 1 && strcmp(names[i].quota, quota) != 0)
		i++;
	return names[i].what;
}

/* --- Families --------------------------------------------------------------------------------- */

static struct bl_family *family_of(struct bl_family *families, size_t *n, const char *quota)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp(families[i].quota, quota))
			return &families[i];
	if (*n == BL_FAMILIES_MAX)
		return NULL;
	families[*n] = (struct bl_family){ .quota = quota, .vcpus = NAN };
	return &families[(*n)++];
}

size_t bl_doctor_families(const struct bl_check_type *types, size_t n, bool spot,
                          struct bl_family families[BL_FAMILIES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		const char *quota = bl_quota_of(types[i].type, spot);
		int64_t vcpus = types[i].vcpus > 0 ? types[i].vcpus : VCPUS_UNKNOWN;
		struct bl_family *family = quota ? family_of(families, &count, quota) : NULL;

		if (!family)
			continue;
		if (!family->least || vcpus < family->least) {
			family->least = vcpus;
			family->least_type = types[i].type;
		}
		if (vcpus > family->most) {
			family->most = vcpus;
			family->most_type = types[i].type;
		}
	}
	return count;
}

/* --- Judgement -------------------------------------------------------------------------------- */

static bool is_short(const struct bl_family *family)
{
	return !isnan(family->vcpus) && family->vcpus < (double)family->least;
}

static void judge_short(const struct bl_family *family, bool others, const char *region,
                        struct bl_checks *out)
{
	enum bl_checkup what = checkup_of(family->quota);
	struct bl_check *check = bl_check_add(out, what, others ? BL_CHECK_WARN : BL_CHECK_FAIL,
	                                      "%g vCPUs, but %s needs %lld", family->vcpus,
	                                      family->least_type, (long long)family->least);

	bl_check_next(check, BL_ECAPACITY,
	              "a new account begins with 0, and more takes hours to days; ask for %lld: "
	              "aws service-quotas request-service-quota-increase --service-code ec2 "
	              "--quota-code %s --desired-value %lld --region %s",
	              (long long)family->most, family->quota, (long long)family->most, region);
}

static void judge_one(const struct bl_family *family, bool others, const char *region,
                      struct bl_checks *out)
{
	enum bl_checkup what = checkup_of(family->quota);

	if (isnan(family->vcpus))
		bl_check_failed(out, what, BL_CHECK_SKIPPED, &family->err);
	else if (is_short(family))
		judge_short(family, others, region, out);
	else if (family->vcpus < (double)family->most)
		bl_check_add(out, what, BL_CHECK_OK,
		             "%g vCPUs: enough for %s (%lld), not for %s (%lld)", family->vcpus,
		             family->least_type, (long long)family->least, family->most_type,
		             (long long)family->most);
	else
		bl_check_add(out, what, BL_CHECK_OK, "%g vCPUs; %s needs %lld", family->vcpus,
		             family->most_type, (long long)family->most);
}

void bl_doctor_judge_quota(const struct bl_family *families, size_t n, const char *region,
                           struct bl_checks *out)
{
	size_t n_short = 0;

	for (size_t i = 0; i < n; i++)
		n_short += is_short(&families[i]);
	for (size_t i = 0; i < n; i++)
		judge_one(&families[i], n_short < n, region, out);
}

void bl_check_quota(struct bl_aws *aws, const struct bl_check_type *types, size_t n, bool spot,
                    struct bl_checks *out)
{
	struct bl_family families[BL_FAMILIES_MAX];
	size_t count = bl_doctor_families(types, n, spot, families);

	for (size_t i = 0; i < count; i++)
		if (bl_quota_get(aws, families[i].quota, &families[i].vcpus, &families[i].err))
			families[i].vcpus = NAN;
	bl_doctor_judge_quota(families, count, bl_aws_region(aws), out);
}

bool bl_check_is_short(const struct bl_checks *checks, const char *type, bool spot)
{
	const char *quota = bl_quota_of(type, spot);

	for (size_t i = 0; quota && i < checks->n; i++)
		if (checks->items[i].what == checkup_of(quota))
			return checks->items[i].state == BL_CHECK_FAIL ||
			       checks->items[i].state == BL_CHECK_WARN;
	return false;
}
