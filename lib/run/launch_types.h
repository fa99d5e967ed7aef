/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_TYPES_H
#define BL_RUN_LAUNCH_TYPES_H

#include "aws/ec2.h"
#include "run/config.h"
#include "run/stack.h"

/* Which machines fit a job: pure, from what the configuration asks, the stack offers, EC2 has. */

#define BL_LAUNCH_TYPES_MAX 64

struct bl_wanted {
	const char *gpu;                       /* kind, "l4"; NULL: any */
	int64_t gpus;                          /* 0: a machine without */
	int64_t gpu_memory_gb;                 /* of each; 0: any */
	double min_compute;                    /* 0: any */
	const struct bl_value *instance_types; /* list of text; empty or NULL: all of the stack's */
	const char *arch;                      /* of the image, "x86_64"; NULL or "": any */
};
/* arch is left NULL. */
void bl_wanted_of(const struct bl_config *config, struct bl_wanted *out);

/* A type of a template: the same type of two templates is there twice. */
struct bl_candidate {
	char type[BL_EC2_TYPE];
	size_t template; /* index into stack.templates */
};
struct bl_candidates {
	struct bl_candidate items[BL_LAUNCH_TYPES_MAX];
	size_t n;
};

/*
 * What the stack lets this job ask for at all: its templates' types (their `types` may hold globs
 * only together with instance_types), less those that the ceilings or the configuration leave out.
 * BL_EINPUT: none is left: says what the stack has, and the nearest.
 */
BL_MUST int bl_launch_candidates(const struct bl_wanted *wanted, const struct bl_stack *stack,
                                 struct bl_candidates *out, struct bl_err *err);

/* One that fits, with what EC2 says of it. */
struct bl_fit {
	struct bl_ec2_type type;
	double compute; /* 0: unknown */
	size_t template;
};
struct bl_fits {
	struct bl_fit items[BL_LAUNCH_TYPES_MAX];
	size_t n;
};

/* Why a type does not fit, for people ("has T4, not l4"); false: it fits, `why` is "". */
bool bl_launch_misfit(const struct bl_wanted *wanted, const struct bl_ec2_type *type,
                      const struct bl_stack_template *template, char why[96]);

/*
 * facts: n, of bl_ec2_types(); a type that EC2 does not know is passed over. notes: one line for
 * each that was left out. BL_EINPUT: none fits; its text names each and why, as room allows.
 */
BL_MUST int bl_launch_fits(const struct bl_wanted *wanted, const struct bl_stack *stack,
                           const struct bl_candidates *candidates, const struct bl_ec2_type *facts,
                           size_t n, struct bl_fits *out, struct bl_buf *notes, struct bl_err *err);

#endif
