/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_INDEX_H
#define BL_RUN_INDEX_H

#include "run/outcome.h"
#include "run/run.h"

/*
 * The index of baselines (design 4.2): index/REPO/JOB/trees/TREE.json and
 * .../branches/BRANCH.json (percent-encoded) name the newest eligible SUCCESS run. Two writers at
 * once: the last one stands until the next success; nothing else depends on it.
 */

/*
 * Pure: why the run is no baseline by itself ("its work tree was dirty"), NULL when it is: SUCCESS,
 * the file's own parameters, data and limits, a clean tree.
 */
const char *bl_index_objection(const struct bl_run *run, const struct bl_outcome *outcome);

/* Key of an entry: `folder` "trees" or "branches". */
struct bl_key bl_index_key(const char *repository, const char *job, const char *folder,
                           const char *name);

/*
 * Enters an eligible run below its tree and its branch, unless a newer run stands there.
 * updated: whether it was entered anywhere.
 */
BL_MUST int bl_index_update(struct bl_store *store, const struct bl_run *run,
                            const struct bl_outcome *outcome, bool *updated, struct bl_err *err);

/* `branchline baseline RUN`: the same without the objection, and over newer runs. BL_EINPUT: no
 * SUCCESS. */
BL_MUST int bl_index_set(struct bl_store *store, const struct bl_run *run,
                         const struct bl_outcome *outcome, struct bl_err *err);

struct bl_baseline_query {
	const char *repository, *job;
	const char *tree;   /* "" none */
	const char *branch; /* looked up after the tree; NULL or "": main, then master */
	bool only_tree;     /* no branch is looked up */
	const char *self;   /* a run that is not its own baseline; NULL none */
};
struct bl_baseline {
	char run[BL_RUN_SIZE];
	char by[8];     /* "tree" or "branch" */
	char name[256]; /* which */
};
/* BL_ENOENT: none yet. */
BL_MUST int bl_index_baseline(struct bl_store *store, const struct bl_baseline_query *query,
                              struct bl_baseline *out, struct bl_err *err);

/*
 * The trees that have a baseline, sorted, for those who look for one of many: n names of 40 digits.
 * At most 100,000 of them are listed.
 */
struct bl_index_trees {
	char (*trees)[41];
	size_t n, cap;
};
void bl_index_trees_done(struct bl_index_trees *trees);
BL_MUST int bl_index_trees_read(struct bl_store *store, const char *repository, const char *job,
                                struct bl_index_trees *out, struct bl_err *err);
bool bl_index_trees_have(const struct bl_index_trees *trees, const char *tree);

#endif
