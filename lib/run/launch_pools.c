/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_pools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const markets[] = {
	[BL_MARKET_SPOT] = "spot",
	[BL_MARKET_ON_DEMAND] = "on-demand",
	[BL_MARKET_SPOT_THEN_ON_DEMAND] = "spot-then-on-demand",
};

int bl_market_parse(const char *word, enum bl_market *out, struct bl_err *err)
{
	for (size_t i = 0; i < BL_COUNT(markets); i++)
		if (!strcmp(markets[i], word)) {
			*out = (enum bl_market)i;
			return 0;
		}
	return bl_fail(err, BL_ECORRUPT, "market '%.32s' is none", word);
}

const char *bl_market_word(enum bl_market market)
{
	return markets[market];
}

static bool offers(const struct bl_market_facts *facts, const char *type, const char *zone)
{
	if (!facts->offers)
		return true;
	for (size_t i = 0; i < facts->n_offers; i++)
		if (!strcmp(facts->offers[i].type, type) && !strcmp(facts->offers[i].zone, zone))
			return true;
	return false;
}

/* The newest of a type and zone. */
static double spot_price(const struct bl_market_facts *facts, const char *type, const char *zone)
{
	const struct bl_ec2_price *newest = NULL;

	for (size_t i = 0; i < facts->n_spot; i++) {
		const struct bl_ec2_price *one = &facts->spot[i];

		if (!strcmp(one->type, type) && !strcmp(one->zone, zone) &&
		    (!newest || one->at_ms > newest->at_ms))
			newest = one;
	}
	return newest ? newest->usd_hour : (double)NAN;
}

static double list_price(const struct bl_market_facts *facts, const char *type)
{
	for (size_t i = 0; i < facts->n_list; i++)
		if (!strcmp(facts->list[i].type, type))
			return facts->list[i].usd_hour;
	return (double)NAN;
}

/* Negative, zero, positive; unknown is dearest. */
static int by_price(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

static int by_spot(const void *one, const void *other)
{
	const struct bl_pool *a = one, *b = other;
	int order = by_price(a->spot_usd_hour, b->spot_usd_hour);

	if (!order)
		order = by_price(a->on_demand_usd_hour, b->on_demand_usd_hour);
	if (!order)
		order = strcmp(a->type, b->type);
	return order ? order : strcmp(a->subnet, b->subnet);
}

/* EC2 refuses a fleet that names a type and zone twice: the zone's first subnet is it. */
static bool is_second_of_zone(const struct bl_stack *stack, size_t subnet)
{
	for (size_t i = 0; i < subnet; i++)
		if (!strcmp(stack->subnets[i].zone, stack->subnets[subnet].zone))
			return true;
	return false;
}

static int no_pool(const struct bl_stack *stack, const struct bl_fits *fits, struct bl_err *err)
{
	BL_AUTO(bl_buf) types = BL_BUF(1024), zones = BL_BUF(512);

	for (size_t i = 0; i < fits->n; i++)
		bl_buf_addf(&types, "%s%s", i ? ", " : "", fits->items[i].type.name);
	for (size_t i = 0; i < stack->n_subnets; i++)
		bl_buf_addf(&zones, "%s%s", i ? ", " : "", stack->subnets[i].zone);
	bl_fail(err, BL_EINPUT, "no zone of the stack (%.120s) offers %.240s", bl_buf_text(&zones),
	        bl_buf_text(&types));
	return bl_next(err, "give the stack subnets in other zones, or ask for another type; "
	                    "`branchline doctor` shows types by zone");
}

int bl_launch_pools(const struct bl_stack *stack, const struct bl_fits *fits,
                    const struct bl_market_facts *facts, struct bl_pools *out, struct bl_err *err)
{
	out->n = 0;
	for (size_t i = 0; i < fits->n; i++)
		for (size_t k = 0; k < stack->n_subnets; k++) {
			const char *type = fits->items[i].type.name, *zone = stack->subnets[k].zone;

			if (is_second_of_zone(stack, k) || !offers(facts, type, zone) ||
			    out->n == BL_LAUNCH_POOLS_MAX)
				continue;
			out->items[out->n++] = (struct bl_pool){
				.fit = i,
				.type = type,
				.subnet = stack->subnets[k].id,
				.zone = zone,
				.spot_usd_hour = spot_price(facts, type, zone),
				.on_demand_usd_hour = list_price(facts, type),
			};
		}
	if (!out->n)
		return no_pool(stack, fits, err);
	qsort(out->items, out->n, sizeof(out->items[0]), by_spot);
	return 0;
}

/* --- Fleets ----------------------------------------------------------------------------------- */

/* All pools of one template in one market; none: no purchase. */
static void add_purchase(const struct bl_stack *stack, const struct bl_fits *fits,
                         const struct bl_pools *pools, size_t template, bool spot,
                         struct bl_purchases *out)
{
	struct bl_purchase purchase = { .template_id = stack->templates[template].id,
		                        .template_version = stack->templates[template].version,
		                        .spot = spot,
		                        .pools = &out->pools[out->n_pools] };

	for (size_t i = 0; i < pools->n; i++) {
		const struct bl_pool *pool = &pools->items[i];
		const struct bl_fit *fit = &fits->items[pool->fit];
		struct bl_purchase_pool *to = &out->pools[out->n_pools];

		if (fit->template != template || !(spot ? fit->type.spot : fit->type.on_demand) ||
		    out->n_pools == BL_COUNT(out->pools))
			continue;
		*to = (struct bl_purchase_pool){
			.usd_hour = spot ? pool->spot_usd_hour : pool->on_demand_usd_hour,
			.on_demand_usd_hour = pool->on_demand_usd_hour,
		};
		snprintf(to->type, sizeof(to->type), "%s", pool->type);
		snprintf(to->subnet, sizeof(to->subnet), "%s", pool->subnet);
		snprintf(to->zone, sizeof(to->zone), "%s", pool->zone);
		out->n_pools++;
		purchase.n_pools++;
	}
	if (purchase.n_pools && out->n < BL_LAUNCH_PURCHASES_MAX)
		out->items[out->n++] = purchase;
}

/* Pools are sorted: a template's first one is its cheapest. */
static void add_market(const struct bl_stack *stack, const struct bl_fits *fits,
                       const struct bl_pools *pools, bool spot, struct bl_purchases *out)
{
	bool done[BL_STACK_TEMPLATES_MAX] = { false };

	for (size_t i = 0; i < pools->n; i++) {
		size_t template = fits->items[pools->items[i].fit].template;

		if (done[template])
			continue;
		done[template] = true;
		add_purchase(stack, fits, pools, template, spot, out);
	}
}

void bl_launch_purchases(const struct bl_stack *stack, const struct bl_fits *fits,
                         const struct bl_pools *pools, enum bl_market market,
                         struct bl_purchases *out)
{
	out->n = out->n_pools = 0;
	if (market != BL_MARKET_ON_DEMAND)
		add_market(stack, fits, pools, true, out);
	if (market != BL_MARKET_SPOT)
		add_market(stack, fits, pools, false, out);
}
