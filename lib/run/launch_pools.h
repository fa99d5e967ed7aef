/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_POOLS_H
#define BL_RUN_LAUNCH_POOLS_H

#include "run/compute.h"
#include "run/launch_types.h"

/* Where the types that fit can be had, and for how much: pure. */

#define BL_LAUNCH_POOLS_MAX 300 /* EC2 API, CreateFleet: overrides of an instant fleet */

struct bl_pool {
	size_t fit;                       /* index into fits */
	const char *type, *subnet, *zone; /* of fits and stack */
	double spot_usd_hour;             /* NaN: unknown */
	double on_demand_usd_hour;        /* list price; NaN: unknown */
};
struct bl_pools {
	struct bl_pool items[BL_LAUNCH_POOLS_MAX];
	size_t n;
};

/* On-demand list prices, by type. */
struct bl_list_price {
	char type[BL_EC2_TYPE];
	double usd_hour;
};

/*
 * Types x the stack's subnets (of each zone its first one), without those whose zone does not offer
 * the type; sorted by spot price, then by list price; unknown prices last. n_offers 0 with offers
 * NULL: nobody knows, all stay. BL_EINPUT: none is left.
 */
struct bl_market_facts {
	const struct bl_ec2_offer *offers;
	size_t n_offers;
	const struct bl_ec2_price *spot;
	size_t n_spot;
	const struct bl_list_price *list;
	size_t n_list;
};
BL_MUST int bl_launch_pools(const struct bl_stack *stack, const struct bl_fits *fits,
                            const struct bl_market_facts *facts, struct bl_pools *out,
                            struct bl_err *err);

enum bl_market { BL_MARKET_SPOT, BL_MARKET_ON_DEMAND, BL_MARKET_SPOT_THEN_ON_DEMAND };
BL_MUST int bl_market_parse(const char *word, enum bl_market *out, struct bl_err *err);
const char *bl_market_word(enum bl_market market);

/*
 * The fleets to ask for, in their order: one per launch template and market, spot first; the
 * template with the cheapest pool first. A type whose use in that market EC2 does not support is
 * left out. Pools point into `pools`' texts.
 */
#define BL_LAUNCH_PURCHASES_MAX (2 * BL_STACK_TEMPLATES_MAX)
struct bl_purchases {
	struct bl_purchase items[BL_LAUNCH_PURCHASES_MAX];
	size_t n;
	struct bl_purchase_pool pools[2 * BL_LAUNCH_POOLS_MAX];
	size_t n_pools;
};
void bl_launch_purchases(const struct bl_stack *stack, const struct bl_fits *fits,
                         const struct bl_pools *pools, enum bl_market market,
                         struct bl_purchases *out);

#endif
