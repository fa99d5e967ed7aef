/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_QUOTAS_H
#define BL_AWS_QUOTAS_H

#include "aws/client.h"

/* Service Quotas: how many vCPUs of a family of instance types may run, by market and region. */

/* Pure. The code of the quota ("L-3819A6DF") that an instance of this type ("g6.xlarge") counts
 * against; NULL: not known. */
const char *bl_quota_of(const char *type, bool spot);

/*
 * GetServiceQuota of EC2 in the client's region, and where nobody has changed it
 * GetAWSDefaultServiceQuota. value: vCPUs. BL_ENOENT: this region has no such quota; BL_EDENIED.
 */
BL_MUST int bl_quota_get(struct bl_aws *aws, const char *code, double *value, struct bl_err *err);

#endif
