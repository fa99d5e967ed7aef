/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/profile_parts.h"

#include "base/env.h"
#include "base/fs.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Where a file is: what the variable says ("~/" is the home), or below the home. */
static int path_of(enum profile_file file, struct bl_buf *path, struct bl_err *err)
{
	const char *named = bl_env_or_null(file == PROFILE_CONFIG ? "AWS_CONFIG_FILE"
	                                                          : "AWS_SHARED_CREDENTIALS_FILE");
	const char *home = bl_env_or_null("HOME");

	if (!named)
		named = file == PROFILE_CONFIG ? "~/.aws/config" : "~/.aws/credentials";
	if (!strncmp(named, "~/", 2)) {
		if (!home)
			return 0;
		bl_buf_adds(path, home);
		named++;
	}
	bl_buf_adds(path, named);
	return bl_buf_check(path, "path of a file of profiles", err);
}

static int read_file(struct bl_profiles *profiles, enum profile_file file, struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(4096);

	if (path_of(file, &path, err))
		return -1;
	/* the usual way to say that there is none; all other devices are refused */
	if (!path.len || !strcmp(path.data, "/dev/null"))
		return 0;
	if (bl_fs_read_path(path.data, &profiles->files[file], err)) {
		if (err->code != BL_ENOENT)
			return bl_wrap(err, "AWS profiles");
		bl_err_clear(err);
		return 0;
	}
	return profile_parse(profiles, file, path.data, err);
}

int bl_profiles_read(struct bl_profiles **out, struct bl_err *err)
{
	struct bl_profiles *profiles = calloc(1, sizeof(*profiles));

	if (!profiles)
		return bl_fail(err, BL_ENOMEM, "AWS profiles: out of memory");
	for (int file = 0; file < PROFILE_FILES; file++) {
		profiles->files[file] = BL_BUF(PROFILE_FILE_MAX);
		if (read_file(profiles, (enum profile_file)file, err)) {
			bl_profiles_free(profiles);
			return -1;
		}
	}
	*out = profiles;
	return 0;
}

void bl_profiles_free(struct bl_profiles *profiles)
{
	if (!profiles)
		return;
	for (int file = 0; file < PROFILE_FILES; file++)
		bl_buf_wipe(&profiles->files[file]);
	free(profiles->sections);
	free(profiles->settings);
	free(profiles);
}

const char *bl_profile_name(const char *named)
{
	if (!named || !*named)
		named = bl_env_or_null("AWS_PROFILE");
	if (!named)
		named = bl_env_or_null("AWS_DEFAULT_PROFILE");
	return named ? named : "default";
}

static bool is_section(const struct bl_profiles *profiles, size_t i, enum profile_kind kind,
                       const char *name)
{
	const struct profile_section *section = &profiles->sections[i];

	return section->kind == kind && !strcmp(section->name, name) &&
	       !(section->bare_default && profiles->has_profile_default);
}

bool bl_profiles_has(const struct bl_profiles *profiles, const char *profile)
{
	for (size_t i = 0; profiles && i < profiles->n_sections; i++)
		if (is_section(profiles, i, PROFILE_PROFILE, profile))
			return true;
	return false;
}

/* key: "region", or "s3.endpoint_url" of a nested one. Keys have no case. */
static bool is_key(const struct profile_setting *setting, const char *key)
{
	const char *dot = strchr(key, '.');
	size_t len = dot ? (size_t)(dot - key) : 0;

	if (!dot || !setting->parent)
		return !dot && !setting->parent && !strcasecmp(setting->key, key);
	return !strncasecmp(setting->parent, key, len) && !setting->parent[len] &&
	       !strcasecmp(setting->key, dot + 1);
}

/* The last one counts, as if the sections of one name were one. */
static const char *find(const struct bl_profiles *profiles, enum profile_file file,
                        enum profile_kind kind, const char *name, const char *key)
{
	for (size_t i = profiles ? profiles->n_settings : 0; i-- > 0;) {
		const struct profile_setting *setting = &profiles->settings[i];

		if (profiles->sections[setting->section].file == file && is_key(setting, key) &&
		    is_section(profiles, setting->section, kind, name))
			return *setting->value ? setting->value : NULL;
	}
	return NULL;
}

const char *bl_profiles_get_shared(const struct bl_profiles *profiles, const char *profile,
                                   const char *key)
{
	return find(profiles, PROFILE_SHARED, PROFILE_PROFILE, profile, key);
}

const char *bl_profiles_get_config(const struct bl_profiles *profiles, const char *profile,
                                   const char *key)
{
	return find(profiles, PROFILE_CONFIG, PROFILE_PROFILE, profile, key);
}

const char *bl_profiles_get(const struct bl_profiles *profiles, const char *kind, const char *name,
                            const char *key)
{
	const char *value;

	if (!strcmp(kind, "services"))
		return find(profiles, PROFILE_CONFIG, PROFILE_SERVICES, name, key);
	if (!strcmp(kind, "sso-session"))
		return find(profiles, PROFILE_CONFIG, PROFILE_SSO_SESSION, name, key);
	value = bl_profiles_get_shared(profiles, name, key);
	return value ? value : bl_profiles_get_config(profiles, name, key);
}
