/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_walk.h"

#include "codec/git_memory.h"
#include "codec/git_parts.h"

/*
 * A shallow clone's oldest commits name parents that are not there, or (libgit2 1.7 and newer)
 * pretend to have none: either way the history goes on elsewhere.
 */
static int too_shallow(struct bl_err *err)
{
	bl_fail(err, BL_ENOENT, "the history of this clone ends too early: it is shallow");
	return bl_next(err, "for actions/checkout set fetch-depth: 0");
}

int bl_git_merge_base(const char *root, const char *one, const char *other, char sha[41],
                      struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(commit) a = NULL;
	GIT(commit) b = NULL;
	git_oid base;
	int rc;

	if (bl_git_open(root, &repo, err) || bl_git_find_commit(repo, one, &a, err) ||
	    bl_git_find_commit(repo, other, &b, err))
		return -1;
	/* what is cut off may hold a nearer one; and libgit2 leaks where it meets the cut */
	if (git_repository_is_shallow(repo) == 1)
		return too_shallow(err);
	rc = git_merge_base(&base, repo, git_commit_id(a), git_commit_id(b));
	if (rc)
		return bl_git_failed(rc, "merge base", err);
	git_oid_tostr(sha, GIT_OID_HEXSZ + 1, &base);
	return bl_git_ended(err);
}

static int tell(const git_commit *commit, bl_git_commit_fn *fn, void *arg, struct bl_err *err)
{
	char sha[GIT_OID_HEXSZ + 1], tree[GIT_OID_HEXSZ + 1];

	git_oid_tostr(sha, sizeof(sha), git_commit_id(commit));
	git_oid_tostr(tree, sizeof(tree), git_commit_tree_id(commit));
	return fn(arg, sha, tree, err);
}

/* *commit becomes its first parent; NULL at the first commit of all. */
static int step_back(git_repository *repo, git_commit **commit, struct bl_err *err)
{
	GIT(commit) child = *commit;
	int rc;

	*commit = NULL;
	if (!git_commit_parentcount(child))
		return git_repository_is_shallow(repo) == 1 ? too_shallow(err) : 0;
	rc = git_commit_parent(commit, child, 0);
	if (rc == GIT_ENOTFOUND && !bl_git_ran_out())
		return too_shallow(err);
	return rc ? bl_git_failed(rc, "first parent", err) : 0;
}

int bl_git_first_parents(const char *root, const char *sha, size_t max, bl_git_commit_fn *fn,
                         void *arg, struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(commit) commit = NULL;
	int rc;

	if (bl_git_open(root, &repo, err) || bl_git_find_commit(repo, sha, &commit, err))
		return -1;
	for (size_t i = 0; i < max && commit; i++) {
		rc = tell(commit, fn, arg, err);
		if (rc)
			return rc;
		if (i + 1 < max && step_back(repo, &commit, err))
			return -1;
	}
	return bl_git_ended(err);
}
