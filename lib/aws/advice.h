/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_ADVICE_H
#define BL_AWS_ADVICE_H

#include "base/err.h"

/*
 * What a person can do about an error of AWS: one table, by service, operation and code. NULL in
 * the table means any. The text may hold one "%s", which stands for the resource.
 * Returns NULL when nothing better than the message itself is known.
 */
const char *bl_advice(const char *service, const char *operation, const char *code);

/* Which of our codes an error of AWS is: BL_EDENIED for AccessDenied, BL_ENOENT for NoSuchKey,
 * BL_EEXIST for 412, BL_ERETRY for throttling, 5xx and 409 conflicts, BL_EIO else. */
enum bl_code bl_aws_code(const char *service, int status, const char *code);

#endif
