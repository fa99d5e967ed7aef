/* SPDX-License-Identifier: Apache-2.0 */
/* A profile's role, assumed with what another profile or source gives. */
#include "aws/creds_parts.h"

#include "base/str.h"

#include <string.h>

#define CHAIN_MAX 5

/* The profiles from ours to the one at hand: none may come twice. */
struct chain {
	const char *profiles[CHAIN_MAX];
	size_t n;
};

static const char *setting(const struct bl_creds *creds, const char *profile, const char *key)
{
	const char *text = bl_profiles_get(creds->profiles, "profile", profile, key);

	return text && *text ? text : NULL;
}

bool creds_names_role(const struct bl_creds *creds, const char *profile)
{
	return setting(creds, profile, "role_arn") &&
	       (setting(creds, profile, "source_profile") ||
	        setting(creds, profile, "credential_source") ||
	        setting(creds, profile, "web_identity_token_file"));
}

int creds_profile_duration(const struct bl_creds *creds, const char *profile, unsigned *seconds,
                           struct bl_err *err)
{
	const char *text = setting(creds, profile, "duration_seconds");
	uint64_t number;

	*seconds = creds->duration_s;
	if (!text)
		return 0;
	if (bl_str_u64(text, 900, 43200, &number, err))
		return bl_wrap(err, "duration_seconds");
	*seconds = (unsigned)number;
	return 0;
}

/* --- Who vouches ------------------------------------------------------------------------------ */

static int of_profile(struct bl_creds *creds, const char *profile, struct chain *chain,
                      struct bl_credentials *out, struct bl_err *err);

static int from_named_source(struct bl_creds *creds, const char *name, struct bl_credentials *out,
                             struct bl_err *err)
{
	if (!strcmp(name, "Environment"))
		return creds_fetch_environment(creds, out, err);
	if (!strcmp(name, "EcsContainer"))
		return creds_fetch_container(creds, out, err);
	if (!strcmp(name, "Ec2InstanceMetadata"))
		return creds_fetch_imds(creds, out, err);
	return bl_fail(err, BL_EINPUT,
	               "credential_source '%.40s' is none of Environment, EcsContainer, "
	               "Ec2InstanceMetadata",
	               name);
}

/* A profile may name itself: its own keys are meant. */
static int from_source_profile(struct bl_creds *creds, const char *profile, const char *source,
                               struct chain *chain, struct bl_credentials *out, struct bl_err *err)
{
	enum creds_file file =
		creds_names_keys(creds, source, CREDS_SHARED) ? CREDS_SHARED : CREDS_CONFIG;

	if (!strcmp(profile, source))
		return creds_profile_keys(creds, source, file, out, err);
	if (!bl_profiles_has(creds->profiles, source))
		return bl_fail(err, BL_EINPUT, "source_profile '%.64s' does not exist", source);
	return of_profile(creds, source, chain, out, err);
}

/* --- The role --------------------------------------------------------------------------------- */

static int assume(struct bl_creds *creds, const struct bl_credentials *with,
                  const struct bl_assume *how, struct bl_credentials *out, struct bl_err *err)
{
	struct bl_aws_options options = { .allow_http = creds->allow_http };
	struct bl_creds *fixed = NULL;
	struct bl_aws *aws = NULL, *anonymous;
	int rc = -1;

	if (creds_sts(creds, &anonymous, err) || bl_creds_fixed(with, &fixed, err))
		return -1;
	options.profile = creds->profile_option;
	options.region = bl_aws_region(anonymous);
	options.creds = fixed;
	if (!bl_aws_open(&options, &aws, err))
		rc = bl_sts_assume(aws, how, out, err);
	bl_aws_close(aws);
	bl_creds_close(fixed);
	return rc;
}

static int role_of(struct bl_creds *creds, const char *profile, struct chain *chain,
                   struct bl_credentials *out, struct bl_err *err)
{
	const char *source = setting(creds, profile, "source_profile");
	const char *named = setting(creds, profile, "credential_source");
	const char *session = setting(creds, profile, "role_session_name");
	BL_AUTO(bl_credentials) with = { 0 };
	char name[BL_STS_NAME_MAX + 1];
	struct bl_assume how = {
		.role_arn = setting(creds, profile, "role_arn"),
		.session_name = session ? session : name,
		.policy = chain->n == 1 ? creds->policy : NULL, /* ours limits the last session */
		.external_id = setting(creds, profile, "external_id"),
	};

	creds_session_name(creds, name);
	if (creds_profile_duration(creds, profile, &how.duration_s, err))
		return -1;
	if (setting(creds, profile, "mfa_serial")) {
		bl_fail(err, BL_EINPUT, "its role asks for a second factor (mfa_serial)");
		return bl_next(err, "use `aws sso login`, or keys of `aws sts get-session-token`");
	}
	if (source && named)
		return bl_fail(err, BL_EINPUT, "both source_profile and credential_source");
	if (!source && !named) {
		struct creds_web web = { how.role_arn,
			                 setting(creds, profile, "web_identity_token_file"),
			                 session, how.duration_s };

		return creds_fetch_web(creds, &web, out, err);
	}
	if (source ? from_source_profile(creds, profile, source, chain, &with, err)
	           : from_named_source(creds, named, &with, err))
		return -1;
	return assume(creds, &with, &how, out, err);
}

static int enter(struct chain *chain, const char *profile, struct bl_err *err)
{
	for (size_t i = 0; i < chain->n; i++)
		if (!strcmp(chain->profiles[i], profile))
			return bl_fail(err, BL_EINPUT, "source_profile goes round in a circle");
	if (chain->n == CHAIN_MAX)
		return bl_fail(err, BL_EINPUT, "over %d profiles in a chain of source_profile",
		               CHAIN_MAX);
	chain->profiles[chain->n++] = profile;
	return 0;
}

/* All that a profile can be, in AWS's order. */
static int of_profile(struct bl_creds *creds, const char *profile, struct chain *chain,
                      struct bl_credentials *out, struct bl_err *err)
{
	int rc;

	if (enter(chain, profile, err))
		rc = -1;
	else if (creds_names_role(creds, profile))
		rc = role_of(creds, profile, chain, out, err);
	else if (creds_names_sso(creds, profile))
		return creds_profile_sso(creds, profile, out, err);
	else if (creds_names_keys(creds, profile, CREDS_SHARED))
		return creds_profile_keys(creds, profile, CREDS_SHARED, out, err);
	else if (setting(creds, profile, "credential_process"))
		return creds_profile_process(creds, profile, out, err);
	else if (creds_names_keys(creds, profile, CREDS_CONFIG))
		return creds_profile_keys(creds, profile, CREDS_CONFIG, out, err);
	else
		rc = bl_fail(err, BL_EINPUT, "no credentials in it");
	if (rc)
		return bl_wrap(err, "profile %.64s", profile);
	creds_label(out, "role of profile %.70s", profile);
	return 0;
}

int creds_profile_role(struct bl_creds *creds, const char *profile, struct bl_credentials *out,
                       struct bl_err *err)
{
	struct chain chain = { .n = 0 };

	return of_profile(creds, profile, &chain, out, err);
}
