/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CLOUD_H
#define BL_ACTIONS_CLOUD_H

#include "actions/guarded.h"
#include "actions/options.h"
#include "codec/git.h"
#include "run/compute.h"
#include "run/launch.h"
#include "run/stack.h"

/*
 * Where the verbs around a cloud run work: AWS, the stack, the store, the engine. Options that all
 * of them share.
 */
struct cloud_options {
	const struct bl_config *config; /* NULL: branchline.yaml is looked for */
	const char *store, *stack, *region, *profile, *role_arn, *compute;
	bool allow_http;
};
struct cloud {
	struct guarded guarded;
	struct bl_git git; /* found is false outside of a repository */
	char root[4096];   /* of the repository, else the current directory */
	char repo_key[17];
	struct bl_aws *aws;     /* NULL with --compute local and a directory as store */
	struct bl_creds *creds; /* its own, shared with all that signs; NULL as aws */
	bool has_stack;
	struct bl_stack stack;
	struct bl_store *store;
	struct bl_compute *compute;
	/* the role in use is the stack's `watch`: it may stop and report, neither launch nor index;
	 * set by whoever asks for that (collect), read by report_publish() */
	bool watch_only;
};
void cloud_done(struct cloud *cloud);

/*
 * Opens all of it: repository, guard's decision where there is one, AWS (in a workflow by OIDC,
 * renewed as long as the job lives), the stack descriptor, the store (option, else the
 * configuration's, else the stack's bucket; with engine "local" and no stack .branchline/store),
 * the engine (default ec2).
 * Guard's refusal is none of this: then guarded.has_guard is false. A phase that failed is named.
 */
BL_MUST int cloud_open(struct cloud *cloud, const struct cloud_options *options,
                       enum bl_store_mode mode, struct bl_err *err);

/* The run that `word` means; NULL: the one of this job's launch (tell_run_read), else this pull
 * request's newest, else latest. */
BL_MUST int cloud_run(struct cloud *cloud, const char *word, char run[BL_RUN_SIZE],
                      struct bl_err *err);

#define CLOUD_OPTION(type, member, flag, metavar, help)                                            \
	{                                                                                          \
		flag, 0, BL_OPT_TEXT,                                                              \
			offsetof(type, cloud) + offsetof(struct cloud_options, member), metavar,   \
			help                                                                       \
	}
/* Of a verb without `config` in its usage; with it, store, stack and region are keys already. */
#define CLOUD_OPTIONS_PLACE(type)                                                                  \
	CLOUD_OPTION(type, store, "store", "STORE", "default: the stack's bucket"),                \
		CLOUD_OPTION(type, stack, "stack", "NAME", "default branchline"),                  \
		CLOUD_OPTION(type, region, "region", "NAME", "default AWS_REGION")
#define CLOUD_OPTIONS(type)                                                                        \
	CLOUD_OPTION(type, profile, "profile", "NAME", "of AWS's configuration"),                  \
		CLOUD_OPTION(type, role_arn, "role-arn", "ARN",                                    \
	                     "assume it by GitHub's OIDC; default AWS_ROLE_ARN"),                  \
		CLOUD_OPTION(type, compute, "compute", "ENGINE", "ec2 or local; default ec2")

#endif
