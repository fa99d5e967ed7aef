/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_look.h"

#include <string.h>

static int read_manifest(struct bl_place *place, const char *reference, struct bl_buf *body,
                         struct bl_oci_desc *desc, struct bl_oci_manifest *out, struct bl_err *err)
{
	if (bl_place_get_manifest(place, reference, body, desc, err))
		return -1;
	return bl_oci_manifest_read(bl_buf_text(body), body->len, desc->media_type, "manifest", out,
	                            err);
}

/* One of an index is chosen. */
static int choose(struct bl_place *place, const char *platform, struct bl_buf *body,
                  struct bl_oci_desc *desc, struct bl_oci_manifest *manifest, struct bl_err *err)
{
	struct bl_oci_desc one;

	if (!manifest->is_index)
		return 0;
	if (bl_oci_choose(manifest, platform, &one, err))
		return -1;
	bl_oci_manifest_done(manifest);
	bl_buf_reset(body);
	return read_manifest(place, one.digest, body, desc, manifest, err);
}

int bl_image_look(struct bl_place *place, const char *reference, const char *platform,
                  struct bl_looked *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_OCI_DOC_MAX), config = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	struct bl_looked got = { 0 };
	const struct bl_value *base;
	struct bl_oci_desc desc;

	if (read_manifest(place, reference, &body, &desc, &manifest, err) ||
	    choose(place, platform, &body, &desc, &manifest, err) ||
	    bl_place_get_blob(place, &manifest.config, &config, err) ||
	    bl_image_needs_read(bl_buf_text(&config), config.len, &got.needs, err))
		return -1;
	base = bl_value_get(bl_value_get(manifest.doc, "annotations"),
	                    "org.opencontainers.image.base.digest");
	if (base && base->text && bl_digest_valid(base->text))
		memcpy(got.base_digest, base->text, strlen(base->text) + 1);
	memcpy(got.digest, desc.digest, sizeof(got.digest));
	*out = got;
	return 0;
}
