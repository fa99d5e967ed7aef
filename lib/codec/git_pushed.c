/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_pushed.h"

#include "codec/git_parts.h"

struct look {
	git_repository *repo;
	git_oid id;
	bool found;
};

/* A reference that names no commit, or one that is not here, is none that could hold it. */
static int look_at(const char *name, void *arg)
{
	struct look *look = arg;
	GIT(reference) reference = NULL;
	GIT(commit) commit = NULL;
	int rc = git_reference_lookup(&reference, look->repo, name);

	if (!rc)
		rc = git_reference_peel((git_object **)&commit, reference, GIT_OBJECT_COMMIT);
	if (rc)
		return 0;
	look->found = git_oid_equal(git_commit_id(commit), &look->id) ||
	              git_graph_descendant_of(look->repo, git_commit_id(commit), &look->id) == 1;
	return look->found ? GIT_EUSER : 0;
}

int bl_git_is_pushed(const char *root, const char *sha, bool *out, struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(commit) commit = NULL;
	struct look look = { .found = false };
	int rc;

	if (bl_git_open(root, &repo, err) || bl_git_find_commit(repo, sha, &commit, err))
		return -1;
	look.repo = repo;
	look.id = *git_commit_id(commit);
	rc = git_reference_foreach_glob(repo, "refs/remotes/*", look_at, &look);
	if (rc && rc != GIT_EUSER)
		return bl_git_failed(rc, "list what was pushed", err);
	if (bl_git_ended(err))
		return -1;
	*out = look.found;
	return 0;
}
