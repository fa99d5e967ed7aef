/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_BUY_H
#define BL_RUN_LAUNCH_BUY_H

#include "run/launch.h"
#include "run/launch_pools.h"

/*
 * Buying an attempt whose pools are known already: a first launch has shown them. purchases NULL:
 * the engine is "local". Goes on asking while run.json's wait_for_capacity lasts, each time with a
 * deadline of its own, unless quotas alone are in the way.
 */
struct bl_launch_order {
	const struct bl_purchases *purchases;
	double disk_usd_hour;    /* NaN: unknown */
	const char *spec_sha256; /* of run.json; NULL: it is read */
	enum bl_class *lack;     /* out, may be NULL: of BL_ECAPACITY, as of struct bl_start */
};
BL_MUST int bl_launch_buy(const struct bl_launch_place *place, const struct bl_run *run,
                          unsigned attempt, const struct bl_launch_order *order,
                          struct bl_started *out, struct bl_err *err);

/*
 * The types that run.json names, as fits of today's stack, without asking EC2. BL_EINPUT: none of
 * its launch templates is there any more.
 */
BL_MUST int bl_launch_fits_of_run(const struct bl_run *run, const struct bl_stack *stack,
                                  struct bl_fits *out, struct bl_err *err);

/* Pure: how long to wait before asking for capacity again: 15 s, doubling to 5 min. */
int64_t bl_launch_pause_ms(unsigned tries);

#endif
