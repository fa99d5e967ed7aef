/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_S3_H
#define BL_RUN_STORE_S3_H

#include "aws/client.h"
#include "run/store.h"

/*
 * bl_store_s3_open - a store in a bucket: bl_store_open() calls it for "s3://bucket".
 * READ asks whether the bucket is there and may be listed; WRITE also that it may be written is
 * seen at the first write. Errors as in run/store.h, the next step names the missing permission.
 */
BL_MUST int bl_store_s3_open(const char *uri, enum bl_store_mode mode, struct bl_store **out,
                             struct bl_err *err);
/* The same for who is more than the environment says; creds stay the caller's. */
BL_MUST int bl_store_s3_open_as(const char *uri, enum bl_store_mode mode,
                                const struct bl_aws_options *aws, struct bl_store **out,
                                struct bl_err *err);

#endif
