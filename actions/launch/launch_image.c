/* SPDX-License-Identifier: Apache-2.0 */
/* The image of the commit: there, by digest, and what it needs of a driver. */
#include "actions/launch/launching.h"
#include "run/image_login.h"
#include "run/image_look.h"

#include <stdio.h>
#include <string.h>

struct looking {
	struct bl_logins *logins;
	struct bl_place *place;
	struct bl_looked image;
};

static void looking_done(struct looking *looking)
{
	bl_place_close(looking->place);
	bl_logins_close(looking->logins);
}

static int open_place(struct launching *launching, struct looking *looking, struct bl_err *err)
{
	const char *repository = launching->cloud.stack.image_repository;
	const struct bl_logins_options logins = {
		.aws = { .creds = launching->cloud.creds,
		         .region = bl_aws_region(launching->cloud.aws),
		         .allow_http = launching->opt->cloud.allow_http },
		.names = &repository,
		.n_names = 1,
	};
	struct bl_place_options place = { .login = bl_logins_get,
		                          .allow_http = launching->opt->cloud.allow_http };
	struct bl_image_ref ref;

	if (!*repository) {
		bl_fail(err, BL_EINPUT, "stack '%.64s' names no image_repository",
		        launching->cloud.stack.name);
		return bl_next(err, "apply the Terraform module again");
	}
	if (bl_logins_open(&logins, &looking->logins, err))
		return -1;
	place.login_arg = looking->logins;
	return bl_place_open(repository, &place, &looking->place, &ref, err);
}

static int no_image(struct launching *launching, struct bl_err *err)
{
	const char *repository = launching->cloud.stack.image_repository;

	bl_err_clear(err);
	launch_fail(launching, BL_CLASS_IMAGE, err, "there is no image of commit %.12s in %.200s",
	            launching->commit.sha, repository);
	return bl_next(err,
	               "push it first: `branchline push-image --to %.200s`; in a workflow a step "
	               "with actions/push-image before this one",
	               repository);
}

/* One of an index is chosen by the stack's first template. */
static int look(struct launching *launching, struct looking *looking, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	const char *arch = stack->n_templates ? stack->templates[0].arch : "";

	if (open_place(launching, looking, err))
		return -1;
	if (!bl_image_look(looking->place, launching->commit.sha,
	                   strcmp(arch, "arm64") ? "linux/amd64" : "linux/arm64", &looking->image,
	                   err))
		return 0;
	return err->code == BL_ENOENT ? no_image(launching, err) : -1;
}

/* At least one template must serve it; the others are left out with their types. */
static int check_driver(struct launching *launching, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	char why[160] = "";

	if (!bl_config_int(&launching->config, "gpus"))
		return 0;
	for (size_t i = 0; i < stack->n_templates; i++)
		if (bl_image_runs_on(&launching->needs, stack->templates[i].driver,
		                     stack->templates[i].cuda_max, why))
			return 0;
	launch_fail(launching, BL_CLASS_DRIVER, err, "%s", why);
	return bl_next(err,
	               "use a base image for CUDA %.8s, or a newer AMI in the stack's launch "
	               "template",
	               stack->n_templates ? stack->templates[0].cuda_max : "?");
}

int phase_image(struct launching *launching, struct bl_buf *said, struct bl_err *err)
{
	__attribute__((cleanup(looking_done))) struct looking looking = { 0 };

	if (launching->is_local) {
		bl_buf_adds(said, "not used by engine local");
		return 0;
	}
	if (look(launching, &looking, err))
		return -1;
	launching->needs = looking.image.needs;
	memcpy(launching->base_digest, looking.image.base_digest, sizeof(launching->base_digest));
	memcpy(launching->image_digest, looking.image.digest, sizeof(launching->image_digest));
	snprintf(launching->image, sizeof(launching->image), "%s@%s",
	         launching->cloud.stack.image_repository, looking.image.digest);
	launching->wanted.arch = bl_image_ec2_arch(launching->needs.arch);
	bl_buf_addf(said, "%.19s", launching->image_digest);
	if (launching->needs.cuda[0])
		bl_buf_addf(said, ", CUDA %s", launching->needs.cuda);
	return check_driver(launching, err);
}
