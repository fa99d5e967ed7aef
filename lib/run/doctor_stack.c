/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what the stack names can be had: zones, addresses, money, a driver. */
#include "run/doctor_judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FEW_ADDRESSES 8 /* a few runs at once, their old boxes not yet gone */
#define BUDGET_NEARLY 0.8

/* --- Zones ------------------------------------------------------------------------------------ */

static bool is_offered(const struct bl_ec2_offer *offers, size_t n, const char *type,
                       const char *zone)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(offers[i].type, type) && !strcmp(offers[i].zone, zone))
			return true;
	return false;
}

static bool is_new_zone(const struct bl_stack *stack, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(stack->subnets[i].zone, stack->subnets[at].zone))
			return false;
	return true;
}

/* "us-east-1a 6 of 6 types, us-east-1c 5 of 6 types (not g6e.xlarge)"; returns how many. */
static size_t add_zone(const char *zone, const char *const *types, size_t n_types,
                       const struct bl_ec2_offer *offers, size_t n, struct bl_buf *line)
{
	size_t have = 0, named = 0;

	for (size_t i = 0; i < n_types; i++)
		have += is_offered(offers, n, types[i], zone);
	bl_buf_addf(line, "%s%s %zu of %zu types", line->len ? ", " : "", zone, have, n_types);
	if (!have || have == n_types)
		return have;
	for (size_t i = 0; i < n_types; i++) {
		if (is_offered(offers, n, types[i], zone))
			continue;
		if (named++ < 3)
			bl_buf_addf(line, "%s%s", named == 1 ? " (not " : ", ", types[i]);
	}
	bl_buf_adds(line, named > 3 ? ", ...)" : ")");
	return have;
}

void bl_doctor_judge_offers(const struct bl_stack *stack, const char *const *types, size_t n_types,
                            const struct bl_ec2_offer *offers, size_t n, struct bl_checks *out)
{
	BL_AUTO(bl_buf) line = BL_BUF(512);
	size_t zones = 0;
	struct bl_check *check;

	for (size_t i = 0; i < stack->n_subnets; i++) {
		if (is_new_zone(stack, i) &&
		    add_zone(stack->subnets[i].zone, types, n_types, offers, n, &line))
			zones++;
	}
	if (zones > 1 || (zones && stack->n_subnets == 1)) {
		bl_check_add(out, BL_CHECKUP_ZONES, BL_CHECK_OK, "%s", bl_buf_text(&line));
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_ZONES, zones ? BL_CHECK_WARN : BL_CHECK_FAIL, "%s",
	                     bl_buf_text(&line));
	bl_check_next(
		check, BL_EINPUT,
		zones ? "add types or subnets: with one zone left, no capacity there means no "
			"run at all"
		      : "allow other types (instance_types, gpu), or add subnets in other "
			"zones to the stack: EC2 offers none of these where the stack is");
}

/* --- Subnets ---------------------------------------------------------------------------------- */

static const char *zone_of(const struct bl_stack *stack, const char *id)
{
	for (size_t i = 0; i < stack->n_subnets; i++)
		if (!strcmp(stack->subnets[i].id, id))
			return stack->subnets[i].zone;
	return "";
}

void bl_doctor_judge_subnets(const struct bl_stack *stack, const struct bl_ec2_subnet *subnets,
                             size_t n, struct bl_checks *out)
{
	const struct bl_ec2_subnet *fullest = NULL, *moved = NULL;
	struct bl_check *check;
	int64_t free = 0;

	for (size_t i = 0; i < n; i++) {
		free += subnets[i].free_addresses;
		if (!fullest || subnets[i].free_addresses < fullest->free_addresses)
			fullest = &subnets[i];
		if (strcmp(zone_of(stack, subnets[i].id), subnets[i].zone) != 0)
			moved = &subnets[i];
	}
	if (moved) {
		check = bl_check_add(out, BL_CHECKUP_SUBNETS, BL_CHECK_WARN,
		                     "%s is in %s, not in %s as the stack says", moved->id,
		                     moved->zone, zone_of(stack, moved->id));
		bl_check_next(check, BL_EINPUT, "apply the Terraform module again");
	} else if (!fullest || !free) {
		check = bl_check_add(out, BL_CHECKUP_SUBNETS, BL_CHECK_FAIL,
		                     "no address is free in %zu subnets", n);
		bl_check_next(check, BL_ECAPACITY,
		              "end what nobody needs there, or add larger subnets to the stack");
	} else if (fullest->free_addresses < FEW_ADDRESSES) {
		check = bl_check_add(out, BL_CHECKUP_SUBNETS, BL_CHECK_WARN,
		                     "%lld addresses free in %zu subnets, but %lld in %s (%s)",
		                     (long long)free, n, (long long)fullest->free_addresses,
		                     fullest->id, fullest->zone);
		bl_check_next(check, BL_ECAPACITY,
		              "end what nobody needs there: each instance takes one address");
	} else {
		bl_check_add(out, BL_CHECKUP_SUBNETS, BL_CHECK_OK, "%zu, with %lld free addresses",
		             n, (long long)free);
	}
}

/* --- Money ------------------------------------------------------------------------------------ */

void bl_doctor_judge_budget(const char *name, const struct bl_budget *budget, struct bl_checks *out)
{
	double part = budget->limit_usd > 0 ? budget->actual_usd / budget->limit_usd : NAN;
	enum bl_check_state state = part >= 1               ? BL_CHECK_FAIL
	                            : part >= BUDGET_NEARLY ? BL_CHECK_WARN
	                                                    : BL_CHECK_OK;
	struct bl_check *check;

	if (isnan(part)) {
		bl_check_add(out, BL_CHECKUP_BUDGET, BL_CHECK_OK,
		             "%s: $%.2f spent, as AWS knows so far", name, budget->actual_usd);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_BUDGET, state,
	                     "%s: $%.2f of $%.2f spent, as AWS knows so far", name,
	                     budget->actual_usd, budget->limit_usd);
	if (state != BL_CHECK_OK)
		bl_check_next(
			check, BL_EDEADLINE,
			"wait for the next month, or raise the budget where the stack sets it: "
			"a run whose estimate does not fit is not launched");
}

/* --- The driver ------------------------------------------------------------------------------- */

void bl_doctor_judge_cuda(const struct bl_stack *stack, struct bl_checks *out)
{
	BL_AUTO(bl_buf) line = BL_BUF(400);

	for (size_t i = 0; i < stack->n_templates; i++) {
		const struct bl_stack_template *one = &stack->templates[i];

		if (!*one->cuda_max)
			continue;
		bl_buf_addf(&line, "%sCUDA up to %.16s", line.len ? ", " : "", one->cuda_max);
		if (*one->driver)
			bl_buf_addf(&line, " (driver %.32s)", one->driver);
	}
	if (line.len)
		bl_check_add(out, BL_CHECKUP_CUDA, BL_CHECK_OK, "%s", bl_buf_text(&line));
	else
		bl_check_add(out, BL_CHECKUP_CUDA, BL_CHECK_SKIPPED,
		             "the stack does not say what its machine image serves");
}

void bl_doctor_judge_image(const struct bl_stack *stack, const char *sha,
                           const struct bl_looked *image, bool gpu, struct bl_checks *out)
{
	const char *cuda = image->needs.cuda;
	struct bl_check *check;
	char why[160] = "";
	bool runs = !gpu;

	for (size_t i = 0; i < stack->n_templates && !runs; i++)
		runs = bl_image_runs_on(&image->needs, stack->templates[i].driver,
		                        stack->templates[i].cuda_max, why);
	if (runs) {
		bl_check_add(out, BL_CHECKUP_IMAGE, BL_CHECK_OK, "%.12s is %.19s%s%s", sha,
		             image->digest, *cuda ? ", CUDA " : "", cuda);
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_IMAGE, BL_CHECK_FAIL, "%.12s: %s", sha, why);
	bl_check_next(check, BL_EINPUT,
	              "use a base image for CUDA %.8s, or a newer AMI in the stack's launch "
	              "template",
	              stack->n_templates ? stack->templates[0].cuda_max : "?");
}
