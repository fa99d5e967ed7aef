/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/doctor.h"

#include "actions/show.h"
#include "actions/verbs.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct bl_option table[] = {
	{ "job", 0, BL_OPT_TEXT, offsetof(struct doctor_options, job), "JOB",
	  "check what this job needs; default, the file's default_job" },
	{ "file", 0, BL_OPT_TEXT, offsetof(struct doctor_options, file), "PATH",
	  "read this file; default branchline.yaml, here or above" },
	{ "profile", 0, BL_OPT_TEXT, offsetof(struct doctor_options, profile), "NAME",
	  "of AWS's configuration; default AWS_PROFILE" },
	{ "role-arn", 0, BL_OPT_TEXT, offsetof(struct doctor_options, role_arn), "ARN",
	  "assume it by GitHub's OIDC; default AWS_ROLE_ARN" },
	BL_OPT_JSON(struct doctor_options),
};

static const struct bl_usage usage = {
	.verb = "doctor",
	.example = "branchline doctor",
	.about =
		"Looks whether a run would work: this machine, the configuration, AWS, the stack,\n"
		"GitHub. Changes nothing and buys nothing. Each check says what it saw and what\n"
		"to do. Exit 0 when nothing failed; else 4 (not allowed), 2 (configuration),\n"
		"3 (quota), 6 (budget), 75 (try again) or 70.",
	.options = table,
	.n_options = BL_COUNT(table),
	.config = true,
};

void doctor_group(struct doctor *doctor, const char *name)
{
	if (doctor->n_groups < DOCTOR_GROUPS_MAX)
		doctor->groups[doctor->n_groups++] =
			(struct doctor_group){ .name = name, .from = doctor->checks.n };
}

static void doctor_free(struct doctor **at)
{
	struct doctor *doctor = *at;

	if (!doctor)
		return;
	bl_value_free(doctor->claims);
	bl_stack_done(&doctor->stack);
	bl_aws_close(doctor->aws);
	bl_creds_close(doctor->creds);
	bl_config_done(&doctor->config);
	bl_args_done(&doctor->args);
	free(doctor);
}

static int show(const struct doctor *doctor, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)1 << 20);

	if (doctor->options.json)
		doctor_show_json(doctor, &text);
	else
		doctor_show_text(doctor, bl_log_colour(STDOUT_FILENO), show_columns(), &text);
	if (bl_buf_check(&text, "doctor", err))
		return -1;
	fputs(bl_buf_text(&text), stdout);
	return 0;
}

/* Which exit status says most of several: who may not ask sees the rest wrong. */
static int weight(enum bl_code code)
{
	static const int order[] = { 4, 2, 3, 6, 75 };
	int status = bl_exit_status(code);

	for (size_t i = 0; i < BL_COUNT(order); i++)
		if (order[i] == status)
			return (int)i;
	return (int)BL_COUNT(order);
}

static int verdict(const struct bl_checks *checks, struct bl_err *err)
{
	const struct bl_check *first = NULL;
	enum bl_code worst = BL_OK;
	size_t n = 0;

	for (size_t i = 0; i < checks->n; i++) {
		const struct bl_check *check = &checks->items[i];

		if (check->state != BL_CHECK_FAIL)
			continue;
		first = first ? first : check;
		if (!n++ || weight(check->code) < weight(worst))
			worst = check->code;
	}
	if (!first)
		return 0;
	bl_fail(err, worst, "%zu of %zu checks failed, first: %s", n, checks->n,
	        bl_checkup_title(first->what));
	return first->next[0] ? bl_next(err, "%s", first->next) : -1;
}

int verb_doctor(int argc, char **argv, struct bl_err *err)
{
	__attribute__((cleanup(doctor_free))) struct doctor *doctor = calloc(1, sizeof(*doctor));

	if (!doctor)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (bl_options_read(&usage, argc, argv, &doctor->options, &doctor->args, err) ||
	    doctor->args.helped)
		return err->code ? -1 : 0;
	doctor_machine(doctor);
	doctor_config(doctor);
	doctor_identity(doctor);
	doctor_stack(doctor);
	doctor_machines(doctor);
	doctor_github(doctor);
	if (show(doctor, err))
		return -1;
	return verdict(&doctor->checks, err);
}
