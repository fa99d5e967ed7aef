/* SPDX-License-Identifier: Apache-2.0 */
/* What EC2 answered, and what follows from it. */
#include "run/compute_ec2_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ec2_buying_done(struct ec2_buying *buying)
{
	bl_ec2_fleet_done(&buying->fleet);
	bl_try_done(&buying->try);
}

void ec2_say(const struct bl_start *what, const char *fmt, ...)
{
	char line[768];
	va_list args;

	if (!what->say)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	what->say(what->arg, line);
}

bool ec2_is_stopped(const struct bl_start *what)
{
	return what->stop && *what->stop;
}

int ec2_stopped(struct bl_err *err)
{
	return bl_fail(err, BL_ECANCELLED, "stopped before an instance was bought");
}

int ec2_check_wanted(const struct bl_start *what, struct bl_err *err)
{
	char reason[32];
	bool stop;

	if (ec2_is_stopped(what))
		return ec2_stopped(err);
	if (bl_stop_read(what->store, what->run->id, &stop, reason, err))
		return -1;
	return stop ? bl_fail(err, BL_ECANCELLED, "the run was stopped (%s) while it was launched",
	                      reason)
	            : 0;
}

/* --- What is dropped -------------------------------------------------------------------------- */

const char *ec2_market(bool spot)
{
	return spot ? "spot" : "on-demand";
}

static bool is_dropped(const struct ec2_buying *buying, const char *text)
{
	for (size_t i = 0; i < buying->n_dropped; i++)
		if (!strcmp(buying->dropped[i], text))
			return true;
	return false;
}

static void drop(struct ec2_buying *buying, const char *text)
{
	if (!is_dropped(buying, text) && buying->n_dropped < DROPPED_MAX)
		snprintf(buying->dropped[buying->n_dropped++], sizeof(buying->dropped[0]), "%s",
		         text);
}

/* A quota is of a family of types, and of a market. */
static void family_text(const char *type, bool spot, char text[80])
{
	snprintf(text, 80, "%.*s %s", (int)strcspn(type, "."), type, ec2_market(spot));
}

static void pool_text(const char *type, const char *subnet, bool spot, char text[80])
{
	snprintf(text, 80, "%s %s %s", type, subnet, ec2_market(spot));
}

bool ec2_is_open(const struct ec2_buying *buying, const struct bl_purchase_pool *pool, bool spot)
{
	char family[80], one[80];

	family_text(pool->type, spot, family);
	pool_text(pool->type, pool->subnet, spot, one);
	return !is_dropped(buying, family) && !is_dropped(buying, one);
}

/* --- What was answered ------------------------------------------------------------------------ */

const char *ec2_zone_of(const struct bl_try *try, const char *type, const char *subnet)
{
	for (size_t i = 0; i < try->n_pools; i++)
		if (!strcmp(try->pools[i].subnet, subnet) &&
		    (!*type || !strcmp(try->pools[i].type, type)))
			return try->pools[i].zone;
	return "";
}

static const char *words_of(enum bl_ec2_class class)
{
	switch (class) {
	case BL_EC2_CAPACITY:
		return "no capacity";
	case BL_EC2_QUOTA:
		return "over the account's quota";
	case BL_EC2_NOT_OFFERED:
		return "not offered there";
	case BL_EC2_SUBNET_FULL:
		return "no free address in the subnet";
	case BL_EC2_CONFIG:
		return "refused";
	case BL_EC2_DENIED:
		return "not allowed";
	case BL_EC2_THROTTLED:
		return "asked too often";
	case BL_EC2_OTHER:
		break;
	}
	return "failed";
}

static void note_error(struct ec2_buying *buying, const struct bl_ec2_fleet_error *error, bool spot)
{
	char text[80];

	switch (error->class) {
	case BL_EC2_QUOTA:
		buying->lacks_quota = true;
		family_text(error->type, spot, text);
		drop(buying, text);
		break;
	case BL_EC2_NOT_OFFERED:
		pool_text(error->type, error->subnet, spot, text);
		drop(buying, text);
		break;
	case BL_EC2_DENIED:
	case BL_EC2_CONFIG:
		buying->is_denied = true;
		break;
	case BL_EC2_CAPACITY:
	case BL_EC2_SUBNET_FULL:
	case BL_EC2_THROTTLED:
	case BL_EC2_OTHER:
		buying->lacks_capacity = true;
		break;
	}
}

/* One line a pool. */
void ec2_tell_errors(struct ec2_buying *buying, const struct bl_try *try)
{
	for (size_t i = 0; i < buying->fleet.n_errors; i++) {
		const struct bl_ec2_fleet_error *error = &buying->fleet.errors[i];
		const char *zone =
			error->zone[0] ? error->zone : ec2_zone_of(try, error->type, error->subnet);

		note_error(buying, error, try->spot);
		ec2_say(buying->what, "%s %s %s: %s (%s: %s)", error->type, zone,
		        ec2_market(try->spot), words_of(error->class), error->code, error->message);
		snprintf(buying->why, sizeof(buying->why), "%s: %.280s", error->code,
		         error->message);
	}
}

/* EC2's answer for the whole call: nothing was bought. */
void ec2_tell_refusal(struct ec2_buying *buying, const struct bl_try *try, const char *code,
                      struct bl_err *err)
{
	struct bl_ec2_fleet_error error = { .class = bl_ec2_classify(code, false) };

	snprintf(error.type, sizeof(error.type), "%s", try->pools[0].type);
	note_error(buying, &error, try->spot);
	ec2_say(buying->what, "%s: %s", ec2_market(try->spot), err->text);
	snprintf(buying->why, sizeof(buying->why), "%.380s", err->text);
	snprintf(buying->said, sizeof(buying->said), "%s", err->next);
	bl_err_clear(err);
}

int ec2_fail_empty(const struct ec2_buying *buying, struct bl_err *err)
{
	const struct bl_start *what = buying->what;
	bool quota = buying->lacks_quota && !buying->lacks_capacity;

	if (what->lack)
		*what->lack = quota ? BL_CLASS_QUOTA : BL_CLASS_CAPACITY;
	if (buying->is_denied && !buying->lacks_capacity && !buying->lacks_quota)
		bl_fail(err, BL_EDENIED, "EC2 refuses every pool: %s", buying->why);
	else if (!buying->lacks_capacity && !buying->lacks_quota)
		bl_fail(err, BL_EINPUT, "no pool has what was asked: %s", buying->why);
	else if (quota)
		bl_fail(err, BL_ECAPACITY, "the account's quota forbids every pool: %s",
		        buying->why);
	else
		bl_fail(err, BL_ECAPACITY, "no pool has capacity: %s", buying->why);
	if (buying->said[0])
		return bl_next(err, "%s", buying->said);
	if (quota)
		return bl_next(err, "ask for more vCPUs of that family in Service Quotas, EC2; "
		                    "`branchline doctor` shows what there is");
	return bl_next(err,
	               "name more instance_types, wait with wait_for_capacity, or allow market: "
	               "spot-then-on-demand");
}
