/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_ENV_H
#define BL_BASE_ENV_H

/* An empty variable is as good as none: workflows set them so. */
const char *bl_env(const char *name);         /* "" where it is not set */
const char *bl_env_or_null(const char *name); /* NULL where it is not set, or empty */

#endif
