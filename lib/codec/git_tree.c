/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_tree.h"

#include "base/str.h"
#include "codec/git_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 4096
#define DEPTH_MAX 256
#define DAMAGED "the clone is damaged: `git fsck` says how, or clone it anew"

struct bl_git_tree {
	git_repository *repo;
	git_odb *odb;
	git_tree *root;
	char sha[GIT_OID_HEXSZ + 1];
	char promisor[128]; /* the remote that has what a partial clone lacks; "": it is whole */
};

void bl_git_tree_close(struct bl_git_tree *tree)
{
	if (!tree)
		return;
	git_tree_free(tree->root);
	git_odb_free(tree->odb);
	git_repository_free(tree->repo);
	free(tree);
}

void bl_git_tree_auto(struct bl_git_tree **tree)
{
	bl_git_tree_close(*tree);
}

/* --- What cannot be read ---------------------------------------------------------------------- */

/* The commit is named because no branch may have it: that of a pull request's merge. */
static int missing(const struct bl_git_tree *tree, const char *what, const char *id,
                   struct bl_err *err)
{
	bl_fail(err, BL_ENOENT, "%s %.12s is not in this clone", what, id);
	if (!tree->promisor[0])
		return bl_next(err, DAMAGED);
	return bl_next(err,
	               "it was cloned in part: `git fetch --refetch --no-filter %s %s`, or "
	               "actions/checkout without `filter` and `sparse-checkout`",
	               tree->promisor, tree->sha);
}

static bool is_damage(int rc)
{
	const git_error *why = git_error_last();

	return rc == GIT_EMISMATCH ||
	       (why && (why->klass == GIT_ERROR_ZLIB || why->klass == GIT_ERROR_ODB ||
	                why->klass == GIT_ERROR_OBJECT || why->klass == GIT_ERROR_TREE));
}

/* what: "file", "directory", with 40 digits as id. */
static int unreadable(const struct bl_git_tree *tree, int rc, const char *what, const char *id,
                      struct bl_err *err)
{
	if (rc == GIT_ENOTFOUND)
		return missing(tree, what, id, err);
	bl_git_failed(rc, "read", err);
	if (err->code == BL_EIO && is_damage(rc)) {
		bl_recode(err, BL_ECORRUPT);
		bl_next(err, DAMAGED);
	}
	return bl_wrap(err, "%s %.12s", what, id);
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* "remote.NAME.partialclonefilter", or as older ones have it extensions.partialclone = NAME. */
static void note_promisor(const git_config_entry *entry, char *promisor, size_t size)
{
	static const char section[] = "remote.", key[] = ".partialclonefilter";
	size_t n = strlen(entry->name), start = sizeof(section) - 1, end = sizeof(key) - 1;

	if (!strcmp(entry->name, "extensions.partialclone"))
		bl_git_copy_text(promisor, size, entry->value);
	else if (n > start + end && n - start - end < size &&
	         !strncmp(entry->name, section, start) && !strcmp(entry->name + n - end, key))
		snprintf(promisor, size, "%.*s", (int)(n - start - end), entry->name + start);
}

/* Entry by entry: the look-up by an expression leaks in Debian's libgit2. */
static int read_promisor(struct bl_git_tree *tree, struct bl_err *err)
{
	GIT(config) config = NULL;
	GIT(config_iterator) entries = NULL;
	git_config_entry *entry;
	int rc = git_repository_config_snapshot(&config, tree->repo);

	if (!rc)
		rc = git_config_iterator_new(&entries, config);
	while (!rc && !(rc = git_config_next(&entry, entries)))
		note_promisor(entry, tree->promisor, sizeof(tree->promisor));
	if (rc != GIT_ITEROVER)
		return bl_git_failed(rc, "read the configuration", err);
	git_error_clear();
	return 0;
}

/* A server gives commits by all of their digits, and branches and tags by name. */
static int not_there(const char *rev, struct bl_err *err)
{
	size_t n = strlen(rev), digits = strspn(rev, "0123456789abcdef");

	bl_fail(err, BL_ENOENT, "commit '%.64s' is not in this clone", rev);
	if (n == GIT_OID_HEXSZ && digits == n)
		return bl_next(err,
		               "fetch it: `git fetch origin %s`; for actions/checkout, name it as "
		               "`ref`",
		               rev);
	if (digits == n)
		return bl_next(err, "write all 40 digits, or fetch what is older: `git fetch "
		                    "--unshallow`; for actions/checkout, `fetch-depth: 0`");
	return bl_next(err,
	               "fetch it: `git fetch origin %.64s:%.64s`; for actions/checkout, name "
	               "it as `ref`",
	               rev, rev);
}

static int find_commit(git_repository *repo, const char *rev, git_commit **commit,
                       struct bl_err *err)
{
	GIT(object) object = NULL;
	int rc;

	if (!*rev || *rev == '-' || strpbrk(rev, ":^{}@ "))
		return bl_fail(err, BL_EINPUT, "'%.64s' is not the name of a commit", rev);
	rc = git_revparse_single(&object, repo, rev);
	if (rc == GIT_EAMBIGUOUS) {
		bl_fail(err, BL_EINPUT, "'%.64s' may be several commits", rev);
		return bl_next(err, "write more of its digits");
	}
	if (!rc)
		rc = git_object_peel((git_object **)commit, object, GIT_OBJECT_COMMIT);
	if (rc == GIT_ENOTFOUND)
		return not_there(rev, err);
	if (rc == GIT_EPEEL || rc == GIT_EINVALIDSPEC)
		return bl_fail(err, BL_EINPUT, "'%.64s' is no commit", rev);
	return rc ? bl_git_failed(rc, rev, err) : 0;
}

static int read_branch(git_repository *repo, const git_oid *id, struct bl_git_commit *out,
                       struct bl_err *err)
{
	GIT(reference) head = NULL;
	int rc = git_repository_head(&head, repo);

	if (rc == GIT_ENOTFOUND || rc == GIT_EUNBORNBRANCH)
		return 0;
	if (rc)
		return bl_git_failed(rc, "read HEAD", err);
	if (git_reference_is_branch(head) && git_oid_equal(git_reference_target(head), id))
		bl_git_copy_text(out->branch, sizeof(out->branch), git_reference_shorthand(head));
	return 0;
}

static int read_commit(struct bl_git_tree *tree, const char *rev, struct bl_git_commit *out,
                       struct bl_err *err)
{
	GIT(commit) commit = NULL;
	int rc;

	if (find_commit(tree->repo, rev, &commit, err) ||
	    bl_git_read_remote(tree->repo, out->remote, sizeof(out->remote), err) ||
	    read_branch(tree->repo, git_commit_id(commit), out, err))
		return -1;
	git_oid_tostr(out->sha, sizeof(out->sha), git_commit_id(commit));
	memcpy(tree->sha, out->sha, sizeof(tree->sha));
	git_oid_tostr(out->tree, sizeof(out->tree), git_commit_tree_id(commit));
	out->committed_s = git_commit_time(commit);
	out->partial = tree->promisor[0] != '\0';
	rc = git_commit_tree(&tree->root, commit);
	return rc ? unreadable(tree, rc, "directory", out->tree, err) : 0;
}

int bl_git_tree_open(const char *path, const char *rev, struct bl_git_tree **out,
                     struct bl_git_commit *commit, struct bl_err *err)
{
	BL_GIT_TREE tree = calloc(1, sizeof(*tree));
	struct bl_git_commit found = { 0 };
	int rc;

	if (!tree)
		return bl_fail(err, BL_ENOMEM, "commit: out of memory");
	if (bl_git_open(path, &tree->repo, err)) {
		if (err->code == BL_ENOENT)
			bl_next(err, "run it in a clone of the repository");
		return -1;
	}
	if (read_promisor(tree, err) || read_commit(tree, rev, &found, err))
		return -1;
	rc = git_repository_odb(&tree->odb, tree->repo);
	if (rc)
		return bl_git_failed(rc, "open the object database", err);
	if (bl_git_ended(err))
		return -1;
	*commit = found;
	*out = tree;
	tree = NULL;
	return 0;
}

/* --- Walking ---------------------------------------------------------------------------------- */

struct walk {
	struct bl_git_tree *tree;
	bl_git_visit *visit;
	void *arg;
	char path[PATH_MAX_BYTES + 1];
};

static enum bl_git_kind kind_of(git_filemode_t mode)
{
	switch (mode) {
	case GIT_FILEMODE_TREE:
		return BL_GIT_DIR;
	case GIT_FILEMODE_BLOB_EXECUTABLE:
		return BL_GIT_EXEC;
	case GIT_FILEMODE_LINK:
		return BL_GIT_LINK;
	case GIT_FILEMODE_COMMIT:
		return BL_GIT_MODULE;
	default:
		return BL_GIT_FILE;
	}
}

static int walk_tree(struct walk *walk, git_tree *tree, size_t len, unsigned depth,
                     struct bl_err *err);

static int walk_into(struct walk *walk, const git_tree_entry *entry, size_t len, unsigned depth,
                     struct bl_err *err)
{
	GIT(tree) below = NULL;
	char id[GIT_OID_HEXSZ + 1];
	int rc = git_tree_lookup(&below, walk->tree->repo, git_tree_entry_id(entry));

	if (rc) {
		git_oid_tostr(id, sizeof(id), git_tree_entry_id(entry));
		return unreadable(walk->tree, rc, "directory", id, err);
	}
	walk->path[len++] = '/';
	return walk_tree(walk, below, len, depth + 1, err);
}

static int walk_entry(struct walk *walk, const git_tree_entry *entry, size_t len, unsigned depth,
                      struct bl_err *err)
{
	const char *name = git_tree_entry_name(entry);
	struct bl_git_entry told = { .path = walk->path,
		                     .kind = kind_of(git_tree_entry_filemode(entry)) };
	size_t n = strlen(name);
	int rc;

	if (len + n >= PATH_MAX_BYTES)
		return bl_fail(err, BL_EINPUT, "a path of over %d bytes: '%.64s...'",
		               PATH_MAX_BYTES, walk->path);
	memcpy(walk->path + len, name, n + 1);
	git_oid_tostr(told.id, sizeof(told.id), git_tree_entry_id(entry));
	rc = walk->visit(walk->arg, &told, err);
	if (rc || told.kind != BL_GIT_DIR)
		return rc < 0 ? -1 : 0;
	return walk_into(walk, entry, len + n, depth, err);
}

/* A tree's own order is the one that is promised: a directory sorts as "name/". */
static int walk_tree(struct walk *walk, git_tree *tree, size_t len, unsigned depth,
                     struct bl_err *err)
{
	size_t n = git_tree_entrycount(tree);

	if (depth > DEPTH_MAX)
		return bl_fail(err, BL_EINPUT, "over %d directories deep", DEPTH_MAX);
	for (size_t i = 0; i < n; i++)
		if (walk_entry(walk, git_tree_entry_byindex(tree, i), len, depth, err))
			return -1;
	return 0;
}

int bl_git_tree_walk(struct bl_git_tree *tree, bl_git_visit *visit, void *arg, struct bl_err *err)
{
	struct walk walk = { .tree = tree, .visit = visit, .arg = arg };

	if (walk_tree(&walk, tree->root, 0, 0, err))
		return -1;
	return bl_git_ended(err);
}

/* --- Reading ---------------------------------------------------------------------------------- */

int bl_git_blob_read(struct bl_git_tree *tree, const char id[41], struct bl_git_blob *out,
                     struct bl_err *err)
{
	git_odb_object *object = NULL;
	git_oid oid;
	int rc = git_oid_fromstr(&oid, id);

	if (!rc)
		rc = git_odb_read(&object, tree->odb, &oid);
	if (rc)
		return unreadable(tree, rc, "file", id, err);
	if (git_odb_object_type(object) != GIT_OBJECT_BLOB || bl_git_ended(err)) {
		git_odb_object_free(object);
		return bl_fail(err, BL_ECORRUPT, "object %.12s is no file", id);
	}
	*out = (struct bl_git_blob){ .bytes = git_odb_object_data(object),
		                     .size = git_odb_object_size(object),
		                     .object = object };
	return 0;
}

void bl_git_blob_done(struct bl_git_blob *blob)
{
	git_odb_object_free(blob->object);
	*blob = (struct bl_git_blob){ 0 };
}
