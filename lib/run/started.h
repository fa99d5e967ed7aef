/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STARTED_H
#define BL_RUN_STARTED_H

#include "run/attempt.h"
#include "run/keys.h"
#include "run/store.h"

/*
 * attempts/N.started.json: what began (a process) or was bought (an instance). Created once.
 * Unknown texts are "", unknown prices NaN.
 */
struct bl_started {
	unsigned attempt;
	char nonce[BL_NONCE_SIZE];
	char engine[16]; /* "process", "ec2" */
	char instance[32], type[32], zone[24], fleet[64];
	char market[16]; /* "spot", "on-demand" */
	double usd_hour, on_demand_usd_hour, disk_usd_hour;
	int64_t started_ms, deadline_ms; /* wall */
	int64_t pid;                     /* of exec, engine "process"; else 0 */
};
void bl_started_init(struct bl_started *started);
/* Our own earlier write (equal nonce) is success; BL_EEXIST: another's. */
BL_MUST int bl_started_create(struct bl_store *store, const char *run,
                              const struct bl_started *started, struct bl_err *err);
BL_MUST int bl_started_read(struct bl_store *store, const char *run, unsigned attempt,
                            struct bl_started *out, struct bl_err *err); /* BL_ENOENT */

/*
 * What an attempt costs, pure: seconds from its start to `until_ms` at its prices, at least 60 s.
 * NaN: a price is unknown. usd: of the box alone; disk_usd: of its disk, beside; saved_usd: against
 * on-demand, negative where spot was dearer.
 */
struct bl_cost {
	double usd, disk_usd, saved_usd;
	int64_t seconds;
};
struct bl_cost bl_started_cost(const struct bl_started *started, int64_t until_ms);

#endif
