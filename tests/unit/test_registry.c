/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/registry_open.h"

#include "base/str.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SAID(digest) "Docker-Content-Digest: " digest "\r\n"
#define OF_TYPE "Content-Type: " BL_OCI_MANIFEST "; charset=utf-8\r\n"

static const struct bl_oci_desc manifest = { BL_OCI_MANIFEST, DOC_DIGEST, sizeof(DOC) - 1 };
static const struct bl_oci_desc hello = { BL_OCI_CONFIG, OTHER_DIGEST, 5 };

static int get(struct bl_registry *registry, const char *reference, struct bl_oci_desc *desc,
               struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	int rc = bl_registry_get_manifest(registry, "team/demo", reference, &body, desc, err);

	assert_string_equal(bl_buf_text(&body), rc ? "" : DOC);
	return rc;
}

static int put(struct bl_registry *registry, struct bl_err *err)
{
	return bl_registry_put_manifest(registry, "team/demo", "t", DOC, &manifest, err);
}

static void a_manifest_is_what_it_is_called(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET /v2/team/demo/manifests/" DOC_DIGEST " ",
		  .headers = SAID(DOC_DIGEST) OF_TYPE,
		  .body = DOC },
		{ .on = "GET /v2/team/demo/manifests/t ", .headers = OF_TYPE, .body = DOC },
		{ .on = "GET /v2/team/demo/manifests/512 ",
		  .headers = SAID("sha512:00"),
		  .body = DOC },
	};
	struct opened at = { 0 };
	struct bl_oci_desc desc;
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, 3);
	must(get(at.registry, DOC_DIGEST, &desc, &err), &err);
	assert_string_equal(desc.media_type, BL_OCI_MANIFEST);
	assert_string_equal(desc.digest, DOC_DIGEST);
	assert_int_equal(desc.size, strlen(DOC));
	assert_string_equal(sent_header(at.server, 0, "accept"), BL_OCI_ACCEPT);
	must(get(at.registry, "t", &desc, &err), &err);
	assert_string_equal(desc.digest, DOC_DIGEST);
	must(get(at.registry, "512", &desc, &err), &err);
	assert_string_equal(desc.media_type, "");
	registry_close(&at);
}

static void other_bytes_are_refused_by_name(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "GET /v2/team/demo/manifests/" OTHER_DIGEST " ", .body = DOC },
		{ .on = "GET /v2/team/demo/manifests/t ",
		  .headers = SAID(OTHER_DIGEST),
		  .body = DOC },
		{ .on = "HEAD /v2/team/demo/manifests/" OTHER_DIGEST " ",
		  .headers = SAID(DOC_DIGEST),
		  .body = DOC },
		{ .on = "PUT /v2/team/demo/manifests/t ",
		  .status = 201,
		  .headers = SAID(OTHER_DIGEST) },
	};
	struct opened at = { 0 };

	(void)state;
	registry_open(&at, replies, BL_COUNT(replies));
	for (int i = 0; i < 4; i++) {
		struct bl_oci_desc desc = { .size = 77 };
		struct bl_err err = { 0 };
		int rc = i == 0   ? get(at.registry, OTHER_DIGEST, &desc, &err)
		         : i == 1 ? get(at.registry, "t", &desc, &err)
		         : i == 2 ? bl_registry_head_manifest(at.registry, "team/demo",
		                                              OTHER_DIGEST, &desc, &err)
		                  : put(at.registry, &err);

		assert_int_equal(rc, -1);
		if (err.code != BL_ECORRUPT || !strstr(err.text, DOC_DIGEST) ||
		    !strstr(err.text, OTHER_DIGEST) || !bl_str_starts(err.text, "registry 127") ||
		    !err.next[0])
			fail_msg("%d: %d %s", i, err.code, err.text);
		assert_int_equal(desc.size, 77);
	}
	registry_close(&at);
}

static void a_head_is_enough_where_it_says_the_digest(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "HEAD /v2/team/demo/manifests/t ",
		  .headers = SAID(DOC_DIGEST) OF_TYPE,
		  .body = DOC },
		{ .on = "HEAD /v2/team/demo/manifests/gone ", .status = 404 },
		/* nothing said; nothing of use; not known */
		{ .on = "HEAD /v2/team/demo/manifests/a ", .body = DOC },
		{ .on = "HEAD /v2/team/demo/manifests/b ", .headers = SAID("x"), .body = DOC },
		{ .on = "HEAD /v2/team/demo/manifests/c ", .status = 405 },
		{ .on = "GET /v2/team/demo/manifests/", .headers = OF_TYPE, .body = DOC },
	};
	static const char *const by_get[] = { "a", "b", "c" };
	struct opened at = { 0 };
	struct bl_oci_desc desc;
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, BL_COUNT(replies));
	must(bl_registry_head_manifest(at.registry, "team/demo", "t", &desc, &err), &err);
	assert_memory_equal(&desc, &manifest, sizeof(desc));
	assert_int_equal(canned_requests(at.server), 1);
	assert_int_equal(bl_registry_head_manifest(at.registry, "team/demo", "gone", &desc, &err),
	                 -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	for (size_t i = 0; i < BL_COUNT(by_get); i++) {
		memset(&desc, 0, sizeof(desc));
		must(bl_registry_head_manifest(at.registry, "team/demo", by_get[i], &desc, &err),
		     &err);
		assert_string_equal(desc.digest, DOC_DIGEST);
		assert_request(at.server, 3 + 2 * i, "GET ");
	}
	registry_close(&at);
}

#define IMMUTABLE                                                                                  \
	"{\"errors\":[{\"code\":\"TAG_INVALID\",\"message\":\"The image tag 't' already exists "   \
	"and cannot be overwritten because the tag is immutable.\"}]}"

static void an_immutable_tag_is_compared(void **state)
{
	static const struct {
		struct canned_reply head;
		enum bl_code code;
		const char *text;
	} table[] = {
		{ { .on = "HEAD ", .headers = SAID(DOC_DIGEST), .body = DOC }, BL_OK, "" },
		{ { .on = "HEAD ", .headers = SAID(OTHER_DIGEST), .body = DOC },
		  BL_EEXIST,
		  "tag team/demo:t is immutable and names " OTHER_DIGEST ", not " DOC_DIGEST },
		/* who it is cannot be seen: what was said first stays */
		{ { .on = "HEAD ", .status = 403 }, BL_EEXIST, "TAG_INVALID: The image tag 't'" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply replies[] = {
			{ .on = "PUT ", .status = 400, .body = IMMUTABLE }, table[i].head
		};
		struct opened at = { 0 };
		struct bl_err err = { 0 };

		registry_open(&at, replies, 2);
		put(at.registry, &err);
		if (err.code != table[i].code || !strstr(err.text, table[i].text))
			fail_msg("%zu: %d %s", i, err.code, err.text);
		registry_close(&at);
	}
}

static void a_manifest_is_put_as_it_is(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "PUT /v2/team/demo/manifests/t ",
		  .times = 1,
		  .status = 201,
		  .headers = SAID(DOC_DIGEST) },
		{ .on = "PUT ",
		  .status = 400,
		  .body = "{\"errors\":[{\"code\":\"MANIFEST_INVALID\"}]}" },
	};
	struct opened at = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	registry_open(&at, replies, 2);
	must(put(at.registry, &err), &err);
	assert_string_equal(sent_header(at.server, 0, "content-type"), BL_OCI_MANIFEST);
	assert_string_equal(canned_body(at.server, 0, NULL), DOC);
	assert_int_equal(at.counts.sent_bytes, strlen(DOC));
	assert_int_equal(put(at.registry, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_non_null(strstr(err.text, "put manifest team/demo:t: HTTP 400 MANIFEST_INVALID"));
	registry_close(&at);
}

/* --- Blobs ------------------------------------------------------------------------------------ */

static void whether_a_blob_is_there(void **state)
{
	static const struct {
		struct canned_reply reply;
		bool has;
	} table[] = {
		{ { .body = "hello" }, true },
		{ { .body = "another size" }, false },
		{ { .status = 404 }, false },
		/* somewhere else, which is not asked */
		{ { .status = 307, .headers = "Location: https://s3.invalid/x?signed\r\n" }, true },
		{ { .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" }, true },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct opened at = { 0 };
		struct bl_err err = { 0 };
		bool has = !table[i].has;

		registry_open(&at, &table[i].reply, 1);
		must(bl_registry_has_blob(at.registry, "team/demo", &hello, &has, &err), &err);
		if (has != table[i].has)
			fail_msg("%zu", i);
		assert_request(at.server, 0, "HEAD /v2/team/demo/blobs/" OTHER_DIGEST " ");
		assert_int_equal(canned_requests(at.server), 1);
		registry_close(&at);
	}
}

static void a_blob_elsewhere_is_fetched_without_our_login(void **state)
{
	const struct canned_reply far_replies[] = {
		{ .on = "GET /layer?signed=1 ", .times = 1, .body = "hello" }, { .body = "wrong" }
	};
	struct canned *far = canned_start(far_replies, 2);
	char location[128];
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 401, .headers = "WWW-Authenticate: Basic realm=r\r\n" },
		{ .times = 2, .status = 307, .headers = location },
	};
	struct opened at = { .logins = { { "u", "p", false } }, .n_logins = 1 };
	BL_AUTO(bl_buf) body = BL_BUF(100);
	struct bl_err err = { 0 };

	(void)state;
	snprintf(location, sizeof(location), "Location: %s\r\n",
	         canned_url(far, "/layer?signed=1"));
	registry_open(&at, replies, 2);
	must(bl_registry_get_blob(at.registry, "team/demo", &hello, &body, &err), &err);
	assert_string_equal(bl_buf_text(&body), "hello");
	assert_string_equal(sent_header(at.server, 1, "authorization"), "Basic dTpw");
	assert_string_equal(sent_header(far, 0, "authorization"), "");
	assert_int_equal(bl_registry_get_blob(at.registry, "team/demo", &hello, &body, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_non_null(strstr(err.text, OTHER_DIGEST));
	assert_string_equal(bl_buf_text(&body), "hello");
	registry_close(&at);
	canned_stop(far);
}

static void sources_give_their_bytes(void **state)
{
	BL_AUTO(bl_buf) buf = BL_BUF(100);
	char name[] = "/tmp/bl-registry-XXXXXX", got[4] = "";
	int fd = mkstemp(name);
	struct bl_err err = { 0 };

	(void)state;
	assert_true(fd >= 0 && !unlink(name) && write(fd, "0123456", 7) == 7);
	bl_buf_adds(&buf, "0123456");
	const struct bl_blob_source sources[] = { bl_blob_of_fd(&fd), bl_blob_of_buf(&buf) };
	for (size_t i = 0; i < 2; i++) {
		must(sources[i].read(sources[i].arg, 4, got, 3, &err), &err);
		assert_string_equal(got, "456");
		assert_int_equal(sources[i].read(sources[i].arg, 5, got, 3, &err), -1);
		assert_true(err.code != BL_OK);
		bl_err_clear(&err);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_is_what_it_is_called),
		cmocka_unit_test(other_bytes_are_refused_by_name),
		cmocka_unit_test(a_head_is_enough_where_it_says_the_digest),
		cmocka_unit_test(an_immutable_tag_is_compared),
		cmocka_unit_test(a_manifest_is_put_as_it_is),
		cmocka_unit_test(whether_a_blob_is_there),
		cmocka_unit_test(a_blob_elsewhere_is_fetched_without_our_login),
		cmocka_unit_test(sources_give_their_bytes),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
