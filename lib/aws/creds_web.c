/* SPDX-License-Identifier: Apache-2.0 */
/* Roles by a web identity: GitHub's, or a token in a file. */
#include "aws/creds_parts.h"

#include "aws/oidc.h"
#include "base/fs.h"
#include "base/str.h"
#include "codec/jwt.h"

#include <stdio.h>
#include <string.h>

/* What STS answers to where nothing names a region: the partition's own. */
static const char *region_of_role(const char *role)
{
	if (role && bl_str_starts(role, "arn:aws-cn:"))
		return "cn-north-1";
	if (role && bl_str_starts(role, "arn:aws-us-gov:"))
		return "us-gov-west-1";
	return "us-east-1";
}

int creds_sts(struct bl_creds *creds, struct bl_aws **out, struct bl_err *err)
{
	char region[BL_REGION_SIZE];

	bl_region(creds->region_option, creds->profiles, creds_profile(creds), region);
	struct bl_aws_options options = {
		.profile = creds->profile_option,
		.region = region[0] ? region : region_of_role(creds_role(creds)),
		.anonymous = true,
		.allow_http = creds->allow_http,
	};
	if (!creds->sts && bl_aws_open(&options, &creds->sts, err))
		return -1;
	*out = creds->sts;
	return 0;
}

int creds_http(struct bl_creds *creds, struct bl_http **out, struct bl_err *err)
{
	struct bl_aws *aws;

	if (creds_sts(creds, &aws, err))
		return -1;
	*out = bl_aws_http(aws);
	return 0;
}

/* The run id comes first: a long job's name may be cut. */
void creds_session_name(const struct bl_creds *creds, char name[BL_STS_NAME_MAX + 1])
{
	const char *named = creds->session_name, *run = creds_env("BRANCHLINE_RUN_ID");
	const char *github = creds_env("GITHUB_RUN_ID"), *job = creds_env("GITHUB_JOB");
	const char *repository = creds_env("GITHUB_REPOSITORY"), *user = creds_env("USER");
	char text[512];

	if (!named)
		named = creds_env("AWS_ROLE_SESSION_NAME");
	if (named)
		snprintf(text, sizeof(text), "%s", named);
	else if (run)
		snprintf(text, sizeof(text), "branchline-%s", run);
	else if (github)
		snprintf(text, sizeof(text), "branchline-%s-%s-%s", github, job ? job : "",
		         repository ? repository : "");
	else
		snprintf(text, sizeof(text), "branchline-%s", user ? user : "local");
	bl_sts_session_name(text, name);
}

/* --- GitHub ----------------------------------------------------------------------------------- */

/* One token for one exchange. */
static int exchange(struct bl_creds *creds, struct bl_credentials *out, bool *renew,
                    struct bl_err *err)
{
	__attribute__((cleanup(bl_secret_done))) struct bl_secret token = { 0 };
	char name[BL_STS_NAME_MAX + 1];
	struct bl_assume assume = { .role_arn = creds_role(creds),
		                    .session_name = name,
		                    .policy = creds->policy,
		                    .duration_s = creds->duration_s };
	struct bl_aws *aws;

	*renew = false;
	creds_session_name(creds, name);
	if (creds_sts(creds, &aws, err) ||
	    bl_oidc_token(bl_aws_http(aws), creds->audience, &token, err))
		return -1;
	return bl_sts_assume_web(aws, &assume, &token, out, renew, err);
}

int creds_fetch_github(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	bool renew;
	int rc;

	/* the role's maximum is not told, but that it is less: not asked again */
	if (creds->refused.code) {
		*err = creds->refused;
		return -1;
	}
	rc = exchange(creds, out, &renew, err);
	/* a token lives for minutes: a fresh one, once */
	if (rc && renew) {
		bl_err_clear(err);
		rc = exchange(creds, out, &renew, err);
	}
	if (rc) {
		bl_wrap(err, "GitHub OIDC");
		if (err->code == BL_EINPUT)
			creds->refused = *err;
		return -1;
	}
	creds_label(out, "GitHub OIDC");
	return 0;
}

/* --- A token in a file ------------------------------------------------------------------------ */

/* Who wrote the file may have ended its line. */
static size_t trimmed(const struct bl_buf *text)
{
	size_t len = text->len;

	while (len && strchr(" \t\r\n", text->data[len - 1]))
		len--;
	return len;
}

int creds_fetch_web(struct bl_creds *creds, const struct creds_web *web, struct bl_credentials *out,
                    struct bl_err *err)
{
	__attribute__((cleanup(bl_secret_done))) struct bl_secret token = { 0 };
	BL_SECRET_BUF file = BL_BUF(BL_JWT_MAX + 64);
	char name[BL_STS_NAME_MAX + 1];
	struct bl_assume assume = { .role_arn = web->role_arn,
		                    .session_name = web->session_name ? web->session_name : name,
		                    .policy = creds->policy,
		                    .duration_s = web->duration_s };
	struct bl_aws *aws;
	bool renew; /* the file is read anew by the next get anyway */

	creds_session_name(creds, name);
	if (bl_fs_read_path(web->token_file, &file, err) ||
	    bl_secret_set(&token, bl_buf_text(&file), trimmed(&file), err) ||
	    creds_sts(creds, &aws, err) ||
	    bl_sts_assume_web(aws, &assume, &token, out, &renew, err))
		return bl_wrap(err, "web identity of %.200s", web->token_file);
	creds_label(out, "web identity file");
	return 0;
}
