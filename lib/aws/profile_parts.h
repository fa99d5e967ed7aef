/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_PROFILE_PARTS_H
#define BL_AWS_PROFILE_PARTS_H

#include "aws/profile.h"

#define PROFILE_FILE_MAX ((size_t)1 << 20)
#define PROFILE_LINE_MAX ((size_t)64 << 10)

enum profile_kind { PROFILE_OTHER, PROFILE_PROFILE, PROFILE_SERVICES, PROFILE_SSO_SESSION };
enum profile_file { PROFILE_CONFIG, PROFILE_SHARED, PROFILE_FILES };

struct profile_section {
	enum profile_kind kind;
	enum profile_file file;
	bool bare_default; /* "[default]" of the config file, which "[profile default]" replaces */
	const char *name;
};

struct profile_setting {
	size_t section;
	const char *parent; /* of a nested one; else NULL */
	const char *key;
	char *value; /* "" when it has none */
};

/* All texts lie in the files' own bytes. */
struct bl_profiles {
	struct bl_buf files[PROFILE_FILES];
	struct profile_section *sections;
	size_t n_sections, cap_sections;
	struct profile_setting *settings;
	size_t n_settings, cap_settings;
	bool has_profile_default;
};

/* Reads profiles->files[file], whose bytes it cuts up. path is for messages. */
BL_MUST int profile_parse(struct bl_profiles *profiles, enum profile_file file, const char *path,
                          struct bl_err *err);

#endif
