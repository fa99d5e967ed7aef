/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engine ec2: at most one instance for an attempt, whatever is cut or repeated. The claim stands
 * first, then each request before it is sent; a request whose answer nobody knows is sent again to
 * the letter, and its token makes EC2 give the same answer.
 */
#include "run/compute_ec2_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What was bought -------------------------------------------------------------------------- */

static int end_surplus(struct ec2_buying *buying, struct bl_err *err)
{
	if (buying->fleet.n_instances < 2)
		return 0;
	BL_FAILPOINT("compute.surplus.before");
	ec2_say(buying->what, "EC2 launched %zu instances for one: ending all but %s",
	        buying->fleet.n_instances, buying->fleet.instances[0].id);
	return ec2_end_from(buying, 1, err);
}

/* A signal or a wish to stop came while EC2 was buying. */
static int end_unwanted(struct ec2_buying *buying, struct bl_err *err)
{
	struct bl_err failed = { 0 };

	ec2_say(buying->what, "stopped: ending instance %s", buying->fleet.instances[0].id);
	if (ec2_end_from(buying, 0, &failed))
		ec2_say(buying->what, "%s", failed.text);
	return bl_fail(err, BL_ECANCELLED, "stopped while an instance was bought; %s %s",
	               buying->fleet.instances[0].id,
	               failed.code ? "could not be ended" : "was ended");
}

static void describe(const struct ec2_buying *buying, struct bl_started *out)
{
	const struct bl_ec2_launched *bought = &buying->fleet.instances[0];
	const struct bl_try *try = &buying->try;
	const char *zone =
		bought->zone[0] ? bought->zone : ec2_zone_of(try, bought->type, bought->subnet);

	bl_started_init(out);
	out->attempt = buying->what->attempt;
	memcpy(out->nonce, buying->nonce, sizeof(out->nonce));
	snprintf(out->engine, sizeof(out->engine), "ec2");
	snprintf(out->instance, sizeof(out->instance), "%s", bought->id);
	snprintf(out->type, sizeof(out->type), "%s", bought->type);
	snprintf(out->zone, sizeof(out->zone), "%s", zone);
	snprintf(out->fleet, sizeof(out->fleet), "%.63s", buying->fleet.id);
	snprintf(out->market, sizeof(out->market), "%s", ec2_market(bought->spot));
	out->started_ms = bl_wall_ms();
	out->deadline_ms = try->number ? try->deadline_ms : buying->what->deadline_ms;
	out->disk_usd_hour = try->number ? try->disk_usd_hour : buying->what->disk_usd_hour;
	for (size_t i = 0; i < try->n_pools; i++) {
		if (strcmp(try->pools[i].type, bought->type) != 0 ||
		    (bought->subnet[0] && strcmp(try->pools[i].subnet, bought->subnet) != 0))
			continue;
		out->usd_hour = try->pools[i].usd_hour;
		out->on_demand_usd_hour = try->pools[i].on_demand_usd_hour;
		break;
	}
}

static int settle_bought(struct ec2_buying *buying, struct bl_started *out, struct bl_err *err)
{
	struct ec2_engine *engine = buying->engine;
	struct bl_started started;

	/* whoever cancels writes the wish and looks for machines: what EC2 did not show yet is ours
	 * to end */
	if (ec2_check_wanted(buying->what, err)) {
		if (err->code != BL_ECANCELLED)
			return -1;
		bl_err_clear(err);
		return end_unwanted(buying, err);
	}
	if (end_surplus(buying, err))
		return -1;
	describe(buying, &started);
	BL_FAILPOINT("compute.started.before");
	if (bl_started_create(buying->what->store, buying->what->run->id, &started, err))
		return -1;
	BL_FAILPOINT("compute.started.after");
	engine->started = started;
	engine->has_started = true;
	*out = started;
	return 0;
}

/* --- Purchases -------------------------------------------------------------------------------- */

/* The purchase without the pools that are dropped; false: none is left. */
static bool trim(const struct ec2_buying *buying, const struct bl_purchase *from,
                 struct bl_purchase_pool *pools, struct bl_purchase *out)
{
	*out = *from;
	out->pools = pools;
	out->n_pools = 0;
	for (size_t i = 0; i < from->n_pools; i++)
		if (ec2_is_open(buying, &from->pools[i], from->spot))
			pools[out->n_pools++] = from->pools[i];
	return out->n_pools > 0;
}

static int buy_one(struct ec2_buying *buying, size_t purchase, enum ec2_answer *answer,
                   struct bl_err *err)
{
	const struct bl_purchase *from = &buying->what->purchases[purchase];
	struct bl_purchase_pool *pools = calloc(from->n_pools ? from->n_pools : 1, sizeof(*pools));
	struct bl_start what = *buying->what;
	struct bl_purchase trimmed;
	int rc = 0;

	*answer = EC2_EMPTY;
	if (!pools)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (trim(buying, from, pools, &trimmed)) {
		what.purchases = &trimmed;
		bl_try_done(&buying->try);
		BL_FAILPOINT("compute.try.before");
		rc = buying->newest >= BL_TRIES_MAX
		             ? bl_fail(err, BL_ECAPACITY, "no capacity in %u tries", BL_TRIES_MAX)
		             : bl_try_store(buying->engine->stack, &what, buying->newest + 1, 0,
		                            &buying->try, err);
	}
	free(pools);
	if (rc || !trimmed.n_pools)
		return rc;
	BL_FAILPOINT("compute.try.after");
	buying->newest++;
	ec2_say(buying->what, "asking for 1 of %zu pools, %s", buying->try.n_pools,
	        ec2_market(buying->try.spot));
	if (ec2_ask(buying, &buying->try, false, answer, err))
		return -1;
	if (*answer == EC2_EMPTY)
		buying->engine->empty_try = buying->newest;
	return 0;
}

/* Each purchase once, until one is answered by an instance. */
static int buy(struct ec2_buying *buying, struct bl_err *err)
{
	for (size_t i = 0; i < buying->what->n_purchases; i++) {
		enum ec2_answer answer;

		if (ec2_check_wanted(buying->what, err) || buy_one(buying, i, &answer, err))
			return -1;
		if (answer == EC2_BOUGHT)
			return 0;
	}
	return ec2_fail_empty(buying, err);
}

/* --- An earlier call's ------------------------------------------------------------------------ */

static int claim(struct ec2_buying *buying, bool *again, struct bl_err *err)
{
	const struct bl_start *what = buying->what;
	struct bl_claim mine, held = { 0 };

	if (bl_claim_make_instance(what->run->id, what->attempt, &mine, err))
		return -1;
	BL_FAILPOINT("compute.claim.before");
	*again = bl_claim_create(what->store, what->run->id, &mine, &held, err);
	if (*again) {
		/* whoever launches this attempt is the same to EC2 */
		if (err->code != BL_EBUSY || strcmp(held.instance_tag, mine.instance_tag) != 0)
			return -1;
		bl_err_clear(err);
		mine = held;
	}
	BL_FAILPOINT("compute.claim.after");
	memcpy(buying->nonce, mine.nonce, sizeof(buying->nonce));
	return 0;
}

/* What a call before this one has bought, or may have. */
static int resume(struct ec2_buying *buying, bool *bought, struct bl_err *err)
{
	const struct bl_start *what = buying->what;
	enum ec2_answer answer;

	if (bl_try_newest(what->store, what->run->id, what->attempt, &buying->newest, err))
		return -1;
	if (!buying->newest || buying->newest == buying->engine->empty_try)
		return 0;
	if (bl_try_read(what->store, what->run->id, what->attempt, buying->newest, &buying->try,
	                err) ||
	    ec2_find_bought(buying, 0, bought, err))
		return -1;
	if (*bought)
		return 0;
	if (ec2_check_wanted(what, err))
		return -1;
	ec2_say(what, "asking again for what was asked before");
	if (ec2_ask(buying, &buying->try, true, &answer, err))
		return -1;
	*bought = answer == EC2_BOUGHT;
	if (!*bought)
		buying->engine->empty_try = buying->newest;
	return 0;
}

static int start_new(struct ec2_buying *buying, struct bl_started *out, struct bl_err *err)
{
	bool again, bought = false;

	if (claim(buying, &again, err) || (again && resume(buying, &bought, err)) ||
	    (!bought && buy(buying, err)))
		return -1;
	return settle_bought(buying, out, err);
}

int ec2_engine_start(void *self, const struct bl_start *what, struct bl_started *out,
                     struct bl_err *err)
{
	__attribute__((cleanup(ec2_buying_done))) struct ec2_buying buying = { .engine = self,
		                                                               .what = what };

	if (ec2_is_stopped(what))
		return ec2_stopped(err);
	if (!bl_started_read(what->store, what->run->id, what->attempt, out, err))
		return 0; /* an earlier call's */
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	ec2_engine_turn(self, what->run->id, what->attempt);
	return start_new(&buying, out, err);
}
