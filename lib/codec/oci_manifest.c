/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/json.h"
#include "codec/oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_LAYERS_MAX 10000
#define SCHEMA_1 "application/vnd.docker.distribution.manifest.v1+"
#define SIZE_MAX_BYTES ((int64_t)1 << 50)

void bl_oci_manifest_done(struct bl_oci_manifest *manifest)
{
	free(manifest->layers);
	bl_value_free(manifest->doc);
	*manifest = (struct bl_oci_manifest){ 0 };
}

/* --- Kinds ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	bool is_index;
} kinds[] = {
	{ BL_OCI_MANIFEST, false },
	{ BL_DOCKER_MANIFEST, false },
	{ BL_OCI_INDEX, true },
	{ BL_DOCKER_INDEX, true },
};

/* Docker's name and OCI's for the same bytes; we write OCI's. */
static const struct {
	const char *docker, *oci;
} layer_types[] = {
	{ "application/vnd.docker.image.rootfs.diff.tar", BL_OCI_LAYER_TAR },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", BL_OCI_LAYER_GZIP },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", BL_OCI_LAYER_ZSTD },
};

static const char *const config_types[] = {
	BL_OCI_CONFIG,
	"application/vnd.docker.container.image.v1+json",
};

static int kind_of(const char *media_type, bool *is_index)
{
	for (size_t i = 0; i < BL_COUNT(kinds); i++)
		if (!strcmp(kinds[i].name, media_type)) {
			*is_index = kinds[i].is_index;
			return 0;
		}
	return -1;
}

/* The reply's type may carry parameters: "...+json; charset=utf-8". */
static void bare_type(const char *media_type, char out[BL_MEDIA_SIZE])
{
	size_t len = strcspn(media_type, "; \t");

	snprintf(out, BL_MEDIA_SIZE, "%.*s", (int)(len < BL_MEDIA_SIZE ? len : BL_MEDIA_SIZE - 1),
	         media_type);
}

/* Said by servers that do not know what they serve. */
static const char *const says_nothing[] = {
	"application/json",
	"application/octet-stream",
	"binary/octet-stream",
	"text/plain",
};

static const char *said_kind(const char *said)
{
	for (size_t i = 0; i < BL_COUNT(says_nothing); i++)
		if (!strcmp(said, says_nothing[i]))
			return "";
	return said;
}

static int refuse(struct bl_err *err, const char *why, const char *what)
{
	bl_fail(err, BL_EINPUT, "%s%.80s", why, what);
	return bl_next(err, "name an image for Linux that a current docker or buildah made");
}

static int refuse_old(const struct bl_value *doc, const char *own, const char *said,
                      struct bl_err *err)
{
	if (bl_value_int_or(doc, "schemaVersion", 0) != 1 && !bl_str_starts(own, SCHEMA_1) &&
	    !bl_str_starts(said, SCHEMA_1))
		return 0;
	bl_fail(err, BL_EINPUT, "a manifest of Docker's schema 1");
	return bl_next(err, "push that image again with a tool of this decade");
}

/*
 * What is read as one thing here and as another elsewhere (CVE-2021-41190) is nothing: an index has
 * no layers, a manifest no manifests.
 */
static int check_shape(const struct bl_value *doc, bool is_index, const char *type,
                       struct bl_err *err)
{
	const struct bl_value *manifests = bl_value_get(doc, "manifests");
	const struct bl_value *config = bl_value_get(doc, "config");
	bool is_list = manifests && manifests->type == BL_LIST;

	if (is_index ? is_list && !config && !bl_value_get(doc, "layers") : config && !manifests)
		return 0;
	return bl_fail(err, BL_ECORRUPT, "it is not what its type %.80s says", type);
}

/* The document's own word and the reply's, which must agree, else its shape. */
static int find_kind(const struct bl_value *doc, const char *replied, struct bl_oci_manifest *out,
                     struct bl_err *err)
{
	const char *own = bl_value_text_or(doc, "mediaType", ""), *said, *type;
	char bare[BL_MEDIA_SIZE];

	bare_type(replied, bare);
	said = said_kind(bare);
	if (refuse_old(doc, own, said, err))
		return -1;
	if (*own && *said && strcmp(own, said) != 0)
		return bl_fail(err, BL_ECORRUPT, "it calls itself %.80s, the registry %.80s", own,
		               said);
	type = *own                             ? own
	       : *said                          ? said
	       : bl_value_get(doc, "manifests") ? BL_OCI_INDEX
	                                        : BL_OCI_MANIFEST;
	if (kind_of(type, &out->is_index))
		return refuse(err, "no image, but ", type);
	if (check_shape(doc, out->is_index, type, err))
		return -1;
	snprintf(out->media_type, sizeof(out->media_type), "%s", type);
	return 0;
}

/* --- Parts ------------------------------------------------------------------------------------ */

static int read_desc(const struct bl_value *value, struct bl_oci_desc *out, struct bl_err *err)
{
	const char *type, *digest;
	int64_t size;

	if (bl_value_text(value, "mediaType", &type, err) ||
	    bl_value_text(value, "digest", &digest, err) || bl_value_int(value, "size", &size, err))
		return -1;
	if (!bl_digest_valid(digest))
		return refuse(err, "no sha256 digest: ", digest);
	if (size < 0 || size > SIZE_MAX_BYTES)
		return bl_fail(err, BL_ECORRUPT, "size %lld", (long long)size);
	if (strlen(type) >= sizeof(out->media_type))
		return refuse(err, "an unknown media type, ", type);
	memcpy(out->media_type, type, strlen(type) + 1);
	memcpy(out->digest, digest, sizeof(out->digest));
	out->size = (uint64_t)size;
	return 0;
}

static int read_layer(const struct bl_value *value, struct bl_oci_desc *out, struct bl_err *err)
{
	if (read_desc(value, out, err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(layer_types); i++) {
		if (!strcmp(out->media_type, layer_types[i].oci))
			return 0;
		if (!strcmp(out->media_type, layer_types[i].docker)) {
			snprintf(out->media_type, sizeof(out->media_type), "%s",
			         layer_types[i].oci);
			return 0;
		}
	}
	if (strstr(out->media_type, "foreign") || strstr(out->media_type, "nondistributable"))
		return refuse(err, "a layer that may not be copied, ", out->media_type);
	return refuse(err, "a layer of unknown kind, ", out->media_type);
}

static bool is_image_config(const char *media_type)
{
	for (size_t i = 0; i < BL_COUNT(config_types); i++)
		if (!strcmp(media_type, config_types[i]))
			return true;
	return false;
}

static int read_config_desc(const struct bl_value *doc, struct bl_oci_manifest *out,
                            struct bl_err *err)
{
	const char *artifact = bl_value_text_or(doc, "artifactType", "");

	if (*artifact && !is_image_config(artifact))
		return refuse(err, "no image, but an artifact of kind ", artifact);
	if (read_desc(bl_value_get(doc, "config"), &out->config, err))
		return bl_wrap(err, "config");
	if (!is_image_config(out->config.media_type))
		return refuse(err, "no image, but an artifact of kind ", out->config.media_type);
	if (out->config.size > BL_OCI_DOC_MAX)
		return bl_fail(err, BL_ELIMIT, "config: over %zu bytes", BL_OCI_DOC_MAX);
	return 0;
}

static int read_layers(const struct bl_value *doc, struct bl_oci_manifest *out, struct bl_err *err)
{
	const struct bl_value *layers = bl_value_get(doc, "layers");

	if (!layers || layers->type != BL_LIST)
		return bl_fail(err, BL_ECORRUPT, "layers: no list");
	if (!layers->n)
		return refuse(err, "no layers", "");
	if (layers->n > READ_LAYERS_MAX)
		return bl_fail(err, BL_ELIMIT, "%zu layers", layers->n);
	out->layers = calloc(layers->n, sizeof(*out->layers));
	if (!out->layers)
		return bl_fail(err, BL_ENOMEM, "layers: out of memory");
	out->n_layers = layers->n;
	for (size_t i = 0; i < layers->n; i++)
		if (read_layer(layers->items[i], &out->layers[i], err))
			return bl_wrap(err, "layer %zu", i + 1);
	return 0;
}

int bl_oci_manifest_read(const char *bytes, size_t len, const char *media_type, const char *what,
                         struct bl_oci_manifest *out, struct bl_err *err)
{
	BL_AUTO(bl_oci_manifest) manifest = { 0 };

	if (bl_json_parse(bytes, len, what, &manifest.doc, err))
		return -1;
	if (manifest.doc->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "%s: no manifest", what);
	if (find_kind(manifest.doc, media_type, &manifest, err) ||
	    (!manifest.is_index && (read_config_desc(manifest.doc, &manifest, err) ||
	                            read_layers(manifest.doc, &manifest, err))))
		return bl_wrap(err, "%s", what);
	*out = manifest;
	manifest = (struct bl_oci_manifest){ 0 };
	return 0;
}

/* --- The one for a platform ------------------------------------------------------------------- */

#define PLATFORM_SIZE 128

static void name_platform(const struct bl_value *platform, char out[PLATFORM_SIZE])
{
	const char *variant = bl_value_text_or(platform, "variant", "");

	snprintf(out, PLATFORM_SIZE, "%.40s/%.40s%s%.40s", bl_value_text_or(platform, "os", "?"),
	         bl_value_text_or(platform, "architecture", "?"), *variant ? "/" : "", variant);
}

static bool fits(const char *has, const char *wanted)
{
	size_t len = strlen(wanted);

	return !strncmp(has, wanted, len) && (!has[len] || has[len] == '/');
}

static bool is_attestation(const struct bl_value *platform)
{
	return !strcmp(bl_value_text_or(platform, "os", ""), "unknown");
}

/* The one that is exactly it, else the first of any variant: amd64 is there before amd64/v3. */
static const struct bl_value *best_of(const struct bl_value *manifests, const char *platform,
                                      struct bl_buf *seen)
{
	const struct bl_value *first = NULL;
	char name[PLATFORM_SIZE];

	for (size_t i = 0; manifests && i < manifests->n; i++) {
		const struct bl_value *has = bl_value_get(manifests->items[i], "platform");

		if (!has || is_attestation(has))
			continue;
		name_platform(has, name);
		if (!strcmp(name, platform))
			return manifests->items[i];
		if (!first && fits(name, platform))
			first = manifests->items[i];
		if (seen->len + PLATFORM_SIZE + 2 < seen->max)
			bl_buf_addf(seen, "%s%s", seen->len ? ", " : "", name);
	}
	return first;
}

int bl_oci_choose(const struct bl_oci_manifest *index, const char *platform,
                  struct bl_oci_desc *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) seen = BL_BUF(400);
	const struct bl_value *best =
		best_of(bl_value_get(index->doc, "manifests"), platform, &seen);
	struct bl_oci_desc desc = { 0 };

	if (best) {
		if (read_desc(best, &desc, err))
			return bl_wrap(err, "manifest for %.60s", platform);
		*out = desc;
		return 0;
	}
	bl_fail(err, BL_EINPUT, "it is not made for %.60s, but for: %s", platform,
	        seen.len ? bl_buf_text(&seen) : "nothing that it names");
	return bl_next(err, "take another base, or ask for one of these by --platform");
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void add_desc(struct bl_json *json, const char *key, const struct bl_oci_desc *desc)
{
	bl_json_map(json, key);
	bl_json_text(json, "mediaType", desc->media_type);
	bl_json_text(json, "digest", desc->digest);
	bl_json_int(json, "size", (int64_t)desc->size);
	bl_json_end_map(json);
}

/* Few: each time the smallest of those above the last. */
static void add_annotations(struct bl_json *json, const char *const (*pairs)[2], size_t n)
{
	const char *last = "";

	bl_json_map(json, "annotations");
	for (;;) {
		const char *const *next = NULL;

		for (size_t i = 0; i < n; i++)
			if (pairs[i][1] && strcmp(pairs[i][0], last) > 0 &&
			    (!next || strcmp(pairs[i][0], next[0]) < 0))
				next = pairs[i];
		if (!next)
			break;
		bl_json_text(json, next[0], next[1]);
		last = next[0];
	}
	bl_json_end_map(json);
}

int bl_oci_layers_check(size_t n_layers, struct bl_err *err)
{
	if (n_layers <= BL_OCI_LAYERS_MAX)
		return 0;
	bl_fail(err, BL_EINPUT, "%zu layers in all: more than %d cannot be run", n_layers,
	        BL_OCI_LAYERS_MAX);
	return bl_next(err, "take a base of fewer layers, or make it one: buildah build "
	                    "--squash-all");
}

int bl_oci_manifest_write(const struct bl_oci_desc *config, const struct bl_oci_desc *layers,
                          size_t n_layers, const char *const (*annotations)[2], size_t n,
                          struct bl_buf *out, struct bl_err *err)
{
	struct bl_json json = BL_JSON(out);

	if (bl_oci_layers_check(n_layers, err))
		return -1;
	bl_json_map(&json, NULL);
	bl_json_int(&json, "schemaVersion", 2);
	bl_json_text(&json, "mediaType", BL_OCI_MANIFEST);
	add_desc(&json, "config", config);
	bl_json_list(&json, "layers");
	for (size_t i = 0; i < n_layers; i++)
		add_desc(&json, NULL, &layers[i]);
	bl_json_end_list(&json);
	add_annotations(&json, annotations, n);
	bl_json_end_map(&json);
	return bl_buf_check(out, "manifest", err);
}
