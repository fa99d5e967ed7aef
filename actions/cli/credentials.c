/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/held.h"
#include "actions/identity.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/fs.h"
#include "codec/json.h"

#include <stdio.h>
#include <unistd.h>

struct options {
	struct identity identity;
	const char *cache;
};

static const struct bl_option table[] = {
	IDENTITY_OPT_PROFILE(struct options),
	IDENTITY_OPT_ROLE(struct options),
	IDENTITY_OPT_REGION(struct options),
	IDENTITY_OPT_AUDIENCE(struct options),
	IDENTITY_OPT_POLICY(struct options),
	IDENTITY_OPT_DURATION(struct options),
	{ "cache", 0, BL_OPT_TEXT, offsetof(struct options, cache), "FILE",
	  "keep them there, mode 0600, until shortly before their end" },
};

static const struct bl_usage usage = {
	.verb = "credentials",
	.example = "branchline credentials --role-arn arn:aws:iam::123456789012:role/train",
	.about = "Prints AWS credentials in the form of credential_process: what the AWS CLI and "
		 "every\n"
		 "SDK call by themselves, again and again. They are secrets: do not print them in "
		 "a log.",
	.options = table,
	.n_options = BL_COUNT(table),
	.no_inputs = true, /* called within any step */
};

/* Not through stdio, whose buffer nobody wipes. */
static int print(const struct bl_credentials *creds, struct bl_err *err)
{
	BL_SECRET_BUF text = BL_BUF((size_t)64 << 10);
	struct bl_json json = BL_JSON(&text);
	char expiry[BL_UTC_SIZE];

	bl_json_map(&json, NULL);
	bl_json_int(&json, "Version", 1);
	bl_json_text(&json, "AccessKeyId", creds->access_key);
	bl_json_text(&json, "SecretAccessKey", bl_secret_text(&creds->secret));
	if (creds->token.len)
		bl_json_text(&json, "SessionToken", bl_secret_text(&creds->token));
	if (creds->expires_wall_ms) {
		bl_utc_text(creds->expires_wall_ms, expiry);
		bl_json_text(&json, "Expiration", expiry);
	}
	if (creds->account[0])
		bl_json_text(&json, "AccountId", creds->account);
	bl_json_end_map(&json);
	bl_buf_addc(&text, '\n');
	if (bl_buf_check(&text, "credentials", err))
		return -1;
	fflush(stdout);
	return bl_fs_write(STDOUT_FILENO, bl_buf_text(&text), text.len, err);
}

int verb_credentials(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_credentials) creds = { 0 };
	BL_AUTO(bl_buf) policy = BL_BUF(1);
	BL_AUTO(bl_args) args = { 0 };
	struct bl_creds_options how;
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err) || args.helped)
		return err->code ? -1 : 0;
	if (identity_options(&opt.identity, &policy, &how, err))
		return -1;
	if (opt.cache ? held_get(opt.cache, &how, &creds, err) : identity_ask(&how, &creds, err))
		return -1;
	return print(&creds, err);
}
