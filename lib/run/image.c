/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image.h"

#include "base/clock.h"
#include "base/fs.h"
#include "run/image_blobs.h"
#include "run/image_inputs.h"

#include <stdlib.h>
#include <string.h>

#define EXEC_JSON_MAX ((size_t)1 << 20)

/* What a push knows after having looked, and makes. */
struct making {
	const struct bl_image_options *options;
	struct bl_buf base_bytes, exec_json, source, config;
	struct bl_oci_desc base_desc; /* as the reference resolved: an index or a manifest */
	struct bl_oci_manifest base;
	struct bl_layer runner, code;
	char inputs[BL_SHA256_HEX];
	char created[BL_UTC_SIZE];
};

static void making_done(struct making *making)
{
	bl_buf_done(&making->base_bytes);
	bl_buf_done(&making->exec_json);
	bl_buf_done(&making->source);
	bl_buf_done(&making->config);
	bl_oci_manifest_done(&making->base);
	bl_layer_done(&making->runner);
	bl_layer_done(&making->code);
}

void bl_image_done(struct bl_image *image)
{
	free(image->pieces);
	*image = (struct bl_image){ 0 };
}

static bool is_baked(const struct bl_image_options *options)
{
	return !strcmp(bl_config_text(options->config, "image.code"), "baked");
}

/* --- Looking ---------------------------------------------------------------------------------- */

const char *bl_image_reference(const struct bl_image_ref *ref)
{
	if (ref->digest[0])
		return ref->digest;
	/* a layout without a tag: its only image */
	return ref->tag[0] || !ref->registry[0] ? ref->tag : "latest";
}

static int look_at_base(struct making *making, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;

	if (options->base_manifest) {
		making->base_desc = *options->base_desc;
		bl_buf_add(&making->base_bytes, bl_buf_text(options->base_manifest),
		           options->base_manifest->len);
		return bl_buf_check(&making->base_bytes, "base", err);
	}
	if (bl_place_get_manifest(options->base, bl_image_reference(options->base_ref),
	                          &making->base_bytes, &making->base_desc, err)) {
		if (err->code == BL_ENOENT)
			bl_next(err, "correct image.base, by tag or digest");
		return bl_wrap(err, "base image");
	}
	return 0;
}

/* Under which others find it. A directory's path means nothing elsewhere: no name. */
static void add_base_name(const struct bl_image_options *options, struct bl_buf *out)
{
	struct bl_image_ref bare = *options->base_ref;

	bare.digest[0] = '\0';
	if (bare.registry[0])
		bl_image_ref_add(out, &bare);
}

static int hash_inputs(struct making *making, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	BL_AUTO(bl_buf) name = BL_BUF(1024);

	add_base_name(options, &name);
	bl_image_source(options->commit, &making->source);
	if (bl_buf_check(&name, "base", err) || bl_buf_check(&making->source, "remote", err))
		return -1;
	return bl_image_inputs_hash(
		&(struct bl_image_inputs){
			.base_digest = making->base_desc.digest,
			.base_name = name.len ? bl_buf_text(&name) : NULL,
			.base_from = options->base_from,
			.platform = options->platform,
			.sha = options->commit->sha,
			.tree = options->commit->tree,
			.context = bl_config_text(options->config, "image.context"),
			.source = making->source.len ? bl_buf_text(&making->source) : NULL,
			.exec_json = bl_buf_text(&making->exec_json),
			.exec_json_len = making->exec_json.len,
			.runner_digest = making->runner.oci.blob.digest,
			.baked = is_baked(options),
		},
		making->inputs, err);
}

/* Whether the commit's tag already names what we would make. */
static int look_at_target(struct making *making, struct bl_buf *bytes, struct bl_oci_desc *desc,
                          bool *same, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	struct bl_oci_manifest there = { 0 };
	struct bl_err unread = { 0 };
	const struct bl_value *inputs;

	*same = false;
	if (bl_place_get_manifest(options->target, options->commit->sha, bytes, desc, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	/* something else under this tag: it is not ours to read */
	if (!bl_oci_manifest_read(bl_buf_text(bytes), bytes->len, desc->media_type, "target",
	                          &there, &unread)) {
		inputs = bl_value_get(bl_value_get(there.doc, "annotations"), BL_IMAGE_INPUTS);
		*same = inputs && inputs->text && !strcmp(inputs->text, making->inputs);
	}
	bl_oci_manifest_done(&there);
	return 0;
}

/* --- Making ----------------------------------------------------------------------------------- */

/* The base's manifest for the platform, and its config's bytes. */
static int read_base(struct making *making, struct bl_buf *config, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	struct bl_oci_desc desc = making->base_desc;

	if (bl_image_manifest_for(options->base, options->platform, &making->base_bytes, &desc,
	                          &making->base, err))
		return bl_wrap(err, "base image");
	return bl_place_get_blob(options->base, &making->base.config, config, err)
	               ? bl_wrap(err, "base image's config")
	               : 0;
}

static int make_code(struct making *making, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	const struct bl_layer_code how = {
		.tree = options->tree,
		.context = bl_config_text(options->config, "image.context"),
		.exec_json = bl_buf_text(&making->exec_json),
		.exec_json_len = making->exec_json.len,
		.baked = is_baked(options),
	};

	return bl_layer_of_code(&how, &making->code, err);
}

static int make_config(struct making *making, const struct bl_buf *base, struct bl_err *err)
{
	static const char *const entrypoint[] = { "/opt/branchline/bin/branchline-runner", "exec",
		                                  NULL };
	const struct bl_image_options *options = making->options;
	const char *source = making->source.len ? bl_buf_text(&making->source) : NULL;
	const struct bl_oci_layer layers[] = { making->runner.oci, making->code.oci };
	const char *labels[][2] = {
		{ "org.opencontainers.image.revision", options->commit->sha },
		{ "org.opencontainers.image.created", making->created },
		{ "org.opencontainers.image.source", source },
	};
	const struct bl_oci_change change = {
		.platform = options->platform,
		.layers = layers,
		.n_layers = BL_COUNT(layers),
		.entrypoint = entrypoint,
		.workdir = "/" BL_IMAGE_CODE,
		.created = making->created,
		.labels = labels,
		.n_labels = source ? 3 : 2,
	};

	return bl_oci_config_change(bl_buf_text(base), base->len, making->base.n_layers, &change,
	                            &making->config, err);
}

static int make_manifest(const struct making *making, const struct bl_image *image,
                         struct bl_buf *out, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	BL_AUTO(bl_buf) name = BL_BUF(1024);
	BL_AUTO(bl_buf) layers = BL_BUF(image->n_pieces * sizeof(struct bl_oci_desc) + 1);
	const struct bl_image_piece *config = &image->pieces[image->n_pieces - 1];

	add_base_name(options, &name);
	for (size_t i = 0; i + 1 < image->n_pieces; i++)
		bl_buf_add(&layers, &image->pieces[i].blob, sizeof(struct bl_oci_desc));
	if (bl_buf_check(&name, "base", err) || bl_buf_check(&layers, "layers", err))
		return -1;
	const char *annotations[][2] = {
		{ BL_IMAGE_INPUTS, making->inputs },
		{ "org.opencontainers.image.base.digest", making->base_desc.digest },
		{ "org.opencontainers.image.base.name", name.len ? bl_buf_text(&name) : NULL },
		{ "org.opencontainers.image.created", making->created },
		{ "org.opencontainers.image.revision", options->commit->sha },
		{ "org.opencontainers.image.source",
		  making->source.len ? bl_buf_text(&making->source) : NULL },
	};

	return bl_oci_manifest_write(
		&config->blob, (const struct bl_oci_desc *)(const void *)layers.data,
		image->n_pieces - 1, annotations, BL_COUNT(annotations), out, err);
}

/* --- Putting ---------------------------------------------------------------------------------- */

static int describe_config(const struct making *making, struct bl_image_piece *piece,
                           struct bl_err *err)
{
	*piece = (struct bl_image_piece){ .part = BL_IMAGE_CONFIG };
	memcpy(piece->blob.media_type, BL_OCI_CONFIG, sizeof(BL_OCI_CONFIG));
	piece->blob.size = making->config.len;
	return bl_digest_of(bl_buf_text(&making->config), making->config.len, piece->blob.digest,
	                    err);
}

static int list_pieces(const struct making *making, struct bl_image *image, struct bl_err *err)
{
	size_t n = making->base.n_layers;

	image->pieces = calloc(n + 3, sizeof(*image->pieces));
	if (!image->pieces)
		return bl_fail(err, BL_ENOMEM, "layers: out of memory");
	image->n_pieces = n + 3;
	for (size_t i = 0; i < n; i++)
		image->pieces[i].blob = making->base.layers[i];
	image->pieces[n] =
		(struct bl_image_piece){ .part = BL_IMAGE_RUNNER, .blob = making->runner.oci.blob };
	image->pieces[n + 1] = (struct bl_image_piece){ .part = BL_IMAGE_CODE_PART,
		                                        .blob = making->code.oci.blob };
	return describe_config(making, &image->pieces[n + 2], err);
}

/* Mostly the registry has it, and its bytes are not made. */
static int read_runner(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct making *making = arg;

	if (bl_layer_make_runner(making->options->runner_folder, &making->runner, err))
		return -1;
	return bl_fs_pread(making->runner.fd, to, len, offset, err);
}

/* A base of the same repository has all its layers there: the manifest could not be there else. */
static int put_blobs(struct making *making, struct bl_image *image, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	size_t n_base = making->base.n_layers, n = 0;
	bool here = bl_place_same(options->base, options->target);
	struct bl_image_job *jobs = calloc(image->n_pieces, sizeof(*jobs));
	struct bl_image_piece *own = image->pieces + n_base;
	int rc;

	if (!jobs)
		return bl_fail(err, BL_ENOMEM, "layers: out of memory");
	/* the largest first, and what is ours after what has to come from far */
	for (size_t i = 0; i < n_base && !here; i++)
		jobs[n++] =
			(struct bl_image_job){ .piece = &image->pieces[i], .from = options->base };
	jobs[n++] = (struct bl_image_job){ .piece = &own[1],
		                           .source = bl_blob_of_fd(&making->code.fd) };
	jobs[n++] = (struct bl_image_job){ .piece = &own[0], .source = { read_runner, making } };
	jobs[n++] = (struct bl_image_job){ .piece = &own[2],
		                           .source = bl_blob_of_buf(&making->config) };
	rc = bl_image_put_blobs(
		&(struct bl_image_jobs){
			.jobs = jobs,
			.n = n,
			.target = options->target,
			.at_once = options->at_once,
			.stop = options->stop,
			.progress = options->progress,
			.arg = options->arg,
		},
		err);
	free(jobs);
	return rc;
}

static int put_tags(const struct bl_image_options *options, const struct bl_buf *manifest,
                    const struct bl_oci_desc *desc, bool had_sha, struct bl_err *err)
{
	if (!had_sha && bl_place_put_manifest(options->target, options->commit->sha,
	                                      bl_buf_text(manifest), desc, err))
		return -1;
	for (size_t i = 0; i < options->n_tags; i++) {
		struct bl_oci_desc there;

		if (had_sha) { /* an unchanged commit: most likely the tag is as it was, too */
			int rc = bl_place_head_manifest(options->target, options->tags[i], &there,
			                                err);

			if (!rc && !strcmp(there.digest, desc->digest))
				continue;
			if (rc && err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err);
		}
		if (bl_place_put_manifest(options->target, options->tags[i], bl_buf_text(manifest),
		                          desc, err))
			return -1;
	}
	return 0;
}

static int make_and_put(struct making *making, struct bl_image *image, struct bl_err *err)
{
	BL_AUTO(bl_buf) base_config = BL_BUF(BL_OCI_DOC_MAX), manifest = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_oci_desc desc = { .media_type = BL_OCI_MANIFEST };

	if (read_base(making, &base_config, err) || make_code(making, err) ||
	    make_config(making, &base_config, err) || list_pieces(making, image, err) ||
	    put_blobs(making, image, err) || make_manifest(making, image, &manifest, err))
		return -1;
	desc.size = manifest.len;
	if (bl_digest_of(bl_buf_text(&manifest), manifest.len, desc.digest, err) ||
	    put_tags(making->options, &manifest, &desc, false, err))
		return -1;
	image->pushed_bytes = manifest.len;
	for (size_t i = 0; i < image->n_pieces; i++)
		if (image->pieces[i].how == BL_IMAGE_SENT)
			image->pushed_bytes += image->pieces[i].blob.size;
	memcpy(image->digest, desc.digest, sizeof(image->digest));
	return 0;
}

static int push(struct making *making, struct bl_image *image, struct bl_err *err)
{
	const struct bl_image_options *options = making->options;
	BL_AUTO(bl_buf) there = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_oci_desc desc;

	bl_utc_text(options->commit->committed_s * 1000, making->created);
	if (bl_image_exec_json(options->config, &making->exec_json, err) ||
	    bl_layer_know_runner(options->runner_folder, &making->runner, err) ||
	    look_at_base(making, err) || hash_inputs(making, err) ||
	    look_at_target(making, &there, &desc, &image->unchanged, err))
		return -1;
	memcpy(image->base_digest, making->base_desc.digest, sizeof(image->base_digest));
	if (!image->unchanged)
		return make_and_put(making, image, err);
	memcpy(image->digest, desc.digest, sizeof(image->digest));
	return put_tags(options, &there, &desc, true, err);
}

int bl_image_push(const struct bl_image_options *options, struct bl_image *out, struct bl_err *err)
{
	struct making making = {
		.options = options,
		.base_bytes = BL_BUF(BL_OCI_DOC_MAX),
		.exec_json = BL_BUF(EXEC_JSON_MAX),
		.source = BL_BUF(1024),
		.config = BL_BUF(BL_OCI_DOC_MAX),
		.runner.fd = -1,
		.code.fd = -1,
	};
	struct bl_image image = { 0 };
	int rc = push(&making, &image, err);

	making_done(&making);
	if (rc) {
		bl_image_done(&image);
		return -1;
	}
	*out = image;
	return 0;
}
