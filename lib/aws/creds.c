/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_MS ((int64_t)60000)
#define ADVISORY_MS (15 * MINUTE_MS)
#define MANDATORY_MS (10 * MINUTE_MS)
#define RETRY_MS MINUTE_MS
#define RETRY_LATE_MS ((int64_t)10000)

/* --- One set of keys -------------------------------------------------------------------------- */

void bl_credentials_done(struct bl_credentials *creds)
{
	bl_secret_done(&creds->secret);
	bl_secret_done(&creds->token);
	memset(creds, 0, sizeof(*creds));
}

int bl_credentials_copy(const struct bl_credentials *from, struct bl_credentials *to,
                        struct bl_err *err)
{
	BL_AUTO(bl_credentials) copy = *from;

	copy.secret = copy.token = (struct bl_secret){ 0 };
	if (bl_secret_copy(&copy.secret, &from->secret, err) ||
	    bl_secret_copy(&copy.token, &from->token, err))
		return -1;
	bl_credentials_done(to);
	*to = copy;
	copy = (struct bl_credentials){ 0 };
	return 0;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static int copy_text(const char *text, char **out, struct bl_err *err)
{
	if (!text || !*text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : bl_fail(err, BL_ENOMEM, "credentials: out of memory");
}

static int check_options(const struct bl_creds_options *options, struct bl_err *err)
{
	const char *policy = options->session_policy;

	if (options->role_arn && *options->role_arn && bl_sts_check_role(options->role_arn, err))
		return -1;
	if (options->duration_s && (options->duration_s < 900 || options->duration_s > 43200)) {
		bl_fail(err, BL_EINPUT, "a session of %u s: AWS gives 900 to 43200 s",
		        options->duration_s);
		return bl_next(err, "the role's own maximum is 3600 unless it was raised");
	}
	if (policy && strlen(policy) > BL_STS_POLICY_MAX)
		return bl_fail(err, BL_EINPUT, "a session policy of %zu bytes: AWS takes %d",
		               strlen(policy), BL_STS_POLICY_MAX);
	return 0;
}

static int fill(struct bl_creds *creds, const struct bl_creds_options *options, struct bl_err *err)
{
	creds->duration_s = options->duration_s;
	creds->allow_http = options->allow_http;
	if (copy_text(options->profile, &creds->profile_option, err) ||
	    copy_text(options->role_arn, &creds->role_option, err) ||
	    copy_text(options->session_name, &creds->session_name, err) ||
	    copy_text(options->session_policy, &creds->policy, err) ||
	    copy_text(options->audience, &creds->audience, err) ||
	    copy_text(options->region, &creds->region_option, err) ||
	    bl_profiles_read(&creds->profiles, err))
		return -1;
	if (creds->profile_option && !bl_profiles_has(creds->profiles, creds->profile_option)) {
		bl_fail(err, BL_EINPUT, "no profile '%.64s' in AWS's configuration",
		        creds->profile_option);
		return bl_next(err, "`aws configure list-profiles` lists them");
	}
	return 0;
}

int bl_creds_open(const struct bl_creds_options *options, struct bl_creds **out, struct bl_err *err)
{
	static const struct bl_creds_options defaults = { 0 };
	struct bl_creds *creds;

	if (!options)
		options = &defaults;
	if (check_options(options, err))
		return -1;
	creds = calloc(1, sizeof(*creds));
	if (!creds)
		return bl_fail(err, BL_ENOMEM, "credentials: out of memory");
	if (fill(creds, options, err)) {
		bl_creds_close(creds);
		return -1;
	}
	*out = creds;
	return 0;
}

int bl_creds_fixed(const struct bl_credentials *values, struct bl_creds **out, struct bl_err *err)
{
	struct bl_creds *creds = calloc(1, sizeof(*creds));

	if (!creds)
		return bl_fail(err, BL_ENOMEM, "credentials: out of memory");
	creds->fixed = true;
	if (bl_credentials_copy(values, &creds->now, err)) {
		bl_creds_close(creds);
		return -1;
	}
	*out = creds;
	return 0;
}

void bl_creds_close(struct bl_creds *creds)
{
	if (!creds)
		return;
	bl_aws_close(creds->sts);
	bl_credentials_done(&creds->now);
	bl_secret_done(&creds->imds.token);
	bl_profiles_free(creds->profiles);
	free(creds->profile_option);
	free(creds->role_option);
	free(creds->session_name);
	free(creds->policy);
	free(creds->audience);
	free(creds->region_option);
	free(creds);
}

/* --- Fresh ------------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* An hour's session: 15 and 10 min; a quarter and a sixth of a shorter one. */
struct bl_refresh bl_refresh_of(int64_t life_ms)
{
	return (struct bl_refresh){ least(ADVISORY_MS, life_ms / 4),
		                    least(MANDATORY_MS, life_ms / 6) };
}

enum creds_due creds_due(const struct bl_creds *creds, int64_t wall_ms, int64_t mono_ms)
{
	int64_t left = creds->now.expires_wall_ms - wall_ms;

	if (creds->fixed)
		return CREDS_KEEP;
	if (!creds->have || creds->stale)
		return CREDS_MUST;
	if (!creds->now.expires_wall_ms || left > bl_refresh_of(creds->life_ms).advisory_ms)
		return CREDS_KEEP;
	if (left <= 0)
		return CREDS_MUST;
	return mono_ms >= creds->next_try_mono_ms ? CREDS_TRY : CREDS_KEEP;
}

/* The old ones still serve: not asked for again at once. */
static void note_failure(struct bl_creds *creds, struct bl_err *err)
{
	struct bl_refresh refresh = bl_refresh_of(creds->life_ms);
	int64_t left = creds->now.expires_wall_ms - bl_wall_ms();
	int64_t wait = left > refresh.mandatory_ms ? RETRY_MS : RETRY_LATE_MS;

	creds->next_try_mono_ms = bl_mono_ms() + least(wait, refresh.advisory_ms / 4);
	bl_log(BL_LOG_DEBUG, "credentials of %s not renewed yet: %s", creds->now.source, err->text);
	bl_err_clear(err);
}

static int fetch(struct bl_creds *creds, struct bl_err *err)
{
	BL_AUTO(bl_credentials) fresh = { 0 };
	int64_t now;

	if (creds->source ? creds->source->fetch(creds, &fresh, err)
	                  : creds_fetch_first(creds, &fresh, err))
		return -1;
	now = bl_wall_ms();
	bl_credentials_done(&creds->now);
	creds->now = fresh;
	fresh = (struct bl_credentials){ 0 };
	creds->have = true;
	creds->stale = false;
	creds->next_try_mono_ms = 0;
	creds->life_ms = creds->now.expires_wall_ms ? creds->now.expires_wall_ms - now : 0;
	return 0;
}

/* They ran out, and their source gives none: whether they serve on all the same. */
static bool outlives(struct bl_creds *creds)
{
	if (!creds->have || creds->stale || !creds->source->outlives)
		return false;
	creds_outlive(&creds->now);
	creds->life_ms = creds->now.expires_wall_ms - bl_wall_ms();
	return true;
}

int bl_creds_get(struct bl_creds *creds, const struct bl_credentials **out, struct bl_err *err)
{
	enum creds_due due = creds_due(creds, bl_wall_ms(), bl_mono_ms());

	if (due != CREDS_KEEP && fetch(creds, err)) {
		if (due == CREDS_MUST && !outlives(creds))
			return bl_wrap(err, "AWS credentials");
		note_failure(creds, err);
	}
	*out = &creds->now;
	return 0;
}

void bl_creds_stale(struct bl_creds *creds)
{
	creds->stale = true;
}
