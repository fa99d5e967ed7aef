/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/hash.h"
#include "run/launch_buy.h"
#include "run/launch_estimate.h"
#include "run/launch_key.h"
#include "run/launch_market.h"
#include "run/settle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 15000
#define PAUSE_MAX_MS 300000

int64_t bl_launch_pause_ms(unsigned tries)
{
	int64_t ms = PAUSE_MS;

	while (tries-- && ms < PAUSE_MAX_MS)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

/* --- What the document says ------------------------------------------------------------------- */

static int hash_spec(struct bl_store *store, const char *run, char hex[BL_SHA256_HEX],
                     struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, "run.json");
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);

	if (bl_store_get(store, NULL, key.text, &bytes, err))
		return -1;
	return bl_sha256_of(bl_buf_text(&bytes), bytes.len, hex, err);
}

static int wait_of(const struct bl_run *run, int64_t *ms, struct bl_err *err)
{
	if (bl_str_duration(bl_value_text_or(run->config, "wait_for_capacity", "0s"), ms, err))
		return bl_wrap(err, "wait_for_capacity of run %s", run->id);
	return 0;
}

/* By its id; where Terraform has made another template since, by who has the type now. */
static bool find_template(const struct bl_stack *stack, const char *id, const char *type,
                          size_t *out)
{
	for (size_t i = 0; i < stack->n_templates; i++)
		if (*id && !strcmp(stack->templates[i].id, id)) {
			*out = i;
			return true;
		}
	for (size_t i = 0; i < stack->n_templates; i++) {
		const struct bl_value *types = stack->templates[i].types;

		for (size_t k = 0; types && k < types->n; k++)
			if (types->items[k]->text && !strcmp(types->items[k]->text, type)) {
				*out = i;
				return true;
			}
	}
	return false;
}

int bl_launch_fits_of_run(const struct bl_run *run, const struct bl_stack *stack,
                          struct bl_fits *out, struct bl_err *err)
{
	const struct bl_value *types = bl_value_path(run->doc, "compute.types");
	struct bl_fits found = { 0 };

	for (size_t i = 0; types && i < types->n && found.n < BL_LAUNCH_TYPES_MAX; i++) {
		struct bl_fit *fit = &found.items[found.n];
		const char *name = bl_value_text_or(types->items[i], "type", "");
		const char *id = bl_value_text_or(types->items[i], "template", "");

		if (!*name || strlen(name) >= sizeof(fit->type.name) ||
		    !find_template(stack, id, name, &fit->template))
			continue;
		snprintf(fit->type.name, sizeof(fit->type.name), "%s", name);
		fit->type.spot = fit->type.on_demand = true;
		found.n++;
	}
	if (!found.n) {
		bl_fail(err, BL_EINPUT, "stack '%.64s' has none of the types of run %s any more",
		        stack->name, run->id);
		return bl_next(err, "start a new run");
	}
	*out = found;
	return 0;
}

/* --- Buying ----------------------------------------------------------------------------------- */

static bool is_stopped(const struct bl_launch_place *place)
{
	return place->stop && *place->stop;
}

struct buying {
	const struct bl_launch_place *place;
	const struct bl_run *run;
	struct bl_start start;
	int64_t spent_ms;
	char spec_sha256[BL_SHA256_HEX];
	enum bl_class lack; /* where the order does not want to know */
};

static int prepare(struct buying *buying, const struct bl_launch_order *order, unsigned attempt,
                   struct bl_err *err)
{
	const struct bl_launch_place *place = buying->place;
	const struct bl_run *run = buying->run;

	if (order->spec_sha256)
		snprintf(buying->spec_sha256, sizeof(buying->spec_sha256), "%s",
		         order->spec_sha256);
	else if (hash_spec(place->store, run->id, buying->spec_sha256, err))
		return -1;
	if (attempt > 1 &&
	    bl_run_spent_ms(place->store, run->id, attempt - 1, &buying->spent_ms, err))
		return -1;
	buying->start = (struct bl_start){
		.store = place->store,
		.run = run,
		.attempt = attempt,
		.purchases = order->purchases ? order->purchases->items : NULL,
		.n_purchases = order->purchases ? order->purchases->n : 0,
		.disk_usd_hour = order->disk_usd_hour,
		.lack = order->lack ? order->lack : &buying->lack,
		.spec_sha256 = buying->spec_sha256,
		.host_sha256 = bl_value_text_or(run->doc, "versions.host_sha256", ""),
		.launch_key = bl_value_text_or(run->doc, "compute.launch_key", ""),
		.say = place->say,
		.arg = place->arg,
		.stop = place->stop,
	};
	return 0;
}

/* Each time with a deadline of its own: who waited for capacity has not trained yet. */
static int buy_once(struct buying *buying, struct bl_started *out, struct bl_err *err)
{
	if (is_stopped(buying->place))
		return bl_fail(err, BL_ECANCELLED, "stopped before anything was bought");
	if (bl_launch_deadline(buying->run, bl_wall_ms(), buying->spent_ms,
	                       &buying->start.deadline_ms, err))
		return -1;
	return bl_compute_start(buying->place->compute, &buying->start, out, err);
}

static void say_pause(const struct bl_launch_place *place, int64_t pause_ms)
{
	BL_AUTO(bl_buf) line = BL_BUF(128);

	if (!place->say)
		return;
	bl_buf_adds(&line, "no capacity; asking again in ");
	bl_str_add_duration(&line, pause_ms);
	place->say(place->arg, bl_buf_text(&line));
}

int bl_launch_buy(const struct bl_launch_place *place, const struct bl_run *run, unsigned attempt,
                  const struct bl_launch_order *order, struct bl_started *out, struct bl_err *err)
{
	struct buying buying = { .place = place, .run = run };
	int64_t began = bl_mono_ms(), wait_ms;

	if (wait_of(run, &wait_ms, err) || prepare(&buying, order, attempt, err))
		return -1;
	for (unsigned tries = 0;; tries++) {
		int64_t pause_ms = bl_launch_pause_ms(tries), now;

		if (!buy_once(&buying, out, err))
			return 0;
		now = bl_mono_ms();
		/* a quota does not come by waiting */
		if (err->code != BL_ECAPACITY || *buying.start.lack == BL_CLASS_QUOTA ||
		    now + pause_ms > began + wait_ms)
			return -1;
		bl_err_clear(err);
		say_pause(place, pause_ms);
		if (!bl_compute_pause(pause_ms, place->stop))
			return bl_fail(err, BL_ECANCELLED, "stopped while waiting for capacity");
	}
}

static int buy_on_market(const struct bl_launch_place *place, const struct bl_run *run,
                         unsigned attempt, enum bl_market market, struct bl_started *out,
                         struct bl_err *err)
{
	BL_AUTO(bl_market_answers) answers = { 0 };
	BL_AUTO(bl_buf) notes = BL_BUF(16384);
	struct {
		struct bl_fits fits;
		struct bl_pools pools;
		struct bl_purchases purchases;
	} *found = calloc(1, sizeof(*found)); /* large */
	struct bl_market_facts facts;
	struct bl_launch_order order;
	int rc;

	if (!found)
		return bl_fail(err, BL_ENOMEM, "attempt %u: out of memory", attempt);
	rc = bl_launch_fits_of_run(run, place->stack, &found->fits, err) ||
	     bl_launch_ask_market(place->aws, &found->fits, &answers, &notes, err);
	facts = bl_market_facts_of(&answers);
	if (!rc)
		rc = bl_launch_pools(place->stack, &found->fits, &facts, &found->pools, err);
	if (!rc) {
		bl_launch_purchases(place->stack, &found->fits, &found->pools, market,
		                    &found->purchases);
		order = (struct bl_launch_order){
			.purchases = &found->purchases,
			.disk_usd_hour = bl_value_real_or(
				run->doc, "compute.estimate.disk_usd_hour", (double)NAN),
		};
		rc = bl_launch_buy(place, run, attempt, &order, out, err);
	}
	free(found);
	return rc ? -1 : 0;
}

int bl_launch_attempt(const struct bl_launch_place *place, const struct bl_run *run,
                      unsigned attempt, bool on_demand, struct bl_started *out, struct bl_err *err)
{
	const struct bl_launch_order local = { .disk_usd_hour = 0 };
	enum bl_market market;

	if (strcmp(bl_value_text_or(run->doc, "place.engine", ""), "ec2") != 0) {
		if (bl_launch_buy(place, run, attempt, &local, out, err))
			return bl_wrap(err, "attempt %u of run %s", attempt, run->id);
		return 0;
	}
	if (bl_market_parse(bl_value_text_or(run->doc, "compute.market", "spot"), &market, err) ||
	    buy_on_market(place, run, attempt, on_demand ? BL_MARKET_ON_DEMAND : market, out, err))
		return bl_wrap(err, "attempt %u of run %s", attempt, run->id);
	return 0;
}
