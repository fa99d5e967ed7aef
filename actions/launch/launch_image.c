/* SPDX-License-Identifier: Apache-2.0 */
/* The image of the commit: there, by digest, and what it needs of a driver. */
#include "actions/launch/launching.h"
#include "run/image_login.h"
#include "run/image_place.h"

#include <stdio.h>
#include <string.h>

struct looking {
	struct bl_logins *logins;
	struct bl_place *place;
	struct bl_image_ref ref;
	struct bl_buf manifest, config;
	struct bl_oci_desc desc;
	struct bl_oci_manifest read;
};

static void looking_done(struct looking *looking)
{
	bl_place_close(looking->place);
	bl_logins_close(looking->logins);
	bl_oci_manifest_done(&looking->read);
	bl_buf_done(&looking->manifest);
	bl_buf_done(&looking->config);
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

	if (!*repository) {
		bl_fail(err, BL_EINPUT, "stack '%.64s' names no image_repository",
		        launching->cloud.stack.name);
		return bl_next(err, "apply the Terraform module again");
	}
	if (bl_logins_open(&logins, &looking->logins, err))
		return -1;
	place.login_arg = looking->logins;
	return bl_place_open(repository, &place, &looking->place, &looking->ref, err);
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
static int read_manifest(struct launching *launching, struct looking *looking, struct bl_err *err)
{
	const struct bl_stack *stack = &launching->cloud.stack;
	const char *arch = stack->n_templates ? stack->templates[0].arch : "";
	struct bl_oci_desc one;

	if (bl_oci_manifest_read(bl_buf_text(&looking->manifest), looking->manifest.len,
	                         looking->desc.media_type, "manifest", &looking->read, err))
		return -1;
	if (!looking->read.is_index)
		return 0;
	if (bl_oci_choose(&looking->read, strcmp(arch, "arm64") ? "linux/amd64" : "linux/arm64",
	                  &one, err))
		return -1;
	bl_oci_manifest_done(&looking->read);
	bl_buf_reset(&looking->manifest);
	if (bl_place_get_manifest(looking->place, one.digest, &looking->manifest, &looking->desc,
	                          err))
		return -1;
	return bl_oci_manifest_read(bl_buf_text(&looking->manifest), looking->manifest.len,
	                            looking->desc.media_type, "manifest", &looking->read, err);
}

static int look(struct launching *launching, struct looking *looking, struct bl_err *err)
{
	if (open_place(launching, looking, err))
		return -1;
	if (bl_place_get_manifest(looking->place, launching->commit.sha, &looking->manifest,
	                          &looking->desc, err))
		return err->code == BL_ENOENT ? no_image(launching, err) : -1;
	return read_manifest(launching, looking, err) ||
	                       bl_place_get_blob(looking->place, &looking->read.config,
	                                         &looking->config, err) ||
	                       bl_image_needs_read(bl_buf_text(&looking->config),
	                                           looking->config.len, &launching->needs, err)
	               ? -1
	               : 0;
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
	__attribute__((cleanup(looking_done))) struct looking looking = {
		.manifest = BL_BUF(BL_OCI_DOC_MAX),
		.config = BL_BUF(BL_OCI_DOC_MAX),
	};
	const struct bl_value *base;

	if (launching->is_local) {
		bl_buf_adds(said, "not used by engine local");
		return 0;
	}
	if (look(launching, &looking, err))
		return -1;
	base = bl_value_get(bl_value_get(looking.read.doc, "annotations"),
	                    "org.opencontainers.image.base.digest");
	if (base && base->text && bl_digest_valid(base->text))
		memcpy(launching->base_digest, base->text, sizeof(launching->base_digest));
	memcpy(launching->image_digest, looking.desc.digest, sizeof(launching->image_digest));
	snprintf(launching->image, sizeof(launching->image), "%s@%s",
	         launching->cloud.stack.image_repository, looking.desc.digest);
	launching->wanted.arch = bl_image_ec2_arch(launching->needs.arch);
	bl_buf_addf(said, "%.19s", launching->image_digest);
	if (launching->needs.cuda[0])
		bl_buf_addf(said, ", CUDA %s", launching->needs.cuda);
	return check_driver(launching, err);
}
