/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/oci.h"

#include "codec/hash.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

#define DESC(type, digest, size)                                                                   \
	"{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" #size "}"
#define DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define MANIFEST(type, config, layers)                                                             \
	"{\"schemaVersion\":2,\"mediaType\":\"" type "\",\"config\":" config                       \
	",\"layers\":[" layers "]}"
#define OCI_OF(layers) MANIFEST(BL_OCI_MANIFEST, DESC(BL_OCI_CONFIG, D1, 7), layers)

static void digests_are_sha256_alone(void **state)
{
	char digest[BL_DIGEST_SIZE], pieces[BL_DIGEST_SIZE];
	struct bl_sha256 *sha;
	struct bl_err err = { 0 };

	(void)state;
	assert_true(bl_digest_valid(D1));
	assert_false(bl_digest_valid(D1 "1"));
	assert_false(bl_digest_valid("sha256:11"));
	assert_false(bl_digest_valid(
		"sha512:"
		"1111111111111111111111111111111111111111111111111111111111111111"));
	assert_false(bl_digest_valid(
		"sha256:A111111111111111111111111111111111111111111111111111111111111111"));
	assert_int_equal(bl_digest_of("abc", 3, digest, &err), 0);
	assert_string_equal(
		digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	/* the same, of what comes in pieces */
	assert_int_equal(bl_sha256_new(&sha, &err), 0);
	assert_int_equal(bl_sha256_add(sha, "a", 1, &err), 0);
	assert_int_equal(bl_sha256_add(sha, "bc", 2, &err), 0);
	assert_int_equal(bl_digest_end(sha, pieces, &err), 0);
	bl_sha256_free(sha);
	assert_string_equal(pieces, digest);
}

static void manifests_of_both_makes_are_read(void **state)
{
	static const char *const texts[] = {
		OCI_OF(DESC(BL_OCI_LAYER_GZIP, D2, 9) "," DESC(BL_OCI_LAYER_TAR, D3, 0)),
		MANIFEST(BL_DOCKER_MANIFEST, DESC(DOCKER_CONFIG, D1, 7),
		         DESC(DOCKER_LAYER ".gzip", D2, 9) "," DESC(DOCKER_LAYER, D3, 0)),
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(texts); i++) {
		BL_AUTO(bl_oci_manifest) m = { 0 };

		if (bl_oci_manifest_read(texts[i], strlen(texts[i]), "", "m", &m, &err))
			fail_msg("%s", err.text);
		assert_false(m.is_index);
		assert_string_equal(m.config.digest, D1);
		assert_int_equal(m.n_layers, 2);
		assert_string_equal(m.layers[0].media_type, BL_OCI_LAYER_GZIP);
		assert_string_equal(m.layers[0].digest, D2);
		assert_int_equal(m.layers[0].size, 9);
		assert_string_equal(m.layers[1].media_type, BL_OCI_LAYER_TAR);
	}
}

/* The document's word, the reply's, neither: of those that agree one is enough. */
static void the_type_is_what_both_say(void **state)
{
	static const struct {
		const char *own, *said, *type;
	} table[] = {
		{ BL_OCI_MANIFEST, "", BL_OCI_MANIFEST },
		{ BL_OCI_MANIFEST, BL_OCI_MANIFEST "; charset=utf-8", BL_OCI_MANIFEST },
		{ BL_OCI_MANIFEST, "application/octet-stream", BL_OCI_MANIFEST },
		{ BL_DOCKER_MANIFEST, "application/json", BL_DOCKER_MANIFEST },
		{ "", BL_DOCKER_MANIFEST, BL_DOCKER_MANIFEST },
		{ "", "text/plain; charset=utf-8", BL_OCI_MANIFEST },
		{ "", "", BL_OCI_MANIFEST },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_oci_manifest) m = { 0 };
		struct bl_err err = { 0 };
		char text[1024];

		snprintf(text, sizeof(text), "{%s%s%s\"config\":%s,\"layers\":[%s]}",
		         *table[i].own ? "\"mediaType\":\"" : "", table[i].own,
		         *table[i].own ? "\"," : "", DESC(BL_OCI_CONFIG, D1, 7),
		         DESC(BL_OCI_LAYER_TAR, D2, 1));
		if (bl_oci_manifest_read(text, strlen(text), table[i].said, "m", &m, &err))
			fail_msg("%zu: %s", i, err.text);
		assert_string_equal(m.media_type, table[i].type);
	}
}

/* No more than can be believed: 10,000. */
static void layers_are_counted(void **state)
{
	static const char layer[] = DESC(BL_OCI_LAYER_TAR, D2, 1);

	(void)state;
	for (size_t n = 10000; n < 10002; n++) {
		BL_AUTO(bl_buf) text = BL_BUF(BL_OCI_DOC_MAX);
		BL_AUTO(bl_oci_manifest) m = { 0 };
		struct bl_err err = { 0 };

		bl_buf_adds(&text, "{\"config\":" DESC(BL_OCI_CONFIG, D1, 7) ",\"layers\":[");
		for (size_t i = 0; i < n; i++)
			bl_buf_addf(&text, "%s%s", i ? "," : "", layer);
		bl_buf_adds(&text, "]}");
		assert_int_equal(
			bl_oci_manifest_read(bl_buf_text(&text), text.len, "", "m", &m, &err),
			n > 10000 ? -1 : 0);
		assert_int_equal(err.code, n > 10000 ? BL_ELIMIT : BL_OK);
		assert_int_equal(m.n_layers, n > 10000 ? 0 : n);
	}
}

static const struct {
	const char *text, *type, *why;
	enum bl_code code;
} refused[] = {
	{ "[]", "", "no manifest", BL_ECORRUPT },
	{ "{\"schemaVersion\":1}", "", "schema 1", BL_EINPUT },
	{ "{\"schemaVersion\":2}", "", "not what its type", BL_ECORRUPT },
	{ OCI_OF(""), "", "no layers", BL_EINPUT },
	{ OCI_OF(DESC("application/x", D2, 1)), "", "layer 1: a layer of unknown kind", BL_EINPUT },
	{ OCI_OF(DESC("application/vnd.oci.image.layer.nondistributable.v1.tar", D2, 1)), "",
	  "may not be copied", BL_EINPUT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, "sha512:12", 1)), "", "no sha256", BL_EINPUT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, -1)), "", "size -1", BL_ECORRUPT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, 9007199254740992)), "", "size", BL_ECORRUPT },
	{ MANIFEST(BL_OCI_MANIFEST, DESC("application/vnd.oci.empty.v1+json", D1, 2),
	           DESC(BL_OCI_LAYER_TAR, D2, 1)),
	  "", "an artifact", BL_EINPUT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, 1)), BL_DOCKER_MANIFEST, "it calls itself",
	  BL_ECORRUPT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, 1)), BL_OCI_INDEX, "it calls itself", BL_ECORRUPT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, 1)), "text/html", "the registry text/html",
	  BL_ECORRUPT },
	{ OCI_OF(DESC(BL_OCI_LAYER_TAR, D2, 1)),
	  "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1", BL_EINPUT },
	{ "{\"schemaVersion\":2,\"manifests\":[]}", BL_OCI_MANIFEST, "not what its type",
	  BL_ECORRUPT },
	{ "{\"mediaType\":\"text/html\",\"config\":{}}", "", "no image, but text/html", BL_EINPUT },
};

static void what_is_no_image_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(refused); i++) {
		BL_AUTO(bl_oci_manifest) m = { 0 };
		struct bl_err err = { 0 };

		assert_int_equal(bl_oci_manifest_read(refused[i].text, strlen(refused[i].text),
		                                      refused[i].type, "m", &m, &err),
		                 -1);
		if (!strstr(err.text, refused[i].why) || err.code != refused[i].code)
			fail_msg("%s: %d %s", refused[i].text, err.code, err.text);
		if (err.code == BL_EINPUT && !err.next[0])
			fail_msg("%s: no next step", refused[i].text);
		assert_null(m.doc);
	}
}

#define OF(digest, platform)                                                                       \
	"{\"mediaType\":\"" BL_OCI_MANIFEST "\",\"digest\":\"" digest                              \
	"\",\"size\":5,\"platform\":{" platform "}}"
static const char an_index[] = "{\"schemaVersion\":2,\"manifests\":[" OF(
	D3, "\"os\":\"unknown\",\"architecture\":"
	    "\"unknown\"") "," OF(D1, "\"os\":\"linux\","
                                      "\"architecture\":"
                                      "\"amd64\"") "," OF(D2, "\"os\":\"linux\",\"architecture\":"
                                                              "\"arm64\",\"variant\":\"v8\"") "]}";

static void the_platform_asked_for_is_chosen(void **state)
{
	static const struct {
		const char *platform, *digest;
	} table[] = {
		{ "linux/amd64", D1 },      { "linux/arm64", D2 },      { "linux/arm64/v8", D2 },
		{ "linux/arm64/v7", NULL }, { "linux/arm", NULL },      { "unknown/unknown", NULL },
		{ "windows/amd64", NULL },  { "linux/amd64/v3", NULL },
	};
	BL_AUTO(bl_oci_manifest) index = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(
		bl_oci_manifest_read(an_index, strlen(an_index), BL_OCI_INDEX, "i", &index, &err),
		0);
	assert_true(index.is_index);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_oci_desc desc = { 0 };
		int rc = bl_oci_choose(&index, table[i].platform, &desc, &err);

		if (table[i].digest) {
			assert_int_equal(rc, 0);
			assert_string_equal(desc.digest, table[i].digest);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_non_null(strstr(err.text, "but for: linux/amd64, linux/arm64/v8"));
		bl_err_clear(&err);
	}
}

/* --- Manifests -------------------------------------------------------------------------------- */

static const struct bl_oci_desc config_desc = { BL_OCI_CONFIG, D1, 7 };

static int write_manifest(size_t n_layers, struct bl_buf *out, struct bl_err *err)
{
	static const char *const annotations[][2] = {
		{ "b", "2" }, { "none", NULL }, { "a", "1" }, { "c", "3" }
	};
	static struct bl_oci_desc layers[200];

	for (size_t i = 0; i < n_layers; i++)
		layers[i] = (struct bl_oci_desc){ BL_OCI_LAYER_GZIP, D2, 9 };
	return bl_oci_manifest_write(&config_desc, layers, n_layers, annotations,
	                             BL_COUNT(annotations), out, err);
}

static void a_manifest_is_the_same_for_the_same_input(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	BL_AUTO(bl_oci_manifest) read = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(write_manifest(1, &out, &err), 0);
	assert_string_equal(bl_buf_text(&out),
	                    "{\"schemaVersion\":2,\"mediaType\":\"" BL_OCI_MANIFEST
	                    "\",\"config\":" DESC(BL_OCI_CONFIG, D1, 7) ",\"layers\":[" DESC(
				    BL_OCI_LAYER_GZIP, D2,
				    9) "],\"annotations\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}");
	assert_int_equal(
		bl_oci_manifest_read(bl_buf_text(&out), out.len, BL_OCI_MANIFEST, "m", &read, &err),
		0);
	assert_int_equal(read.n_layers, 1);
}

static void more_layers_than_can_be_run_are_refused(void **state)
{
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(write_manifest(127, &out, &err), 0);
	assert_int_equal(write_manifest(128, &out, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "128 layers"));
	assert_non_null(strstr(err.next, "fewer layers"));
	bl_err_clear(&err);
	assert_int_equal(bl_oci_layers_check(BL_OCI_LAYERS_MAX, &err), 0);
	assert_int_equal(bl_oci_layers_check(BL_OCI_LAYERS_MAX + 1, &err), -1);
}

static int story(struct bl_err *err)
{
	static const char text[] = OCI_OF(DESC(BL_OCI_LAYER_GZIP, D2, 9));
	BL_AUTO(bl_oci_manifest) manifest = { 0 };
	BL_AUTO(bl_oci_manifest) index = { 0 };
	BL_AUTO(bl_buf) out = BL_BUF(BL_OCI_DOC_MAX);
	char digest[BL_DIGEST_SIZE];
	struct bl_oci_desc desc;

	if (bl_oci_manifest_read(text, strlen(text), "", "m", &manifest, err) ||
	    bl_oci_manifest_read(an_index, strlen(an_index), "", "i", &index, err) ||
	    bl_oci_choose(&index, "linux/amd64", &desc, err) || write_manifest(2, &out, err))
		return -1;
	return bl_digest_of(text, strlen(text), digest, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(story, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_sha256_alone),
		cmocka_unit_test(manifests_of_both_makes_are_read),
		cmocka_unit_test(the_type_is_what_both_say),
		cmocka_unit_test(layers_are_counted),
		cmocka_unit_test(what_is_no_image_is_refused),
		cmocka_unit_test(the_platform_asked_for_is_chosen),
		cmocka_unit_test(a_manifest_is_the_same_for_the_same_input),
		cmocka_unit_test(more_layers_than_can_be_run_are_refused),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
