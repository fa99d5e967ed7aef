/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/identity.h"

#include "aws/sts.h"
#include "base/fs.h"
#include "base/str.h"
#include "codec/json.h"

#include <string.h>

#define POLICY_FILE_MAX ((size_t)64 << 10)
#define DURATION_MIN_S 900 /* STS API reference, AssumeRoleWithWebIdentity, DurationSeconds */
#define DURATION_MAX_S 43200

/* "3600" as AWS writes it, or "1h" as we do. */
static int read_duration(const char *text, unsigned *seconds, struct bl_err *err)
{
	uint64_t number;
	int64_t ms;

	if (text[strspn(text, "0123456789")]) {
		if (bl_str_duration(text, &ms, err))
			return bl_wrap(err, "duration");
		number = (uint64_t)ms / 1000;
	} else if (bl_str_u64(text, 0, UINT32_MAX, &number, err)) {
		return bl_wrap(err, "duration");
	}
	if (number < DURATION_MIN_S || number > DURATION_MAX_S) {
		bl_fail(err, BL_EINPUT, "duration %s: a session lasts %d to %d s", text,
		        DURATION_MIN_S, DURATION_MAX_S);
		return bl_next(err,
		               "and not longer than the role's own maximum, 3600 unless it was "
		               "raised");
	}
	*seconds = (unsigned)number;
	return 0;
}

/* Blanks count against AWS's limit: they go. */
static int read_policy(const char *text, struct bl_buf *policy, struct bl_err *err)
{
	BL_AUTO(bl_buf) file = BL_BUF(POLICY_FILE_MAX);
	struct bl_json json = BL_JSON(policy);
	BL_VALUE document = NULL;

	*policy = BL_BUF(POLICY_FILE_MAX);
	if (bl_str_starts(text, "file://")) {
		if (bl_fs_read_path(text + strlen("file://"), &file, err))
			return bl_wrap(err, "session-policy");
		text = bl_buf_text(&file);
	}
	if (bl_json_parse(text, strlen(text), "session-policy", &document, err))
		return bl_recode(err, err->code == BL_ENOMEM ? BL_ENOMEM : BL_EINPUT);
	if (document->type != BL_MAP)
		return bl_fail(err, BL_EINPUT, "session-policy: not a JSON map");
	bl_json_value(&json, NULL, document);
	if (bl_buf_check(policy, "session-policy", err))
		return -1;
	if (policy->len > BL_STS_POLICY_MAX)
		return bl_fail(err, BL_EINPUT, "session-policy: %zu bytes, AWS takes %d",
		               policy->len, BL_STS_POLICY_MAX);
	return 0;
}

int identity_options(const struct identity *identity, struct bl_buf *policy,
                     struct bl_creds_options *out, struct bl_err *err)
{
	struct bl_creds_options got = { .profile = identity->profile,
		                        .region = identity->region,
		                        .role_arn = identity->role_arn,
		                        .audience = identity->audience };

	if (identity->duration && read_duration(identity->duration, &got.duration_s, err))
		return -1;
	if (identity->session_policy) {
		if (read_policy(identity->session_policy, policy, err))
			return -1;
		got.session_policy = bl_buf_text(policy);
	}
	*out = got;
	return 0;
}

int identity_ask(const struct bl_creds_options *how, struct bl_credentials *out, struct bl_err *err)
{
	const struct bl_credentials *got;
	struct bl_creds *creds;
	int rc;

	if (bl_creds_open(how, &creds, err))
		return -1;
	rc = bl_creds_get(creds, &got, err) || bl_credentials_copy(got, out, err) ? -1 : 0;
	bl_creds_close(creds);
	return rc;
}
