/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_ENDPOINT_H
#define BL_AWS_ENDPOINT_H

#include "aws/profile.h"

/*
 * Where a service is. Region: `named`, AWS_REGION, AWS_DEFAULT_REGION, the profile's; "" when
 * nothing says. Endpoint: AWS_ENDPOINT_URL_SERVICE, AWS_ENDPOINT_URL, the profile's services
 * section, the profile's endpoint_url (all four off by AWS_IGNORE_CONFIGURED_ENDPOINT_URLS or
 * ignore_configured_endpoint_urls); else AWS's own name for region, partition (aws, aws-cn,
 * aws-us-gov), dual-stack and FIPS switches (environment or profile).
 */
#define BL_REGION_SIZE 32

/* What does not fit is cut and ends in '~': bl_endpoint() refuses it. profile: NULL as in
 * bl_profile_name(). */
void bl_region(const char *named, const struct bl_profiles *profiles, const char *profile,
               char region[BL_REGION_SIZE]);

struct bl_endpoint {
	char url[512]; /* "https://sts.eu-central-1.amazonaws.com", no '/' at the end */
	bool custom;   /* somebody named it: S3 uses path style there */
	char region
		[BL_REGION_SIZE]; /* that one signs for where a service is global; "": as asked */
};

/*
 * service: "s3", "sts", "sso" ("portal.sso"), ...: its name in AWS_ENDPOINT_URL_S3 and in the
 * host's name. BL_EINPUT: no region where one is needed, or a region or URL that is malformed.
 * profiles may be NULL. A custom one keeps its path; http:// is left to the HTTP layer to judge.
 */
BL_MUST int bl_endpoint(const char *service, const char *region, const struct bl_profiles *profiles,
                        const char *profile, struct bl_endpoint *out, struct bl_err *err);

/*
 * Whether a host (lower case) is AWS's: what a redirect may lead to. "*.amazonaws.com", "*.api.aws"
 * and their like of other partitions.
 */
bool bl_host_is_aws(const char *host);

#endif
