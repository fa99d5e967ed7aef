/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_LAUNCH_H
#define BL_ACTIONS_LAUNCH_H

#include "actions/cloud.h"

/*
 * A launch, as the verb `launch` and as the first part of `run`: checks, price, one machine.
 */
struct launch_options {
	struct cloud_options cloud;
	const char *job;    /* NULL: guard's, else the default one */
	const char *file;   /* NULL: branchline.yaml of the commit */
	const char *commit; /* NULL: guard's, else HEAD */
	const char *matrix; /* tells jobs of a matrix apart that override the same */
	bool json;
};

struct launched {
	char run[BL_RUN_SIZE];
	char job[BL_CONFIG_JOB_SIZE];
	char store[1100]; /* its URI */
	bool adopted;     /* the run was there already */
	bool succeeded;   /* and had ended well: there is nothing to wait for */
	struct bl_started started;
	double estimate_usd; /* NaN: unknown */
};

/*
 * All of it, phase by phase, each told in one line; step outputs, comment and what later steps read
 * too. SIGINT and SIGTERM end what was bought before anything else: BL_ECANCELLED.
 */
BL_MUST int launch(const struct launch_options *opt, const struct bl_args *args,
                   struct launched *out, struct bl_err *err);

#endif
