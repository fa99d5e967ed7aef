/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_PROFILE_H
#define BL_AWS_PROFILE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * AWS's shared configuration: AWS_CONFIG_FILE (~/.aws/config) and AWS_SHARED_CREDENTIALS_FILE
 * (~/.aws/credentials), both read once. In the first a profile is "[profile NAME]" ("[default]"),
 * beside "[services NAME]" and "[sso-session NAME]"; in the second "[NAME]", which wins for the
 * same key. A file that is absent is empty. Keys have no case; sections of one name are one, the
 * last setting counts, and "[profile default]" replaces "[default]". Lines go on by indentation;
 * '#' and ';' begin a comment line, " #" ends a value. BL_EINPUT names file and line of what cannot
 * be read.
 */
struct bl_profiles;
BL_MUST int bl_profiles_read(struct bl_profiles **out, struct bl_err *err);
void bl_profiles_free(struct bl_profiles *profiles); /* takes NULL */

/* The profile's name by AWS's precedence: `named`, AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". */
const char *bl_profile_name(const char *named);
bool bl_profiles_has(const struct bl_profiles *profiles, const char *profile);

/*
 * A setting, or NULL: none, or empty. `kind` is "profile", "services" or "sso-session". Nested
 * settings ("s3 =\n  endpoint_url = ...") by "s3.endpoint_url".
 */
const char *bl_profiles_get(const struct bl_profiles *profiles, const char *kind, const char *name,
                            const char *key);
/* The same, from the credentials file alone or the config file alone: the order of providers
 * asks for both. */
const char *bl_profiles_get_shared(const struct bl_profiles *profiles, const char *profile,
                                   const char *key);
const char *bl_profiles_get_config(const struct bl_profiles *profiles, const char *profile,
                                   const char *key);

#endif
