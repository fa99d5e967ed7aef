/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asked, in which order. */
#include "aws/creds_parts.h"

#include "aws/oidc.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *creds_env(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? text : NULL;
}

const char *creds_profile(const struct bl_creds *creds)
{
	return bl_profile_name(creds->profile_option);
}

const char *creds_role(const struct bl_creds *creds)
{
	return creds->role_option ? creds->role_option : creds_env("AWS_ROLE_ARN");
}

/* --- What each needs -------------------------------------------------------------------------- */

/* A role that was named by option is never passed over for another identity: without GitHub's
 * variables, asking says which permission is missing. */
static bool names_github(const struct bl_creds *creds)
{
	return creds->role_option || (creds_role(creds) && bl_oidc_available());
}

static bool names_environment(const struct bl_creds *creds)
{
	return !creds->profile_option &&
	       (creds_env("AWS_ACCESS_KEY_ID") || creds_env("AWS_SECRET_ACCESS_KEY"));
}

static bool names_role(const struct bl_creds *creds)
{
	return creds_names_role(creds, creds_profile(creds));
}

static bool names_web(const struct bl_creds *creds)
{
	(void)creds;
	return creds_env("AWS_WEB_IDENTITY_TOKEN_FILE");
}

static bool names_sso(const struct bl_creds *creds)
{
	return creds_names_sso(creds, creds_profile(creds));
}

static bool names_shared(const struct bl_creds *creds)
{
	return creds_names_keys(creds, creds_profile(creds), CREDS_SHARED);
}

static bool names_process(const struct bl_creds *creds)
{
	return bl_profiles_get(creds->profiles, "profile", creds_profile(creds),
	                       "credential_process");
}

static bool names_config(const struct bl_creds *creds)
{
	return creds_names_keys(creds, creds_profile(creds), CREDS_CONFIG);
}

static bool names_container(const struct bl_creds *creds)
{
	(void)creds;
	return creds_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
	       creds_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static bool names_imds(const struct bl_creds *creds)
{
	const char *disabled = creds_env("AWS_EC2_METADATA_DISABLED");

	return !creds->imds.absent && !(disabled && !strcasecmp(disabled, "true"));
}

/* --- Those of our profile --------------------------------------------------------------------- */

static int fetch_role(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	return creds_profile_role(creds, creds_profile(creds), out, err);
}

static int fetch_web(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	struct creds_web web = { .role_arn = creds_env("AWS_ROLE_ARN"),
		                 .token_file = creds_env("AWS_WEB_IDENTITY_TOKEN_FILE"),
		                 .duration_s = creds->duration_s };

	if (!web.role_arn)
		return bl_fail(err, BL_EINPUT,
		               "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
	return creds_fetch_web(creds, &web, out, err);
}

static int fetch_sso(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	return creds_profile_sso(creds, creds_profile(creds), out, err);
}

static int fetch_shared(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	return creds_profile_keys(creds, creds_profile(creds), CREDS_SHARED, out, err);
}

static int fetch_process(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	return creds_profile_process(creds, creds_profile(creds), out, err);
}

static int fetch_config(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	return creds_profile_keys(creds, creds_profile(creds), CREDS_CONFIG, out, err);
}

/* --- The chain -------------------------------------------------------------------------------- */

const struct creds_source creds_sources[] = {
	{ "GitHub OIDC", names_github, creds_fetch_github, false },
	{ "environment", names_environment, creds_fetch_environment, false },
	{ "profile's role", names_role, fetch_role, false },
	{ "web identity file", names_web, fetch_web, false },
	{ "SSO", names_sso, fetch_sso, false },
	{ "shared credentials file", names_shared, fetch_shared, false },
	{ "credential_process", names_process, fetch_process, false },
	{ "config file", names_config, fetch_config, false },
	{ "container", names_container, creds_fetch_container, false },
	{ "EC2 metadata", names_imds, creds_fetch_imds, true },
};
const size_t creds_sources_n = BL_COUNT(creds_sources);

static int nobody(const struct bl_creds *creds, struct bl_err *err)
{
	BL_AUTO(bl_buf) names = BL_BUF(1024);

	for (size_t i = 0; i < creds_sources_n; i++)
		bl_buf_addf(&names, "%s%s", i ? ", " : "", creds_sources[i].name);
	bl_fail(err, BL_EDENIED, "none found (profile '%.64s'); tried %s", creds_profile(creds),
	        bl_buf_text(&names));
	if (creds_env("GITHUB_ACTIONS") && !bl_oidc_available())
		return bl_next(err,
		               "add `permissions: id-token: write` to the job and name the role "
		               "(AWS_ROLE_ARN); pull requests from forks get none");
	return bl_next(err, "`aws configure` or `aws sso login` makes some; in a workflow, "
	                    "AWS_ROLE_ARN and `permissions: id-token: write`");
}

/* AWS_PROFILE may name what is not there: an error as soon as it would count. */
static int check_profile(const struct bl_creds *creds, struct bl_err *err)
{
	const char *profile = creds_profile(creds);

	if (!strcmp(profile, "default") || bl_profiles_has(creds->profiles, profile))
		return 0;
	bl_fail(err, BL_EINPUT, "no profile '%.64s' in AWS's configuration", profile);
	return bl_next(err, "`aws configure list-profiles` lists them; AWS_PROFILE names it");
}

int creds_fetch_first(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	for (size_t i = 0; i < creds_sources_n; i++) {
		const struct creds_source *source = &creds_sources[i];

		if (source->named == names_role && check_profile(creds, err))
			return -1;
		if (!source->named(creds))
			continue;
		bl_log(BL_LOG_DEBUG, "credentials: asking %s", source->name);
		if (!source->fetch(creds, out, err)) {
			creds->source = source;
			return 0;
		}
		if (!creds->imds.absent || source->fetch != creds_fetch_imds)
			return -1;
		bl_err_clear(err); /* that there is no instance is an answer */
	}
	return nobody(creds, err);
}
