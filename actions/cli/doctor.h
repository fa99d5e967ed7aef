/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CLI_DOCTOR_H
#define BL_ACTIONS_CLI_DOCTOR_H

#include "actions/options.h"
#include "aws/sts.h"
#include "codec/git.h"
#include "run/doctor.h"
#include "run/launch_types.h"

/* The parts of `branchline doctor`. Each adds its checks; none fails. */

struct doctor_options {
	const char *job, *file, *profile, *role_arn;
	bool json;
};

#define DOCTOR_GROUPS_MAX 8
struct doctor_group {
	const char *name;
	size_t from; /* its first check */
};

struct doctor {
	struct doctor_options options;
	struct bl_args args;
	struct bl_checks checks;
	struct doctor_group groups[DOCTOR_GROUPS_MAX];
	size_t n_groups;

	struct bl_git git;
	bool has_config, has_stack, is_known; /* known: AWS says who we are */
	struct bl_config config;
	struct bl_found found;
	struct bl_creds *creds;
	struct bl_aws *aws;
	struct bl_caller caller;
	struct bl_stack stack;
	struct bl_value *claims; /* of GitHub's token; NULL: none */
};

void doctor_group(struct doctor *doctor, const char *name);

void doctor_machine(struct doctor *doctor);
void doctor_config(struct doctor *doctor);
void doctor_identity(struct doctor *doctor);
void doctor_stack(struct doctor *doctor);
void doctor_machines(struct doctor *doctor);
void doctor_github(struct doctor *doctor);

/* The whole answer; columns: of the terminal. */
void doctor_show_text(const struct doctor *doctor, bool colour, unsigned columns,
                      struct bl_buf *out);
void doctor_show_json(const struct doctor *doctor, struct bl_buf *out);

#endif
