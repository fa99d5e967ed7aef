/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include <string.h>

/* Texts are added to one buffer: it must not move while arguments point into it. */
#define TEXT_MAX ((size_t)32 << 10)

struct list {
	struct bl_buf *text;
	const char **args;
	size_t n;
};

static void put(struct list *list, const char *arg)
{
	if (list->n < BL_BUILD_ARGS)
		list->args[list->n++] = arg;
}

/* "prefix" "value" as one argument. */
static void put_joined(struct list *list, const char *prefix, const char *value, const char *suffix)
{
	size_t at = list->text->len;

	bl_buf_addf(list->text, "%s%s%s", prefix, value, suffix);
	bl_buf_addc(list->text, '\0');
	if (!list->text->failed)
		put(list, list->text->data + at);
}

static void put_pair(struct list *list, const char *flag, const char *value)
{
	put(list, flag);
	put(list, value);
}

/* --- buildah ---------------------------------------------------------------------------------- */

static void buildah_build(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "build");
	put(list, "--layers");
	put_pair(list, "--format", "oci");
	put_pair(list, "--platform", plan->platform);
	put_pair(list, "--file", plan->dockerfile_path);
	put_pair(list, "--ignorefile", plan->ignore_path);
	put_pair(list, "--tag", plan->name);
	if (plan->epoch)
		put_pair(list, "--timestamp", plan->epoch);
	if (plan->auth_file)
		put_pair(list, "--authfile", plan->auth_file);
	if (plan->plain_http)
		put(list, "--tls-verify=false");
	put(list, plan->context_dir);
}

static void buildah_push(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "push");
	put(list, plan->name);
	put_joined(list, "oci:", plan->layout_dir, ":base");
}

/* --- docker ----------------------------------------------------------------------------------- */

/* The driver of the daemon itself writes no OCI layout and no cache to a registry. */
static void buildx_create(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "buildx");
	put(list, "create");
	put_pair(list, "--name", plan->new_instance);
	put_pair(list, "--driver", "docker-container");
	put_pair(list, "--driver-opt", "network=host"); /* a registry on loopback is ours */
	put(list, "--bootstrap");
}

/*
 * ECR takes a cache only as an image manifest of OCI types. What main reads is written by main
 * alone: a pull request must not be able to leave a layer for it. A failed write of the cache fails
 * no build.
 */
static void put_cache(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "--cache-from");
	put_joined(list, "type=registry,ref=", plan->cache_ref, ":cache-base");
	if (!plan->is_main) {
		put(list, "--cache-from");
		put_joined(list, "type=registry,ref=", plan->cache_ref, ":cache-base-pr");
	}
	put(list, "--cache-to");
	put_joined(list, "type=registry,ref=", plan->cache_ref,
	           plan->is_main ? ":cache-base,mode=max,image-manifest=true,oci-mediatypes=true,"
	                           "ignore-error=true"
	                         : ":cache-base-pr,mode=max,image-manifest=true,"
	                           "oci-mediatypes=true,ignore-error=true");
}

/*
 * No rewrite-timestamp: it has rewritten the base's own layers too (moby/buildkit#4805), and they
 * would have to be sent again.
 */
static void buildx_build(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "buildx");
	put(list, "build");
	put_pair(list, "--builder", plan->instance ? plan->instance : plan->new_instance);
	put_pair(list, "--progress", "plain");
	put(list, "--provenance=false"); /* each would be an image more, without a tag */
	put(list, "--sbom=false");
	put_pair(list, "--platform", plan->platform);
	put_pair(list, "--file", plan->dockerfile_path);
	if (plan->epoch) {
		put(list, "--build-arg");
		put_joined(list, "SOURCE_DATE_EPOCH=", plan->epoch, "");
	}
	if (plan->cache_ref)
		put_cache(plan, list);
	put(list, "--output");
	put_joined(list, "type=oci,tar=false,name=branchline:base,dest=", plan->layout_dir, "");
	put(list, plan->context_dir);
}

static void buildx_remove(const struct bl_build_plan *plan, struct list *list)
{
	put(list, "buildx");
	put(list, "rm");
	put(list, "--force");
	put(list, plan->new_instance);
}

/* --- Steps ------------------------------------------------------------------------------------ */

typedef void step_fn(const struct bl_build_plan *plan, struct list *list);
static step_fn *const buildah_steps[] = { buildah_build, buildah_push };
static step_fn *const docker_steps[] = { buildx_create, buildx_build, buildx_remove };

unsigned bl_build_steps(const struct bl_build_plan *plan)
{
	if (plan->builder == BL_BUILDER_BUILDAH)
		return BL_COUNT(buildah_steps);
	if (plan->builder == BL_BUILDER_DOCKER)
		return plan->instance ? 1 : BL_COUNT(docker_steps);
	return 0;
}

bool bl_build_is_cleanup(const struct bl_build_plan *plan, unsigned step)
{
	return plan->builder == BL_BUILDER_DOCKER && !plan->instance &&
	       step + 1 == BL_COUNT(docker_steps);
}

int bl_build_args(const struct bl_build_plan *plan, unsigned step, struct bl_buf *text,
                  const char *args[BL_BUILD_ARGS], size_t *n, struct bl_err *err)
{
	struct list list = { .text = text, .args = args };
	step_fn *fill;

	if (step >= bl_build_steps(plan))
		return bl_fail(err, BL_EBUG, "a build has no step %u", step);
	if (plan->builder == BL_BUILDER_DOCKER && strpbrk(plan->layout_dir, ",\"\n"))
		return bl_fail(err, BL_EINPUT,
		               "docker buildx takes no folder with a comma or a quote: '%s'",
		               plan->layout_dir);
	if (!bl_buf_room(text, TEXT_MAX))
		return bl_buf_check(text, "arguments", err);
	if (plan->builder == BL_BUILDER_BUILDAH)
		fill = buildah_steps[step];
	else
		fill = docker_steps[plan->instance ? 1 : step];
	put(&list, plan->program);
	fill(plan, &list);
	if (bl_buf_check(text, "arguments", err))
		return -1;
	if (list.n >= BL_BUILD_ARGS || text->len > TEXT_MAX)
		return bl_fail(err, BL_ELIMIT, "too many arguments for the builder");
	args[list.n] = NULL;
	*n = list.n;
	return 0;
}
