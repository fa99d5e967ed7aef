/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_SSM_H
#define BL_AWS_SSM_H

#include "aws/client.h"

/*
 * SSM GetParameter, not decrypted: appends its value. BL_ENOENT: ParameterNotFound in the client's
 * region; BL_EDENIED; BL_EINPUT: AWS takes the name for none.
 */
BL_MUST int bl_ssm_parameter(struct bl_aws *aws, const char *name, struct bl_buf *value,
                             struct bl_err *err);

#endif
