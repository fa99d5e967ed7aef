/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_look.h"

#include "codec/hash.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define BASE "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define LAYER "{\"mediaType\":\"" BL_OCI_LAYER_TAR "\",\"digest\":\"" BASE "\",\"size\":5}"

struct blob {
	char digest[BL_DIGEST_SIZE];
	size_t size;
};

static struct blob put_blob(const char *text)
{
	struct blob made = { .size = strlen(text) };
	char hex[BL_SHA256_HEX], path[128];
	struct bl_err err = { 0 };

	must(bl_sha256_of(text, made.size, hex, &err), &err);
	snprintf(path, sizeof(path), "l/blobs/sha256/%s", hex);
	put_text(path, text);
	snprintf(made.digest, sizeof(made.digest), "sha256:%s", hex);
	return made;
}

static struct blob put_manifest(const char *cuda, const char *annotations)
{
	char text[1024];
	struct blob config;

	snprintf(text, sizeof(text),
	         "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":["
	         "\"CUDA_VERSION=%s\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" BASE
	         "\"]}}",
	         cuda);
	config = put_blob(text);
	snprintf(text, sizeof(text),
	         "{\"schemaVersion\":2,\"mediaType\":\"" BL_OCI_MANIFEST
	         "\",\"config\":{\"mediaType\":\"" BL_OCI_CONFIG
	         "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[" LAYER "]%s}",
	         config.digest, config.size, annotations);
	return put_blob(text);
}

static int set_up(void **state)
{
	static const char *const folders[] = { "l", "l/blobs", "l/blobs/sha256" };
	struct blob one, other;
	char index[2048];

	if (folder_make(state))
		return -1;
	for (size_t i = 0; i < BL_COUNT(folders); i++)
		assert_int_equal(mkdir(folder_path(folders[i]), 0755), 0);
	put_text("l/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	one = put_manifest("12.4.1",
	                   ",\"annotations\":{\"org.opencontainers.image.base.digest\":\"" BASE
	                   "\"}");
	other = put_manifest("11.8.0", "");
	snprintf(index, sizeof(index),
	         "{\"schemaVersion\":2,\"mediaType\":\"" BL_OCI_INDEX "\",\"manifests\":["
	         "{\"mediaType\":\"" BL_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}},"
	         "{\"mediaType\":\"" BL_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"}}]}",
	         one.digest, one.size, other.digest, other.size);
	struct blob both = put_blob(index);
	snprintf(index, sizeof(index),
	         "{\"schemaVersion\":2,\"manifests\":["
	         "{\"mediaType\":\"" BL_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"annotations\":{\"org.opencontainers.image.ref.name\":\"one\"}},"
	         "{\"mediaType\":\"" BL_OCI_INDEX "\",\"digest\":\"%s\",\"size\":%zu,"
	         "\"annotations\":{\"org.opencontainers.image.ref.name\":\"both\"}}]}",
	         one.digest, one.size, both.digest, both.size);
	put_text("l/index.json", index);
	return 0;
}

static int look(const char *reference, const char *platform, struct bl_looked *out,
                struct bl_err *err)
{
	const struct bl_place_options options = { 0 };
	struct bl_image_ref ref;
	BL_PLACE place = NULL;
	char text[128];

	snprintf(text, sizeof(text), "oci:%s", folder_path("l"));
	if (bl_place_open(text, &options, &place, &ref, err))
		return -1;
	return bl_image_look(place, reference, platform, out, err);
}

static void what_a_tag_holds(void **state)
{
	static const struct {
		const char *reference, *platform, *cuda, *base;
	} table[] = {
		{ "one", "linux/amd64", "12.4.1", BASE },
		{ "both", "linux/amd64", "12.4.1", BASE },
		{ "both", "linux/arm64", "11.8.0", "" },
	};
	struct bl_looked first = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_looked image = { 0 };
		struct bl_err err = { 0 };

		must(look(table[i].reference, table[i].platform, &image, &err), &err);
		assert_string_equal(image.needs.cuda, table[i].cuda);
		assert_string_equal(image.base_digest, table[i].base);
		if (!i)
			first = image;
		/* of an index it is the one that was chosen */
		assert_int_equal(!strcmp(image.digest, first.digest), i < 2);
	}
}

static void what_is_not_there(void **state)
{
	struct bl_looked image = { .digest = "before" };
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(look("none", "linux/amd64", &image, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	err = (struct bl_err){ 0 };
	assert_int_equal(look("both", "linux/s390x", &image, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(image.digest, "before");
}

static int story(struct bl_err *err)
{
	struct bl_looked image;

	return look("both", "linux/amd64", &image, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	each_allocation_fails(story, 2000);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_tag_holds),
		TEST(what_is_not_there),
		TEST(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("image_look", tests, NULL, NULL);
}
