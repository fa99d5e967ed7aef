/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "codec/json.h"
#include "failalloc.h"
#include "folder.h"
#include "run/image_layout_parts.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct bl_oci_desc named(const char *digest)
{
	struct bl_oci_desc desc = { .media_type = BL_OCI_MANIFEST, .size = 7 };

	snprintf(desc.digest, sizeof(desc.digest), "%s", digest);
	return desc;
}

static struct bl_oci_desc of_bytes(const char *type, const char *bytes)
{
	struct bl_oci_desc desc = { .size = strlen(bytes) };
	struct bl_err err = { 0 };

	snprintf(desc.media_type, sizeof(desc.media_type), "%s", type);
	assert_int_equal(bl_digest_of(bytes, strlen(bytes), desc.digest, &err), 0);
	return desc;
}

/* --- index.json ------------------------------------------------------------------------------- */

#define ENTRY(digest, more)                                                                        \
	"{\"mediaType\":\"" BL_OCI_MANIFEST "\",\"digest\":\"" digest "\",\"size\":7" more "}"
#define NAMED(name) ",\"annotations\":{\"" BL_LAYOUT_NAME "\":\"" name "\"}"
#define INDEX(entries)                                                                             \
	"{\"schemaVersion\":2,\"mediaType\":\"" BL_OCI_INDEX "\",\"manifests\":[" entries "]"
#define KEPT ENTRY(DIGEST_B, ",\"platform\":{\"os\":\"linux\"}")

static void a_name_moves(void **state)
{
	static const struct {
		const char *old, *digest, *name, *expect;
	} cases[] = {
		{ NULL, DIGEST_A, "v1", INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}" },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", DIGEST_A, "",
		  INDEX(ENTRY(DIGEST_A, "")) "}" },
		/* from another */
		{ INDEX(ENTRY(DIGEST_B, NAMED("v1"))) "}", DIGEST_A, "v1",
		  INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}" },
		/* to one that had none, and a second one beside the first */
		{ INDEX(ENTRY(DIGEST_A, "")) "}", DIGEST_A, "v1",
		  INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}" },
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}", DIGEST_A, "v2",
		  INDEX(ENTRY(DIGEST_A, NAMED("v1")) "," ENTRY(DIGEST_A, NAMED("v2"))) "}" },
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}", DIGEST_A, "",
		  INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}" },
		/* what others wrote stays */
		{ INDEX(KEPT) ",\"annotations\":{\"a\":\"b\"},\"x\":[1]}", DIGEST_A, "v1",
		  INDEX(KEPT "," ENTRY(DIGEST_A,
		                       NAMED("v1"))) ",\"annotations\":{\"a\":\"b\"},\"x\":[1]}" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_oci_desc desc = named(cases[i].digest);
		BL_AUTO(bl_buf) out = BL_BUF(4096);
		struct bl_err err = { 0 };
		BL_VALUE old = NULL;

		if (cases[i].old)
			assert_int_equal(bl_json_parse(cases[i].old, strlen(cases[i].old), "old",
			                               &old, &err),
			                 0);
		assert_int_equal(bl_layout_index_change(old, &desc, cases[i].name, &out, &err), 0);
		assert_string_equal(bl_buf_text(&out), cases[i].expect);
	}
}

static void a_name_is_found(void **state)
{
	static const struct {
		const char *index, *name, *digest;
		enum bl_code code;
	} cases[] = {
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1"))) "}", "v1", DIGEST_A, BL_OK },
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1")) "," KEPT) "}", "v1", DIGEST_A, BL_OK },
		{ INDEX(KEPT) "}", "", DIGEST_B, BL_OK },
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1")) "," ENTRY(DIGEST_A, NAMED("v2"))) "}", "",
		  DIGEST_A, BL_OK },
		{ INDEX(ENTRY(DIGEST_A, NAMED("v1")) "," KEPT) "}", "", "", BL_EINPUT },
		{ INDEX(KEPT) "}", "v1", "", BL_ENOENT },
		{ INDEX("") "}", "", "", BL_ENOENT },
		{ "{}", "v1", "", BL_ENOENT },
		{ INDEX("{\"digest\":\"" DIGEST_A "\",\"size\":1}") "}", "", "", BL_ECORRUPT },
		{ INDEX("{\"mediaType\":\"x\",\"digest\":\"../../etc\",\"size\":1}") "}", "", "",
		  BL_ECORRUPT },
		{ INDEX("{\"mediaType\":\"x\",\"digest\":\"" DIGEST_A "\",\"size\":-1}") "}", "",
		  "", BL_ECORRUPT },
		{ INDEX("7") "}", "", "", BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(cases); i++) {
		struct bl_oci_desc desc = { 0 };
		struct bl_err err = { 0 };
		BL_VALUE index = NULL;

		assert_int_equal(bl_json_parse(cases[i].index, strlen(cases[i].index), "index",
		                               &index, &err),
		                 0);
		assert_int_equal(bl_layout_index_find(index, cases[i].name, &desc, &err),
		                 cases[i].code ? -1 : 0);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(desc.digest, cases[i].digest);
	}
}

static void the_names_are_told(void **state)
{
	static const char text[] =
		INDEX(ENTRY(DIGEST_A, NAMED("v1")) "," ENTRY(DIGEST_B, NAMED("v2"))) "}";
	struct bl_oci_desc desc;
	struct bl_err err = { 0 };
	BL_VALUE index = NULL;

	(void)state;
	assert_int_equal(bl_json_parse(text, strlen(text), "index", &index, &err), 0);
	assert_int_equal(bl_layout_index_find(index, "v3", &desc, &err), -1);
	assert_non_null(strstr(err.text, "no 'v3'"));
	assert_non_null(strstr(err.next, "v1, v2"));
}

/* --- The directory ---------------------------------------------------------------------------- */

static int open_layout(const char *path)
{
	struct bl_err err = { 0 };
	int fd = -1;

	assert_int_equal(bl_layout_open(path, true, &fd, &err), 0);
	return fd;
}

static void put(int fd, const char *bytes)
{
	BL_AUTO(bl_buf) buf = BL_BUF(4096);
	struct bl_oci_desc desc = of_bytes(BL_OCI_LAYER_TAR, bytes);
	struct bl_blob_source source = bl_blob_of_buf(&buf);
	struct bl_err err = { 0 };

	bl_buf_adds(&buf, bytes);
	assert_int_equal(bl_layout_put_blob(fd, &desc, &source, NULL, &err), 0);
}

static void blobs_and_manifests_come_back(void **state)
{
	struct bl_oci_desc blob = of_bytes(BL_OCI_LAYER_TAR, "layer"), got;
	struct bl_oci_desc first = of_bytes(BL_OCI_MANIFEST, "{\"first\":1}");
	struct bl_oci_desc second = of_bytes(BL_OCI_MANIFEST, "{\"second\":2}");
	BL_FD fd = open_layout(folder), again = open_layout(folder), file = -1;
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_err err = { 0 };
	char text[8] = "";
	bool has = true;

	(void)state;
	assert_int_equal(bl_layout_has_blob(fd, &blob, &has, &err), 0);
	assert_false(has);
	put(fd, "layer");
	assert_int_equal(bl_layout_has_blob(again, &blob, &has, &err), 0);
	assert_true(has);
	assert_int_equal(bl_layout_open_blob(again, &blob, &file, &err), 0);
	assert_int_equal(read(file, text, sizeof(text)), 5);
	assert_string_equal(text, "layer");

	assert_int_equal(bl_layout_put_manifest(fd, "v1", "{\"first\":1}", &first, &err), 0);
	assert_int_equal(bl_layout_get_manifest(again, "v1", &body, &got, &err), 0);
	assert_string_equal(bl_buf_text(&body), "{\"first\":1}");
	assert_memory_equal(&got, &first, sizeof(got));
	assert_int_equal(bl_layout_put_manifest(fd, "v1", "{\"second\":2}", &second, &err), 0);
	assert_int_equal(bl_layout_head_manifest(again, "v1", &got, &err), 0);
	assert_string_equal(got.digest, second.digest);
	/* the first one is there by its digest still */
	bl_buf_reset(&body);
	assert_int_equal(bl_layout_get_manifest(again, first.digest, &body, &got, &err), 0);
	assert_string_equal(bl_buf_text(&body), "{\"first\":1}");
	assert_int_equal(bl_layout_get_manifest(again, DIGEST_A, &body, &got, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

static void what_is_damaged_is_named(void **state)
{
	struct bl_oci_desc doc = of_bytes(BL_OCI_MANIFEST, "{}");
	struct bl_oci_desc blob = of_bytes(BL_OCI_LAYER_TAR, "layer");
	BL_AUTO(bl_buf) body = BL_BUF(4096), other = BL_BUF(64);
	struct bl_blob_source source = bl_blob_of_buf(&other);
	char path[BL_LAYOUT_PATH_SIZE];
	BL_FD fd = open_layout(folder);
	struct bl_err err = { 0 };
	int file = -1;
	bool has;

	(void)state;
	assert_int_equal(bl_layout_put_manifest(fd, "v1", "{}", &doc, &err), 0);
	assert_int_equal(bl_layout_blob_path(doc.digest, path, &err), 0);
	assert_int_equal(bl_fs_replace(fd, path, "[]", 2, 0644, &err), 0);
	assert_int_equal(bl_layout_get_manifest(fd, "v1", &body, &doc, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(body.len, 0);

	bl_err_clear(&err);
	bl_buf_adds(&other, "later");
	assert_int_equal(bl_layout_put_blob(fd, &blob, &source, NULL, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	assert_int_equal(bl_layout_has_blob(fd, &blob, &has, &err), 0);
	assert_false(has);

	/* one that was cut is not taken for whole, and is made whole by the next push */
	assert_int_equal(bl_layout_blob_path(blob.digest, path, &err), 0);
	assert_int_equal(bl_fs_replace(fd, path, "lay", 3, 0644, &err), 0);
	assert_int_equal(bl_layout_open_blob(fd, &blob, &file, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	bl_err_clear(&err);
	put(fd, "layer");
	assert_int_equal(bl_layout_has_blob(fd, &blob, &has, &err), 0);
	assert_true(has);
}

static void only_a_layout_is_opened(void **state)
{
	struct bl_err err = { 0 };
	BL_FD dir = -1;
	int fd = -1;

	(void)state;
	assert_int_equal(bl_layout_open("/nowhere/at/all", false, &fd, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	assert_int_equal(bl_layout_open(folder, false, &fd, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.text, "is no OCI layout"));
	bl_err_clear(&err);
	assert_int_equal(bl_fs_open_dir(folder, &dir, &err), 0);
	assert_int_equal(bl_fs_replace(dir, "thesis.tex", "x", 1, 0644, &err), 0);
	assert_int_equal(bl_layout_open(folder, true, &fd, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	bl_err_clear(&err);
	assert_int_equal(bl_fs_replace(dir, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", 30,
	                               0644, &err),
	                 0);
	assert_int_equal(bl_layout_open(folder, true, &fd, &err), -1);
	assert_non_null(strstr(err.text, "version 2.0.0"));
	assert_int_equal(fd, -1);
}

static struct bl_oci_desc memory_doc, memory_blob;

static int memory_story(struct bl_err *err)
{
	struct bl_oci_desc doc = memory_doc, blob = memory_blob;
	BL_AUTO(bl_buf) body = BL_BUF(4096), bytes = BL_BUF(64);
	struct bl_blob_source source = bl_blob_of_buf(&bytes);
	BL_FD fd = -1, file = -1;
	bool has;

	bl_buf_adds(&bytes, "layer");
	if (bl_buf_check(&bytes, "bytes", err) ||
	    bl_layout_open(folder_path("made/here"), true, &fd, err) ||
	    bl_layout_put_blob(fd, &blob, &source, NULL, err) ||
	    bl_layout_has_blob(fd, &blob, &has, err) ||
	    bl_layout_open_blob(fd, &blob, &file, err) ||
	    bl_layout_put_manifest(fd, "v1", "{}", &doc, err) ||
	    bl_layout_head_manifest(fd, "v1", &doc, err) ||
	    bl_layout_get_manifest(fd, doc.digest, &body, &doc, err))
		return -1;
	return 0;
}

static void memory_runs_out(void **state)
{
	(void)state;
	memory_doc = of_bytes(BL_OCI_MANIFEST, "{}");
	memory_blob = of_bytes(BL_OCI_LAYER_TAR, "layer");
	each_allocation_fails(memory_story, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_moves),
		cmocka_unit_test(a_name_is_found),
		cmocka_unit_test(the_names_are_told),
		cmocka_unit_test_setup_teardown(blobs_and_manifests_come_back, folder_make,
		                                folder_drop),
		cmocka_unit_test_setup_teardown(what_is_damaged_is_named, folder_make, folder_drop),
		cmocka_unit_test_setup_teardown(only_a_layout_is_opened, folder_make, folder_drop),
		cmocka_unit_test_setup_teardown(memory_runs_out, folder_make, folder_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
