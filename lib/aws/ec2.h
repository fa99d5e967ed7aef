/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_EC2_H
#define BL_AWS_EC2_H

#include "aws/client.h"

/* EC2's query API, version 2016-11-15: what a launch, a waiter and doctor ask for. */

#define BL_EC2_ID 32
#define BL_EC2_TYPE 32
#define BL_EC2_ZONE 24

struct bl_ec2_tag {
	const char *key, *value;
};

/* What AWS says of a pool or a call, and what follows (facts: capacity, quota, not offered...). */
enum bl_ec2_class {
	BL_EC2_OTHER,
	BL_EC2_CAPACITY,    /* next pool */
	BL_EC2_QUOTA,       /* skip the family */
	BL_EC2_NOT_OFFERED, /* in Errors[] only: drop that pool */
	BL_EC2_SUBNET_FULL, /* next subnet */
	BL_EC2_CONFIG,      /* final */
	BL_EC2_DENIED,      /* final */
	BL_EC2_THROTTLED,
};
/* Pure. in_errors: of a fleet's Errors[], where Invalid* and Unsupported speak of one pool only. */
enum bl_ec2_class bl_ec2_classify(const char *code, bool in_errors);

/* --- CreateFleet (Type=instant) --------------------------------------------------------------- */

struct bl_ec2_pool {
	const char *type, *subnet;
};

struct bl_ec2_fleet_request {
	const char *client_token; /* 1..64 ASCII */
	const char *template_id;
	int64_t template_version;
	bool spot; /* else on-demand */
	const struct bl_ec2_pool *pools;
	size_t n_pools;                /* 1..300 */
	const struct bl_ec2_tag *tags; /* of fleet and instance */
	size_t n_tags;
	/* NULL, or: becomes non-zero when a signal came; then the reply is waited for 1.5 s more */
	const volatile int *stop;
};

struct bl_ec2_launched {
	char id[BL_EC2_ID], type[BL_EC2_TYPE], zone[BL_EC2_ZONE], subnet[BL_EC2_ID];
	bool spot;
};
struct bl_ec2_fleet_error {
	char code[96], message[384], type[BL_EC2_TYPE], zone[BL_EC2_ZONE], subnet[BL_EC2_ID];
	bool spot;
	enum bl_ec2_class class;
};
#define BL_EC2_LAUNCHED_MAX 16
struct bl_ec2_fleet {
	char id[BL_EC2_ID + 32];
	struct bl_ec2_launched instances[BL_EC2_LAUNCHED_MAX];
	size_t n_instances;
	struct bl_ec2_fleet_error *errors; /* n_errors */
	size_t n_errors;
};
void bl_ec2_fleet_done(struct bl_ec2_fleet *fleet);

/*
 * A reply, also one without instances, is 0. The request is safe to repeat with its token. -1:
 *   BL_ECAPACITY  capacity or quota as the error of the whole call
 *   BL_EDENIED    UnauthorizedOperation and the like
 *   BL_EINPUT     Invalid*: final
 *   BL_EBUG       IdempotentParameterMismatch
 *   BL_ECANCELLED *stop, and no reply in time: nobody knows whether it was done
 *   BL_ERETRY, BL_ETIMEOUT  nobody knows whether it was done: the same token again
 * code (96 bytes, may be NULL): AWS's own code, "" when none came.
 */
BL_MUST int bl_ec2_create_fleet(struct bl_aws *aws, const struct bl_ec2_fleet_request *request,
                                struct bl_ec2_fleet *out, char code[96], struct bl_err *err);
/* The parameters as they are sent, one "Name=value" a line, decoded, in order: for `plan` and for
 * N.try-K.json. Pure. */
void bl_ec2_fleet_text(const struct bl_ec2_fleet_request *request, struct bl_buf *out);

/* --- Instances -------------------------------------------------------------------------------- */

struct bl_ec2_instance {
	char id[BL_EC2_ID], type[BL_EC2_TYPE], zone[BL_EC2_ZONE], subnet[BL_EC2_ID];
	char state[20]; /* pending running shutting-down terminated stopping stopped */
	char reason[96], reason_text[256]; /* StateReason: code, message */
	char token[72];                    /* ClientToken of its launch; "" unknown */
	int64_t launched_ms;               /* wall */
	bool spot;
	struct bl_ec2_tag *tags; /* n_tags; texts are ours */
	size_t n_tags;
};
struct bl_ec2_instances {
	struct bl_ec2_instance *items;
	size_t n;
};
void bl_ec2_instances_done(struct bl_ec2_instances *list);
const char *bl_ec2_tag_of(const struct bl_ec2_instance *instance, const char *key); /* NULL: none */
bool bl_ec2_is_live(const struct bl_ec2_instance *instance); /* pending, running, stopping... */

struct bl_ec2_filter {
	const char *name;   /* "tag:branchline:run", "instance-state-name" */
	const char *values; /* one, or several separated by ',' */
};
/* All pages. ids NULL: by filters alone. BL_ENOENT: an id is not known (yet). */
BL_MUST int bl_ec2_describe(struct bl_aws *aws, const char *const *ids, size_t n_ids,
                            const struct bl_ec2_filter *filters, size_t n_filters,
                            struct bl_ec2_instances *out, struct bl_err *err);

/*
 * TerminateInstances: 1,000 a call; where one id is unknown, then one by one. Idempotent. An
 * instance that is not there is success. n_ended may be NULL; it is set on failure too.
 * deadline_ms 0: 30 s.
 */
BL_MUST int bl_ec2_terminate(struct bl_aws *aws, const char *const *ids, size_t n, int deadline_ms,
                             size_t *n_ended, struct bl_err *err);

/* GetConsoleOutput, decoded; "" while there is none. */
BL_MUST int bl_ec2_console(struct bl_aws *aws, const char *id, struct bl_buf *out,
                           struct bl_err *err);

/* --- What can be bought ----------------------------------------------------------------------- */

struct bl_ec2_type {
	char name[BL_EC2_TYPE], arch[16], gpu[32], gpu_maker[16]; /* arch: x86_64, arm64 */
	int64_t vcpus, memory_mib, gpus, gpu_memory_mib /* of each */, disk_gb /* NVMe, all */;
	bool spot, on_demand; /* supported usage classes */
};
/* DescribeInstanceTypes of those names; an unknown one is left out of `out` (n may be less). */
BL_MUST int bl_ec2_types(struct bl_aws *aws, const char *const *names, size_t n,
                         struct bl_ec2_type **out, size_t *n_out, struct bl_err *err);

struct bl_ec2_offer {
	char type[BL_EC2_TYPE], zone[BL_EC2_ZONE];
};
/* DescribeInstanceTypeOfferings by availability zone. */
BL_MUST int bl_ec2_offers(struct bl_aws *aws, const char *const *types, size_t n,
                          struct bl_ec2_offer **out, size_t *n_out, struct bl_err *err);

struct bl_ec2_price {
	char type[BL_EC2_TYPE], zone[BL_EC2_ZONE];
	double usd_hour;
	int64_t at_ms;
};
/* DescribeSpotPriceHistory, Linux/UNIX: the newest price of each type and zone. */
BL_MUST int bl_ec2_spot_prices(struct bl_aws *aws, const char *const *types, size_t n,
                               struct bl_ec2_price **out, size_t *n_out, struct bl_err *err);

struct bl_ec2_template {
	char id[BL_EC2_ID], name[128], image[BL_EC2_ID], profile[256] /* ARN or name */;
	int64_t version;
	char http_tokens[16], metadata_tags[16],
		shutdown[16]; /* "required", "enabled", "terminate" */
	int64_t hop_limit;
	struct bl_ec2_tag *tags; /* that it gives to instances */
	size_t n_tags;
	int64_t disk_gb; /* root volume; 0 unknown */
};
void bl_ec2_template_done(struct bl_ec2_template *found);
/* DescribeLaunchTemplateVersions. BL_ENOENT. */
BL_MUST int bl_ec2_template_get(struct bl_aws *aws, const char *id, int64_t version,
                                struct bl_ec2_template *out, struct bl_err *err);

struct bl_ec2_subnet {
	char id[BL_EC2_ID], zone[BL_EC2_ZONE];
	int64_t free_addresses;
};
/* DescribeSubnets. BL_ENOENT: one is not there. */
BL_MUST int bl_ec2_subnets(struct bl_aws *aws, const char *const *ids, size_t n,
                           struct bl_ec2_subnet **out, size_t *n_out, struct bl_err *err);

#endif
