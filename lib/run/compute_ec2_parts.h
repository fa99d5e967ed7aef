/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPUTE_EC2_PARTS_H
#define BL_RUN_COMPUTE_EC2_PARTS_H

#include "run/compute_parts.h"

/* One attempt's purchase. */
#define DROPPED_MAX 256
struct ec2_buying {
	struct ec2_engine *engine;
	const struct bl_start *what;
	char nonce[BL_NONCE_SIZE];
	unsigned newest; /* try that stands; 0: none */
	struct bl_ec2_fleet fleet;
	struct bl_try try; /* that was answered */
	/* pools that this call asks no more: "type zone market", "family market" */
	char dropped[DROPPED_MAX][80];
	size_t n_dropped;
	bool lacks_capacity, lacks_quota, is_denied;
	char said[BL_NEXT_SIZE]; /* of the newest error: what to do */
	char why[384];           /* and what it was */
};

void ec2_buying_done(struct ec2_buying *buying);

BL_PRINTF(2) void ec2_say(const struct bl_start *what, const char *fmt, ...);
bool ec2_is_stopped(const struct bl_start *what);
int ec2_stopped(struct bl_err *err); /* -1 */
/* BL_ECANCELLED: a signal came, or somebody wished this run to stop: no machine of it is wanted. */
BL_MUST int ec2_check_wanted(const struct bl_start *what, struct bl_err *err);
const char *ec2_market(bool spot);

/* Whether that pool is still worth asking. */
bool ec2_is_open(const struct ec2_buying *buying, const struct bl_purchase_pool *pool, bool spot);
const char *ec2_zone_of(const struct bl_try *try, const char *type, const char *subnet);
/* One line a pool; what they mean is kept. */
void ec2_tell_errors(struct ec2_buying *buying, const struct bl_try *try);
/* EC2's answer for the whole call: nothing was bought. Clears err. */
void ec2_tell_refusal(struct ec2_buying *buying, const struct bl_try *try, const char *code,
                      struct bl_err *err);
int ec2_fail_empty(const struct ec2_buying *buying, struct bl_err *err); /* -1 */

/* Sends a stored try until its answer is known. old: of an earlier call, perhaps with mistakes that
 * are mended since. */
enum ec2_answer { EC2_BOUGHT, EC2_EMPTY };
BL_MUST int ec2_ask(struct ec2_buying *buying, const struct bl_try *try, bool old,
                    enum ec2_answer *answer, struct bl_err *err);
/* *found: an instance of this attempt was there. look_ms: for how long to look. */
BL_MUST int ec2_find_bought(struct ec2_buying *buying, int look_ms, bool *found,
                            struct bl_err *err);
/* Ends all but the first `keep` of what was bought. */
BL_MUST int ec2_end_from(struct ec2_buying *buying, size_t keep, struct bl_err *err);

#endif
