/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_baseline.h"

#include "codec/git_tree.h"
#include "codec/git_walk.h"
#include "run/index.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct search {
	struct bl_store *store;
	const struct bl_run *run;
	const struct bl_baseline_place *place;
	struct bl_index_trees trees;
	struct bl_baseline_choice *out;
	char tip[41];      /* of the base branch */
	char base[41];     /* where the walk begins */
	unsigned seen;     /* commits */
	char sha[41];      /* that has a baseline */
	char trouble[256]; /* why the walk could not be done */
};

static void say(struct search *it, const char *fmt, ...) BL_PRINTF(2);

static void say(struct search *it, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(it->out->why, sizeof(it->out->why), fmt, args);
	va_end(args);
}

/* By tree alone; out->run stays "" without. */
static int look_up_tree(struct search *it, const char *tree, struct bl_err *err)
{
	struct bl_baseline_query query = { .repository = it->run->repository_key,
		                           .job = it->run->job,
		                           .tree = tree,
		                           .only_tree = true,
		                           .self = it->run->id };
	struct bl_baseline found;

	if (bl_index_baseline(it->store, &query, &found, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	memcpy(it->out->run, found.run, BL_RUN_SIZE);
	return 0;
}

/* 1: this commit has a baseline, the walk is over. */
static int look_at(void *arg, const char *sha, const char *tree, struct bl_err *err)
{
	struct search *it = arg;

	it->seen++;
	if (!bl_index_trees_have(&it->trees, tree))
		return 0;
	if (look_up_tree(it, tree, err))
		return -1;
	if (!it->out->run[0])
		return 0;
	memcpy(it->sha, sha, sizeof(it->sha));
	return 1;
}

/* What the base branch may be called where the run does not say where it left it. */
static void find_tip(struct search *it)
{
	static const char *const names[] = { "origin/HEAD", "origin/main", "main", "origin/master",
		                             "master" };
	struct bl_git_commit commit;
	struct bl_err err = { 0 };

	if (it->run->base[0]) {
		snprintf(it->tip, sizeof(it->tip), "%.40s", it->run->base);
		return;
	}
	for (size_t i = 0; i < BL_COUNT(names) && it->place->root; i++) {
		BL_GIT_TREE tree = NULL;

		if (!bl_git_tree_open(it->place->root, names[i], &tree, &commit, &err)) {
			memcpy(it->tip, commit.sha, sizeof(it->tip));
			return;
		}
		bl_err_clear(&err);
	}
}

static int walk_clone(struct search *it, struct bl_err *err)
{
	if (!it->place->root || !*it->place->root)
		return bl_fail(err, BL_ENOENT, "there is no clone");
	if (bl_git_merge_base(it->place->root, it->run->head, it->tip, it->base, err))
		return -1;
	return bl_git_first_parents(it->place->root, it->base, BL_BASELINE_COMMITS, look_at, it,
	                            err);
}

static int walk_api(struct search *it, struct bl_err *err)
{
	it->seen = 0;
	if (bl_github_merge_base(it->place->github, it->tip, it->run->head, it->base, err))
		return -1;
	return bl_github_first_parents(it->place->github, it->base, BL_BASELINE_COMMITS, look_at,
	                               it, err);
}

/* "run q7xk of a1b2c3d, 3 commits before this branch began" */
static void say_walked(struct search *it, const char *how)
{
	const char *run = it->out->run + BL_RUN_SIZE - 1 - 4;

	if (it->seen == 1)
		say(it, "run %s of %.7s, where this branch began%s", run, it->sha, how);
	else
		say(it, "run %s of %.7s, %u commit%s before this branch began%s", run, it->sha,
		    it->seen - 1, it->seen > 2 ? "s" : "", how);
}

/* A failure that is the walk's own is kept as trouble, and is 0. */
static int walk(struct search *it, struct bl_err *err)
{
	const char *how = "";
	int rc;

	find_tip(it);
	if (!it->run->head[0] || !it->tip[0] || !it->trees.n)
		return 0;
	rc = walk_clone(it, err);
	if (rc < 0 && err->code == BL_ENOENT && it->place->github) {
		bl_err_clear(err);
		how = "; GitHub was asked, the clone is shallow";
		rc = walk_api(it, err);
	}
	if (rc < 0 && err->code == BL_ENOMEM)
		return -1;
	if (rc < 0) {
		snprintf(it->trouble, sizeof(it->trouble), "%.255s", err->text);
		bl_err_clear(err);
	}
	if (rc == 1)
		say_walked(it, how);
	return 0;
}

/* Newest of main, which may be newer than what the run began from. */
static int take_newest(struct search *it, struct bl_err *err)
{
	struct bl_baseline_query query = { .repository = it->run->repository_key,
		                           .job = it->run->job,
		                           .tree = "",
		                           .self = it->run->id };
	struct bl_baseline found;

	if (!bl_index_baseline(it->store, &query, &found, err)) {
		memcpy(it->out->run, found.run, BL_RUN_SIZE);
		say(it, "run %s, the newest of %.64s%s%s", found.run + BL_RUN_SIZE - 1 - 4,
		    found.name, it->trouble[0] ? "; not by history: " : "", it->trouble);
		return 0;
	}
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	if (it->trouble[0])
		say(it, "%s", it->trouble);
	else if (it->seen)
		say(it, "none of the %u commits before this branch began has a successful run",
		    it->seen);
	else
		say(it, "no run of main has succeeded yet");
	return 0;
}

static int search(struct search *it, struct bl_err *err)
{
	bool has_tree = it->run->tree[0] && !it->run->dirty;

	if (has_tree && look_up_tree(it, it->run->tree, err))
		return -1;
	if (it->out->run[0]) {
		say(it, "run %s of the same tree", it->out->run + BL_RUN_SIZE - 1 - 4);
		return 0;
	}
	if (bl_index_trees_read(it->store, it->run->repository_key, it->run->job, &it->trees,
	                        err) ||
	    walk(it, err))
		return -1;
	return it->out->run[0] ? 0 : take_newest(it, err);
}

int bl_baseline_choose(struct bl_store *store, const struct bl_run *run,
                       const struct bl_baseline_place *place, struct bl_baseline_choice *out,
                       struct bl_err *err)
{
	struct bl_baseline_choice choice = { "", "" };
	struct search it = { .store = store, .run = run, .place = place, .out = &choice };
	int rc = search(&it, err);

	bl_index_trees_done(&it.trees);
	if (rc)
		return bl_wrap(err, "baseline of run %s", run->id);
	*out = choice;
	return 0;
}
