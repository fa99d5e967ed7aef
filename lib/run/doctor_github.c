/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/doctor_judge.h"

#include <string.h>

/* --- The environment -------------------------------------------------------------------------- */

static const struct bl_value *rule_of(const struct bl_value *environment, const char *type)
{
	const struct bl_value *rules = bl_value_get(environment, "protection_rules");

	for (size_t i = 0; rules && i < rules->n; i++)
		if (!strcmp(bl_value_text_or(rules->items[i], "type", ""), type))
			return rules->items[i];
	return NULL;
}

/* Whether its rule for branches lets through what a label starts: refs/pull/N/merge. */
static bool lets_pulls_in(const struct bl_value *environment, const struct bl_value *policies)
{
	const struct bl_value *rule = bl_value_get(environment, "deployment_branch_policy");
	const struct bl_value *list = bl_value_get(policies, "branch_policies");

	if (!rule || rule->type != BL_MAP)
		return true;
	if (bl_value_bool_or(rule, "protected_branches", false))
		return false;
	if (!list)
		return true; /* nobody has told its patterns */
	for (size_t i = 0; i < list->n; i++) {
		const char *name = bl_value_text_or(list->items[i], "name", "");

		if (bl_str_glob(name, "refs/pull/1/merge") || bl_str_glob(name, "pull/1/merge"))
			return true;
	}
	return false;
}

void bl_doctor_judge_environment(const char *name, const struct bl_value *environment,
                                 const struct bl_value *policies, struct bl_checks *out)
{
	const struct bl_value *reviewers = rule_of(environment, "required_reviewers");
	const struct bl_value *list = bl_value_get(reviewers, "reviewers");
	bool branches = rule_of(environment, "branch_policy") != NULL;
	struct bl_check *check;

	if (!environment) {
		check = bl_check_add(out, BL_CHECKUP_ENVIRONMENT, BL_CHECK_WARN,
		                     "'%s' does not exist: GitHub makes it at the first job that "
		                     "names it, without rules",
		                     name);
		bl_check_next(check, BL_EDENIED,
		              "create it with required reviewers: repository, Settings, "
		              "Environments, New environment");
	} else if (!lets_pulls_in(environment, policies)) {
		check = bl_check_add(out, BL_CHECKUP_ENVIRONMENT, BL_CHECK_WARN,
		                     "'%s' lets in no pull request: their runs come from "
		                     "refs/pull/N/merge",
		                     name);
		bl_check_next(check, BL_EDENIED,
		              "add refs/pull/*/merge to its deployment branches, or labels will "
		              "start nothing");
	} else if (!reviewers && !branches) {
		check = bl_check_add(out, BL_CHECKUP_ENVIRONMENT, BL_CHECK_WARN,
		                     "'%s' has neither reviewers nor a rule for branches: it stops "
		                     "nobody",
		                     name);
		bl_check_next(check, BL_EDENIED,
		              "add required reviewers to it: repository, Settings, Environments");
	} else if (!reviewers) {
		bl_check_add(out, BL_CHECKUP_ENVIRONMENT, BL_CHECK_OK,
		             "'%s', with a rule for branches", name);
	} else {
		bl_check_add(out, BL_CHECKUP_ENVIRONMENT, BL_CHECK_OK, "'%s', with %zu reviewers%s",
		             name, list ? list->n : 0, branches ? " and a rule for branches" : "");
	}
}

/* --- Forks ------------------------------------------------------------------------------------ */

void bl_doctor_judge_forks(const struct bl_value *settings, struct bl_checks *out)
{
	struct bl_check *check;

	if (!bl_value_bool_or(settings, "send_write_tokens_to_workflows", false)) {
		bl_check_add(out, BL_CHECKUP_FORK_TOKENS, BL_CHECK_OK,
		             "workflows of forks get read-only tokens");
		return;
	}
	check = bl_check_add(out, BL_CHECKUP_FORK_TOKENS, BL_CHECK_FAIL,
	                     "workflows of forks get write tokens: a fork could ask AWS for "
	                     "credentials");
	bl_check_next(check, BL_EDENIED,
	              "switch it off: repository, Settings, Actions, General, \"Send write tokens "
	              "to workflows from fork pull requests\"");
}
