/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/secret.h"
#include "base/str.h"
#include "run/image_build_parts.h"
#include "run/image_layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAID_MAX ((size_t)16 << 10)
#define NAME "localhost/branchline-base:"

struct job {
	const struct bl_build *build;
	struct bl_build_plan plan;
	char program[4096], context[4096], dockerfile[4096], ignore[4096], layout[4096];
	char auth[4096], name[128], instance[128], new_instance[64];
	char docker_config[4096 + 32], buildx_config[4096 + 32];
	const char *set_env[4];
};

static void say(const struct bl_build *build, const char *text)
{
	if (build->say)
		build->say(build->arg, text);
}

/* --- Files for the builder -------------------------------------------------------------------- */

static int place(char out[4096], const char *work, const char *name, struct bl_err *err)
{
	int n = snprintf(out, 4096, "%s/%s", work, name);

	return n > 0 && n < 4096 ? 0 : bl_fail(err, BL_EINPUT, "'%.100s...' is too long", work);
}

static int write_files(struct job *job, const struct build_inputs *inputs, const char *work,
                       struct bl_err *err)
{
	/* our context is what was chosen: neither builder shall look for an ignore file in it */
	static const char nothing[] = "# the context is whole\n";
	BL_FD dir = -1, context = -1, layout = -1;

	if (place(job->context, work, "context", err) ||
	    place(job->dockerfile, work, "Dockerfile", err) ||
	    place(job->ignore, work, "Dockerfile.dockerignore", err) ||
	    place(job->layout, work, "layout", err))
		return -1;
	if (bl_fs_open_dir(work, &dir, err) ||
	    bl_fs_make_dir_beneath(dir, "context", &context, err) ||
	    bl_fs_make_dir_beneath(dir, "layout", &layout, err) ||
	    bl_fs_replace(dir, "Dockerfile", bl_buf_text(&inputs->dockerfile),
	                  inputs->dockerfile.len, 0644, err) ||
	    bl_fs_replace(dir, "Dockerfile.dockerignore", nothing, sizeof(nothing) - 1, 0644, err))
		return -1;
	return build_write_context(job->build, inputs, context, err);
}

/* docker's configuration is a folder: one with our login, and with what else the user's holds. */
static int make_docker_config(struct job *job, const char *work, struct bl_err *err)
{
	static const char *const kept[] = { "cli-plugins", "contexts" };
	const char *set = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	BL_SECRET_BUF bytes = BL_BUF((size_t)1 << 20);
	char user[4096], target[4096 + 32];
	BL_FD dir = -1, config = -1;

	snprintf(user, sizeof(user), "%s%s",
	         set && *set ? set
	         : home      ? home
	                     : "",
	         set && *set ? "" : "/.docker");
	if (bl_fs_read_path(job->auth, &bytes, err) || bl_fs_open_dir(work, &dir, err) ||
	    bl_fs_make_dir_beneath(dir, "docker", &config, err) ||
	    bl_fs_replace(config, "config.json", bl_buf_text(&bytes), bytes.len, 0600, err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(kept); i++) {
		snprintf(target, sizeof(target), "%s/%s", user, kept[i]);
		if (!access(target, F_OK) && symlinkat(target, config, kept[i]))
			return bl_fail_errno(err, errno, "link to '%s'", target);
	}
	snprintf(job->docker_config, sizeof(job->docker_config), "DOCKER_CONFIG=%.4000s/docker",
	         work);
	job->set_env[0] = job->docker_config;
	if (!getenv("BUILDX_CONFIG")) {
		snprintf(job->buildx_config, sizeof(job->buildx_config),
		         "BUILDX_CONFIG=%.4000s/buildx", user);
		job->set_env[1] = job->buildx_config;
	}
	return 0;
}

/* --- Before ----------------------------------------------------------------------------------- */

static int check_room(const struct job *job, const char *work, struct bl_err *err)
{
	BL_AUTO(bl_buf) warn = BL_BUF(2048);
	const char *where;
	char storage[4096];
	uint64_t bytes;
	BL_FD dir = -1;

	if (build_storage_dir(job->plan.builder, job->program, job->build->stop, storage, err))
		return -1;
	/* docker's root may be another machine's, or closed to us */
	where = storage[0] && !access(storage, R_OK | X_OK) ? storage : work;
	if (bl_fs_open_dir(where, &dir, err) || bl_fs_free_bytes(dir, &bytes, err) ||
	    build_judge_room(bytes, where, getenv("GITHUB_ACTIONS") != NULL, &warn, err) ||
	    bl_buf_check(&warn, "room", err))
		return -1;
	if (warn.len)
		say(job->build, bl_buf_text(&warn));
	return 0;
}

static int make_plan(struct job *job, const struct build_inputs *inputs, const char *cache_ref,
                     struct bl_err *err)
{
	char hash[BL_BUILD_HASH], suffix[9];
	struct bl_build_plan *plan = &job->plan;

	if (bl_build_hash(job->build, hash, NULL, err) || bl_str_random(suffix, 8, err) ||
	    build_all_loopback(bl_buf_text(&inputs->dockerfile), inputs->dockerfile.len,
	                       &plan->plain_http, err))
		return -1;
	snprintf(job->name, sizeof(job->name), NAME "%s", hash);
	snprintf(job->new_instance, sizeof(job->new_instance), "branchline-%s", suffix);
	if (plan->builder == BL_BUILDER_DOCKER &&
	    build_instance(job->program, job->build->stop, job->instance, err))
		return -1;
	plan->program = job->program;
	plan->context_dir = job->context;
	plan->dockerfile_path = job->dockerfile;
	plan->ignore_path = job->ignore;
	plan->platform = job->build->platform;
	plan->name = job->name;
	plan->layout_dir = job->layout;
	plan->cache_ref = cache_ref;
	plan->is_main = job->build->is_main;
	/* in a Dockerfile of the user's, byte code would be compiled again for each new time */
	plan->epoch = job->build->dockerfile ? NULL : BUILD_EPOCH;
	plan->auth_file = job->auth[0] ? job->auth : NULL;
	plan->instance = job->instance[0] ? job->instance : NULL;
	plan->new_instance = job->new_instance;
	return 0;
}

/* --- The build -------------------------------------------------------------------------------- */

static int run_step(const struct job *job, unsigned step, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF((size_t)64 << 10);
	BL_AUTO(bl_buf) said = BL_BUF(SAID_MAX);
	const char *args[BL_BUILD_ARGS];
	struct build_child child = {
		.program = job->program, .args = args, .set_env = job->set_env, .show = true
	};
	int status = 0;
	size_t n;

	/* what has been made is removed, also when we are to stop */
	if (!bl_build_is_cleanup(&job->plan, step))
		child.stop = job->build->stop;
	else
		child.deadline_ms = 30000;
	if (bl_build_args(&job->plan, step, &text, args, &n, err) ||
	    build_child_run(&child, &said, &status, err))
		return -1;
	return status ? build_failed(bl_buf_text(&said), status, err) : 0;
}

static int run_steps(const struct job *job, struct bl_err *err)
{
	unsigned n = bl_build_steps(&job->plan);
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		struct bl_err late = { 0 };

		if (!bl_build_is_cleanup(&job->plan, i)) {
			rc = rc ? rc : run_step(job, i, err);
			continue;
		}
		if (run_step(job, i, &late)) /* the image is there all the same */
			say(job->build, late.text);
	}
	return rc;
}

/* The name in the index is the builder's to choose: the only image gets ours. */
static int name_image(const char *path, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_oci_desc desc;
	BL_FD layout = -1;

	if (bl_layout_open(path, false, &layout, err))
		return bl_wrap(err, "the builder left no image");
	if (!bl_layout_head_manifest(layout, "base", &desc, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (bl_layout_get_manifest(layout, "", &body, &desc, err))
		return bl_wrap(err, "the builder left no image");
	return bl_layout_put_manifest(layout, "base", bl_buf_text(&body), &desc, err);
}

int bl_build_run(const struct bl_build *build, const char *work, const char *cache_ref,
                 char layout[4096], struct bl_err *err)
{
	BL_AUTO(build_inputs) inputs = BUILD_INPUTS;
	struct job job = { .build = build };

	if (bl_build_find(&job.plan.builder, job.program, err) ||
	    build_inputs_read(build, &inputs, err) || check_room(&job, work, err) ||
	    write_files(&job, &inputs, work, err) ||
	    build_write_logins(build, &inputs,
	                       job.plan.builder == BL_BUILDER_DOCKER ? cache_ref : NULL, work,
	                       job.auth, err) ||
	    make_plan(&job, &inputs, cache_ref, err))
		return -1;
	if (job.auth[0] && job.plan.builder == BL_BUILDER_DOCKER &&
	    make_docker_config(&job, work, err))
		return -1;
	if (run_steps(&job, err) || name_image(job.layout, err))
		return -1;
	memcpy(layout, job.layout, sizeof(job.layout));
	return 0;
}
