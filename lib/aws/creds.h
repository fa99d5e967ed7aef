/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_CREDS_H
#define BL_AWS_CREDS_H

#include "aws/profile.h"
#include "base/secret.h"

#include <stdint.h>

struct bl_credentials {
	char access_key[129];
	struct bl_secret secret, token; /* token empty: long-lived keys */
	int64_t expires_wall_ms;        /* 0: never */
	char account[13];               /* "" when the source does not say */
	char source[96]; /* for people: "environment", "profile dev", "GitHub OIDC" */
};
void bl_credentials_done(struct bl_credentials *creds);
BL_MUST int bl_credentials_copy(const struct bl_credentials *from, struct bl_credentials *to,
                                struct bl_err *err);

/*
 * A source of credentials that keeps them fresh. Order: a role by GitHub's OIDC where one is
 * given (option, else AWS_ROLE_ARN) and ACTIONS_ID_TOKEN_REQUEST_URL exists; then AWS's own:
 * environment keys (not when a profile was named by option), profile with role_arn
 * (source_profile or credential_source or web_identity_token_file), AWS_WEB_IDENTITY_TOKEN_FILE,
 * SSO cache, shared credentials file, credential_process, config file, container, IMDSv2. A role
 * given by option is never passed over: without GitHub's variables, get says which permission is
 * missing.
 */
struct bl_creds_options {
	const char *profile;  /* NULL: AWS_PROFILE, default */
	const char *region;   /* for STS; NULL: bl_region() */
	const char *role_arn; /* by GitHub OIDC; NULL: AWS_ROLE_ARN */
	const char
		*session_name; /* NULL: AWS_ROLE_SESSION_NAME, else derived from the run or job */
	const char *session_policy; /* JSON, up to 2,048 bytes; NULL: none */
	const char *audience;       /* NULL: sts.amazonaws.com */
	unsigned duration_s;        /* 0: 3,600 */
	bool allow_http;
};

struct bl_creds; /* one thread */
/* Asks nobody yet. BL_EINPUT: an option or a configuration file is wrong. */
BL_MUST int bl_creds_open(const struct bl_creds_options *options, struct bl_creds **out,
                          struct bl_err *err);
void bl_creds_close(struct bl_creds *creds); /* wipes; takes NULL */

/*
 * What to sign with now; valid until the next call. Fetched at first and again before they
 * expire, from 15 min before. A failure then is kept quiet and the old ones serve to their end:
 * the next try waits a minute, in the last 10 min 10 s; all shorter for short sessions. One
 * source that gave credentials is kept; an instance's own serve past their end while it gives no
 * others. BL_EDENIED: no source has any (all that were tried are named), or STS refused (claims
 * shown beside what the trust policy must say).
 */
BL_MUST int bl_creds_get(struct bl_creds *creds, const struct bl_credentials **out,
                         struct bl_err *err);
/* A service called them expired: the next get fetches anew. */
void bl_creds_stale(struct bl_creds *creds);

/* From given values, for tests and for roles assumed with other credentials. */
BL_MUST int bl_creds_fixed(const struct bl_credentials *values, struct bl_creds **out,
                           struct bl_err *err);

/* When to fetch again: pure. life: from issue to expiry; 0 never. */
struct bl_refresh {
	int64_t advisory_ms, mandatory_ms; /* before expiry */
};
struct bl_refresh bl_refresh_of(int64_t life_ms);

#endif
