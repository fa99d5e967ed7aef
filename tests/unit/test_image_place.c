/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_place.h"

#include "base/str.h"
#include "tests/unit/canned.h"
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

#define DOC "{\"schemaVersion\":2}"
#define DOC_DIGEST "sha256:bafebd36189ad3688b7b3915ea55d461e0bfcfbdde11e54b0a123999fb6be50f"
#define HELLO_DIGEST "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static const struct bl_oci_desc doc = { BL_OCI_MANIFEST, DOC_DIGEST, sizeof(DOC) - 1 };
static const struct bl_oci_desc hello = { BL_OCI_LAYER_TAR, HELLO_DIGEST, 5 };

static struct bl_place *open_place(const char *text, struct bl_place *near)
{
	const struct bl_place_options options = { .create = true, .near = near };
	struct bl_place *place = NULL;
	struct bl_image_ref ref;
	struct bl_err err = { 0 };

	must(bl_place_open(text, &options, &place, &ref, &err), &err);
	return place;
}

static struct bl_place *open_layout(const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "oci:%s", folder_path(name));
	return open_place(text, NULL);
}

/* --- Names ------------------------------------------------------------------------------------ */

static void a_place_is_read_from_its_name(void **state)
{
	static const struct {
		const char *tail, *dir, *tag, *digest;
	} table[] = {
		{ "a", "a", "", "" },
		{ "a:v1", "a", "v1", "" },
		{ "a:b:v1", "a:b", "v1", "" },
		{ "a:b/c", "a:b/c", "", "" },
		{ "a@b:v1", "a@b", "v1", "" },
		{ "a@" DOC_DIGEST, "a", "", DOC_DIGEST },
		{ "a:b@" DOC_DIGEST, "a:b", "", DOC_DIGEST },
	};
	const struct bl_place_options options = { .create = true };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) name = BL_BUF(512);
		struct bl_image_ref ref, bare;
		struct bl_err err = { 0 };
		BL_PLACE place = NULL;
		char text[256];

		snprintf(text, sizeof(text), "oci:%s", folder_path(table[i].tail));
		must(bl_place_open(text, &options, &place, &ref, &err), &err);
		assert_string_equal(ref.registry, "");
		assert_string_equal(ref.repository, folder_path(table[i].dir));
		assert_string_equal(ref.tag, table[i].tag);
		assert_string_equal(ref.digest, table[i].digest);
		assert_false(bl_place_is_registry(place));
		assert_true(is_there(table[i].dir));
		bl_place_ref(place, &bare);
		assert_string_equal(bare.tag, "");
		assert_string_equal(bare.digest, "");
		bl_place_add_name(place, &name);
		assert_true(bl_str_starts(bl_buf_text(&name), "oci:/"));
		assert_string_equal(bl_buf_text(&name) + 4, folder_path(table[i].dir));
	}
}

static void a_registry_is_named_without_being_asked(void **state)
{
	const struct bl_place_options options = { 0 };
	BL_AUTO(bl_buf) name = BL_BUF(512);
	struct bl_err err = { 0 };
	struct bl_image_ref ref;
	BL_PLACE place = NULL;

	(void)state;
	must(bl_place_open("python:3.11", &options, &place, &ref, &err), &err);
	assert_true(bl_place_is_registry(place));
	assert_string_equal(ref.tag, "3.11");
	bl_place_add_name(place, &name);
	assert_string_equal(bl_buf_text(&name), "docker.io/library/python");
}

static void what_names_no_place_is_refused(void **state)
{
	static char long_name[400] = "oci:";
	static const struct {
		const char *text, *why;
		enum bl_code code;
	} table[] = {
		{ "oci:", "no directory", BL_EINPUT },
		{ "oci::v1", "no directory", BL_EINPUT },
		{ "oci:a:", "its tag is none", BL_EINPUT },
		{ "oci:a:-x", "its tag is none", BL_EINPUT },
		{ "oci:a@sha256:12", "its digest is no sha256", BL_EINPUT },
		{ long_name, "too long", BL_EINPUT },
		{ "Upper/Case", "Upper/Case", BL_EINPUT },
		{ "https://registry.example/x", "registry.example", BL_EINPUT },
		{ "oci:/nowhere/at/all", "/nowhere/at/all", BL_ENOENT },
	};
	const struct bl_place_options options = { 0 };

	(void)state;
	memset(long_name + 4, 'd', 256);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_place *place = NULL;
		struct bl_image_ref ref = { .tag = "kept" };
		struct bl_err err = { 0 };

		assert_int_equal(bl_place_open(table[i].text, &options, &place, &ref, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why) ||
		    (table[i].code == BL_EINPUT && !err.next[0]))
			fail_msg("%s: %d %s; %s", table[i].text, err.code, err.text, err.next);
		assert_null(place);
		assert_string_equal(ref.tag, "kept");
	}
}

/* --- Which is which --------------------------------------------------------------------------- */

static void the_same_directory_is_the_same_place(void **state)
{
	BL_PLACE a = open_layout("a");
	BL_PLACE b = open_layout("b");
	BL_PLACE registry = open_place("localhost:5000/demo", NULL);
	BL_PLACE link = NULL;

	(void)state;
	make_link("link", folder_path("a"));
	link = open_layout("link");
	assert_true(bl_place_same(a, a));
	assert_true(bl_place_same(a, link));
	assert_false(bl_place_same(a, b));
	assert_false(bl_place_same(a, registry));
	assert_false(bl_place_same(registry, a));
	assert_null(bl_place_mount_from(a, b));
	assert_null(bl_place_mount_from(a, registry));
}

static void blobs_are_mounted_within_a_registry(void **state)
{
	BL_PLACE demo = open_place("localhost:5000/demo:a", NULL);
	BL_PLACE tagged = open_place("localhost:5000/demo:b", NULL);
	BL_PLACE base = open_place("localhost:5000/base", NULL);
	BL_PLACE far = open_place("localhost:5001/demo", NULL);

	(void)state;
	assert_true(bl_place_same(demo, tagged));
	assert_false(bl_place_same(demo, base));
	assert_false(bl_place_same(demo, far));
	assert_string_equal(bl_place_mount_from(base, demo), "base");
	assert_null(bl_place_mount_from(demo, tagged));
	assert_null(bl_place_mount_from(far, demo));
}

/* --- What both kinds do ----------------------------------------------------------------------- */

static int everything(struct bl_place *place, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096), bytes = BL_BUF(64);
	struct bl_blob_source source = bl_blob_of_buf(&bytes);
	struct bl_place_blob blob = BL_PLACE_BLOB;
	struct bl_oci_desc head, got;
	char text[8] = "";
	bool has = false;
	int rc = -1;

	bl_buf_adds(&bytes, "hello");
	if (bl_buf_check(&bytes, "bytes", err) ||
	    bl_place_put_blob(place, &hello, &source, NULL, err) ||
	    bl_place_has_blob(place, &hello, &has, err) ||
	    bl_place_get_blob(place, &hello, &body, err))
		return -1;
	if (!has || strcmp(bl_buf_text(&body), "hello") != 0)
		return bl_fail(err, BL_EBUG, "blob: %s", bl_buf_text(&body));
	bl_buf_reset(&body);
	if (bl_place_put_manifest(place, "v1", DOC, &doc, err) ||
	    bl_place_head_manifest(place, "v1", &head, err) ||
	    bl_place_get_manifest(place, DOC_DIGEST, &body, &got, err))
		return -1;
	if (strcmp(head.digest, DOC_DIGEST) != 0 || strcmp(bl_buf_text(&body), DOC) != 0)
		return bl_fail(err, BL_EBUG, "manifest: %s", bl_buf_text(&body));
	if (!bl_place_open_blob(place, &hello, &blob, err))
		rc = blob.source.read(blob.source.arg, 0, text, 5, err);
	bl_place_blob_done(&blob);
	if (!rc && strcmp(text, "hello") != 0)
		return bl_fail(err, BL_EBUG, "source: %s", text);
	return rc;
}

static void a_layout_does_everything(void **state)
{
	BL_PLACE clone = NULL;
	BL_PLACE place = open_layout("made/here");
	struct bl_err err = { 0 };

	(void)state;
	must(everything(place, &err), &err);
	must(bl_place_clone(place, &clone, &err), &err);
	assert_true(bl_place_same(place, clone));
	bl_place_close(place);
	place = NULL;
	must(everything(clone, &err), &err);
}

static void a_blob_of_other_bytes_is_not_given(void **state)
{
	BL_PLACE place = open_layout("here");
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_oci_desc big = hello;
	struct bl_err err = { 0 };

	(void)state;
	must(everything(place, &err), &err);
	chmod(folder_path("here/blobs/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043"
	                  "362938b9824"),
	      0644);
	rewrite_text("here/blobs/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938"
	             "b9824",
	             "jello");
	assert_int_equal(bl_place_get_blob(place, &hello, &body, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, HELLO_DIGEST));
	assert_int_equal(body.len, 0);
	bl_err_clear(&err);
	big.size = BL_OCI_DOC_MAX + 1;
	assert_int_equal(bl_place_get_blob(place, &big, &body, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

#define SAID "Docker-Content-Digest: " DOC_DIGEST "\r\nContent-Type: " BL_OCI_MANIFEST "\r\n"
static const struct canned_reply registry_replies[] = {
	{ .times = 1, .status = 401, .headers = "WWW-Authenticate: Basic realm=\"r\"\r\n" },
	{ .on = "POST /v2/demo/blobs/uploads/ ", .status = 202, .headers = "Location: /u1\r\n" },
	{ .on = "PUT /u1?digest=", .status = 201 },
	{ .on = "HEAD /v2/demo/blobs/sha256:", .body = "hello" },
	{ .on = "GET /v2/demo/blobs/sha256:", .body = "hello" },
	{ .on = "PUT /v2/demo/manifests/v1 ", .status = 201 },
	{ .on = "HEAD /v2/demo/manifests/v1 ", .headers = SAID, .body = DOC },
	{ .on = "GET /v2/demo/manifests/" DOC_DIGEST " ", .headers = SAID, .body = DOC },
	{ .on = "HEAD /v2/other/blobs/sha256:", .status = 404 },
};

static int login(void *arg, const char *registry, bool again, struct bl_login *out,
                 struct bl_err *err)
{
	(void)registry;
	assert_false(again);
	(*(unsigned *)arg)++;
	snprintf(out->user, sizeof(out->user), "u");
	return bl_secret_set(&out->password, "p", 1, err);
}

/* The place that was opened first is closed first: what it shares lives on in the others. */
static void one_login_serves_all_places_of_a_registry(void **state)
{
	struct canned *server = canned_start(registry_replies, BL_COUNT(registry_replies));
	struct bl_registry_counts counts = { 0 };
	unsigned asked = 0;
	struct bl_place_options options = { .login = login,
		                            .login_arg = &asked,
		                            .counts = &counts };
	BL_PLACE clone = NULL;
	BL_PLACE other = NULL;
	struct bl_place *place = NULL;
	struct bl_image_ref ref;
	struct bl_err err = { 0 };
	char text[64];
	bool has = true;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u/demo", canned_port(server));
	must(bl_place_open(text, &options, &place, &ref, &err), &err);
	must(everything(place, &err), &err);
	must(bl_place_clone(place, &clone, &err), &err);
	options.near = place;
	snprintf(text, sizeof(text), "127.0.0.1:%u/other", canned_port(server));
	must(bl_place_open(text, &options, &other, &ref, &err), &err);
	assert_string_equal(bl_place_mount_from(place, other), "demo");
	bl_place_close(place);

	must(everything(clone, &err), &err);
	must(bl_place_has_blob(other, &hello, &has, &err), &err);
	assert_false(has);
	assert_int_equal(asked, 1);
	assert_int_equal(counts.auth_requests, 1);
	canned_stop(server);
}

static void another_registry_has_a_login_of_its_own(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 401, .headers = "WWW-Authenticate: Basic realm=r\r\n" },
		{ .status = 404 },
	};
	struct canned *servers[] = { canned_start(replies, 2), canned_start(replies, 2) };
	BL_PLACE a = NULL;
	BL_PLACE b = NULL;
	struct bl_place **places[] = { &a, &b };
	unsigned asked = 0;
	struct bl_place_options options = { .login = login, .login_arg = &asked };
	struct bl_err err = { 0 };
	bool has = true;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bl_image_ref ref;
		char text[64];

		options.near = a;
		snprintf(text, sizeof(text), "127.0.0.1:%u/demo", canned_port(servers[i]));
		must(bl_place_open(text, &options, places[i], &ref, &err), &err);
		must(bl_place_has_blob(*places[i], &hello, &has, &err), &err);
		assert_false(has);
		assert_int_equal(asked, i + 1);
	}
	canned_stop(servers[0]);
	canned_stop(servers[1]);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static int layout_story(struct bl_err *err)
{
	const struct bl_place_options options = { .create = true };
	BL_PLACE place = NULL;
	BL_PLACE clone = NULL;
	struct bl_image_ref ref;
	char text[128];

	snprintf(text, sizeof(text), "oci:%s", folder_path("made/here"));
	return bl_place_open(text, &options, &place, &ref, err) ||
	                       bl_place_clone(place, &clone, err) || everything(clone, err)
	               ? -1
	               : 0;
}

static int registry_story(struct bl_err *err)
{
	struct bl_place_options options = { 0 };
	BL_PLACE place = NULL;
	BL_PLACE clone = NULL;
	BL_PLACE near = NULL;
	struct bl_image_ref ref;

	if (bl_place_open("localhost:5000/demo", &options, &place, &ref, err) ||
	    bl_place_clone(place, &clone, err))
		return -1;
	options.near = place;
	return bl_place_open("localhost:5000/other", &options, &near, &ref, err);
}

static void memory_runs_out(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	must(registry_story(&err), &err); /* what is set up once has thousands */
	each_allocation_fails(registry_story, 2000);
	each_allocation_fails(layout_story, 1000);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_place_is_read_from_its_name),
		cmocka_unit_test(a_registry_is_named_without_being_asked),
		cmocka_unit_test(what_names_no_place_is_refused),
		IN_FOLDER(the_same_directory_is_the_same_place),
		cmocka_unit_test(blobs_are_mounted_within_a_registry),
		IN_FOLDER(a_layout_does_everything),
		IN_FOLDER(a_blob_of_other_bytes_is_not_given),
		cmocka_unit_test(one_login_serves_all_places_of_a_registry),
		cmocka_unit_test(another_registry_has_a_login_of_its_own),
		IN_FOLDER(memory_runs_out),
	};

	return cmocka_run_group_tests_name("image place", tests, NULL, NULL);
}
