/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git.h"

#include "base/str.h"
#include "codec/git_parts.h"

#include <stdio.h>
#include <string.h>

/* HEAD of a repository without a commit names a branch that does not exist yet. */
static int read_unborn(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	static const char prefix[] = "refs/heads/";
	GIT(reference) head = NULL;
	const char *target;
	int rc = git_reference_lookup(&head, repo, "HEAD");

	if (rc)
		return bl_git_failed(rc, "read HEAD", err);
	target = git_reference_symbolic_target(head);
	if (target && bl_str_starts(target, prefix))
		bl_git_copy_text(out->branch, sizeof(out->branch), target + strlen(prefix));
	return 0;
}

static int read_head(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	GIT(reference) head = NULL;
	GIT(commit) commit = NULL;
	int rc = git_repository_head(&head, repo);

	if (rc == GIT_EUNBORNBRANCH)
		return read_unborn(repo, out, err);
	if (!rc)
		rc = git_reference_peel((git_object **)&commit, head, GIT_OBJECT_COMMIT);
	if (rc)
		return bl_git_failed(rc, "read HEAD", err);
	git_oid_tostr(out->sha, sizeof(out->sha), git_commit_id(commit));
	git_oid_tostr(out->tree, sizeof(out->tree), git_commit_tree_id(commit));
	bl_git_copy_text(out->subject, sizeof(out->subject), git_commit_summary(commit));
	if (git_reference_is_branch(head))
		bl_git_copy_text(out->branch, sizeof(out->branch), git_reference_shorthand(head));
	return 0;
}

static int stop_at_first(const char *path, unsigned flags, void *found)
{
	(void)path;
	(void)flags;
	*(bool *)found = true;
	return GIT_EUSER;
}

static int read_dirty(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	git_status_options options;
	int rc = git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);

	if (rc)
		return bl_git_failed(rc, "compare the work tree", err);
	options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED;
	rc = git_status_foreach_ext(repo, &options, stop_at_first, &out->dirty);
	return rc && rc != GIT_EUSER ? bl_git_failed(rc, "compare the work tree", err) : 0;
}

static int read_root(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	const char *root = git_repository_workdir(repo);
	size_t len = strlen(root);

	while (len > 1 && root[len - 1] == '/')
		len--;
	if (len >= sizeof(out->root))
		return bl_fail(err, BL_ELIMIT, "path of the work tree: over %zu bytes",
		               sizeof(out->root) - 1);
	memcpy(out->root, root, len);
	out->root[len] = '\0';
	return 0;
}

int bl_git_read(const char *path, struct bl_git *out, struct bl_err *err)
{
	GIT(repository) repo = NULL;
	struct bl_git git = { 0 };

	if (bl_git_open(path, &repo, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* no repository is an answer */
	}
	if (repo && git_repository_workdir(repo)) {
		git.found = true;
		if (read_root(repo, &git, err) || read_head(repo, &git, err) ||
		    bl_git_read_remote(repo, git.remote, sizeof(git.remote), err) ||
		    read_dirty(repo, &git, err))
			return bl_wrap(err, "git repository at '%s'", path);
	}
	if (bl_git_ended(err))
		return -1;
	*out = git;
	return 0;
}

static int find_tree(git_repository *repo, const char *sha, git_tree **tree, struct bl_err *err)
{
	GIT(commit) commit = NULL;
	int rc;

	if (bl_git_find_commit(repo, sha, &commit, err))
		return -1;
	rc = git_commit_tree(tree, commit);
	return rc ? bl_git_failed(rc, sha, err) : 0;
}

int bl_git_file(const char *root, const char *sha, const char *path, struct bl_buf *out,
                struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(tree) tree = NULL;
	GIT(tree_entry) entry = NULL;
	GIT(blob) blob = NULL;
	int rc;

	if (bl_git_open(root, &repo, err) || find_tree(repo, sha, &tree, err))
		return -1;
	rc = git_tree_entry_bypath(&entry, tree, path);
	if (rc == GIT_ENOTFOUND)
		return bl_fail(err, BL_ENOENT, "'%s' is not in commit %.12s", path, sha);
	if (!rc && git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
		return bl_fail(err, BL_EINPUT, "'%s' in commit %.12s is not a file", path, sha);
	if (!rc)
		rc = git_blob_lookup(&blob, repo, git_tree_entry_id(entry));
	if (rc)
		return bl_git_failed(rc, path, err);
	bl_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
	return bl_buf_check(out, path, err) ? -1 : bl_git_ended(err);
}

static int add_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
                    const git_diff_line *line, void *patch)
{
	struct bl_buf *buf = patch;

	(void)delta;
	(void)hunk;
	if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
	    line->origin == GIT_DIFF_LINE_DELETION)
		bl_buf_addc(buf, line->origin);
	bl_buf_add(buf, line->content, line->content_len);
	return buf->failed ? GIT_EUSER : 0;
}

/* libgit2 reads each file whole, so one that cannot fit is refused before. */
static int check_sizes(git_diff *diff, size_t max, struct bl_err *err)
{
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_file *file = &git_diff_get_delta(diff, i)->new_file;

		if (file->size > max)
			return bl_fail(err, BL_ELIMIT,
			               "changes not committed: '%s' alone is over %zu bytes",
			               file->path, max);
	}
	return 0;
}

static int head_tree(git_repository *repo, git_tree **tree, struct bl_err *err)
{
	GIT(reference) head = NULL;
	int rc = git_repository_head(&head, repo);

	if (rc == GIT_EUNBORNBRANCH) /* NULL stands for the empty tree */
		return 0;
	if (!rc)
		rc = git_reference_peel((git_object **)tree, head, GIT_OBJECT_TREE);
	return rc ? bl_git_failed(rc, "read HEAD", err) : 0;
}

int bl_git_patch(const char *root, struct bl_buf *patch, struct bl_err *err)
{
	git_diff_options options;
	GIT(repository) repo = NULL;
	GIT(tree) tree = NULL;
	GIT(diff) diff = NULL;
	int rc = git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);

	if (rc)
		return bl_git_failed(rc, "compare the work tree", err);
	/* prefixes and whole ids are said, because the user's configuration may change them */
	options.flags = GIT_DIFF_INCLUDE_UNTRACKED | GIT_DIFF_RECURSE_UNTRACKED_DIRS |
	                GIT_DIFF_SHOW_UNTRACKED_CONTENT | GIT_DIFF_SHOW_BINARY |
	                GIT_DIFF_IGNORE_SUBMODULES;
	options.old_prefix = "a";
	options.new_prefix = "b";
	options.id_abbrev = GIT_OID_HEXSZ;
	if (bl_git_open(root, &repo, err) || head_tree(repo, &tree, err))
		return -1;
	rc = git_diff_tree_to_workdir_with_index(&diff, repo, tree, &options);
	if (rc)
		return bl_git_failed(rc, "compare the work tree", err);
	if (check_sizes(diff, patch->max, err))
		return -1;
	rc = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, add_line, patch);
	if (bl_buf_check(patch, "changes not committed", err))
		return -1;
	return rc ? bl_git_failed(rc, "write the patch", err) : bl_git_ended(err);
}

static void add_path(struct bl_buf *out, const char *path)
{
	for (; *path; path++)
		bl_buf_addc(out, (unsigned char)*path < 0x20 ? '?' : *path);
}

static int add_delta(git_diff *diff, size_t i, struct bl_buf *out, struct bl_err *err)
{
	const git_diff_delta *delta = git_diff_get_delta(diff, i);
	GIT(patch) patch = NULL;
	size_t added = 0, removed = 0;
	int rc = git_patch_from_diff(&patch, diff, i);

	if (!rc && patch)
		rc = git_patch_line_stats(NULL, &added, &removed, patch);
	if (rc)
		return bl_git_failed(rc, "compare commits", err);
	if (delta->flags & GIT_DIFF_FLAG_BINARY)
		bl_buf_adds(out, "-\t-\t");
	else
		bl_buf_addf(out, "%zu\t%zu\t", added, removed);
	add_path(out, delta->new_file.path);
	bl_buf_addc(out, '\n');
	return 0;
}

int bl_git_diffstat(const char *root, const char *from_sha, const char *to_sha, struct bl_buf *out,
                    struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(tree) from = NULL;
	GIT(tree) to = NULL;
	GIT(diff) diff = NULL;
	int rc;

	if (bl_git_open(root, &repo, err) || find_tree(repo, from_sha, &from, err) ||
	    find_tree(repo, to_sha, &to, err))
		return -1;
	rc = git_diff_tree_to_tree(&diff, repo, from, to, NULL);
	if (rc)
		return bl_git_failed(rc, "compare commits", err);
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++)
		if (add_delta(diff, i, out, err))
			return -1;
	return bl_buf_check(out, "difference of commits", err) ? -1 : bl_git_ended(err);
}
