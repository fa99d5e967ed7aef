/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_OCI_H
#define BL_CODEC_OCI_H

#include "codec/value.h"

/*
 * The documents of an image: manifest, index, config; OCI's and Docker's (schema 2). Pure: bytes
 * in, bytes out. What is written is always OCI's, compact JSON in a fixed order: the same input
 * gives the same digest.
 */
#define BL_DIGEST_SIZE 72 /* "sha256:", 64 lower-case digits and a NUL */
#define BL_MEDIA_SIZE 96
#define BL_OCI_DOC_MAX ((size_t)4 << 20) /* of a manifest, index or config */
#define BL_OCI_LAYERS_MAX 127            /* of an image that is written: Docker mounts no more */

bool bl_digest_valid(const char *text); /* sha256 alone */
BL_MUST int bl_digest_of(const void *bytes, size_t len, char digest[BL_DIGEST_SIZE],
                         struct bl_err *err);
/* Of what was added to a hash, which ends it. */
struct bl_sha256;
BL_MUST int bl_digest_end(struct bl_sha256 *sha, char digest[BL_DIGEST_SIZE], struct bl_err *err);

#define BL_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define BL_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define BL_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define BL_OCI_LAYER_TAR "application/vnd.oci.image.layer.v1.tar"
#define BL_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define BL_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define BL_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define BL_DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"
/* What a GET of a manifest accepts, all four, as one header value. */
#define BL_OCI_ACCEPT BL_OCI_MANIFEST ", " BL_OCI_INDEX ", " BL_DOCKER_MANIFEST ", " BL_DOCKER_INDEX

/* A blob or manifest, as others name it. */
struct bl_oci_desc {
	char media_type[BL_MEDIA_SIZE];
	char digest[BL_DIGEST_SIZE];
	uint64_t size;
};

struct bl_oci_manifest {
	bool is_index;
	char media_type[BL_MEDIA_SIZE];
	struct bl_oci_desc config;  /* of a manifest */
	struct bl_oci_desc *layers; /* of it, n_layers, lowest first; media types as OCI's */
	size_t n_layers;
	struct bl_value
		*doc; /* the whole document; annotations are bl_value_path(doc, "annotations") */
};
void bl_oci_manifest_done(struct bl_oci_manifest *manifest);

/*
 * media_type: of the reply, "" when not known. BL_ECORRUPT names `what` and the field, or says that
 * the document, its type and the reply's do not agree. BL_EINPUT with a next step: schema 1, an
 * artifact, no layers, a layer that is "nondistributable" or of an unknown kind, a digest that is
 * not sha256.
 */
BL_MUST int bl_oci_manifest_read(const char *bytes, size_t len, const char *media_type,
                                 const char *what, struct bl_oci_manifest *out, struct bl_err *err);

/*
 * The manifest of an index for a platform "linux/amd64" or "linux/arm64/v8": os and architecture
 * equal, variant equal when one is asked for, else one without variant before the first of any;
 * attestations ("unknown/unknown") never. BL_EINPUT lists what there is.
 */
BL_MUST int bl_oci_choose(const struct bl_oci_manifest *index, const char *platform,
                          struct bl_oci_desc *out, struct bl_err *err);

/* A layer that is put on top. */
struct bl_oci_layer {
	struct bl_oci_desc blob;
	char diff_id[BL_DIGEST_SIZE]; /* of the tar itself */
	const char *created_by;       /* for `history` */
};

struct bl_oci_change {
	const char *platform; /* the base's config must be of it: BL_EINPUT */
	const struct bl_oci_layer *layers;
	size_t n_layers;
	const char *const *entrypoint;  /* NULL-ended; replaces Entrypoint, and Cmd goes */
	const char *workdir;            /* replaces WorkingDir; NULL: kept */
	const char *created;            /* RFC 3339, of the image and of each history entry */
	const char *const (*labels)[2]; /* n_labels of {name, value}: added or replaced */
	size_t n_labels;
};
/*
 * The base's config with the change made to it. All that it does not touch stays as it is and where
 * it is, unknown members too; but Docker's notes of the base's build go (container,
 * container_config), and with the entry point the Healthcheck that watched it. The layers are told
 * in `history` where that tells of all layers of the base. BL_ECORRUPT: its diff_ids are not as
 * many as base_layers. BL_EINPUT: another platform, more than BL_OCI_LAYERS_MAX layers.
 */
BL_MUST int bl_oci_config_change(const char *bytes, size_t len, size_t base_layers,
                                 const struct bl_oci_change *change, struct bl_buf *out,
                                 struct bl_err *err);

/* BL_EINPUT: more than BL_OCI_LAYERS_MAX. */
BL_MUST int bl_oci_layers_check(size_t n_layers, struct bl_err *err);

/*
 * A manifest of config and layers. annotations: n of {name, value}, written sorted by name; a NULL
 * value is left out.
 */
BL_MUST int bl_oci_manifest_write(const struct bl_oci_desc *config,
                                  const struct bl_oci_desc *layers, size_t n_layers,
                                  const char *const (*annotations)[2], size_t n, struct bl_buf *out,
                                  struct bl_err *err);

#endif
