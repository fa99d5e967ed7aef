/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_ECR_H
#define BL_AWS_ECR_H

#include "aws/client.h"

/* ECR's control plane (JSON 1.1, service "ecr", host api.ecr.REGION). */

/* A user and password for every registry that the principal may reach, for 12 hours. */
struct bl_ecr_token {
	char user[64];
	struct bl_secret password;
	int64_t expires_wall_ms; /* by our clock */
};
void bl_ecr_token_done(struct bl_ecr_token *token);
/* GetAuthorizationToken. region NULL: the client's. BL_EDENIED names ecr:GetAuthorizationToken. */
BL_MUST int bl_ecr_token(struct bl_aws *aws, const char *region, struct bl_ecr_token *out,
                         struct bl_err *err);

/* DescribeImages of one tag: its digest. BL_ENOENT: no such repository, or no such tag. */
BL_MUST int bl_ecr_tag(struct bl_aws *aws, const char *region, const char *account,
                       const char *repository, const char *tag, char digest[72],
                       struct bl_err *err);

/* DescribeRepositories of one: whether it is there. BL_ENOENT; BL_EDENIED. */
BL_MUST int bl_ecr_reach(struct bl_aws *aws, const char *region, const char *account,
                         const char *repository, struct bl_err *err);

/* CreateRepository: scan on push, tags mutable (base tags are written again). One that is there is
 * success. */
BL_MUST int bl_ecr_create(struct bl_aws *aws, const char *region, const char *account,
                          const char *repository, struct bl_err *err);

#endif
