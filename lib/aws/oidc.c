/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/oidc.h"

#include "aws/fetch.h"
#include "base/env.h"
#include "base/str.h"
#include "codec/json.h"
#include "codec/jwt.h"
#include "net/url.h"

#include <string.h>

#define URL_VARIABLE "ACTIONS_ID_TOKEN_REQUEST_URL"
#define TOKEN_VARIABLE "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
#define AUDIENCE "sts.amazonaws.com"
#define URL_MAX 8192
#define REQUEST_TOKEN_MAX 32768

bool bl_oidc_available(void)
{
	return bl_env_or_null(URL_VARIABLE) && bl_env_or_null(TOKEN_VARIABLE);
}

static int not_available(struct bl_err *err)
{
	bl_fail(err, BL_EDENIED, "%s is not set",
	        bl_env_or_null(URL_VARIABLE) ? TOKEN_VARIABLE : URL_VARIABLE);
	return bl_next(err, "add `permissions: id-token: write` to the job; pull requests from "
	                    "forks get none");
}

/* The request token goes into a header line of its own: a line break would add another. */
static int request_parts(const char *audience, struct bl_buf *url, struct bl_buf *headers,
                         struct bl_err *err)
{
	const char *base = bl_env_or_null(URL_VARIABLE), *token = bl_env_or_null(TOKEN_VARIABLE);

	if (!base || !token)
		return not_available(err);
	if (strpbrk(token, "\r\n"))
		return bl_fail(err, BL_EINPUT, TOKEN_VARIABLE " holds a line break");
	bl_buf_addf(url, "%s%caudience=", base, strchr(base, '?') ? '&' : '?');
	bl_uri_add(url, audience, strlen(audience));
	bl_buf_adds(headers, "authorization: bearer ");
	bl_buf_adds(headers, token);
	bl_buf_adds(headers, "\naccept: application/json\n");
	if (bl_buf_check(url, URL_VARIABLE, err) || bl_buf_check(headers, TOKEN_VARIABLE, err))
		return -1;
	return 0;
}

static void wipe_text(const struct bl_value *value)
{
	if (value && value->text)
		bl_wipe(value->text, strlen(value->text));
}

/* {"value": JWT} */
static int read_token(const struct bl_http_reply *reply, struct bl_secret *token,
                      struct bl_err *err)
{
	BL_VALUE document = NULL;
	const char *text = NULL;
	size_t len;
	int rc;

	if (bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "reply", &document, err))
		return -1;
	text = bl_value_text_or(document, "value", "");
	len = strlen(text);
	if (!len)
		return bl_fail(err, BL_ECORRUPT, "the reply holds no token");
	if (len > BL_JWT_MAX)
		rc = bl_fail(err, BL_ECORRUPT, "a token of %zu bytes; STS takes %d", len,
		             BL_JWT_MAX);
	else
		rc = bl_secret_set(token, text, len, err);
	wipe_text(bl_value_get(document, "value"));
	return rc;
}

static int check_status(int status, struct bl_err *err)
{
	if (status >= 200 && status < 300)
		return 0;
	bl_fail(err, status == 401 || status == 403 ? BL_EDENIED : BL_EIO, "HTTP %d", status);
	if (status == 401 || status == 403)
		bl_next(err, "the job's token for asking is refused: it may have run out; run the "
		             "job again");
	return -1;
}

int bl_oidc_token(struct bl_http *http, const char *audience, struct bl_secret *token,
                  struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX);
	BL_SECRET_BUF headers = BL_BUF(REQUEST_TOKEN_MAX);
	BL_AUTO(bl_fetched) fetched = { 0 };
	struct bl_fetch fetch = { .what = "ask the issuer" };

	if (request_parts(audience ? audience : AUDIENCE, &url, &headers, err))
		return bl_wrap(err, "GitHub identity token");
	fetch.url = bl_buf_text(&url);
	fetch.headers = bl_buf_text(&headers);
	if (bl_fetch(http, &fetch, &fetched, err) || check_status(fetched.http.status, err) ||
	    read_token(&fetched.http, token, err))
		return bl_wrap(err, "GitHub identity token");
	return 0;
}

/* --- What a trust policy must say ------------------------------------------------------------- */

/* "https://ISSUER" as IAM names it in conditions: without the scheme. */
static const char *issuer_of(const struct bl_value *claims)
{
	const char *iss = bl_value_text_or(claims, "iss", "");

	if (bl_str_starts(iss, "https://"))
		iss += strlen("https://");
	return *iss ? iss : "token.actions.githubusercontent.com";
}

void bl_oidc_add_claim(struct bl_buf *out, const struct bl_value *claims, const char *name)
{
	const struct bl_value *claim = bl_value_get(claims, name);

	if (claim && claim->type == BL_STRING)
		bl_buf_adds(out, claim->text);
	else if (claim && claim->type == BL_INT)
		bl_buf_addf(out, "%lld", (long long)claim->integer);
}

/* What follows the repository: "pull_request", "environment:gpu", "ref:refs/heads/main". */
static const char *context_of(const char *sub)
{
	const char *colon = bl_str_starts(sub, "repo:") ? strchr(sub + 5, ':') : NULL;

	return colon ? colon + 1 : NULL;
}

static bool has_claim(const struct bl_value *claims, const char *name)
{
	const struct bl_value *claim = bl_value_get(claims, name);

	return claim && (claim->type == BL_INT || (claim->type == BL_STRING && claim->text[0]));
}

void bl_oidc_subs(const struct bl_value *claims, struct bl_buf *classic, struct bl_buf *immutable)
{
	const char *sub = bl_value_text_or(claims, "sub", "");
	const char *repository = bl_value_text_or(claims, "repository", ""),
		   *context = context_of(sub);
	const char *slash = strchr(repository, '/');

	/* a subject made of other claims (include_claim_keys) is trusted as it stands */
	if (!context || !slash) {
		bl_buf_adds(classic, sub);
		return;
	}
	bl_buf_addf(classic, "repo:%s:%s", repository, context);
	if (!has_claim(claims, "repository_owner_id") || !has_claim(claims, "repository_id"))
		return;
	bl_buf_addf(immutable, "repo:%.*s@", (int)(slash - repository), repository);
	bl_oidc_add_claim(immutable, claims, "repository_owner_id");
	bl_buf_addf(immutable, "/%s@", slash + 1);
	bl_oidc_add_claim(immutable, claims, "repository_id");
	bl_buf_addf(immutable, ":%s", context);
}

void bl_oidc_explain(const struct bl_value *claims, struct bl_buf *out)
{
	BL_AUTO(bl_buf) classic = BL_BUF(BL_JWT_MAX), immutable = BL_BUF(BL_JWT_MAX);
	static const char *const shown[] = { "iss", "aud", "sub", "repository_id" };
	const char *issuer = issuer_of(claims);

	bl_oidc_subs(claims, &classic, &immutable);
	bl_buf_adds(out, "the token says\n");
	for (size_t i = 0; i < BL_COUNT(shown); i++) {
		bl_buf_addf(out, "  %-14s ", shown[i]);
		bl_oidc_add_claim(out, claims, shown[i]);
		bl_buf_addc(out, '\n');
	}
	bl_buf_addf(out, "the role's trust policy must say (StringEquals)\n  %s:aud  \"", issuer);
	bl_oidc_add_claim(out, claims, "aud");
	bl_buf_addf(out, "\"\n  %s:sub  [\"%s\"", issuer, bl_buf_text(&classic));
	if (immutable.len)
		bl_buf_addf(out, ",\n    \"%s\"", bl_buf_text(&immutable));
	bl_buf_adds(out, "]\n");
	bl_buf_addf(out, "and its Principal must be Federated, the account's OIDC provider %s\n",
	            issuer);
}
