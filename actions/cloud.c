/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cloud.h"

#include "actions/place.h"
#include "actions/tell.h"
#include "base/env.h"
#include "run/resolve.h"
#include "run/store_s3.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cloud_done(struct cloud *cloud)
{
	bl_compute_close(cloud->compute);
	bl_store_close(cloud->store);
	bl_stack_done(&cloud->stack);
	bl_aws_close(cloud->aws);
	bl_creds_close(cloud->creds); /* last: all of them sign with it */
	*cloud = (struct cloud){ 0 };
}

/*
 * An event that guard has not looked at, or refused: launching is denied then, but what ends and
 * collects runs works on.
 */
static int read_guard(struct guarded *guarded, struct bl_err *err)
{
	if (!guarded_read(guarded, err))
		return 0;
	if (err->code != BL_EDENIED)
		return -1;
	bl_err_clear(err);
	*guarded = (struct guarded){ .in_workflow = true, .is_pull_request = true };
	return 0;
}

/* In a workflow the repository is what GitHub says it is, checked out or not. */
static void name_remote(struct cloud *cloud)
{
	const char *server = bl_env_or_null("GITHUB_SERVER_URL"),
		   *name = bl_env_or_null("GITHUB_REPOSITORY");

	if (cloud->guarded.in_workflow && name)
		snprintf(cloud->git.remote, sizeof(cloud->git.remote), "%s/%s",
		         server ? server : "https://github.com", name);
}

static int read_place(struct cloud *cloud, struct bl_err *err)
{
	if (read_guard(&cloud->guarded, err) || bl_git_read(".", &cloud->git, err))
		return -1;
	if (cloud->git.found)
		snprintf(cloud->root, sizeof(cloud->root), "%s", cloud->git.root);
	else if (!getcwd(cloud->root, sizeof(cloud->root)))
		return bl_fail_errno(err, errno, "current directory");
	name_remote(cloud);
	return bl_git_repo_key(&cloud->git, cloud->root, cloud->repo_key, err);
}

/* What the options leave open, from the configuration. */
struct names {
	struct bl_config own; /* where the caller has none */
	const char *store, *stack, *region, *engine;
	bool stack_is_named; /* not the default */
};

static void names_done(struct names *names)
{
	bl_config_done(&names->own);
}

static int read_names(const struct cloud_options *options, struct names *names, struct bl_err *err)
{
	BL_AUTO(bl_args) none = { 0 };
	const struct bl_config *config = options->config;
	struct bl_found found;

	if (!config) {
		if (bl_options_config(NULL, NULL, &none, NULL, &names->own, &found, err))
			return bl_next(err, "correct it, or name --store, --stack and --region");
		config = &names->own;
	}
	names->store = options->store ? options->store : bl_config_text(config, "store");
	names->stack = options->stack ? options->stack : bl_config_text(config, "stack");
	names->region = options->region ? options->region : bl_config_text(config, "region");
	names->engine = options->compute ? options->compute : "ec2";
	names->stack_is_named =
		options->stack || strcmp(bl_config_origin(config, "stack"), "default") != 0;
	return 0;
}

static int open_aws(struct cloud *cloud, const struct cloud_options *options,
                    const struct names *names, struct bl_err *err)
{
	const struct bl_creds_options creds = { .profile = options->profile,
		                                .region = names->region,
		                                .role_arn = options->role_arn,
		                                .allow_http = options->allow_http };
	struct bl_aws_options aws = { .profile = options->profile,
		                      .region = names->region,
		                      .allow_http = options->allow_http };

	if (bl_creds_open(&creds, &cloud->creds, err))
		return -1;
	aws.creds = cloud->creds;
	return bl_aws_open(&aws, &cloud->aws, err);
}

static int open_store(struct cloud *cloud, const struct cloud_options *options,
                      const struct names *names, enum bl_store_mode mode, struct bl_err *err)
{
	const char *named = names->store;
	char uri[8192];

	if (!named && cloud->has_stack)
		named = cloud->stack.store;
	if (place_store_uri(named, cloud->root, uri, sizeof(uri), err))
		return -1;
	if (!bl_store_is_remote(uri))
		return bl_store_open(uri, mode, &cloud->store, err);
	const struct bl_aws_options aws = { .region = bl_aws_region(cloud->aws),
		                            .creds = cloud->creds,
		                            .allow_http = options->allow_http };

	return bl_store_s3_open_as(uri, mode, &aws, &cloud->store, err);
}

static int open_engine(struct cloud *cloud, const struct names *names, struct bl_err *err)
{
	const struct bl_compute_options options = {
		.name = names->engine,
		.aws = cloud->aws,
		.stack = cloud->has_stack ? cloud->stack.name : NULL,
		.cwd = cloud->root,
		.store = cloud->store,
	};

	return bl_compute_open(&options, &cloud->compute, err);
}

static int open_all(struct cloud *cloud, const struct cloud_options *options,
                    const struct names *names, enum bl_store_mode mode, struct bl_err *err)
{
	bool is_local = !strcmp(names->engine, "local");
	bool wants_stack = !is_local || names->stack_is_named;
	bool wants_aws = wants_stack || (names->store && bl_store_is_remote(names->store));

	if (wants_aws && open_aws(cloud, options, names, err))
		return bl_wrap(err, "AWS");
	if (wants_stack) {
		if (bl_stack_read(cloud->aws, names->stack, &cloud->stack, err))
			return bl_wrap(err, "stack");
		cloud->has_stack = true;
	}
	if (open_store(cloud, options, names, mode, err))
		return bl_wrap(err, "store");
	return open_engine(cloud, names, err) ? bl_wrap(err, "engine") : 0;
}

int cloud_open(struct cloud *cloud, const struct cloud_options *options, enum bl_store_mode mode,
               struct bl_err *err)
{
	__attribute__((cleanup(names_done))) struct names names = { 0 };

	*cloud = (struct cloud){ 0 };
	if (read_place(cloud, err) || read_names(options, &names, err) ||
	    open_all(cloud, options, &names, mode, err)) {
		cloud_done(cloud);
		return -1;
	}
	return 0;
}

/* --- Which run -------------------------------------------------------------------------------- */

static int run_of_launch(char run[BL_RUN_SIZE], struct bl_err *err)
{
	struct told_run told;

	if (tell_run_read(&told, err))
		return -1;
	memcpy(run, told.run, BL_RUN_SIZE);
	return 0;
}

int cloud_run(struct cloud *cloud, const char *word, char run[BL_RUN_SIZE], struct bl_err *err)
{
	const struct bl_resolve_context context = { .repository = cloud->repo_key,
		                                    .branch = cloud->git.branch,
		                                    .job = cloud->guarded.job };
	char pull[32];

	if (word && *word)
		return bl_run_resolve(cloud->store, word, &context, run, err);
	if (!run_of_launch(run, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (!cloud->guarded.pr)
		return bl_run_resolve(cloud->store, NULL, &context, run, err);
	snprintf(pull, sizeof(pull), "pr:%" PRId64, cloud->guarded.pr);
	return bl_run_resolve(cloud->store, pull, &context, run, err);
}
