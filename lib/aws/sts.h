/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_STS_H
#define BL_AWS_STS_H

#include "aws/client.h"

#define BL_STS_NAME_MAX 64
#define BL_STS_POLICY_MAX 2048

struct bl_assume {
	const char *role_arn;
	const char *session_name; /* any text: made to fit [\w+=,.@-]{2,64} */
	const char *policy;       /* NULL: none */
	unsigned duration_s;      /* 0: not sent (AWS: 3,600) */
	const char *external_id;  /* AssumeRole only; NULL: none */
};

/*
 * aws must be anonymous: the token is the proof. On a refusal err's text holds the token's sub, aud
 * and repository_id, its next step what the trust policy must say. renew: set also on failure: AWS
 * took the token for too old or could not verify it (ExpiredTokenException, InvalidIdentityToken;
 * BL_ERETRY), which is worth a fresh one once.
 */
BL_MUST int bl_sts_assume_web(struct bl_aws *aws, const struct bl_assume *assume,
                              const struct bl_secret *token, struct bl_credentials *out,
                              bool *renew, struct bl_err *err);
BL_MUST int bl_sts_assume(struct bl_aws *aws, const struct bl_assume *assume,
                          struct bl_credentials *out, struct bl_err *err);

struct bl_caller {
	char account[13], arn[2049], user_id[256];
};
BL_MUST int bl_sts_caller(struct bl_aws *aws, struct bl_caller *out, struct bl_err *err);

/* Pure: `text` as a session name; two characters at least. */
void bl_sts_session_name(const char *text, char name[BL_STS_NAME_MAX + 1]);
/* Pure: BL_EINPUT names what is wrong with it: "arn:aws:iam::123456789012:role/NAME", not
 * "GitHubActions". */
BL_MUST int bl_sts_check_role(const char *role_arn, struct bl_err *err);

#endif
