/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "run/image_build_parts.h"

#include <inttypes.h>
#include <string.h>

#define SCHEME "branchline base 1" /* another one when the meaning of the hash changes */

static const char *mode_of(enum bl_git_kind kind)
{
	switch (kind) {
	case BL_GIT_EXEC:
		return "755";
	case BL_GIT_LINK:
		return "link";
	case BL_GIT_MODULE:
		return "module";
	default:
		return "644";
	}
}

static int add(struct bl_sha256 *sha, struct bl_buf *line, struct bl_err *err)
{
	int rc = bl_buf_check(line, "inputs", err) ||
	         bl_sha256_add(sha, bl_buf_text(line), line->len, err);

	bl_buf_reset(line);
	return rc ? -1 : 0;
}

/* No text can pose as another: each ends with a NUL or tells its length first. */
static int add_inputs(const struct bl_build *build, const struct build_inputs *inputs,
                      struct bl_sha256 *sha, struct bl_err *err)
{
	BL_AUTO(bl_buf) line = BL_BUF(2 * BUILD_PATH_SIZE);
	const char *const heads[] = { SCHEME, build->platform, build->tool_version,
		                      build->dockerfile ? "dockerfile" : "requirements" };

	for (size_t i = 0; i < BL_COUNT(heads); i++)
		bl_buf_add(&line, heads[i], strlen(heads[i]) + 1);
	bl_buf_addf(&line, "%zu ", inputs->dockerfile.len);
	if (add(sha, &line, err) ||
	    bl_sha256_add(sha, bl_buf_text(&inputs->dockerfile), inputs->dockerfile.len, err))
		return -1;
	for (size_t i = 0; i < inputs->n; i++) {
		const struct build_entry *entry = &inputs->entries[i];

		if (!entry->wanted)
			continue;
		bl_buf_addf(&line, "%s %s %s", mode_of(entry->kind), entry->id,
		            build_context_path(inputs, entry));
		bl_buf_addc(&line, '\0');
		if (add(sha, &line, err))
			return -1;
	}
	return 0;
}

static int warn_of(const struct bl_build *build, const struct build_inputs *inputs,
                   struct bl_buf *warn, struct bl_err *err)
{
	if (!build->dockerfile)
		return 0; /* its base is pinned by us */
	if (build_warn_tags(bl_buf_text(&inputs->dockerfile), inputs->dockerfile.len,
	                    build->dockerfile, warn, err))
		return -1;
	if (!inputs->has_ignore)
		bl_buf_addf(warn,
		            "%sno .dockerignore: every file of %s is an input of the base, so "
		            "most commits build a new one",
		            warn->len ? "\n" : "",
		            *inputs->context ? inputs->context : "the commit");
	return 0;
}

int bl_build_hash(const struct bl_build *build, char hash[BL_BUILD_HASH], struct bl_buf *warn,
                  struct bl_err *err)
{
	BL_AUTO(build_inputs) inputs = BUILD_INPUTS;
	char hex[BL_SHA256_HEX];
	struct bl_sha256 *sha = NULL;
	int rc;

	if (build_inputs_read(build, &inputs, err) || (warn && warn_of(build, &inputs, warn, err)))
		return -1;
	if (bl_sha256_new(&sha, err))
		return -1;
	rc = add_inputs(build, &inputs, sha, err) || bl_sha256_hex(sha, hex, err);
	bl_sha256_free(sha);
	if (rc)
		return -1;
	memcpy(hash, hex, BL_BUILD_HASH - 1);
	hash[BL_BUILD_HASH - 1] = '\0';
	return 0;
}
