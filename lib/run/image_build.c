/* SPDX-License-Identifier: Apache-2.0 */
/* To be replaced by whoever writes the builds: until then a clear refusal. */
#include "run/image_build.h"

int bl_build_hash(const struct bl_build *build, char hash[BL_BUILD_HASH], struct bl_buf *warn,
                  struct bl_err *err)
{
	(void)build;
	(void)hash;
	(void)warn;
	bl_fail(err, BL_EINPUT, "image.requirements and image.dockerfile cannot be built yet");
	return bl_next(err, "build the base elsewhere and name it by image.base");
}

int bl_build_run(const struct bl_build *build, const char *work, const char *cache_ref,
                 const char *auth_file, char layout[4096], struct bl_err *err)
{
	char hash[BL_BUILD_HASH];

	(void)work;
	(void)cache_ref;
	(void)auth_file;
	(void)layout;
	return bl_build_hash(build, hash, NULL, err);
}
