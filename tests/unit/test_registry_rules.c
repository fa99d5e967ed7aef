/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry's client decides without asking anybody. */
#include "net/registry_parts.h"

#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void challenges_are_read(void **state)
{
	static const struct {
		const char *header;
		enum bl_challenge_kind kind;
		const char *realm, *service, *scope;
	} table[] = {
		{ "Basic realm=\"Registry Realm\"", BL_CHALLENGE_BASIC, "Registry Realm", "", "" },
		{ "basic", BL_CHALLENGE_BASIC, "", "", "" },
		{ "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
		  "scope=\"repository:library/python:pull,push\"",
		  BL_CHALLENGE_BEARER, "https://auth.docker.io/token", "registry.docker.io",
		  "repository:library/python:pull,push" },
		{ "BEARER Service=s , REALM=https://a/b?c,error=\"invalid_token\"",
		  BL_CHALLENGE_BEARER, "https://a/b?c", "s", "" },
		{ "Bearer realm = \"https://a\" , service= \"x\\\"y\"", BL_CHALLENGE_BEARER,
		  "https://a", "x\"y", "" },
		/* a scheme that is not known before, after, and with a value of its own */
		{ "Negotiate, Basic realm=\"r\"", BL_CHALLENGE_BASIC, "r", "", "" },
		{ "Negotiate YWJj==, Bearer realm=\"https://a\"", BL_CHALLENGE_BEARER, "https://a",
		  "", "" },
		{ "Digest realm=\"d\", service=\"no\", Bearer realm=\"https://a\"",
		  BL_CHALLENGE_BEARER, "https://a", "", "" },
		{ "Bearer realm=\"https://a\", Basic realm=\"r\"", BL_CHALLENGE_BEARER, "https://a",
		  "", "" },
		{ "Basic realm=\"r\", Bearer realm=\"https://a\"", BL_CHALLENGE_BASIC, "r", "",
		  "" },
		/* a token from nowhere */
		{ "Bearer service=\"s\"", BL_CHALLENGE_NONE, "", "", "" },
		{ "Bearer service=\"s\", Basic realm=\"r\"", BL_CHALLENGE_BASIC, "r", "", "" },
		{ "", BL_CHALLENGE_NONE, "", "", "" },
		{ " , ,", BL_CHALLENGE_NONE, "", "", "" },
		{ "=", BL_CHALLENGE_NONE, "", "", "" },
		{ "realm=\"https://a\"", BL_CHALLENGE_NONE, "", "", "" },
		{ "Digest realm=\"x\"", BL_CHALLENGE_NONE, "", "", "" },
		{ "Bearer realm=\"https://a", BL_CHALLENGE_BEARER, "https://a", "", "" },
		{ "Bearer realm=\"https://a\\", BL_CHALLENGE_BEARER, "https://a\\", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_challenge got;

		bl_challenge_parse(table[i].header, &got);
		if (got.kind != table[i].kind || strcmp(got.realm, table[i].realm) != 0 ||
		    strcmp(got.service, table[i].service) != 0 ||
		    strcmp(got.scope, table[i].scope) != 0)
			fail_msg("%s: %d '%s' '%s' '%s'", table[i].header, got.kind, got.realm,
			         got.service, got.scope);
	}
}

static void a_value_that_does_not_fit_is_none(void **state)
{
	static char header[4096] = "Bearer service=\"s\",realm=\"https://";
	struct bl_challenge got;
	size_t len = strlen(header);

	(void)state;
	memset(header + len, 'a', 2000);
	bl_challenge_parse(header, &got);
	assert_int_equal(got.kind, BL_CHALLENGE_NONE);
	assert_string_equal(got.service, "");
}

static void waits_grow_within_bounds(void **state)
{
	static const int64_t longest[] = { 200, 400, 800, 1600, 3200, 5000, 5000 };

	(void)state;
	for (unsigned i = 0; i < BL_COUNT(longest); i++) {
		assert_int_equal(bl_registry_wait(i + 1, 0, 1), longest[i]);
		assert_int_equal(bl_registry_wait(i + 1, 0, 0), longest[i] / 2);
	}
	assert_int_equal(bl_registry_wait(1000000, 0, 1), 5000);
	/* what was asked for is waited at least */
	assert_int_equal(bl_registry_wait(1, 7000, 1), 7000);
	assert_int_equal(bl_registry_wait(9, 1000, 1), 5000);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *after, *date;
		int64_t ms;
	} table[] = {
		{ "", "", 0 },
		{ "0", "", 0 },
		{ "7", "", 7000 },
		{ "30", "", 30000 },
		{ "31", "", 30000 },
		{ "99999999999999999999999", "", 30000 },
		{ "soon", "", 0 },
		{ "-1", "", 0 },
		{ "1.5", "", 0 },
		/* our clock says 12:00:00 */
		{ "Wed, 25 Nov 2026 12:00:09 GMT", "", 9000 },
		{ "Wed, 25 Nov 2026 13:00:00 GMT", "", 30000 },
		{ "Wed, 25 Nov 2026 11:59:59 GMT", "", 0 },
		{ "Wed, 25 Nov 2026 12:00:09 CET", "", 0 },
		/* the registry's is an hour ahead */
		{ "Wed, 25 Nov 2026 13:00:09 GMT", "Wed, 25 Nov 2026 13:00:00 GMT", 9000 },
	};
	const int64_t noon = 1795608000000;

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		if (bl_registry_asked_wait(table[i].after, table[i].date, noon) != table[i].ms)
			fail_msg("%s: %jd", table[i].after,
			         (intmax_t)bl_registry_asked_wait(table[i].after, table[i].date,
			                                          noon));
}

static void locations_are_resolved(void **state)
{
	static const struct {
		const char *from, *location, *is;
	} table[] = {
		{ "https://r/v2/a?b=/c", "https://s3/x?y", "https://s3/x?y" },
		{ "https://r/v2/a", "//s3/x", "https://s3/x" },
		{ "https://r:5/v2/a?b", "/x?y#z", "https://r:5/x?y" },
		{ "https://r:5/v2/a?b=/", "x", "https://r:5/v2/x" },
		{ "https://r:5/v2/a?b", "?x", "https://r:5/v2/a?x" },
		{ "https://r", "x", "https://r/x" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_buf) out = BL_BUF(256);
		struct bl_err err = { 0 };

		must(bl_registry_resolve(table[i].from, table[i].location, &out, &err), &err);
		assert_string_equal(bl_buf_text(&out), table[i].is);
	}
	BL_AUTO(bl_buf) small = BL_BUF(4);
	struct bl_err err = { 0 };
	assert_int_equal(bl_registry_resolve("https://r", "/x", &small, &err), -1);
	assert_int_equal(err.code, BL_ELIMIT);
}

static struct bl_registry of(struct bl_registry_session *session, const char *name, bool allow_http)
{
	struct bl_registry_options options = { .registry = name, .allow_http = allow_http };
	struct bl_registry_session *made;
	struct bl_err err = { 0 };

	must(bl_registry_session_open(&options, &made, &err), &err);
	*session = *made;
	bl_registry_session_close(made);
	session->options.registry = session->registry;
	return (struct bl_registry){ .session = session };
}

static void only_its_own_host_is_told_who_we_are(void **state)
{
	static const struct {
		const char *registry, *url;
		bool owns;
		enum bl_code may_go;
	} table[] = {
		{ "r.io", "/v2/", true, BL_ECORRUPT },
		{ "r.io", "https://r.io/v2/", true, BL_OK },
		{ "r.io", "HTTPS://R.IO/v2/", true, BL_OK },
		{ "r.io", "https://R.io:443/v2/", true, BL_OK },
		{ "r.io", "https://r.io:444/v2/", false, BL_OK },
		{ "r.io", "https://r.io.evil.io/v2/", false, BL_OK },
		{ "r.io", "https://evil.io/r.io", false, BL_OK },
		{ "r.io", "https://r.io@evil.io/", false, BL_ECORRUPT },
		{ "r.io", "http://r.io/v2/", false, BL_EDENIED },
		{ "r.io", "http://127.0.0.1:5000/", false, BL_EDENIED },
		{ "r.io", "//r.io/", false, BL_ECORRUPT },
		{ "r.io", "ftp://r.io/", false, BL_ECORRUPT },
		{ "localhost:5000", "http://localhost:5000/v2/", true, BL_OK },
		{ "localhost:5000", "http://localhost:5001/token", false, BL_OK },
		{ "localhost:5000", "https://localhost:5000/v2/", false, BL_OK },
		{ "localhost:5000", "http://r.io/", false, BL_EDENIED },
		{ "localhost:5000", "http://169.254.169.254/latest", false, BL_EDENIED },
		{ "[::1]:5000", "http://[::1]:5000/v2/", true, BL_OK },
		{ "docker.io", "https://registry-1.docker.io/v2/", true, BL_OK },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_registry_session session;
		struct bl_registry registry = of(&session, table[i].registry, false);
		struct bl_err err = { 0 };
		int rc = bl_registry_may_go(&registry, table[i].url, &err);

		if (bl_registry_owns(&registry, table[i].url) != table[i].owns ||
		    err.code != table[i].may_go || (rc != 0) != (err.code != BL_OK))
			fail_msg("%s %s: %d %s", table[i].registry, table[i].url, err.code,
			         err.text);
	}
}

static void plain_http_where_it_is_allowed(void **state)
{
	struct bl_registry_session session;
	struct bl_registry registry = of(&session, "r.io:5000", true);
	struct bl_err err = { 0 };

	(void)state;
	assert_string_equal(session.base, "http://r.io:5000");
	must(bl_registry_may_go(&registry, "http://auth.io/token", &err), &err);
	assert_int_equal(bl_registry_may_go(&registry, "http://169.254.169.254/", &err), -1);
}

static void who_pulls_creates_nothing(void **state)
{
	const struct bl_registry_ask ask = { .what = "get manifest team/x:t",
		                             .scope = "repository:team/x:pull" };
	struct bl_registry_session session;
	struct bl_registry registry =
		of(&session, "111122223333.dkr.ecr.eu-west-1.amazonaws.com", false);
	struct bl_err err = { .code = BL_ENOENT };

	(void)state;
	bl_registry_advise(&registry, "NAME_UNKNOWN", &ask, &err);
	assert_non_null(strstr(err.next, "correct the repository's name"));
	bl_err_clear(&err);
	bl_registry_advise(&registry, "", NULL, &err);
	assert_string_equal(err.next, "");
}

#define SAYS(name, said) "{\"errors\":[{\"code\":\"" name "\",\"message\":\"" said "\"}]}"
#define ECR "111122223333.dkr.ecr.eu-west-1.amazonaws.com"

static const struct {
	const char *registry;
	int status;
	const char *body;
	enum bl_code code;
	const char *text, *next;
} refusals[] = {
	{ "r.io", 404, SAYS("NAME_UNKNOWN", "no"), BL_ENOENT,
	  "registry r.io: put manifest team/x:t: HTTP 404 NAME_UNKNOWN: no", "create it first" },
	{ ECR, 404, SAYS("NAME_UNKNOWN", "no"), BL_ENOENT, "NAME_UNKNOWN",
	  "aws ecr create-repository --region eu-west-1 --registry-id 111122223333 "
	  "--repository-name team/x, or push with --create-repository" },
	{ ECR, 403, SAYS("DENIED", "User: u is not authorized"), BL_EDENIED, "DENIED: User: u",
	  "ecr:BatchCheckLayerAvailability" },
	{ ECR, 403, "", BL_EDENIED, "HTTP 403", "ecr:PutImage" },
	{ "r.io", 403, "", BL_EDENIED, "HTTP 403", "ask for the right" },
	{ "r.io", 401, SAYS("UNAUTHORIZED", "x"), BL_EDENIED, "UNAUTHORIZED", "log in" },
	{ "r.io", 429, SAYS("TOOMANYREQUESTS", "slow"), BL_ERETRY, "slow", "Docker Hub" },
	{ "r.io", 400, SAYS("MANIFEST_INVALID", "x"), BL_EINPUT, "x", "too old" },
	{ "r.io", 400, SAYS("MANIFEST_BLOB_UNKNOWN", "x"), BL_EINPUT, "x", "push again" },
	{ "r.io", 404, SAYS("BLOB_UNKNOWN", "x"), BL_ENOENT, "x", "lost a layer" },
	{ "r.io", 400, SAYS("DIGEST_INVALID", "x"), BL_EINPUT, "x", "bytes were changed" },
	{ "r.io", 400, SAYS("SIZE_INVALID", "x"), BL_EINPUT, "x", "bytes were lost" },
	{ "r.io", 405, SAYS("UNSUPPORTED", "x"), BL_EINPUT, "x", "read-only" },
	{ ECR, 400,
	  SAYS("TAG_INVALID", "The image tag 't' already exists and cannot be overwritten "
	                      "because the tag is immutable."),
	  BL_EEXIST, "TAG_INVALID", "" },
	{ "r.io", 412, SAYS("PRECONDITION", "configured as immutable"), BL_EEXIST, "", "" },
	{ ECR, 400, SAYS("ImageTagAlreadyExistsException", "x"), BL_EEXIST, "", "" },
	{ "r.io", 400, SAYS("TAG_INVALID", "no such form"), BL_EINPUT, "", "another tag" },
	{ "r.io", 500, "", BL_ERETRY, "HTTP 500", "" },
	{ "r.io", 404, "<html>", BL_ENOENT, "HTTP 404", "speaks no registry API" },
	{ "r.io", 400, "{\"errors\":[]}", BL_EINPUT, "HTTP 400", "" },
	{ "r.io", 400, "{\"errors\":[7]}", BL_EINPUT, "HTTP 400", "" },
	{ "r.io", 400, "[]", BL_EINPUT, "HTTP 400", "" },
	{ "r.io", 400, SAYS("A\\u001b[1mB", "two\\nlines"), BL_EINPUT, "A [1mB: two lines", "" },
	{ "r.io", 400, "{\"details\":\"incorrect\"}", BL_EINPUT, "400: incorrect", "" },
};

static void refusals_say_what_to_do(void **state)
{
	const struct bl_registry_ask ask = { .what = "put manifest team/x:t",
		                             .scope = "repository:team/x:pull,push" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(refusals); i++) {
		struct bl_registry_session session;
		struct bl_registry registry = of(&session, refusals[i].registry, false);
		BL_AUTO(bl_http_reply)
		reply = { .status = refusals[i].status, .body = BL_BUF(4096) };
		struct bl_err err = { 0 };

		bl_buf_adds(&reply.body, refusals[i].body);
		assert_int_equal(bl_registry_refused(&registry, &ask, &reply, &err), -1);
		if (err.code != refusals[i].code || !strstr(err.text, refusals[i].text) ||
		    !strstr(err.next, refusals[i].next))
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_are_read),
		cmocka_unit_test(a_value_that_does_not_fit_is_none),
		cmocka_unit_test(waits_grow_within_bounds),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(locations_are_resolved),
		cmocka_unit_test(only_its_own_host_is_told_who_we_are),
		cmocka_unit_test(plain_http_where_it_is_allowed),
		cmocka_unit_test(who_pulls_creates_nothing),
		cmocka_unit_test(refusals_say_what_to_do),
	};

	return cmocka_run_group_tests_name("registry rules", tests, NULL, NULL);
}
