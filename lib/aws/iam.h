/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_IAM_H
#define BL_AWS_IAM_H

#include "aws/client.h"

/* IAM's query API, version 2010-05-08. A role of CI may ask none of it: BL_EDENIED is usual. */

#define BL_IAM_SPOT_ROLE "AWSServiceRoleForEC2Spot"

/* GetRole: its ARN. BL_ENOENT: there is none. */
BL_MUST int bl_iam_role(struct bl_aws *aws, const char *name, char arn[256], struct bl_err *err);

/* GetRole: its trust policy, as JSON; appended. name: also the end of an ARN. BL_ENOENT. */
BL_MUST int bl_iam_trust(struct bl_aws *aws, const char *name, struct bl_buf *policy,
                         struct bl_err *err);

struct bl_iam_profile {
	char arn[512], role[65]; /* role "": it has none, so instances get no credentials */
};
/* GetInstanceProfile. name: also the end of an ARN "...:instance-profile/PATH/NAME". BL_ENOENT. */
BL_MUST int bl_iam_instance_profile(struct bl_aws *aws, const char *name,
                                    struct bl_iam_profile *out, struct bl_err *err);

#endif
