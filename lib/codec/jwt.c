/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jwt.h"

#include "base/secret.h"
#include "codec/base64.h"
#include "codec/json.h"

#include <string.h>

static int not_a_token(struct bl_err *err)
{
	return bl_fail(err, BL_ECORRUPT, "identity token: not three parts of base64url");
}

/* Where the second of exactly three parts begins, or NULL. */
static const char *middle_of(const char *token, size_t len, size_t *middle_len)
{
	const char *end = token + len, *first = memchr(token, '.', len), *second;

	if (!first || first == token)
		return NULL;
	first++;
	second = memchr(first, '.', (size_t)(end - first));
	if (!second || second == first || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return NULL;
	*middle_len = (size_t)(second - first);
	return first;
}

int bl_jwt_claims(const char *token, size_t len, struct bl_value **claims, struct bl_err *err)
{
	BL_SECRET_BUF json = BL_BUF(BL_JWT_MAX);
	BL_VALUE value = NULL;
	struct bl_err why = { 0 };
	const char *middle;
	size_t middle_len = 0;

	if (len > BL_JWT_MAX)
		return bl_fail(err, BL_ECORRUPT, "identity token: longer than %d bytes",
		               BL_JWT_MAX);
	middle = len ? middle_of(token, len, &middle_len) : NULL;
	if (!middle)
		return not_a_token(err);
	/* what these would say of it could hold a part of it */
	if (bl_base64url_decode(middle, middle_len, &json, &why) ||
	    bl_json_parse(bl_buf_text(&json), json.len, "claims", &value, &why)) {
		if (why.code == BL_ENOMEM)
			return bl_fail(err, BL_ENOMEM, "identity token: out of memory");
		return why.code == BL_EINPUT
		               ? not_a_token(err)
		               : bl_fail(err, BL_ECORRUPT, "identity token: claims are no JSON");
	}
	if (value->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "identity token: claims are no JSON map");
	*claims = value;
	value = NULL;
	return 0;
}
