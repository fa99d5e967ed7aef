/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jwt.h"

#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "eyJhbGciOiJSUzI1NiJ9"

/* {"sub":"repo:a/b:pull_request","aud":"sts.amazonaws.com","repository_id":"1"} */
#define CLAIMS                                                                                     \
	"eyJzdWIiOiJyZXBvOmEvYjpwdWxsX3JlcXVlc3QiLCJhdWQiOiJzdHMuYW1hem9uYXdzLmNvbSIsInJlcG9zaX"   \
	"RvcnlfaWQiOiIxIn0"

static void claims_are_read(void **state)
{
	static const char *const tokens[] = { HEAD "." CLAIMS ".c2ln", HEAD "." CLAIMS ".",
		                              HEAD "." CLAIMS "=.?not looked at?" };
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(tokens); i++) {
		BL_VALUE claims = NULL;

		if (bl_jwt_claims(tokens[i], strlen(tokens[i]), &claims, &err))
			fail_msg("%s: %s", tokens[i], err.text);
		assert_string_equal(bl_value_text_or(claims, "sub", ""), "repo:a/b:pull_request");
		assert_string_equal(bl_value_text_or(claims, "aud", ""), "sts.amazonaws.com");
		assert_string_equal(bl_value_text_or(claims, "repository_id", ""), "1");
	}
}

static void what_is_no_token_is_refused_unseen(void **state)
{
	static const struct {
		const char *token, *why;
	} table[] = {
		{ "", "not three parts of base64url" },
		{ "secret", "not three parts of base64url" },
		{ "secret.secret", "not three parts of base64url" },
		{ ".secret.x", "not three parts of base64url" },
		{ "secret..x", "not three parts of base64url" },
		{ "a." CLAIMS ".b.secret", "not three parts of base64url" },
		{ "a.secr*t.c", "not three parts of base64url" },
		{ "a.sec+.c", "not three parts of base64url" },
		{ "a.WzFd.c", "claims are no JSON map" },            /* [1] */
		{ "a.Ingi.c", "claims are no JSON" },                /* "x" */
		{ "a.eyJhIjoxLCJhIjoyfQ.c", "claims are no JSON" },  /* a key twice */
		{ "a.eyJhIjo.c", "claims are no JSON" },             /* cut */
		{ "a.eyJhIjoiXHUwMDAwIn0.c", "claims are no JSON" }, /* NUL in text */
		{ "a.__57fQ.c", "claims are no JSON" },              /* not UTF-8 */
		{ "a.e314.c", "claims are no JSON" },                /* {}x */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_value *claims = NULL;
		struct bl_err err = { 0 };

		assert_int_equal(
			bl_jwt_claims(table[i].token, strlen(table[i].token), &claims, &err), -1);
		assert_null(claims);
		assert_int_equal(err.code, BL_ECORRUPT);
		if (!strstr(err.text, table[i].why) || strstr(err.text, "secr"))
			fail_msg("'%s': %s", table[i].token, err.text);
	}
}

static void its_length_is_bounded(void **state)
{
	BL_AUTO(bl_buf) token = BL_BUF(100000);
	BL_VALUE claims = NULL;
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&token, HEAD "." CLAIMS ".");
	while (token.len < BL_JWT_MAX)
		bl_buf_addc(&token, 'x');
	assert_int_equal(bl_jwt_claims(token.data, token.len, &claims, &err), 0);
	bl_buf_addc(&token, 'x');
	assert_int_equal(bl_jwt_claims(token.data, token.len, &claims, &err), -1);
	assert_string_equal(err.text, "identity token: longer than 20000 bytes");
}

static int read_claims(struct bl_err *err)
{
	BL_VALUE claims = NULL;

	return bl_jwt_claims(HEAD "." CLAIMS ".x", sizeof(HEAD "." CLAIMS ".x") - 1, &claims, err);
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	each_allocation_fails(read_claims, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_read),
		cmocka_unit_test(what_is_no_token_is_refused_unseen),
		cmocka_unit_test(its_length_is_bounded),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("jwt", tests, NULL, NULL);
}
