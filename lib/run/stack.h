/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STACK_H
#define BL_RUN_STACK_H

#include "aws/client.h"
#include "codec/value.h"

/*
 * The stack descriptor (design 4.7): one JSON that Terraform writes to the SSM parameter
 * /branchline/STACK. docs/schemas/stack.json. Texts are the document's and never NULL.
 *
 *   {"schema":1, "stack":"branchline", "region":"us-east-1", "account":"123456789012",
 *    "store":"s3://BUCKET", "image_repository":"ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME",
 *    "image_base":"REF or empty",
 *    "templates":[{"id":"lt-..","version":3,"arch":"x86_64","types":["g6.xlarge"],
 *                  "driver":"550.54.15","cuda_max":"12.4"}],
 *    "subnets":[{"id":"subnet-..","zone":"us-east-1a"}],
 *    "log_group":"/branchline/NAME",
 *    "roles":{"launch":"ARN","build":"ARN","watch":"ARN","instance_profile":"NAME"},
 *    "ceilings":{"max_cost_usd":50,"max_runtime":"24h","instance_types":[..],"live":4,
 *                "secrets":[..]},
 *    "budget":{"name":"branchline","limit_usd":500},
 *    "disk_usd_gb_month":0.08, "max_instance_hours": 24}
 */
struct bl_stack_template {
	const char *id, *arch, *driver, *cuda_max;
	int64_t version;
	const struct bl_value *types; /* list of text */
};
struct bl_stack_subnet {
	const char *id, *zone;
};
#define BL_STACK_TEMPLATES_MAX 8
#define BL_STACK_SUBNETS_MAX 32
struct bl_stack {
	struct bl_value *doc;
	const char *name, *region, *account, *store, *image_repository, *image_base, *log_group;
	const char *launch_role, *build_role, *watch_role, *instance_profile;
	struct bl_stack_template templates[BL_STACK_TEMPLATES_MAX];
	struct bl_stack_subnet subnets[BL_STACK_SUBNETS_MAX];
	size_t n_templates, n_subnets;
	const struct bl_value *ceilings; /* for struct bl_config_input; NULL: none */
	int64_t live_max;                /* 0: no cap */
	const char *budget_name;         /* "": none */
	double budget_usd;               /* of a month; NaN: none */
	double disk_usd_gb_month;        /* NaN: unknown */
};
void bl_stack_done(struct bl_stack *stack);

/* Pure. BL_ECORRUPT names the member; BL_EINPUT: of a newer schema. */
BL_MUST int bl_stack_parse(const char *bytes, size_t len, struct bl_stack *out, struct bl_err *err);

/*
 * SSM GetParameter of /branchline/NAME. BL_ENOENT: no such stack in this region (next: terraform,
 * `stack`, `region`); BL_EDENIED.
 */
BL_MUST int bl_stack_read(struct bl_aws *aws, const char *name, struct bl_stack *out,
                          struct bl_err *err);

#endif
