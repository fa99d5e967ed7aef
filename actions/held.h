/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_HELD_H
#define BL_ACTIONS_HELD_H

#include "aws/creds.h"

/*
 * Credentials held in a file between processes: those who run credential_process ask each time
 * anew. The file has mode 0600 and is replaced as a whole, under a lock in FILE.lock; it serves the
 * job, role, region, policy, audience and duration that it was made for, and no other.
 */

/*
 * Those in the file while they are fresh (until bl_refresh_of()'s advisory time before their end),
 * else new ones, which are put there: of many callers at once one asks. When that fails before the
 * old ones end, these serve, and nobody asks for a minute (less for short sessions).
 * BL_EDENIED: the file is a link, another user's, or open to others; or as bl_creds_get().
 */
BL_MUST int held_get(const char *path, const struct bl_creds_options *options,
                     struct bl_credentials *out, struct bl_err *err);

/* For whom a file is: 64 hex digits. Pure but for the environment's GITHUB_*. */
BL_MUST int held_binding(const struct bl_creds_options *options, char hex[65], struct bl_err *err);

/* What the file says, and what follows: pure. */
struct held {
	struct bl_credentials creds; /* access_key "": nothing usable */
	int64_t issued_wall_ms, next_try_wall_ms;
};
void held_done(struct held *held);
enum held_due { HELD_SERVE, HELD_RENEW, HELD_MUST };
enum held_due held_due(const struct held *held, int64_t wall_ms);

#endif
