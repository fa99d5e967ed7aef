/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a manifest, an index and a config. What is taken can be written, is the same when it
 * is read again, and is never two things at once.
 */
#include "codec/oci.h"

#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define PLATFORM "linux/amd64"

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_desc(const struct bl_oci_desc *desc)
{
	must(bl_digest_valid(desc->digest));
	must(memchr(desc->media_type, 0, sizeof(desc->media_type)) != NULL);
	must(desc->size <= (uint64_t)1 << 50);
}

static void choose(const struct bl_oci_manifest *index)
{
	struct bl_oci_desc desc = { 0 };
	struct bl_err err = { 0 };

	must(!index->layers && !index->config.digest[0]);
	must(!bl_value_get(index->doc, "layers") && !bl_value_get(index->doc, "config"));
	if (!bl_oci_choose(index, PLATFORM, &desc, &err))
		check_desc(&desc);
	else
		must(err.text[0] && !desc.digest[0]);
}

static void write_again(const struct bl_oci_manifest *manifest)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) again = { 0 };
	struct bl_err err = { 0 };

	must(manifest->n_layers && !bl_value_get(manifest->doc, "manifests"));
	check_desc(&manifest->config);
	for (size_t i = 0; i < manifest->n_layers; i++)
		check_desc(&manifest->layers[i]);
	if (bl_oci_manifest_write(&manifest->config, manifest->layers, manifest->n_layers, NULL, 0,
	                          &out, &err)) {
		must(manifest->n_layers > BL_OCI_LAYERS_MAX && err.code == BL_EINPUT);
		return;
	}
	must(!bl_oci_manifest_read(bl_buf_text(&out), out.len, BL_OCI_MANIFEST, "again", &again,
	                           &err));
	must(again.n_layers == manifest->n_layers);
	for (size_t i = 0; i < again.n_layers; i++)
		must(!strcmp(again.layers[i].digest, manifest->layers[i].digest) &&
		     !strcmp(again.layers[i].media_type, manifest->layers[i].media_type) &&
		     again.layers[i].size == manifest->layers[i].size);
}

static void read_as(const char *bytes, size_t len, const char *media_type)
{
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	struct bl_err err = { 0 };

	if (bl_oci_manifest_read(bytes, len, media_type, "fuzz", &manifest, &err)) {
		must(err.code != BL_OK && err.text[0] && !manifest.doc && !manifest.layers);
		return;
	}
	if (manifest.is_index)
		choose(&manifest);
	else
		write_again(&manifest);
}

/* A change made once more adds the same again; all else stays. */
static void change(const char *bytes, size_t len, size_t base_layers, unsigned more)
{
	static const char *const entrypoint[] = { "/run", NULL };
	static const char *const labels[][2] = { { "a", "b" } };
	static const struct bl_oci_layer layer = { .diff_id = D2, .created_by = "x" };
	const struct bl_oci_change how = {
		.platform = PLATFORM,
		.layers = &layer,
		.n_layers = 1,
		.entrypoint = entrypoint,
		.workdir = "/w",
		.created = "2026-01-01T00:00:00Z",
		.labels = labels,
		.n_labels = 1,
	};
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_err err = { 0 };
	const struct bl_value *ids;
	BL_VALUE doc = NULL;

	if (bl_oci_config_change(bytes, len, base_layers, &how, &out, &err)) {
		must(err.code != BL_OK && err.text[0]);
		return;
	}
	must(!bl_json_parse(bl_buf_text(&out), out.len, "changed", &doc, &err));
	ids = bl_value_path(doc, "rootfs.diff_ids");
	must(ids && ids->n == base_layers + 1 && !strcmp(ids->items[base_layers]->text, D2));
	must(!strcmp(bl_value_text_or(doc, "config.WorkingDir", ""), "/w"));
	if (more)
		change(bl_buf_text(&out), out.len, base_layers + 1, more - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct bl_err err = { 0 };
	const struct bl_value *ids;
	BL_VALUE doc = NULL;

	read_as(bytes, size, "");
	read_as(bytes, size, BL_OCI_INDEX);
	read_as(bytes, size, BL_DOCKER_MANIFEST "; charset=utf-8");
	if (!bl_json_parse(bytes, size, "fuzz", &doc, &err)) {
		ids = bl_value_path(doc, "rootfs.diff_ids");
		change(bytes, size, ids ? ids->n : 0, 1);
	}
	return 0;
}
