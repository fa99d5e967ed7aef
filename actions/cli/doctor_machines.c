/* SPDX-License-Identifier: Apache-2.0 */
/* Whether EC2 would sell what the job wants, and whether an instance of it would work. */
#include "actions/cli/doctor.h"
#include "run/doctor_judge.h"
#include "run/launch_market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The types that fit, each once. */
struct kinds {
	struct bl_check_type items[BL_LAUNCH_TYPES_MAX];
	const char *names[BL_LAUNCH_TYPES_MAX];
	size_t n;
};

static bool has_kind(const struct kinds *kinds, const char *name)
{
	for (size_t i = 0; i < kinds->n; i++)
		if (!strcmp(kinds->names[i], name))
			return true;
	return false;
}

static void take_kinds(const struct bl_fits *fits, struct kinds *out)
{
	for (size_t i = 0; i < fits->n; i++) {
		const struct bl_ec2_type *type = &fits->items[i].type;

		if (has_kind(out, type->name))
			continue;
		out->items[out->n] = (struct bl_check_type){ type->name, type->vcpus };
		out->names[out->n++] = type->name;
	}
}

/* --- Types ------------------------------------------------------------------------------------ */

static int find_fits(struct doctor *doctor, struct bl_fits *fits, struct bl_err *err)
{
	BL_AUTO(bl_buf) notes = BL_BUF((size_t)64 << 10);
	struct bl_candidates candidates = { 0 };
	struct bl_ec2_type *facts = NULL;
	struct bl_wanted wanted = { 0 };
	size_t n = 0;
	int rc = -1;

	bl_wanted_of(&doctor->config, &wanted);
	if (bl_launch_candidates(&wanted, &doctor->stack, &candidates, err))
		return -1;
	if (!bl_launch_ask_types(doctor->aws, &candidates, &facts, &n, err))
		rc = bl_launch_fits(&wanted, &doctor->stack, &candidates, facts, n, fits, &notes,
		                    err);
	free(facts);
	return rc;
}

static void check_types(struct doctor *doctor, struct bl_fits *fits, struct kinds *kinds)
{
	BL_AUTO(bl_buf) line = BL_BUF(480);
	struct bl_err err = { 0 };

	if (find_fits(doctor, fits, &err)) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_TYPES, BL_CHECK_FAIL, &err);
		return;
	}
	take_kinds(fits, kinds);
	for (size_t i = 0; i < kinds->n && i < 12; i++)
		bl_buf_addf(&line, "%s%s", i ? ", " : "", kinds->names[i]);
	bl_check_add(&doctor->checks, BL_CHECKUP_TYPES, BL_CHECK_OK, "%s%s", bl_buf_text(&line),
	             kinds->n > 12 ? ", ..." : "");
}

static void check_zones(struct doctor *doctor, const struct kinds *kinds)
{
	struct bl_ec2_offer *offers = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;

	if (!kinds->n)
		return;
	if (bl_ec2_offers(doctor->aws, kinds->names, kinds->n, &offers, &n, &err))
		bl_check_failed(&doctor->checks, BL_CHECKUP_ZONES, BL_CHECK_FAIL, &err);
	else
		bl_doctor_judge_offers(&doctor->stack, kinds->names, kinds->n, offers, n,
		                       &doctor->checks);
	free(offers);
}

static void check_subnets(struct doctor *doctor)
{
	const char *ids[BL_STACK_SUBNETS_MAX];
	struct bl_ec2_subnet *found = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < doctor->stack.n_subnets; i++)
		ids[i] = doctor->stack.subnets[i].id;
	if (bl_ec2_subnets(doctor->aws, ids, doctor->stack.n_subnets, &found, &n, &err))
		bl_check_failed(&doctor->checks, BL_CHECKUP_SUBNETS, BL_CHECK_SKIPPED, &err);
	else
		bl_doctor_judge_subnets(&doctor->stack, found, n, &doctor->checks);
	free(found);
}

/* --- Quotas ----------------------------------------------------------------------------------- */

static bool buys(const struct doctor *doctor, bool spot)
{
	const char *market = bl_config_text(&doctor->config, "market");

	return !strcmp(market, "spot-then-on-demand") || !strcmp(market, "spot") == spot;
}

/* One that this job does not need is told, but fails nothing. */
static void check_quota(struct doctor *doctor, const struct kinds *kinds, bool spot)
{
	size_t from = doctor->checks.n;

	bl_check_quota(doctor->aws, kinds->items, kinds->n, spot, &doctor->checks);
	for (size_t i = from; i < doctor->checks.n && !buys(doctor, spot); i++) {
		struct bl_check *check = &doctor->checks.items[i];
		size_t len = strlen(check->seen);

		if (check->state == BL_CHECK_OK)
			continue;
		check->state = BL_CHECK_SKIPPED;
		check->code = BL_OK;
		snprintf(check->seen + len, sizeof(check->seen) - len, "; not used: market is %s",
		         bl_config_text(&doctor->config, "market"));
	}
}

void doctor_machines(struct doctor *doctor)
{
	struct kinds kinds = { .n = 0 };
	struct bl_fits *fits;

	if (!doctor->has_stack || !doctor->has_config)
		return;
	doctor_group(doctor, "Machines");
	fits = calloc(1, sizeof(*fits));
	if (!fits)
		return;
	check_types(doctor, fits, &kinds);
	check_zones(doctor, &kinds);
	check_subnets(doctor);
	check_quota(doctor, &kinds, true);
	check_quota(doctor, &kinds, false);
	if (buys(doctor, true))
		bl_check_spot_role(doctor->aws, &doctor->checks);
	bl_check_instance_profile(doctor->aws, doctor->stack.instance_profile, &doctor->checks);
	for (size_t i = 0; i < doctor->stack.n_templates; i++)
		bl_check_template(doctor->aws, &doctor->stack.templates[i], &doctor->checks);
	bl_doctor_judge_cuda(&doctor->stack, &doctor->checks);
	free(fits);
}
