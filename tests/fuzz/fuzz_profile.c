/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as either file: texts lie in it, and the last setting is the one that is looked up. */
#include "aws/profile_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool lies_in(const struct bl_buf *text, const char *at)
{
	return at >= text->data && at + strlen(at) <= text->data + text->len;
}

static void check(const struct bl_profiles *profiles, enum profile_file file)
{
	for (size_t i = 0; i < profiles->n_settings; i++) {
		const struct profile_setting *setting = &profiles->settings[i];

		must(setting->section < profiles->n_sections);
		must(profiles->sections[setting->section].file == file);
		must(lies_in(&profiles->files[file], setting->key));
		must(lies_in(&profiles->files[file], setting->value));
		must(!setting->parent || lies_in(&profiles->files[file], setting->parent));
	}
	/* the last one is what is looked up */
	if (profiles->n_settings) {
		const struct profile_setting *last = &profiles->settings[profiles->n_settings - 1];
		const struct profile_section *section = &profiles->sections[last->section];
		const char *got = bl_profiles_get(profiles, "profile", section->name, last->key);

		if (section->kind == PROFILE_PROFILE && !section->bare_default && !last->parent &&
		    !strchr(last->key, '.'))
			must(*last->value ? got == last->value : !got);
	}
	(void)bl_profiles_has(profiles, "default");
	(void)bl_profiles_get(profiles, "services", "s", "s3.endpoint_url");
}

static void read_as(enum profile_file file, const uint8_t *data, size_t size)
{
	struct bl_profiles *profiles = calloc(1, sizeof(*profiles));
	struct bl_err err = { 0 };

	must(profiles != NULL);
	profiles->files[0] = profiles->files[1] = BL_BUF(PROFILE_FILE_MAX);
	bl_buf_add(&profiles->files[file], data, size);
	if (profile_parse(profiles, file, "f", &err))
		must(err.code == BL_EINPUT);
	else
		check(profiles, file);
	bl_profiles_free(profiles);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as(PROFILE_CONFIG, data, size);
	read_as(PROFILE_SHARED, data, size);
	return 0;
}
