/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/git_memory.h"
#include "codec/git_parts.h"
#include "codec/git_remote.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

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
	/* git hashed every object when it was fetched or added, and does not when it reads one:
	 * damage shows in zlib's own sum */
	git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, BL_COUNT(extensions));
}

/* libgit2 itself, or the C library for it (a directory stream). */
static bool is_memory(const git_error *why)
{
	return why && (why->klass == GIT_ERROR_NOMEMORY ||
	               (why->klass == GIT_ERROR_OS && strstr(why->message, strerror(ENOMEM))));
}

int bl_git_failed(int rc, const char *what, struct bl_err *err)
{
	const git_error *why = git_error_last();
	enum bl_code code = rc == GIT_ENOTFOUND ? BL_ENOENT : BL_EIO;

	if (bl_git_ran_out() || is_memory(why))
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
	return bl_fail(err, code, "%s: %s", what, why ? why->message : "libgit2 failed");
}

int bl_git_ended(struct bl_err *err)
{
	return bl_git_ran_out() ? bl_git_failed(GIT_ERROR, "git", err) : 0;
}

int bl_git_open(const char *path, git_repository **repo, struct bl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, start);
	if (started < 0)
		return bl_fail(err, BL_ENOMEM, "libgit2 does not start");
	git_error_clear();
	rc = git_repository_open_ext(repo, path, 0, NULL);
	return rc ? bl_git_failed(rc, "open repository", err) : 0;
}

void bl_git_copy_text(char *to, size_t size, const char *from)
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

/* As configured, before url.insteadOf: the name of the repository, not a way to it. */
int bl_git_read_remote(git_repository *repo, char *out, size_t size, struct bl_err *err)
{
	BL_AUTO(bl_buf) clean = BL_BUF(size - 1);
	GIT(config) config = NULL;
	const char *url = "";
	int rc = git_repository_config_snapshot(&config, repo);

	if (!rc)
		rc = git_config_get_string(&url, config, "remote.origin.url");
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc)
		return bl_git_failed(rc, "read remote origin", err);
	bl_remote_add_clean(&clean, url);
	if (bl_buf_check(&clean, "URL of remote origin", err))
		return -1;
	bl_git_copy_text(out, size, bl_buf_text(&clean));
	return 0;
}

int bl_git_find_commit(git_repository *repo, const char *sha, git_commit **commit,
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
	return rc ? bl_git_failed(rc, sha, err) : 0;
}
