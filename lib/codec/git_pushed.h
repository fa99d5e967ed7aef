/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_PUSHED_H
#define BL_CODEC_GIT_PUSHED_H

#include "base/err.h"

#include <stdbool.h>

/*
 * Whether a commit (40 digits) is on a remote-tracking branch, as far as this clone has heard:
 * nobody is asked. BL_ENOENT: it is not in this clone.
 */
BL_MUST int bl_git_is_pushed(const char *root, const char *sha, bool *out, struct bl_err *err);

#endif
