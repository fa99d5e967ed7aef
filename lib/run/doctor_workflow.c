/* SPDX-License-Identifier: Apache-2.0 */
/* A workflow that calls Branchline: what is wrong with it shows on the first label, or never. */
#include "base/str.h"
#include "run/doctor_judge.h"

#include <stdio.h>
#include <string.h>

/* What a job that trains needs; facts: GitHub's "Permissions for the GITHUB_TOKEN". */
static const struct permission {
	const char *name, *word, *why;
} permissions[] = {
	{ "id-token", "write", "AWS gives no credentials without it" },
	{ "contents", "read", "the commit cannot be read" },
	{ "pull-requests", "write", "no comment, and the label stays" },
	{ "statuses", "write", "no status on the commit" },
};

/* --- Which job it is -------------------------------------------------------------------------- */

/* "OWNER/branchline/.github/workflows/train.yml@v1", "$/actions/launch": of what trains. */
static bool trains(const char *uses)
{
	size_t len = strcspn(uses, "@");
	char path[256];

	if (snprintf(path, sizeof(path), "%.*s", (int)len, uses) >= (int)sizeof(path))
		return false;
	return bl_str_ends(path, "branchline/.github/workflows/train.yml") ||
	       bl_str_ends(path, "/actions/launch");
}

static bool job_trains(const struct bl_value *job)
{
	const struct bl_value *steps = bl_value_get(job, "steps");

	if (trains(bl_value_text_or(job, "uses", "")))
		return true;
	for (size_t i = 0; steps && i < steps->n; i++)
		if (trains(bl_value_text_or(steps->items[i], "uses", "")))
			return true;
	return false;
}

static const struct bl_value *training_job(const struct bl_value *workflow)
{
	const struct bl_value *jobs = bl_value_get(workflow, "jobs");

	for (size_t i = 0; jobs && i < jobs->n; i++)
		if (job_trains(jobs->items[i]))
			return jobs->items[i];
	return NULL;
}

/* `on:` as a word, a list or a map. */
static bool is_on(const struct bl_value *workflow, const char *event)
{
	const struct bl_value *on = bl_value_get(workflow, "on");

	if (!on || on->type == BL_MAP)
		return bl_value_get(on, event) != NULL;
	if (on->type == BL_STRING)
		return !strcmp(on->text, event);
	for (size_t i = 0; on->type == BL_LIST && i < on->n; i++)
		if (on->items[i]->text && !strcmp(on->items[i]->text, event))
			return true;
	return false;
}

/* --- Permissions ------------------------------------------------------------------------------ */

static bool grants(const struct bl_value *given, const struct permission *wanted)
{
	const char *word;

	if (!given)
		return false;
	if (given->type == BL_STRING)
		return !strcmp(given->text, "write-all") ||
		       (!strcmp(given->text, "read-all") && !strcmp(wanted->word, "read"));
	word = bl_value_text_or(given, wanted->name, "none");
	return !strcmp(word, wanted->word) || !strcmp(word, "write");
}

static bool judge_permissions(const char *file, const struct bl_value *workflow,
                              const struct bl_value *job, struct bl_checks *out)
{
	const struct bl_value *given = bl_value_get(job, "permissions");
	BL_AUTO(bl_buf) lines = BL_BUF(256);
	const struct permission *first = NULL;
	struct bl_check *check;

	if (!given)
		given = bl_value_get(workflow, "permissions");
	for (size_t i = 0; i < BL_COUNT(permissions); i++) {
		if (grants(given, &permissions[i]))
			continue;
		first = first ? first : &permissions[i];
		bl_buf_addf(&lines, "%s%s: %s", lines.len ? ", " : "", permissions[i].name,
		            permissions[i].word);
	}
	if (!first)
		return true;
	check = bl_check_add(out, BL_CHECKUP_WORKFLOW, BL_CHECK_FAIL,
	                     "%s, job %s: no permission %s: %s: %s", file, job->key, first->name,
	                     first->word, first->why);
	bl_check_next(check, BL_EDENIED, "write under the job: permissions: {%s}",
	              bl_buf_text(&lines));
	return false;
}

/* --- Concurrency, events ---------------------------------------------------------------------- */

static bool cancels(const struct bl_value *concurrency)
{
	const struct bl_value *word = bl_value_get(concurrency, "cancel-in-progress");

	return word && (word->type == BL_BOOL ? word->boolean : word->type == BL_STRING);
}

static bool judge_turns(const char *file, const struct bl_value *workflow,
                        const struct bl_value *job, struct bl_checks *out)
{
	struct bl_check *check;

	if (is_on(workflow, "pull_request_target")) {
		check = bl_check_add(out, BL_CHECKUP_WORKFLOW, BL_CHECK_FAIL,
		                     "%s runs on pull_request_target, which has write tokens for "
		                     "forks' changes",
		                     file);
		bl_check_next(check, BL_EDENIED, "use on: {pull_request: {types: [labeled]}}");
		return false;
	}
	if (bl_value_get(workflow, "concurrency")) {
		check = bl_check_add(out, BL_CHECKUP_WORKFLOW, BL_CHECK_WARN,
		                     "%s has concurrency for the whole workflow: any other label "
		                     "takes a run's turn",
		                     file);
		bl_check_next(check, BL_EINPUT,
		              "move it to the job: a job that `if` skips does not join the group");
		return false;
	}
	if (cancels(bl_value_get(job, "concurrency"))) {
		check = bl_check_add(out, BL_CHECKUP_WORKFLOW, BL_CHECK_WARN,
		                     "%s, job %s: cancel-in-progress ends a run that is paid for",
		                     file, job->key);
		bl_check_next(check, BL_EINPUT, "set cancel-in-progress: false");
		return false;
	}
	return true;
}

bool bl_doctor_judge_workflow(const char *file, const struct bl_value *workflow,
                              struct bl_checks *out)
{
	const struct bl_value *job = training_job(workflow);
	bool fine;

	if (!job)
		return false;
	fine = judge_permissions(file, workflow, job, out);
	fine = judge_turns(file, workflow, job, out) && fine;
	if (fine)
		bl_check_add(out, BL_CHECKUP_WORKFLOW, BL_CHECK_OK,
		             "%s, job %s: permissions and concurrency are right", file, job->key);
	return true;
}
