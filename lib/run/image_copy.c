/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_blobs.h"

#include <stdlib.h>

/* The manifest that the reference names; of an index the one for the platform. */
int bl_image_manifest_for(struct bl_place *place, const char *platform, struct bl_buf *bytes,
                          struct bl_oci_desc *desc, struct bl_oci_manifest *out, struct bl_err *err)
{
	struct bl_oci_desc chosen;

	if (bl_oci_manifest_read(bl_buf_text(bytes), bytes->len, desc->media_type, "image", out,
	                         err))
		return -1;
	if (!out->is_index)
		return 0;
	if (bl_oci_choose(out, platform, &chosen, err))
		return -1;
	bl_oci_manifest_done(out);
	bl_buf_reset(bytes);
	if (bl_place_get_manifest(place, chosen.digest, bytes, desc, err) ||
	    bl_oci_manifest_read(bl_buf_text(bytes), bytes->len, desc->media_type, "image", out,
	                         err))
		return -1;
	if (out->is_index) {
		bl_oci_manifest_done(out);
		return bl_fail(err, BL_EINPUT, "an index within an index");
	}
	return 0;
}

static int copy_blobs(const struct bl_image_copy *copy, const struct bl_oci_manifest *manifest,
                      struct bl_err *err)
{
	size_t n = manifest->n_layers + 1;
	struct bl_image_piece *pieces = calloc(n, sizeof(*pieces));
	struct bl_image_job *jobs = calloc(n, sizeof(*jobs));
	int rc = pieces && jobs ? 0 : bl_fail(err, BL_ENOMEM, "layers: out of memory");

	for (size_t i = 0; i < n && !rc; i++) {
		pieces[i].blob = i ? manifest->layers[i - 1] : manifest->config;
		jobs[i] = (struct bl_image_job){ .piece = &pieces[i], .from = copy->from };
	}
	if (!rc)
		rc = bl_image_put_blobs(
			&(struct bl_image_jobs){
				.jobs = jobs,
				.n = n,
				.target = copy->to,
				.at_once = copy->at_once,
				.stop = copy->stop,
				.progress = copy->progress,
				.arg = copy->arg,
			},
			err);
	free(pieces);
	free(jobs);
	return rc;
}

int bl_image_copy(const struct bl_image_copy *copy, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	struct bl_oci_desc desc;

	if (bl_place_get_manifest(copy->from, copy->reference, &bytes, &desc, err) ||
	    bl_image_manifest_for(copy->from, copy->platform, &bytes, &desc, &manifest, err) ||
	    copy_blobs(copy, &manifest, err))
		return -1;
	return bl_place_put_manifest(copy->to, copy->tag, bl_buf_text(&bytes), &desc, err);
}
