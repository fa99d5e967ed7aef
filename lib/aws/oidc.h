/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_OIDC_H
#define BL_AWS_OIDC_H

#include "base/secret.h"
#include "codec/value.h"
#include "net/http.h"

/* Whether this is a GitHub job that may ask for an identity token. */
bool bl_oidc_available(void);

/*
 * A fresh token of this GitHub job (ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN), for one exchange:
 * never stored. Works the same for github.com, GHE.com and GitHub Enterprise Server: the URL is
 * the job's own. BL_EDENIED: the variables are absent (names `permissions: id-token: write`, and
 * forks); BL_ERETRY: the issuer failed after three tries.
 */
BL_MUST int bl_oidc_token(struct bl_http *http, const char *audience, struct bl_secret *token,
                          struct bl_err *err);

/* Appends a claim that may be text or a number; nothing when it is neither. */
void bl_oidc_add_claim(struct bl_buf *out, const struct bl_value *claims, const char *name);

/*
 * Both forms of `sub` for these claims: "repo:O/R:CONTEXT" and "repo:O@OWNER_ID/R@REPO_ID:CONTEXT".
 * A subject made by the organisation's own rule goes into `classic` as it is; `immutable` stays
 * empty where the claims lack the ids.
 */
void bl_oidc_subs(const struct bl_value *claims, struct bl_buf *classic, struct bl_buf *immutable);

/*
 * What a trust policy must say for these claims, for people: issuer, aud, and both forms of `sub`,
 * beside what the token says. Appends lines.
 */
void bl_oidc_explain(const struct bl_value *claims, struct bl_buf *out);

#endif
