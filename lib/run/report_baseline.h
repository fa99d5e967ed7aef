/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_BASELINE_H
#define BL_RUN_REPORT_BASELINE_H

#include "net/github.h"
#include "run/run.h"

/*
 * What a run is compared with (design 4.2): the run of the same tree; else, from where its branch
 * left the base branch, the newest commit of first parents whose tree has an eligible SUCCESS; else
 * the newest such run of main.
 */
#define BL_BASELINE_COMMITS 500u /* first parents looked at */

struct bl_baseline_place {
	const char *root;         /* of a clone of the run's repository; NULL or "": none */
	struct bl_github *github; /* asked where the clone does not reach; NULL: nobody */
};
struct bl_baseline_choice {
	char run[BL_RUN_SIZE]; /* "": there is none */
	char why[384]; /* for people, no full stop: how it was found, or why there is none */
};
/* A walk that cannot be done costs the walk, never the choice, and `why` says so. */
BL_MUST int bl_baseline_choose(struct bl_store *store, const struct bl_run *run,
                               const struct bl_baseline_place *place,
                               struct bl_baseline_choice *out, struct bl_err *err);

#endif
