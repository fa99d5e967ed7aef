/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_JSON_CALL_H
#define BL_AWS_JSON_CALL_H

#include "aws/client.h"
#include "codec/json.h"

/* A service of AWS that speaks JSON 1.1. */
struct bl_aws_service {
	const char *name;   /* "ssm" */
	const char *target; /* "AmazonSSM." */
};

/*
 * One operation, within 30 s: what bl_aws_send() says. region NULL: the client's. body: one JSON
 * map, whose latch is checked here. reply zeroed by the caller.
 */
BL_MUST int bl_aws_json(struct bl_aws *aws, const struct bl_aws_service *service,
                        const char *region, const char *operation, const struct bl_buf *body,
                        struct bl_aws_reply *reply, struct bl_err *err);

/* The same in the client's region, and the reply parsed. */
BL_MUST int bl_aws_json_value(struct bl_aws *aws, const struct bl_aws_service *service,
                              const char *operation, const struct bl_buf *body,
                              struct bl_value **out, struct bl_err *err);

#endif
