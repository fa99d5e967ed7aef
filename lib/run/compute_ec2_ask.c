/* SPDX-License-Identifier: Apache-2.0 */
/* One request, until it is known what became of it. */
#include "run/compute_ec2_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_FOR_MS 30000 /* a new instance is seen by its tags within that time */
#define LOOK_AGAIN_MS 1000

/* --- One request ------------------------------------------------------------------------------ */

static bool is_unknown(enum bl_code code)
{
	return code == BL_ERETRY || code == BL_ETIMEOUT;
}

static int send_try(struct ec2_buying *buying, const struct bl_try *try, char code[96],
                    struct bl_err *err)
{
	struct bl_ec2_fleet_request request;

	bl_try_request(try, &request);
	request.stop = buying->what->stop;
	bl_ec2_fleet_done(&buying->fleet);
	BL_FAILPOINT("compute.fleet.before");
	if (bl_ec2_create_fleet(buying->engine->aws, &request, &buying->fleet, code, err))
		return -1;
	BL_FAILPOINT("compute.fleet.answered");
	return 0;
}

/* As if EC2 had answered with what was found. */
static void adopt(struct ec2_buying *buying, const struct bl_ec2_instances *list)
{
	struct bl_ec2_fleet *fleet = &buying->fleet;

	bl_ec2_fleet_done(fleet);
	for (unsigned pass = 0; pass < 2; pass++) { /* live ones first */
		for (size_t i = 0; i < list->n && fleet->n_instances < BL_EC2_LAUNCHED_MAX; i++) {
			const struct bl_ec2_instance *from = &list->items[i];
			struct bl_ec2_launched *to = &fleet->instances[fleet->n_instances];

			if (bl_ec2_is_live(from) != !pass || (pass && fleet->n_instances))
				continue;
			memcpy(to->id, from->id, sizeof(to->id));
			memcpy(to->type, from->type, sizeof(to->type));
			memcpy(to->zone, from->zone, sizeof(to->zone));
			memcpy(to->subnet, from->subnet, sizeof(to->subnet));
			to->spot = from->spot;
			fleet->n_instances++;
		}
	}
}

int ec2_find_bought(struct ec2_buying *buying, int look_ms, bool *found, struct bl_err *err)
{
	const struct bl_end_scope scope = { .run = buying->what->run->id,
		                            .attempt = buying->what->attempt };
	int64_t until_ms = bl_mono_ms() + look_ms;

	for (;;) {
		BL_AUTO(bl_ec2_instances) list = { 0 };

		if (ec2_engine_find(buying->engine, &scope, NULL, &list, err))
			return -1;
		*found = list.n > 0;
		if (*found) {
			adopt(buying, &list);
			ec2_say(buying->what, "found instance %s, bought before",
			        buying->fleet.instances[0].id);
		}
		if (*found || bl_mono_ms() >= until_ms)
			return 0;
		if (!bl_compute_pause(LOOK_AGAIN_MS, buying->what->stop))
			return ec2_stopped(err);
	}
}

static int look_ms(void)
{
#ifdef BL_TESTING
	const char *text = getenv("BRANCHLINE_TEST_LOOK_MS");

	if (text)
		return (int)strtol(text, NULL, 10);
#endif
	return LOOK_FOR_MS;
}

/* Nobody knows what became of the request. */
static int resolve(struct ec2_buying *buying, const struct bl_try *try, char code[96],
                   struct bl_err *err)
{
	struct bl_err lost = *err;
	bool found = false;

	ec2_say(buying->what, "no answer (%s); asking again with the same token", lost.text);
	bl_err_clear(err);
	if (ec2_is_stopped(buying->what))
		return ec2_stopped(err);
	if (!send_try(buying, try, code, err))
		return 0;
	if (!is_unknown(err->code))
		return -1;
	lost = *err;
	bl_err_clear(err);
	if (ec2_find_bought(buying, look_ms(), &found, err))
		return -1;
	if (found)
		return 0;
	*err = lost;
	return bl_next(err, "run it again: the same request cannot buy a second instance");
}

int ec2_ask(struct ec2_buying *buying, const struct bl_try *try, bool old, enum ec2_answer *answer,
            struct bl_err *err)
{
	char code[96] = "";
	int rc = send_try(buying, try, code, err);

	if (rc && is_unknown(err->code))
		rc = resolve(buying, try, code, err);
	if (rc && (err->code == BL_ECAPACITY ||
	           (old && (err->code == BL_EINPUT || err->code == BL_EDENIED)))) {
		ec2_tell_refusal(buying, try, code, err);
		*answer = EC2_EMPTY;
		return 0;
	}
	if (rc)
		return -1;
	ec2_tell_errors(buying, try);
	*answer = buying->fleet.n_instances ? EC2_BOUGHT : EC2_EMPTY;
	return 0;
}

int ec2_end_from(struct ec2_buying *buying, size_t first, struct bl_err *err)
{
	const char *ids[BL_EC2_LAUNCHED_MAX];
	struct bl_ec2_fleet *fleet = &buying->fleet;
	size_t n = 0, ended;

	for (size_t i = first; i < fleet->n_instances; i++)
		ids[n++] = fleet->instances[i].id;
	return n ? ec2_engine_terminate(buying->engine, ids, n, LOOK_FOR_MS, &ended, err) : 0;
}
