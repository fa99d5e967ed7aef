/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_S3_FILES_H
#define BL_RUN_STORE_S3_FILES_H

#include "aws/transfer.h"
#include "run/store.h"

/* get_files of the table in store.h: all of them under way at once, as far as there are slots. */
BL_MUST int store_s3_get_files(struct bl_s3 *s3, const struct bl_call *call, struct bl_file *files,
                               size_t n, struct bl_err *err);

#endif
