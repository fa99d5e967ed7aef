/* SPDX-License-Identifier: Apache-2.0 */
/* What the account must hold before an instance can be bought: roles, a bucket, the right time. */
#include "aws/iam.h"
#include "aws/s3.h"
#include "base/clock.h"
#include "base/str.h"
#include "run/doctor_judge.h"

#include <string.h>

#define CALL_MS 30000

void bl_check_spot_role(struct bl_aws *aws, struct bl_checks *out)
{
	struct bl_err err = { 0 };
	struct bl_check *check;
	char arn[256];

	if (!bl_iam_role(aws, BL_IAM_SPOT_ROLE, arn, &err)) {
		bl_check_add(out, BL_CHECKUP_SPOT_ROLE, BL_CHECK_OK, "%s is there",
		             BL_IAM_SPOT_ROLE);
		return;
	}
	if (err.code != BL_ENOENT) {
		bl_check_failed(out, BL_CHECKUP_SPOT_ROLE, BL_CHECK_SKIPPED, &err);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_SPOT_ROLE, BL_CHECK_FAIL,
	                     "%s is missing: every spot launch would be refused", BL_IAM_SPOT_ROLE);
	bl_check_next(check, BL_EDENIED,
	              "create it once for the account: aws iam create-service-linked-role "
	              "--aws-service-name spot.amazonaws.com");
}

void bl_check_instance_profile(struct bl_aws *aws, const char *name, struct bl_checks *out)
{
	struct bl_iam_profile profile;
	struct bl_err err = { 0 };
	struct bl_check *check;

	if (!*name) {
		bl_check_add(out, BL_CHECKUP_INSTANCE_PROFILE, BL_CHECK_SKIPPED,
		             "the stack names none");
		return;
	}
	if (!bl_iam_instance_profile(aws, name, &profile, &err)) {
		if (profile.role[0]) {
			bl_check_add(out, BL_CHECKUP_INSTANCE_PROFILE, BL_CHECK_OK,
			             "%s, with role %s", name, profile.role);
			return;
		}
		check = bl_check_add(out, BL_CHECKUP_INSTANCE_PROFILE, BL_CHECK_FAIL,
		                     "%s has no role: instances would get no credentials", name);
	} else if (err.code == BL_ENOENT) {
		check = bl_check_add(out, BL_CHECKUP_INSTANCE_PROFILE, BL_CHECK_FAIL,
		                     "%s does not exist", name);
	} else {
		bl_check_failed(out, BL_CHECKUP_INSTANCE_PROFILE, BL_CHECK_SKIPPED, &err);
		return;
	}
	bl_check_next(check, BL_EINPUT, "apply the Terraform module again: it makes the profile");
}

/* --- The bucket ------------------------------------------------------------------------------- */

void bl_doctor_judge_bucket(const char *bucket, const char *owner, const char *region,
                            struct bl_checks *out)
{
	struct bl_check *check;

	if (!*owner || !*region || !strcmp(owner, region)) {
		bl_check_add(out, BL_CHECKUP_BUCKET, BL_CHECK_OK, "s3://%s, in %s", bucket,
		             *owner ? owner : region);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_BUCKET, BL_CHECK_WARN,
	                     "s3://%s is in %s, the instances in %s", bucket, owner, region);
	bl_check_next(check, BL_EINPUT,
	              "keep both in one region: between regions every checkpoint and every start "
	              "costs money per GB, and time");
}

void bl_check_bucket(struct bl_aws *aws, const char *store, const char *region,
                     struct bl_checks *out)
{
	const struct bl_call call = { .deadline_mono_ms = bl_mono_ms() + CALL_MS };
	char bucket[64], key[1025], owner[BL_REGION_SIZE];
	struct bl_s3_options options = { .bucket = bucket };
	struct bl_err err = { 0 };
	BL_S3 s3 = NULL;

	if (!bl_str_starts(store, "s3://")) {
		bl_check_add(out, BL_CHECKUP_BUCKET, BL_CHECK_SKIPPED, "%s is no bucket", store);
		return;
	}
	if (bl_s3_uri(store, bucket, key, &err) || bl_s3_open(aws, &options, &s3, &err) ||
	    bl_s3_region(s3, &call, owner, sizeof(owner), &err)) {
		/* a run cannot do without it */
		bl_check_failed(out, BL_CHECKUP_BUCKET, BL_CHECK_FAIL, &err);
		return;
	}
	bl_doctor_judge_bucket(bucket, owner, region, out);
}

/* --- The clock -------------------------------------------------------------------------------- */

void bl_doctor_judge_clock(int64_t skew_s, struct bl_checks *out)
{
	struct bl_check *check;

	if (!skew_s) {
		bl_check_add(out, BL_CHECKUP_CLOCK, BL_CHECK_OK,
		             "within 4 minutes of AWS's, as requests must be");
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_CLOCK, BL_CHECK_WARN,
	                     "this machine is %lld s %s AWS: requests are signed for AWS's time",
	                     (long long)(skew_s < 0 ? -skew_s : skew_s),
	                     skew_s < 0 ? "ahead of" : "behind");
	bl_check_next(check, BL_EDENIED,
	              "set the clock (NTP): other programs, and TLS, will refuse");
}

void bl_check_clock(struct bl_aws *aws, struct bl_checks *out)
{
	bl_doctor_judge_clock(bl_aws_skew_s(aws), out);
}
