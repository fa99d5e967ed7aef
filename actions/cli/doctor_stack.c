/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/doctor.h"
#include "aws/ecr.h"
#include "base/fs.h"
#include "net/image_ref.h"
#include "run/doctor_judge.h"
#include "run/image_login.h"

#include <stdio.h>
#include <string.h>

/* --- Ceilings --------------------------------------------------------------------------------- */

static int obeys(struct doctor *doctor, const char *job, struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	struct bl_found found;

	return bl_options_config(doctor->options.file, job, &doctor->args, doctor->stack.ceilings,
	                         &config, &found, err);
}

static int jobs_of(const struct doctor *doctor, struct bl_value **jobs, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_CONFIG_FILE_MAX);

	if (bl_fs_read_path(doctor->found.path, &bytes, err))
		return -1;
	const struct bl_config_input input = { .bytes = bl_buf_text(&bytes),
		                               .len = bytes.len,
		                               .file = doctor->found.path };
	return bl_config_jobs(&input, jobs, err);
}

static void check_ceilings(struct doctor *doctor)
{
	char cost[32] = "any cost";
	struct bl_err err = { 0 };
	BL_VALUE jobs = NULL;
	size_t n = 0;

	if (!doctor->stack.ceilings) {
		bl_check_next(
			bl_check_add(&doctor->checks, BL_CHECKUP_CEILINGS, BL_CHECK_WARN,
		                     "none: a pull request may ask for any machine and any time"),
			BL_EINPUT,
			"set max_cost_usd, max_runtime and instance_types in the module");
		return;
	}
	if (!doctor->has_config || !doctor->found.path[0])
		return;
	if (jobs_of(doctor, &jobs, &err)) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_CEILINGS, BL_CHECK_FAIL, &err);
		return;
	}
	do {
		const char *job = jobs->n ? jobs->items[n]->text : NULL;

		if (obeys(doctor, job, &err)) {
			if (job)
				bl_wrap(&err, "job %s", job);
			bl_check_failed(&doctor->checks, BL_CHECKUP_CEILINGS, BL_CHECK_FAIL, &err);
			return;
		}
	} while (++n < jobs->n);
	if (bl_value_get(doctor->stack.ceilings, "max_cost_usd"))
		snprintf(cost, sizeof(cost), "$%g",
		         bl_value_real_or(doctor->stack.ceilings, "max_cost_usd", 0));
	bl_check_add(&doctor->checks, BL_CHECKUP_CEILINGS, BL_CHECK_OK,
	             "%zu %s within: %s, %s a run", n, n == 1 ? "job is" : "jobs are", cost,
	             bl_value_text_or(doctor->stack.ceilings, "max_runtime", "any time"));
}

static void logins_close(struct bl_logins **logins)
{
	bl_logins_close(*logins);
}

/* --- Images ----------------------------------------------------------------------------------- */

static void check_images(struct doctor *doctor)
{
	const char *name = doctor->stack.image_repository;
	BL_AUTO(bl_ecr_token) token = { 0 };
	struct bl_err err = { 0 };
	struct bl_image_ref ref;
	struct bl_ecr_name ecr;

	if (!*name) {
		bl_check_add(&doctor->checks, BL_CHECKUP_IMAGES, BL_CHECK_SKIPPED,
		             "the stack names none");
		return;
	}
	if (bl_image_ref_parse(name, &ref, &err)) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_IMAGES, BL_CHECK_FAIL, &err);
		return;
	}
	if (!bl_image_ref_ecr(ref.registry, &ecr)) {
		bl_check_add(&doctor->checks, BL_CHECKUP_IMAGES, BL_CHECK_SKIPPED,
		             "%s is not ECR's", name);
		return;
	}
	if (bl_ecr_token(doctor->aws, ecr.region, &token, &err) ||
	    bl_ecr_reach(doctor->aws, ecr.region, ecr.account, ref.repository, &err))
		bl_check_failed(&doctor->checks, BL_CHECKUP_IMAGES, BL_CHECK_FAIL, &err);
	else
		bl_check_add(&doctor->checks, BL_CHECKUP_IMAGES, BL_CHECK_OK, "%s", name);
}

static int look_at_image(struct doctor *doctor, struct bl_looked *image, struct bl_err *err)
{
	const char *name = doctor->stack.image_repository;
	const char *arch = doctor->stack.templates[0].arch;
	const struct bl_logins_options how = {
		.aws = { .creds = doctor->creds, .region = bl_aws_region(doctor->aws) },
		.names = &name,
		.n_names = 1,
	};
	__attribute__((cleanup(logins_close))) struct bl_logins *logins = NULL;
	struct bl_place_options options = { .login = bl_logins_get };
	struct bl_image_ref ref;
	BL_PLACE place = NULL;

	if (bl_logins_open(&how, &logins, err))
		return -1;
	options.login_arg = logins;
	if (bl_place_open(name, &options, &place, &ref, err))
		return -1;
	return bl_image_look(place, doctor->git.sha,
	                     strcmp(arch, "arm64") ? "linux/amd64" : "linux/arm64", image, err);
}

/* What launch would find of HEAD. That nobody has pushed it yet is usual. */
static void check_image(struct doctor *doctor)
{
	struct bl_err err = { 0 };
	struct bl_looked image;

	if (!*doctor->stack.image_repository || !doctor->git.sha[0] || !doctor->has_config)
		return;
	if (!look_at_image(doctor, &image, &err))
		bl_doctor_judge_image(&doctor->stack, doctor->git.sha, &image,
		                      bl_config_int(&doctor->config, "gpus") > 0, &doctor->checks);
	else if (err.code == BL_ENOENT)
		bl_check_add(&doctor->checks, BL_CHECKUP_IMAGE, BL_CHECK_SKIPPED,
		             "none of %.12s yet: push-image makes it", doctor->git.sha);
	else
		bl_check_failed(&doctor->checks, BL_CHECKUP_IMAGE, BL_CHECK_FAIL, &err);
}

/* --- Money ------------------------------------------------------------------------------------ */

static void check_budget(struct doctor *doctor)
{
	const char *name = doctor->stack.budget_name;
	struct bl_err err = { 0 };
	struct bl_budget budget;

	if (!*name) {
		bl_check_next(
			bl_check_add(&doctor->checks, BL_CHECKUP_BUDGET, BL_CHECK_WARN,
		                     "none: only max_cost_usd of each run limits what is spent"),
			BL_EINPUT, "give the module a budget");
		return;
	}
	if (!bl_budget_get(doctor->aws, doctor->stack.account, name, &budget, &err)) {
		bl_doctor_judge_budget(name, &budget, &doctor->checks);
		return;
	}
	if (err.code == BL_ENOENT)
		bl_check_next(bl_check_add(&doctor->checks, BL_CHECKUP_BUDGET, BL_CHECK_WARN,
		                           "%s does not exist: only Branchline's own runs count",
		                           name),
		              BL_ENOENT, "%s", err.next);
	else
		bl_check_failed(&doctor->checks, BL_CHECKUP_BUDGET, BL_CHECK_SKIPPED, &err);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Where runs would be kept: what the configuration names outdoes the stack. */
static const char *store_of(const struct doctor *doctor)
{
	const char *named = doctor->has_config ? bl_config_text(&doctor->config, "store") : NULL;

	return named && *named ? named : doctor->stack.store;
}

static const char *stack_name(const struct doctor *doctor)
{
	return doctor->has_config ? bl_config_text(&doctor->config, "stack") : "branchline";
}

static void check_place(struct doctor *doctor)
{
	const char *region = bl_aws_region(doctor->aws);
	const struct bl_stack *stack = &doctor->stack;
	struct bl_check *check;

	if (strcmp(stack->account, doctor->caller.account) != 0) {
		check = bl_check_add(&doctor->checks, BL_CHECKUP_STACK, BL_CHECK_FAIL,
		                     "%s is of account %s, these credentials are of %s",
		                     stack->name, stack->account, doctor->caller.account);
		bl_check_next(check, BL_EDENIED, "use credentials of the stack's account");
	} else if (strcmp(stack->region, region) != 0) {
		check = bl_check_add(&doctor->checks, BL_CHECKUP_STACK, BL_CHECK_FAIL,
		                     "%s says %s, but was read in %s", stack->name, stack->region,
		                     region);
		bl_check_next(check, BL_EINPUT, "set AWS_REGION=%s", stack->region);
	} else {
		bl_check_add(&doctor->checks, BL_CHECKUP_STACK, BL_CHECK_OK,
		             "%s in %s, %zu %s, %zu subnets", stack->name, stack->region,
		             stack->n_templates,
		             stack->n_templates == 1 ? "launch template" : "launch templates",
		             stack->n_subnets);
	}
}

void doctor_stack(struct doctor *doctor)
{
	struct bl_err err = { 0 };

	doctor_group(doctor, "Stack");
	if (!doctor->is_known) {
		bl_check_add(&doctor->checks, BL_CHECKUP_STACK, BL_CHECK_SKIPPED,
		             "AWS does not know who asks");
		return;
	}
	if (bl_stack_read(doctor->aws, stack_name(doctor), &doctor->stack, &err)) {
		bl_check_failed(&doctor->checks, BL_CHECKUP_STACK, BL_CHECK_FAIL, &err);
		return;
	}
	doctor->has_stack = true;
	check_place(doctor);
	check_ceilings(doctor);
	bl_check_bucket(doctor->aws, store_of(doctor), doctor->stack.region, &doctor->checks);
	check_images(doctor);
	check_image(doctor);
	check_budget(doctor);
}
