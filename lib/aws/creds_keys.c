/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as they stand: in the environment, in a file, in a JSON document. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "codec/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void creds_label(struct bl_credentials *creds, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(creds->source, sizeof(creds->source), fmt, args);
	va_end(args);
}

static bool is_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

int creds_from_texts(const struct creds_texts *texts, struct bl_credentials *out,
                     struct bl_err *err)
{
	BL_AUTO(bl_credentials) got = { 0 };
	const char *token = texts->token ? texts->token : "";

	if (!texts->access_key || !*texts->access_key)
		return bl_fail(err, BL_EINPUT, "the access key id is missing");
	if (!texts->secret || !*texts->secret)
		return bl_fail(err, BL_EINPUT, "the secret access key is missing");
	if (strlen(texts->access_key) >= sizeof(got.access_key))
		return bl_fail(err, BL_EINPUT, "an access key id of %zu bytes",
		               strlen(texts->access_key));
	/* all three end in header lines */
	if (!is_line(texts->access_key) || !is_line(texts->secret) || !is_line(token))
		return bl_fail(err, BL_EINPUT, "a control character in a key");
	if (texts->expiry && *texts->expiry && !bl_utc_parse(texts->expiry, &got.expires_wall_ms))
		return bl_fail(err, BL_EINPUT, "'%.40s' is no time", texts->expiry);
	snprintf(got.access_key, sizeof(got.access_key), "%s", texts->access_key);
	if (texts->account && strlen(texts->account) == sizeof(got.account) - 1)
		snprintf(got.account, sizeof(got.account), "%s", texts->account);
	if (bl_secret_set(&got.secret, texts->secret, strlen(texts->secret), err) ||
	    bl_secret_set(&got.token, token, strlen(token), err))
		return -1;
	bl_credentials_done(out);
	*out = got;
	got = (struct bl_credentials){ 0 };
	return 0;
}

static void wipe_member(const struct bl_value *map, const char *key)
{
	const struct bl_value *member = bl_value_get(map, key);

	if (member && member->text)
		bl_wipe(member->text, strlen(member->text));
}

int creds_from_json(const char *bytes, size_t len, const char *what, struct bl_credentials *out,
                    struct bl_err *err)
{
	BL_VALUE document = NULL;
	struct creds_texts texts;
	const char *token;
	int rc;

	if (bl_json_parse(bytes, len, what, &document, err))
		return -1;
	/* a process says SessionToken, the metadata services say Token */
	token = bl_value_text_or(document, "SessionToken", NULL);
	texts = (struct creds_texts){
		.access_key = bl_value_text_or(document, "AccessKeyId", NULL),
		.secret = bl_value_text_or(document, "SecretAccessKey", NULL),
		.token = token ? token : bl_value_text_or(document, "Token", NULL),
		.expiry = bl_value_text_or(document, "Expiration", NULL),
		.account = bl_value_text_or(document, "AccountId", NULL),
	};
	rc = creds_from_texts(&texts, out, err);
	wipe_member(document, "SecretAccessKey");
	wipe_member(document, "SessionToken");
	wipe_member(document, "Token");
	return rc ? bl_wrap(err, "%s", what) : 0;
}

int creds_fetch_environment(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	const struct creds_texts texts = {
		.access_key = creds_env("AWS_ACCESS_KEY_ID"),
		.secret = creds_env("AWS_SECRET_ACCESS_KEY"),
		.token = creds_env("AWS_SESSION_TOKEN"),
		.expiry = creds_env("AWS_CREDENTIAL_EXPIRATION"),
		.account = creds_env("AWS_ACCOUNT_ID"),
	};

	(void)creds;
	if (creds_from_texts(&texts, out, err)) {
		bl_wrap(err, "environment");
		return bl_next(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither");
	}
	creds_label(out, "environment");
	return 0;
}

static const char *key_of(const struct bl_creds *creds, const char *profile, enum creds_file file,
                          const char *key)
{
	return file == CREDS_SHARED ? bl_profiles_get_shared(creds->profiles, profile, key)
	                            : bl_profiles_get_config(creds->profiles, profile, key);
}

bool creds_names_keys(const struct bl_creds *creds, const char *profile, enum creds_file file)
{
	return key_of(creds, profile, file, "aws_access_key_id");
}

int creds_profile_keys(const struct bl_creds *creds, const char *profile, enum creds_file file,
                       struct bl_credentials *out, struct bl_err *err)
{
	const struct creds_texts texts = {
		.access_key = key_of(creds, profile, file, "aws_access_key_id"),
		.secret = key_of(creds, profile, file, "aws_secret_access_key"),
		.token = key_of(creds, profile, file, "aws_session_token"),
		.account = key_of(creds, profile, file, "aws_account_id"),
	};

	if (creds_from_texts(&texts, out, err))
		return bl_wrap(err, "profile %.64s", profile);
	creds_label(out, "profile %.80s", profile);
	return 0;
}
