/* SPDX-License-Identifier: Apache-2.0 */
/* Whole documents as tools write them, tests/unit/data/oci. */
#include "codec/oci.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/cases.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

static void show_desc(struct bl_buf *out, const char *what, const struct bl_oci_desc *desc)
{
	bl_buf_addf(out, "%s %.15s %" PRIu64 " %s\n", what, desc->digest, desc->size,
	            desc->media_type);
}

static void play_index(const struct bl_oci_manifest *index, struct bl_buf *out)
{
	static const char *const platforms[] = { "linux/amd64", "linux/arm64", "linux/arm/v7" };

	for (size_t i = 0; i < BL_COUNT(platforms); i++) {
		struct bl_oci_desc desc;
		struct bl_err err = { 0 };

		if (bl_oci_choose(index, platforms[i], &desc, &err))
			show_error(out, &err);
		else
			show_desc(out, platforms[i], &desc);
	}
}

/* What was read of it, and that what is written in its place is read the same. */
static void play_manifest(const struct bl_oci_manifest *manifest, struct bl_buf *out)
{
	BL_AUTO(bl_buf) written = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) again = { 0 };
	struct bl_err err = { 0 };

	show_desc(out, "config", &manifest->config);
	for (size_t i = 0; i < manifest->n_layers; i++)
		show_desc(out, "layer", &manifest->layers[i]);
	if (bl_oci_manifest_write(&manifest->config, manifest->layers, manifest->n_layers, NULL, 0,
	                          &written, &err) ||
	    bl_oci_manifest_read(bl_buf_text(&written), written.len, "", "again", &again, &err))
		fail_msg("%s", err.text);
	assert_int_equal(again.n_layers, manifest->n_layers);
	for (size_t i = 0; i < again.n_layers; i++) {
		assert_string_equal(again.layers[i].media_type, manifest->layers[i].media_type);
		assert_string_equal(again.layers[i].digest, manifest->layers[i].digest);
		assert_int_equal(again.layers[i].size, manifest->layers[i].size);
	}
}

static void play_config(const char *input, size_t len, size_t base_layers, struct bl_buf *out)
{
	static const char *const entrypoint[] = { "/run", "exec", NULL };
	static const char *const labels[][2] = { { "org.opencontainers.image.revision", "new" } };
	static const struct bl_oci_layer layers[] = {
		{ .diff_id = D2, .created_by = "runner" },
		{ .diff_id = D3, .created_by = "code" },
	};
	const struct bl_oci_change change = {
		.platform = "linux/amd64",
		.layers = layers,
		.n_layers = BL_COUNT(layers),
		.entrypoint = entrypoint,
		.workdir = "/w",
		.created = "2026-01-01T00:00:00Z",
		.labels = labels,
		.n_labels = BL_COUNT(labels),
	};
	BL_AUTO(bl_buf) changed = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_err err = { 0 };

	if (bl_oci_config_change(input, len, base_layers, &change, &changed, &err))
		show_error(out, &err);
	else
		bl_buf_addf(out, "%s\n", bl_buf_text(&changed));
}

static void play(const char *input, size_t len, struct bl_buf *out)
{
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	struct bl_err err = { 0 };
	const struct bl_value *ids;
	BL_VALUE doc = NULL;

	if (!bl_json_parse(input, len, "doc", &doc, &err) && bl_value_get(doc, "rootfs")) {
		ids = bl_value_path(doc, "rootfs.diff_ids");
		play_config(input, len, ids ? ids->n : 0, out);
		return;
	}
	bl_err_clear(&err);
	if (bl_oci_manifest_read(input, len, "", "image", &manifest, &err)) {
		show_error(out, &err);
		return;
	}
	bl_buf_addf(out, "%s\n", manifest.media_type);
	if (manifest.is_index)
		play_index(&manifest, out);
	else
		play_manifest(&manifest, out);
}

static void documents_are_read_or_refused(void **state)
{
	(void)state;
	each_case("oci", play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_read_or_refused),
	};

	return cmocka_run_group_tests_name("oci documents", tests, NULL, NULL);
}
