/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4_parts.h"

#include "codec/hash.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define CANONICAL_MAX ((size_t)128 << 10)
#define STRING_MAX ((size_t)512)
#define SECRET_MAX 512 /* AWS's are 40; the key is "AWS4" and the secret */

/* Three times per signature: snprintf() would be a tenth of its cost. */
static char *add_two(char *to, int number)
{
	*to++ = (char)('0' + number / 10 % 10);
	*to++ = (char)('0' + number % 10);
	return to;
}

void bl_amz_date(int64_t wall_ms, char text[BL_AMZ_DATE_SIZE])
{
	time_t seconds = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	text = add_two(text, (tm.tm_year + 1900) / 100);
	text = add_two(text, tm.tm_year + 1900);
	text = add_two(text, tm.tm_mon + 1);
	text = add_two(text, tm.tm_mday);
	*text++ = 'T';
	text = add_two(text, tm.tm_hour);
	text = add_two(text, tm.tm_min);
	text = add_two(text, tm.tm_sec);
	*text++ = 'Z';
	*text = '\0';
}

/* "20261125/us-east-1/s3" */
static int scope_of(const struct bl_sign *sign, char *scope, size_t size, struct bl_err *err)
{
	char date[BL_AMZ_DATE_SIZE];
	int n;

	bl_amz_date(sign->wall_ms, date);
	n = snprintf(scope, size, "%.8s/%s/%s", date, sign->region, sign->service);
	if (n < 0 || (size_t)n >= size)
		return bl_fail(err, BL_EINPUT, "sign: the region's name '%.40s...' is too long",
		               sign->region);
	return 0;
}

int bl_sign_string(const struct bl_sign *sign, const char *canonical, struct bl_buf *out,
                   struct bl_err *err)
{
	char date[BL_AMZ_DATE_SIZE], scope[sizeof(((struct bl_sign_key *)0)->scope)];
	char hash[BL_SHA256_HEX];

	if (scope_of(sign, scope, sizeof(scope), err) ||
	    bl_sha256_of(canonical, strlen(canonical), hash, err))
		return -1;
	bl_amz_date(sign->wall_ms, date);
	bl_buf_adds(out, ALGORITHM "\n");
	bl_buf_adds(out, date);
	bl_buf_addc(out, '\n');
	bl_buf_adds(out, scope);
	bl_buf_adds(out, "/aws4_request\n");
	bl_buf_adds(out, hash);
	return bl_buf_check(out, "string to sign", err);
}

void bl_sign_key_done(struct bl_sign_key *key)
{
	bl_wipe(key, sizeof(*key));
}

static int hmac_text(const unsigned char key[BL_SHA256_BYTES], const char *text,
                     unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	return bl_hmac_sha256(key, BL_SHA256_BYTES, text, strlen(text), raw, err);
}

static int derive(const struct bl_sign *sign, unsigned char key[BL_SHA256_BYTES],
                  struct bl_err *err)
{
	char first[4 + SECRET_MAX], date[BL_AMZ_DATE_SIZE];
	unsigned char a[BL_SHA256_BYTES], b[BL_SHA256_BYTES];
	size_t len = sign->secret->len;
	int rc;

	if (!len || len > SECRET_MAX)
		return bl_fail(err, BL_EINPUT, "sign: a secret access key of %zu bytes", len);
	bl_amz_date(sign->wall_ms, date);
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, sign->secret->text, len);
	rc = bl_hmac_sha256(first, 4 + len, date, 8, a, err) ||
	                     hmac_text(a, sign->region, b, err) ||
	                     hmac_text(b, sign->service, a, err) ||
	                     hmac_text(a, "aws4_request", key, err)
	             ? -1
	             : 0;
	bl_wipe(first, sizeof(first));
	bl_wipe(a, sizeof(a));
	bl_wipe(b, sizeof(b));
	return rc;
}

int bl_sign_signature(const struct bl_sign *sign, struct bl_sign_key *key, const char *string,
                      char hex[65], struct bl_err *err)
{
	struct bl_sign_key fresh = { 0 };
	unsigned char raw[BL_SHA256_BYTES];

	if (scope_of(sign, fresh.scope, sizeof(fresh.scope), err))
		return -1;
	if (strcmp(fresh.scope, key->scope)) {
		if (derive(sign, fresh.key, err))
			return -1;
		*key = fresh;
		bl_wipe(fresh.key, sizeof(fresh.key));
	}
	if (hmac_text(key->key, string, raw, err))
		return -1;
	bl_hex(raw, sizeof(raw), hex);
	return 0;
}

/* Stages 1 to 3. `canonical` is the caller's, empty. */
static int sign_all(const struct bl_sign *sign, struct bl_sign_key *key, struct bl_buf *canonical,
                    char hex[65], struct bl_err *err)
{
	BL_AUTO(bl_buf) string = BL_BUF(STRING_MAX);

	/* most fit: one allocation each instead of growing from a few bytes */
	if (bl_buf_room(canonical, 1000) && bl_buf_room(&string, 250))
		bl_sign_canonical(sign, canonical);
	if (bl_buf_check(&string, "string to sign", err) ||
	    bl_buf_check(canonical, "canonical request", err) ||
	    bl_sign_string(sign, canonical->data, &string, err))
		return -1;
	return bl_sign_signature(sign, key, string.data, hex, err);
}

/* The canonical request's line before the last: the names in order. */
static const char *signed_names(const struct bl_buf *canonical, size_t *len)
{
	const char *end = strrchr(canonical->data, '\n'), *at = end;

	while (at[-1] != '\n')
		at--;
	*len = (size_t)(end - at);
	return at;
}

static bool has_token(const struct bl_sign *sign)
{
	return sign->token && sign->token->len;
}

int bl_sign_headers(const struct bl_sign *sign, struct bl_sign_key *key, struct bl_buf *lines,
                    struct bl_err *err)
{
	struct bl_pair headers[BL_SIGN_PAIRS_MAX + 2];
	/* the token, as a header, stands in the canonical request */
	BL_SECRET_BUF canonical = BL_BUF(CANONICAL_MAX);
	struct bl_sign whole = *sign;
	char date[BL_AMZ_DATE_SIZE], hex[65];
	const char *names;
	size_t len;

	if (sign->n_headers > BL_SIGN_PAIRS_MAX)
		return bl_fail(err, BL_ELIMIT, "sign: over the limit of %d headers",
		               BL_SIGN_PAIRS_MAX);
	memcpy(headers, sign->headers, sign->n_headers * sizeof(headers[0]));
	bl_amz_date(sign->wall_ms, date);
	headers[whole.n_headers++] = (struct bl_pair){ "x-amz-date", date };
	if (has_token(sign))
		headers[whole.n_headers++] =
			(struct bl_pair){ "x-amz-security-token", sign->token->text };
	whole.headers = headers;
	if (sign_all(&whole, key, &canonical, hex, err))
		return -1;

	bl_buf_adds(lines, "x-amz-date: ");
	bl_buf_adds(lines, date);
	if (has_token(sign)) {
		bl_buf_adds(lines, "\nx-amz-security-token: ");
		bl_buf_add(lines, sign->token->text, sign->token->len);
	}
	bl_buf_adds(lines, "\nauthorization: " ALGORITHM " Credential=");
	bl_buf_adds(lines, sign->access_key);
	bl_buf_addc(lines, '/');
	bl_buf_adds(lines, key->scope);
	bl_buf_adds(lines, "/aws4_request, SignedHeaders=");
	names = signed_names(&canonical, &len);
	bl_buf_add(lines, names, len);
	bl_buf_adds(lines, ", Signature=");
	bl_buf_adds(lines, hex);
	bl_buf_addc(lines, '\n');
	return bl_buf_check(lines, "signed headers", err);
}

/* "AKIDEXAMPLE/20261125/us-east-1/s3/aws4_request" */
static int credential_of(const struct bl_sign *sign, struct bl_buf *out, struct bl_err *err)
{
	char scope[sizeof(((struct bl_sign_key *)0)->scope)];

	if (scope_of(sign, scope, sizeof(scope), err))
		return -1;
	bl_buf_addf(out, "%s/%s/aws4_request", sign->access_key, scope);
	return bl_buf_check(out, "credential", err);
}

int bl_sign_query(const struct bl_sign *sign, struct bl_sign_key *key, unsigned expires_s,
                  struct bl_buf *query, struct bl_err *err)
{
	struct bl_pair all[BL_SIGN_ENTRIES_MAX];
	BL_AUTO(bl_buf) names = BL_BUF(CANONICAL_MAX);
	BL_AUTO(bl_buf) credential = BL_BUF(STRING_MAX);
	BL_SECRET_BUF canonical = BL_BUF(CANONICAL_MAX);
	struct bl_sign whole = *sign;
	char date[BL_AMZ_DATE_SIZE], expires[16], hex[65];
	size_t n = sign->n_query;

	if (expires_s < 1 || expires_s > 604800)
		return bl_fail(err, BL_EINPUT, "presign: %u s is not within 1 s and 7 days",
		               expires_s);
	if (n > BL_SIGN_PAIRS_MAX)
		return bl_fail(err, BL_ELIMIT, "presign: over the limit of %d parameters",
		               BL_SIGN_PAIRS_MAX);
	bl_sign_add_names(sign->headers, sign->n_headers, &names);
	if (bl_buf_check(&names, "presign", err) || credential_of(sign, &credential, err))
		return -1;
	bl_amz_date(sign->wall_ms, date);
	snprintf(expires, sizeof(expires), "%u", expires_s);
	if (n)
		memcpy(all, sign->query, n * sizeof(all[0]));
	all[n++] = (struct bl_pair){ "X-Amz-Algorithm", ALGORITHM };
	all[n++] = (struct bl_pair){ "X-Amz-Credential", credential.data };
	all[n++] = (struct bl_pair){ "X-Amz-Date", date };
	all[n++] = (struct bl_pair){ "X-Amz-Expires", expires };
	all[n++] = (struct bl_pair){ "X-Amz-SignedHeaders", bl_buf_text(&names) };
	if (has_token(sign))
		all[n++] = (struct bl_pair){ "X-Amz-Security-Token", sign->token->text };
	whole.query = all;
	whole.n_query = n;
	if (sign_all(&whole, key, &canonical, hex, err))
		return -1;
	bl_sign_add_query(all, n, query);
	bl_buf_adds(query, "&X-Amz-Signature=");
	bl_buf_adds(query, hex);
	return bl_buf_check(query, "presigned query", err);
}
