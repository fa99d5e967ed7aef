/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/registry_open.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static char server_name[64], challenge[256];

static int login(void *arg, const char *registry, bool again, struct bl_login *out,
                 struct bl_err *err)
{
	(void)arg;
	(void)registry;
	(void)again;
	snprintf(out->user, sizeof(out->user), "u");
	return bl_secret_set(&out->password, "p", 1, err);
}

static int be_asked(struct bl_registry *registry, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { .status = 401, .head = BL_BUF(1024) };

	bl_buf_adds(&reply.head, challenge);
	return bl_buf_check(&reply.head, "head", err) ||
	                       bl_registry_challenged(registry, &reply, err)
	               ? -1
	               : 0;
}

static const struct bl_oci_desc manifest = { BL_OCI_MANIFEST, DOC_DIGEST, sizeof(DOC) - 1 };

/* Who is asked who it is, and is sent elsewhere. */
static int push_and_pull(struct bl_registry *registry, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096);

	return be_asked(registry, err) ||
	                       bl_registry_put_manifest(registry, "demo", "t", DOC, &manifest,
	                                                err) ||
	                       bl_registry_get_blob(registry, "demo", &manifest, &body, err)
	               ? -1
	               : 0;
}

static int look(struct bl_registry *registry, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(4096);
	struct bl_oci_desc got;
	bool has;

	return bl_registry_get_manifest(registry, "demo", "t", &body, &got, err) ||
	                       bl_registry_head_manifest(registry, "demo", "t", &got, err) ||
	                       bl_registry_has_blob(registry, "demo", &manifest, &has, err)
	               ? -1
	               : 0;
}

static double at_once(void)
{
	return -1;
}

static int (*use)(struct bl_registry *registry, struct bl_err *err);

static int story(struct bl_err *err)
{
	const struct bl_registry_options options = { .registry = server_name, .login = login };
	struct bl_registry_session *session = NULL;
	struct bl_registry *registry = NULL;
	int rc;

	if (bl_registry_session_open(&options, &session, err))
		return -1;
	rc = bl_registry_open(session, &registry, err);
	if (!rc) {
		registry->random = at_once;
		rc = use(registry, err);
	}
	bl_registry_close(registry);
	bl_registry_session_close(session);
	return rc;
}

static void each_of_these(const char *scheme, int (*these)(struct bl_registry *, struct bl_err *))
{
	const struct canned_reply replies[] = {
		{ .on = "GET /token", .body = "{\"token\":\"t\"}" },
		{ .on = "GET /v2/demo/blobs/",
		  .status = 307,
		  .headers = "Location: /elsewhere\r\n" },
		{ .on = "PUT ", .status = 201 },
		{ .body = DOC },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));
	struct bl_err err = { 0 };

	snprintf(server_name, sizeof(server_name), "127.0.0.1:%u", canned_port(server));
	snprintf(challenge, sizeof(challenge), "www-authenticate: %s realm=\"%s\"\n", scheme,
	         canned_url(server, "/token"));
	use = these;
	must(story(&err), &err); /* what is set up once has thousands */
	each_allocation_fails(story, 4000);
	canned_stop(server);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	(void)state;
	each_of_these("Basic", push_and_pull);
	each_of_these("Bearer", push_and_pull);
	each_of_these("none", look);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("registry memory", tests, NULL, NULL);
}
