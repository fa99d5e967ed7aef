/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_IDENTITY_H
#define BL_ACTIONS_IDENTITY_H

#include "actions/options.h"
#include "aws/creds.h"

/* Whom a verb is to be for AWS: the options that several verbs share. */
struct identity {
	const char *profile, *role_arn, *region, *audience, *session_policy, *duration;
};

#define IDENTITY_OPTION(type, member, flag, metavar, help)                                         \
	{                                                                                          \
		flag, 0, BL_OPT_TEXT,                                                              \
			offsetof(type, identity) + offsetof(struct identity, member), metavar,     \
			help                                                                       \
	}
#define IDENTITY_OPT_PROFILE(type)                                                                 \
	IDENTITY_OPTION(type, profile, "profile", "NAME",                                          \
	                "of AWS's configuration; default "                                         \
	                "AWS_PROFILE")
#define IDENTITY_OPT_ROLE(type)                                                                    \
	IDENTITY_OPTION(type, role_arn, "role-arn", "ARN",                                         \
	                "assume it by GitHub's OIDC; default AWS_ROLE_ARN")
#define IDENTITY_OPT_REGION(type)                                                                  \
	IDENTITY_OPTION(type, region, "region", "NAME", "default AWS_REGION")
#define IDENTITY_OPT_AUDIENCE(type)                                                                \
	IDENTITY_OPTION(type, audience, "audience", "TEXT",                                        \
	                "of GitHub's token; default sts.amazonaws.com")
#define IDENTITY_OPT_POLICY(type)                                                                  \
	IDENTITY_OPTION(type, session_policy, "session-policy", "JSON",                            \
	                "narrows the role; file://PATH reads it")
#define IDENTITY_OPT_DURATION(type)                                                                \
	IDENTITY_OPTION(type, duration, "duration", "TIME",                                        \
	                "of a session, as 3600 or 1h; 15m to 12h, default 1h")

/*
 * policy: empty buffer of the caller's, which the options point into; it is written compact.
 * BL_EINPUT: a duration out of range, a policy that is no JSON or over 2,048 bytes.
 */
BL_MUST int identity_options(const struct identity *identity, struct bl_buf *policy,
                             struct bl_creds_options *out, struct bl_err *err);

/* Asked once, copied: the caller's. */
BL_MUST int identity_ask(const struct bl_creds_options *how, struct bl_credentials *out,
                         struct bl_err *err);

#endif
