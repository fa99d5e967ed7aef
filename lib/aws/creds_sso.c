/* SPDX-License-Identifier: Apache-2.0 */
/* What `aws sso login` left: its token, exchanged for a role's keys. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "base/fs.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define CACHE_MAX ((size_t)64 << 10)

/* sso_session names a section; without, the profile holds all. */
struct sso {
	const char *profile, *session, *start_url, *region, *account, *role;
};

static const char *setting(const struct bl_creds *creds, const struct sso *sso, const char *key)
{
	return sso->session ? bl_profiles_get(creds->profiles, "sso-session", sso->session, key)
	                    : bl_profiles_get(creds->profiles, "profile", sso->profile, key);
}

bool creds_names_sso(const struct bl_creds *creds, const char *profile)
{
	return bl_profiles_get(creds->profiles, "profile", profile, "sso_account_id") &&
	       bl_profiles_get(creds->profiles, "profile", profile, "sso_role_name");
}

static int settings(const struct bl_creds *creds, const char *profile, struct sso *sso,
                    struct bl_err *err)
{
	sso->profile = profile;
	sso->session = bl_profiles_get(creds->profiles, "profile", profile, "sso_session");
	sso->start_url = setting(creds, sso, "sso_start_url");
	sso->region = setting(creds, sso, "sso_region");
	sso->account = bl_profiles_get(creds->profiles, "profile", profile, "sso_account_id");
	sso->role = bl_profiles_get(creds->profiles, "profile", profile, "sso_role_name");
	if (!sso->start_url || !sso->region)
		return bl_fail(err, BL_EINPUT, "%s is missing",
		               sso->start_url ? "sso_region" : "sso_start_url");
	return 0;
}

static int log_in(const struct sso *sso, struct bl_err *err)
{
	return bl_next(err, "aws sso login --profile %s", sso->profile);
}

/* ~/.aws/sso/cache/SHA1.json, of the session's name or else of the start URL */
static int cache_path(const struct sso *sso, struct bl_buf *path, struct bl_err *err)
{
	const char *home = creds_env("HOME"), *key = sso->session ? sso->session : sso->start_url;
	char hex[BL_SHA1_HEX];

	if (!home)
		return bl_fail(err, BL_EINPUT, "HOME is not set");
	if (bl_sha1_of(key, strlen(key), hex, err))
		return -1;
	bl_buf_addf(path, "%s/.aws/sso/cache/%s.json", home, hex);
	return bl_buf_check(path, "the cache's path", err);
}

static int read_token(const struct sso *sso, struct bl_secret *token, struct bl_err *err)
{
	BL_SECRET_BUF bytes = BL_BUF(CACHE_MAX);
	BL_AUTO(bl_buf) path = BL_BUF(4096);
	BL_VALUE document = NULL;
	const char *text, *expiry;
	int64_t expires = 0;
	int rc;

	if (cache_path(sso, &path, err))
		return -1;
	if (bl_fs_read_path(bl_buf_text(&path), &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_EDENIED, "not logged in");
		return log_in(sso, err);
	}
	if (bl_json_parse(bl_buf_text(&bytes), bytes.len, "the token's cache", &document, err))
		return -1;
	text = bl_value_text_or(document, "accessToken", "");
	expiry = bl_value_text_or(document, "expiresAt", "");
	if (!*text || !bl_utc_parse(expiry, &expires) || expires <= bl_wall_ms()) {
		bl_fail(err, BL_EDENIED, "the login expired at %.40s", *expiry ? expiry : "?");
		rc = log_in(sso, err);
	} else if (strpbrk(text, "\r\n")) {
		rc = bl_fail(err, BL_ECORRUPT, "the token holds a line break");
	} else {
		rc = bl_secret_set(token, text, strlen(text), err);
	}
	if (*text)
		bl_wipe(bl_value_get(document, "accessToken")->text, strlen(text));
	return rc;
}

/* --- The portal ------------------------------------------------------------------------------- */

static int add_url(struct bl_creds *creds, const struct sso *sso, struct bl_buf *url,
                   struct bl_err *err)
{
	struct bl_endpoint endpoint;
	struct bl_aws *aws;

	if (creds_sts(creds, &aws, err) || bl_aws_endpoint(aws, "sso", sso->region, &endpoint, err))
		return -1;
	bl_buf_addf(url, "%s/federation/credentials?account_id=", endpoint.url);
	bl_uri_add(url, sso->account, strlen(sso->account));
	bl_buf_adds(url, "&role_name=");
	bl_uri_add(url, sso->role, strlen(sso->role));
	return bl_buf_check(url, "the portal's URL", err);
}

static int ask(struct bl_creds *creds, const struct sso *sso, const struct bl_secret *token,
               struct bl_fetched *fetched, struct bl_err *err)
{
	BL_SECRET_BUF headers = BL_BUF(CACHE_MAX);
	BL_AUTO(bl_buf) url = BL_BUF(4096);
	struct bl_fetch fetch = { .what = "ask the portal" };
	struct bl_http *http;

	bl_buf_adds(&headers, "x-amz-sso_bearer_token: ");
	bl_buf_adds(&headers, bl_secret_text(token));
	bl_buf_addc(&headers, '\n');
	if (bl_buf_check(&headers, "the token", err) || add_url(creds, sso, &url, err) ||
	    creds_http(creds, &http, err))
		return -1;
	fetch.url = bl_buf_text(&url);
	fetch.headers = bl_buf_text(&headers);
	if (bl_fetch(http, &fetch, fetched, err))
		return -1;
	if (fetched->http.status == 200)
		return 0;
	bl_fail(err, BL_EDENIED, "role %.64s of account %.20s: HTTP %d", sso->role, sso->account,
	        fetched->http.status);
	/* 401 is the token's end, 403 the user's right */
	if (fetched->http.status == 401)
		return log_in(sso, err);
	return bl_next(err, "is that role assigned to you in IAM Identity Center?");
}

static int read_reply(const struct bl_buf *body, struct bl_credentials *out, struct bl_err *err)
{
	BL_VALUE document = NULL;
	const struct bl_value *keys;
	struct creds_texts texts;
	int64_t expires;

	if (bl_json_parse(bl_buf_text(body), body->len, "the portal's reply", &document, err))
		return -1;
	keys = bl_value_get(document, "roleCredentials");
	texts = (struct creds_texts){
		.access_key = bl_value_text_or(keys, "accessKeyId", NULL),
		.secret = bl_value_text_or(keys, "secretAccessKey", NULL),
		.token = bl_value_text_or(keys, "sessionToken", NULL),
	};
	expires = bl_value_int_or(keys, "expiration", 0);
	if (creds_from_texts(&texts, out, err))
		return bl_wrap(err, "the portal's reply");
	out->expires_wall_ms = expires;
	bl_wipe(bl_value_get(keys, "secretAccessKey")->text, strlen(texts.secret));
	return 0;
}

int creds_profile_sso(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                      struct bl_err *err)
{
	__attribute__((cleanup(bl_secret_done))) struct bl_secret token = { 0 };
	BL_AUTO(bl_fetched) fetched = { 0 };
	struct sso sso = { 0 };

	if (settings(creds, profile, &sso, err) || read_token(&sso, &token, err) ||
	    ask(creds, &sso, &token, &fetched, err) || read_reply(&fetched.http.body, out, err))
		return bl_wrap(err, "SSO of profile %.64s", profile);
	snprintf(out->account, sizeof(out->account), "%.12s", sso.account);
	creds_label(out, "SSO of profile %.70s", profile);
	return 0;
}
