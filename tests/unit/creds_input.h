/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CREDS_INPUT_H
#define BL_TESTS_CREDS_INPUT_H

#include "aws/creds.h"
#include "tests/unit/canned.h"

#include <stdint.h>

#define INPUT_ROLE "arn:aws:iam::111122223333:role/train"

/* The environment holds nothing of AWS or GitHub: no key, file, role, endpoint, instance. */
void forget_identity(void);
/* A job of GitHub with a role: issuer and STS are this server's. */
void be_a_job(const struct canned *server);

/* Both clocks stand at what is set; NULL-free way back: start_clock(). */
#define INPUT_NOON 1795608000000 /* 2026-11-25T12:00:00Z */
void stop_clock(int64_t wall_ms);
void move_clock(int64_t ms);
int64_t stopped_at(void);
void start_clock(void);

#define INPUT_MINUTE ((int64_t)60000)
#define INPUT_HOUR (60 * INPUT_MINUTE)
#define INPUT_CLAIMS "{\"sub\":\"repo:a/b:pull_request\"}"
/* Requests of a mint, for canned replies. */
#define INPUT_TOKEN "GET /token"
#define INPUT_STS "POST /"

/* By AWS's precedence, or of this profile. */
struct bl_creds *open_creds(const char *profile);
const char *key_of(struct bl_creds *creds); /* that a get gives, which must */
/* The same, which must not have expired by the stopped clock. */
const char *fresh_key_of(struct bl_creds *creds);
struct bl_err failure_of(struct bl_creds *creds); /* of a get, which must fail */

/* Bodies of replies; each valid until the 64th next call. */
const char *assumed_xml(const char *key, int64_t expires_wall_ms);
const char *keys_json(const char *key, int64_t expires_wall_ms);
/* {"value": JWT} with these claims, which nobody signed. */
const char *token_json(const char *claims);
const char *jwt_of(const char *claims);

#endif
