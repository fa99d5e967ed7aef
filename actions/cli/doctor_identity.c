/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/doctor.h"
#include "aws/oidc.h"
#include "codec/jwt.h"

#include <stdlib.h>
#include <string.h>

static const char *key_or_null(const struct doctor *doctor, const char *key)
{
	return doctor->has_config && bl_config_has(&doctor->config, key)
	               ? bl_config_text(&doctor->config, key)
	               : NULL;
}

/* --- GitHub's token --------------------------------------------------------------------------- */

static int ask_github(struct doctor *doctor, struct bl_err *err)
{
	__attribute__((cleanup(bl_secret_done))) struct bl_secret token = { 0 };
	BL_HTTP http = NULL;

	if (bl_http_open(NULL, &http, err) || bl_oidc_token(http, NULL, &token, err))
		return -1;
	return bl_jwt_claims(bl_secret_text(&token), token.len, &doctor->claims, err);
}

/* With an environment in the configuration the launch role trusts nothing else. */
static void check_context(const struct doctor *doctor, const char *sub, struct bl_check *check)
{
	const char *wanted = key_or_null(doctor, "github_environment");

	if (!wanted || !*wanted || strstr(sub, ":environment:"))
		return;
	check->state = BL_CHECK_WARN;
	bl_check_next(check, BL_EDENIED,
	              "this job names no environment: write `environment: %s` in the job that "
	              "launches, for its role trusts that alone",
	              wanted);
}

/* What a trust policy must list: one of both forms is the token's own. */
static void explain_trust(const char *sub, const char *other, struct bl_check *check)
{
	bl_check_next(check, BL_EDENIED,
	              "the role's trust policy must list this sub%s%.200s (StringEquals): in "
	              "Terraform github_repository, github_repository_id, github_owner_id%s",
	              *other ? ", and its other form " : "", other,
	              strstr(sub, ":environment:") ? ", github_environment" : "");
}

static void show_claims(struct doctor *doctor, bool names_role)
{
	BL_AUTO(bl_buf) classic = BL_BUF(1024), immutable = BL_BUF(1024), id = BL_BUF(64);
	const char *sub = bl_value_text_or(doctor->claims, "sub", "?");
	enum bl_check_state state = doctor->is_known || !names_role ? BL_CHECK_OK : BL_CHECK_FAIL;
	struct bl_check *check;

	bl_oidc_subs(doctor->claims, &classic, &immutable);
	bl_oidc_add_claim(&id, doctor->claims, "repository_id");
	check = bl_check_add(&doctor->checks, BL_CHECKUP_OIDC, state,
	                     "sub %.200s, aud %.60s, repository_id %s", sub,
	                     bl_value_text_or(doctor->claims, "aud", "?"), bl_buf_text(&id));
	if (state == BL_CHECK_FAIL)
		explain_trust(sub,
		              strcmp(sub, bl_buf_text(&classic)) ? bl_buf_text(&classic)
		                                                 : bl_buf_text(&immutable),
		              check);
	else if (doctor->is_known)
		check_context(doctor, sub, check);
}

static void check_token(struct doctor *doctor)
{
	const char *role = getenv("AWS_ROLE_ARN"), *actions = getenv("GITHUB_ACTIONS");
	bool wants = (role && *role) || doctor->options.role_arn;
	struct bl_err err = { 0 };

	if (bl_oidc_available()) {
		if (ask_github(doctor, &err))
			bl_check_failed(&doctor->checks, BL_CHECKUP_OIDC, BL_CHECK_FAIL, &err);
		else
			show_claims(doctor, wants);
		return;
	}
	if (actions && !strcmp(actions, "true") && wants) {
		bl_check_next(
			bl_check_add(&doctor->checks, BL_CHECKUP_OIDC, BL_CHECK_FAIL,
		                     "this job may not ask for one"),
			BL_EDENIED,
			"add `permissions: id-token: write` to the job; a fork's pull request "
			"never gets one");
		return;
	}
	bl_check_add(&doctor->checks, BL_CHECKUP_OIDC, BL_CHECK_SKIPPED,
	             "not in a GitHub job: run `branchline doctor` in one to see its sub");
}

/* --- AWS -------------------------------------------------------------------------------------- */

static void check_region(struct doctor *doctor)
{
	const char *region = bl_aws_region(doctor->aws);

	if (*region) {
		bl_check_add(&doctor->checks, BL_CHECKUP_REGION, BL_CHECK_OK, "%s", region);
		return;
	}
	bl_check_next(
		bl_check_add(&doctor->checks, BL_CHECKUP_REGION, BL_CHECK_FAIL, "none is set"),
		BL_EINPUT, "set AWS_REGION, as eu-central-1, or `region` in branchline.yaml");
}

static int ask_aws(struct doctor *doctor, const struct bl_credentials **got, struct bl_err *err)
{
	const struct bl_creds_options how = { .profile = doctor->options.profile,
		                              .region = key_or_null(doctor, "region"),
		                              .role_arn = doctor->options.role_arn };

	if (bl_creds_open(&how, &doctor->creds, err))
		return -1;
	const struct bl_aws_options options = { .profile = how.profile,
		                                .region = how.region,
		                                .creds = doctor->creds };
	if (bl_aws_open(&options, &doctor->aws, err))
		return -1;
	check_region(doctor);
	if (bl_creds_get(doctor->creds, got, err) ||
	    bl_sts_caller(doctor->aws, &doctor->caller, err) ||
	    bl_creds_get(doctor->creds, got, err))
		return -1;
	doctor->is_known = true;
	return 0;
}

void doctor_identity(struct doctor *doctor)
{
	const struct bl_credentials *got = NULL;
	struct bl_err err = { 0 };

	doctor_group(doctor, "AWS");
	if (ask_aws(doctor, &got, &err))
		bl_check_failed(&doctor->checks, BL_CHECKUP_IDENTITY, BL_CHECK_FAIL, &err);
	else
		bl_check_add(&doctor->checks, BL_CHECKUP_IDENTITY, BL_CHECK_OK, "%.300s, from %s",
		             doctor->caller.arn, got->source);
	check_token(doctor);
	if (doctor->is_known)
		bl_check_clock(doctor->aws, &doctor->checks);
}
