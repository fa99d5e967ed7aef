/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DOCTOR_H
#define BL_RUN_DOCTOR_H

#include "aws/ec2.h"
#include "run/stack.h"

/*
 * Checks without side effects: what was looked at, what was seen, what to do. `branchline doctor`
 * makes all of them, launch those that cost one call each.
 */
enum bl_check_state {
	BL_CHECK_OK,
	BL_CHECK_SKIPPED, /* cannot be known from here, or does not matter */
	BL_CHECK_WARN,    /* works, but somebody will be surprised */
	BL_CHECK_FAIL,    /* a run would fail */
};
const char *bl_check_state_name(enum bl_check_state state); /* "ok" "skipped" "warn" "fail" */

/* What is looked at, in the order in which doctor does; one table in doctor.c names them. */
enum bl_checkup {
	BL_CHECKUP_PROGRAM,
	BL_CHECKUP_TLS,
	BL_CHECKUP_CONFIG,
	BL_CHECKUP_BUILDER,
	BL_CHECKUP_REGION,
	BL_CHECKUP_IDENTITY,
	BL_CHECKUP_OIDC,
	BL_CHECKUP_CLOCK,
	BL_CHECKUP_STACK,
	BL_CHECKUP_CEILINGS,
	BL_CHECKUP_BUCKET,
	BL_CHECKUP_IMAGES,
	BL_CHECKUP_IMAGE,
	BL_CHECKUP_BUDGET,
	BL_CHECKUP_TYPES,
	BL_CHECKUP_ZONES,
	BL_CHECKUP_SUBNETS,
	BL_CHECKUP_QUOTA_SPOT_G,
	BL_CHECKUP_QUOTA_ON_DEMAND_G,
	BL_CHECKUP_QUOTA_SPOT_P,
	BL_CHECKUP_QUOTA_SPOT_P5,
	BL_CHECKUP_QUOTA_ON_DEMAND_P,
	BL_CHECKUP_QUOTA_SPOT_STANDARD,
	BL_CHECKUP_QUOTA_ON_DEMAND_STANDARD,
	BL_CHECKUP_SPOT_ROLE,
	BL_CHECKUP_INSTANCE_PROFILE,
	BL_CHECKUP_LAUNCH_TEMPLATE,
	BL_CHECKUP_TEMPLATE_METADATA,
	BL_CHECKUP_TEMPLATE_SHUTDOWN,
	BL_CHECKUP_TEMPLATE_TAGS,
	BL_CHECKUP_CUDA,
	BL_CHECKUP_WORKFLOW,
	BL_CHECKUP_REPOSITORY,
	BL_CHECKUP_GITHUB_TOKEN,
	BL_CHECKUP_TRUST,
	BL_CHECKUP_ENVIRONMENT,
	BL_CHECKUP_FORK_TOKENS,
	BL_CHECKUP_LABEL,
};

const char *bl_checkup_id(enum bl_checkup what);    /* "quota-spot-g": stable, for --json */
const char *bl_checkup_title(enum bl_checkup what); /* "Quota, spot, G and VT" */

struct bl_check {
	enum bl_checkup what;
	enum bl_check_state state;
	enum bl_code code;       /* of a fail: what a run would fail with */
	char seen[512];          /* one line */
	char next[BL_NEXT_SIZE]; /* what to do; "" unless that is known */
};

#define BL_CHECKS_MAX 64
/* Zero-initialise. Some 70 KiB: not on a small stack. */
struct bl_checks {
	struct bl_check items[BL_CHECKS_MAX];
	size_t n;
};

/* Adds one; what is past BL_CHECKS_MAX is dropped, but a fail replaces the last. Texts are printf's
 * and are cut to fit. next may be NULL. */
struct bl_check *bl_check_add(struct bl_checks *checks, enum bl_checkup what,
                              enum bl_check_state state, const char *seen, ...) BL_PRINTF(4);
/* Sets what to do, and for a fail its code. */
void bl_check_next(struct bl_check *check, enum bl_code code, const char *next, ...) BL_PRINTF(3);

/*
 * A call that failed, as a check: BL_EDENIED is `denied` (skipped: the role may not ask), others
 * fail with err's text and next step.
 */
void bl_check_failed(struct bl_checks *checks, enum bl_checkup what, enum bl_check_state denied,
                     const struct bl_err *err);

enum bl_check_state bl_checks_worst(const struct bl_checks *checks);
/* 0 unless one failed: then -1 with the first fail's code, "TITLE: SEEN" and its next step. */
BL_MUST int bl_checks_verdict(const struct bl_checks *checks, struct bl_err *err);

/* --- One call each, for launch too ------------------------------------------------------------ */

/* Quota of each family among the types; a family is short when it cannot run one of its types. Warn
 * when another family can, else fail (BL_ECAPACITY). */
struct bl_check_type {
	const char *type;
	int64_t vcpus; /* 0: unknown, then 4 */
};
void bl_check_quota(struct bl_aws *aws, const struct bl_check_type *types, size_t n, bool spot,
                    struct bl_checks *out);
/* Whether the family of this type was found short by bl_check_quota(). */
bool bl_check_is_short(const struct bl_checks *checks, const char *type, bool spot);

void bl_check_spot_role(struct bl_aws *aws, struct bl_checks *out);
void bl_check_instance_profile(struct bl_aws *aws, const char *name, struct bl_checks *out);
void bl_check_template(struct bl_aws *aws, const struct bl_stack_template *wanted,
                       struct bl_checks *out);
/* store: "s3://BUCKET"; HeadBucket: reachable, and in `region`. */
void bl_check_bucket(struct bl_aws *aws, const char *store, const char *region,
                     struct bl_checks *out);
/* No call: what the calls before have shown. */
void bl_check_clock(struct bl_aws *aws, struct bl_checks *out);

#endif
