/* SPDX-License-Identifier: Apache-2.0 */
#include "run/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Arrays, not pointers: nothing to relocate when the program starts. */
static const struct name {
	char id[25], title[27];
} names[] = {
	[BL_CHECKUP_PROGRAM] = { "program", "Program" },
	[BL_CHECKUP_TLS] = { "tls", "Certificate authorities" },
	[BL_CHECKUP_CONFIG] = { "config", "branchline.yaml" },
	[BL_CHECKUP_BUILDER] = { "builder", "Image builder" },
	[BL_CHECKUP_REGION] = { "region", "Region" },
	[BL_CHECKUP_IDENTITY] = { "identity", "Identity" },
	[BL_CHECKUP_OIDC] = { "oidc", "GitHub's identity token" },
	[BL_CHECKUP_CLOCK] = { "clock", "Clock" },
	[BL_CHECKUP_STACK] = { "stack", "Stack descriptor" },
	[BL_CHECKUP_CEILINGS] = { "ceilings", "Ceilings of the stack" },
	[BL_CHECKUP_BUCKET] = { "bucket", "Bucket of the runs" },
	[BL_CHECKUP_IMAGES] = { "images", "Image repository" },
	[BL_CHECKUP_IMAGE] = { "image", "Image of this commit" },
	[BL_CHECKUP_BUDGET] = { "budget", "Budget of the month" },
	[BL_CHECKUP_TYPES] = { "types", "Machines that fit" },
	[BL_CHECKUP_ZONES] = { "zones", "Types by zone" },
	[BL_CHECKUP_SUBNETS] = { "subnets", "Subnets" },
	[BL_CHECKUP_QUOTA_SPOT_G] = { "quota-spot-g", "Quota, spot, G and VT" },
	[BL_CHECKUP_QUOTA_ON_DEMAND_G] = { "quota-on-demand-g", "Quota, on-demand, G and VT" },
	[BL_CHECKUP_QUOTA_SPOT_P] = { "quota-spot-p", "Quota, spot, P2 to P4" },
	[BL_CHECKUP_QUOTA_SPOT_P5] = { "quota-spot-p5", "Quota, spot, P5" },
	[BL_CHECKUP_QUOTA_ON_DEMAND_P] = { "quota-on-demand-p", "Quota, on-demand, P" },
	[BL_CHECKUP_QUOTA_SPOT_STANDARD] = { "quota-spot-standard", "Quota, spot, standard" },
	[BL_CHECKUP_QUOTA_ON_DEMAND_STANDARD] = { "quota-on-demand-standard",
	                                          "Quota, on-demand, standard" },
	[BL_CHECKUP_SPOT_ROLE] = { "spot-role", "Role of EC2 Spot" },
	[BL_CHECKUP_INSTANCE_PROFILE] = { "instance-profile", "Instance profile" },
	[BL_CHECKUP_LAUNCH_TEMPLATE] = { "launch-template", "Launch template" },
	[BL_CHECKUP_TEMPLATE_METADATA] = { "template-metadata", "Instance metadata" },
	[BL_CHECKUP_TEMPLATE_SHUTDOWN] = { "template-shutdown", "Shutdown behaviour" },
	[BL_CHECKUP_TEMPLATE_TAGS] = { "template-tags", "Tags of the template" },
	[BL_CHECKUP_CUDA] = { "cuda", "Driver and CUDA" },
	[BL_CHECKUP_WORKFLOW] = { "workflow", "Workflow" },
	[BL_CHECKUP_REPOSITORY] = { "repository", "Repository" },
	[BL_CHECKUP_GITHUB_TOKEN] = { "github-token", "Token" },
	[BL_CHECKUP_TRUST] = { "trust", "Trust of the launch role" },
	[BL_CHECKUP_ENVIRONMENT] = { "environment", "Environment" },
	[BL_CHECKUP_FORK_TOKENS] = { "fork-tokens", "Tokens of forks" },
	[BL_CHECKUP_LABEL] = { "label", "Label" },
};

const char *bl_checkup_id(enum bl_checkup what)
{
	return names[what].id;
}

const char *bl_checkup_title(enum bl_checkup what)
{
	return names[what].title;
}

const char *bl_check_state_name(enum bl_check_state state)
{
	static const char *const words[] = {
		[BL_CHECK_OK] = "ok",
		[BL_CHECK_SKIPPED] = "skipped",
		[BL_CHECK_WARN] = "warn",
		[BL_CHECK_FAIL] = "fail",
	};

	return words[state];
}

struct bl_check *bl_check_add(struct bl_checks *checks, enum bl_checkup what,
                              enum bl_check_state state, const char *seen, ...)
{
	static _Thread_local struct bl_check dropped;
	struct bl_check *check = &dropped;
	va_list args;

	if (checks->n < BL_CHECKS_MAX)
		check = &checks->items[checks->n++];
	else if (state == BL_CHECK_FAIL)
		check = &checks->items[BL_CHECKS_MAX - 1];
	*check = (struct bl_check){ .what = what, .state = state };
	if (state == BL_CHECK_FAIL)
		check->code = BL_EINPUT;
	va_start(args, seen);
	vsnprintf(check->seen, sizeof(check->seen), seen, args);
	va_end(args);
	return check;
}

void bl_check_next(struct bl_check *check, enum bl_code code, const char *next, ...)
{
	va_list args;

	if (check->state == BL_CHECK_FAIL)
		check->code = code;
	va_start(args, next);
	vsnprintf(check->next, sizeof(check->next), next, args);
	va_end(args);
}

void bl_check_failed(struct bl_checks *checks, enum bl_checkup what, enum bl_check_state denied,
                     const struct bl_err *err)
{
	enum bl_check_state state = err->code == BL_EDENIED ? denied : BL_CHECK_FAIL;
	struct bl_check *check = bl_check_add(checks, what, state, "%s", err->text);

	if (state != BL_CHECK_OK)
		bl_check_next(check, err->code, "%s", err->next);
}

enum bl_check_state bl_checks_worst(const struct bl_checks *checks)
{
	enum bl_check_state worst = BL_CHECK_OK;

	for (size_t i = 0; i < checks->n; i++)
		if (checks->items[i].state > worst && checks->items[i].state != BL_CHECK_SKIPPED)
			worst = checks->items[i].state;
	return worst;
}

int bl_checks_verdict(const struct bl_checks *checks, struct bl_err *err)
{
	for (size_t i = 0; i < checks->n; i++) {
		const struct bl_check *check = &checks->items[i];

		if (check->state != BL_CHECK_FAIL)
			continue;
		bl_fail(err, check->code, "%s: %s", bl_checkup_title(check->what), check->seen);
		return check->next[0] ? bl_next(err, "%s", check->next) : -1;
	}
	return 0;
}
