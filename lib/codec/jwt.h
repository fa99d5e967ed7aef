/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_JWT_H
#define BL_CODEC_JWT_H

#include "codec/value.h"

#define BL_JWT_MAX 20000 /* bytes, AssumeRoleWithWebIdentity's own limit */

/*
 * The claims of a JSON Web Token, to be shown to people: its signature is NOT verified. claims: a
 * map, the caller's. BL_ECORRUPT: not three base64url parts, or its claims are no JSON map; the
 * message never holds the token.
 */
BL_MUST int bl_jwt_claims(const char *token, size_t len, struct bl_value **claims,
                          struct bl_err *err);

#endif
