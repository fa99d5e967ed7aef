/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git.h"

#include "base/str.h"
#include "codec/git_memory.h"
#include "codec/git_remote.h"

#include <git2.h>
#include <git2/sys/alloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Clean-up of libgit2's objects by attribute: GIT(repository) repo = NULL; */
#define GIT_CLEANUP(type, free_it)                                                                 \
	static void done_##type(git_##type **object)                                               \
	{                                                                                          \
		free_it(*object);                                                                  \
	}
#define GIT(type) __attribute__((cleanup(done_##type))) git_##type *

GIT_CLEANUP(repository, git_repository_free)
GIT_CLEANUP(reference, git_reference_free)
GIT_CLEANUP(commit, git_commit_free)
GIT_CLEANUP(tree, git_tree_free)
GIT_CLEANUP(tree_entry, git_tree_entry_free)
GIT_CLEANUP(blob, git_blob_free)
GIT_CLEANUP(config, git_config_free)
GIT_CLEANUP(diff, git_diff_free)
GIT_CLEANUP(patch, git_patch_free)

static git_allocator memory = {
	.gmalloc = bl_git_malloc,
	.grealloc = bl_git_realloc,
	.gfree = bl_git_free,
#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 7
	.gcalloc = bl_git_calloc,
	.gmallocarray = bl_git_mallocarray,
	.greallocarray = bl_git_reallocarray,
	.gstrdup = bl_git_strdup,
	.gstrndup = bl_git_strndup,
	.gsubstrdup = bl_git_substrdup,
#endif
};

static int started = -1;

static void start(void)
{
	/* what actions/checkout and `git worktree` may set; we read through both */
	static const char *extensions[] = { "worktreeconfig", "partialclone" };

	if (git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &memory))
		return;
	started = git_libgit2_init();
	if (started < 0)
		return;
	/* in CI the checkout often belongs to another user; we only read it and run nothing */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, BL_COUNT(extensions));
}

static int failed(int rc, const char *what, struct bl_err *err)
{
	const git_error *why = git_error_last();
	enum bl_code code = rc == GIT_ENOTFOUND ? BL_ENOENT : BL_EIO;

	if (bl_git_ran_out() || (why && why->klass == GIT_ERROR_NOMEMORY))
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	return bl_fail(err, code, "%s: %s", what, why ? why->message : "libgit2 failed");
}

/* The end of each public function: an answer got from the reserve may be wrong. */
static int ended(struct bl_err *err)
{
	return bl_git_ran_out() ? failed(GIT_ERROR, "git", err) : 0;
}

static int open_repository(const char *path, git_repository **repo, struct bl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, start);
	if (started < 0)
		return bl_fail(err, BL_ENOMEM, "libgit2 does not start");
	git_error_clear();
	rc = git_repository_open_ext(repo, path, 0, NULL);
	return rc ? failed(rc, "open repository", err) : 0;
}

/* Copies text as UTF-8, cut between characters. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = 0, n;

	for (; from && *from; from += n ? n : 1) {
		const char *part = from;

		n = bl_utf8_sequence(from, strnlen(from, 4));
		if (!n)
			part = "\xef\xbf\xbd";
		if (len + (n ? n : 3) >= size)
			break;
		memcpy(to + len, part, n ? n : 3);
		len += n ? n : 3;
	}
	to[len] = '\0';
}

/* HEAD of a repository without a commit names a branch that does not exist yet. */
static int read_unborn(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	static const char prefix[] = "refs/heads/";
	GIT(reference) head = NULL;
	const char *target;
	int rc = git_reference_lookup(&head, repo, "HEAD");

	if (rc)
		return failed(rc, "read HEAD", err);
	target = git_reference_symbolic_target(head);
	if (target && bl_str_starts(target, prefix))
		copy_text(out->branch, sizeof(out->branch), target + strlen(prefix));
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
		return failed(rc, "read HEAD", err);
	git_oid_tostr(out->sha, sizeof(out->sha), git_commit_id(commit));
	git_oid_tostr(out->tree, sizeof(out->tree), git_commit_tree_id(commit));
	copy_text(out->subject, sizeof(out->subject), git_commit_summary(commit));
	if (git_reference_is_branch(head))
		copy_text(out->branch, sizeof(out->branch), git_reference_shorthand(head));
	return 0;
}

/* As configured, before url.insteadOf: the name of the repository, not a way to it. */
static int read_remote(git_repository *repo, struct bl_git *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) clean = BL_BUF(sizeof(out->remote) - 1);
	GIT(config) config = NULL;
	const char *url = "";
	int rc = git_repository_config_snapshot(&config, repo);

	if (!rc)
		rc = git_config_get_string(&url, config, "remote.origin.url");
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return failed(rc, "read remote origin", err);
	bl_remote_add_clean(&clean, url);
	if (bl_buf_check(&clean, "URL of remote origin", err))
		return -1;
	copy_text(out->remote, sizeof(out->remote), bl_buf_text(&clean));
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
		return failed(rc, "compare the work tree", err);
	options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED;
	rc = git_status_foreach_ext(repo, &options, stop_at_first, &out->dirty);
	return rc && rc != GIT_EUSER ? failed(rc, "compare the work tree", err) : 0;
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

	if (open_repository(path, &repo, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* no repository is an answer */
	}
	if (repo && git_repository_workdir(repo)) {
		git.found = true;
		if (read_root(repo, &git, err) || read_head(repo, &git, err) ||
		    read_remote(repo, &git, err) || read_dirty(repo, &git, err))
			return bl_wrap(err, "git repository at '%s'", path);
	}
	if (ended(err))
		return -1;
	*out = git;
	return 0;
}

static int find_commit(git_repository *repo, const char *sha, git_commit **commit,
                       struct bl_err *err)
{
	git_oid id;
	int rc;

	if (strlen(sha) != GIT_OID_HEXSZ || git_oid_fromstr(&id, sha))
		return bl_fail(err, BL_EINPUT, "'%.64s' is not a commit's 40 digits", sha);
	rc = git_commit_lookup(commit, repo, &id);
	if (rc == GIT_ENOTFOUND) {
		bl_fail(err, BL_ENOENT, "commit %s is not in this clone", sha);
		return bl_next(err, "fetch it; for actions/checkout set fetch-depth: 0");
	}
	return rc ? failed(rc, sha, err) : 0;
}

static int find_tree(git_repository *repo, const char *sha, git_tree **tree, struct bl_err *err)
{
	GIT(commit) commit = NULL;
	int rc;

	if (find_commit(repo, sha, &commit, err))
		return -1;
	rc = git_commit_tree(tree, commit);
	return rc ? failed(rc, sha, err) : 0;
}

int bl_git_file(const char *root, const char *sha, const char *path, struct bl_buf *out,
                struct bl_err *err)
{
	GIT(repository) repo = NULL;
	GIT(tree) tree = NULL;
	GIT(tree_entry) entry = NULL;
	GIT(blob) blob = NULL;
	int rc;

	if (open_repository(root, &repo, err) || find_tree(repo, sha, &tree, err))
		return -1;
	rc = git_tree_entry_bypath(&entry, tree, path);
	if (rc == GIT_ENOTFOUND)
		return bl_fail(err, BL_ENOENT, "'%s' is not in commit %.12s", path, sha);
	if (!rc && git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
		return bl_fail(err, BL_EINPUT, "'%s' in commit %.12s is not a file", path, sha);
	if (!rc)
		rc = git_blob_lookup(&blob, repo, git_tree_entry_id(entry));
	if (rc)
		return failed(rc, path, err);
	bl_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
	return bl_buf_check(out, path, err) ? -1 : ended(err);
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
	return rc ? failed(rc, "read HEAD", err) : 0;
}

int bl_git_patch(const char *root, struct bl_buf *patch, struct bl_err *err)
{
	git_diff_options options;
	GIT(repository) repo = NULL;
	GIT(tree) tree = NULL;
	GIT(diff) diff = NULL;
	int rc = git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);

	if (rc)
		return failed(rc, "compare the work tree", err);
	/* prefixes and whole ids are said, because the user's configuration may change them */
	options.flags = GIT_DIFF_INCLUDE_UNTRACKED | GIT_DIFF_RECURSE_UNTRACKED_DIRS |
	                GIT_DIFF_SHOW_UNTRACKED_CONTENT | GIT_DIFF_SHOW_BINARY |
	                GIT_DIFF_IGNORE_SUBMODULES;
	options.old_prefix = "a";
	options.new_prefix = "b";
	options.id_abbrev = GIT_OID_HEXSZ;
	if (open_repository(root, &repo, err) || head_tree(repo, &tree, err))
		return -1;
	rc = git_diff_tree_to_workdir_with_index(&diff, repo, tree, &options);
	if (rc)
		return failed(rc, "compare the work tree", err);
	if (check_sizes(diff, patch->max, err))
		return -1;
	rc = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, add_line, patch);
	if (bl_buf_check(patch, "changes not committed", err))
		return -1;
	return rc ? failed(rc, "write the patch", err) : ended(err);
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
		return failed(rc, "compare commits", err);
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

	if (open_repository(root, &repo, err) || find_tree(repo, from_sha, &from, err) ||
	    find_tree(repo, to_sha, &to, err))
		return -1;
	rc = git_diff_tree_to_tree(&diff, repo, from, to, NULL);
	if (rc)
		return failed(rc, "compare commits", err);
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++)
		if (add_delta(diff, i, out, err))
			return -1;
	return bl_buf_check(out, "difference of commits", err) ? -1 : ended(err);
}
