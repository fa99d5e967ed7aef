/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/place.h"

#include "actions/options.h"
#include "codec/git_remote.h"
#include "run/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void place_done(struct place *place)
{
	bl_store_close(place->store);
	place->store = NULL;
}

int place_store_uri(const char *named, const char *root, char *out, size_t size, struct bl_err *err)
{
	char here[4096];
	int n;

	if (!named) {
		n = snprintf(out, size, "%s/.branchline/store", root);
	} else if (named[0] == '/' || strstr(named, "://")) {
		n = snprintf(out, size, "%s", named);
	} else {
		/* other programs work elsewhere: a path must mean the same there */
		if (!getcwd(here, sizeof(here)))
			return bl_fail_errno(err, errno, "current directory");
		n = snprintf(out, size, "%s/%s", here, named);
	}
	if (n < 0 || (size_t)n >= size)
		return bl_fail(err, BL_EINPUT, "the store's path is too long");
	return 0;
}

/* The file's store matters only when nothing nearer names one. */
static int configured(const char **store, struct bl_config *config, struct bl_err *err)
{
	BL_AUTO(bl_args) none = { 0 };
	struct bl_found found;

	if (*store)
		return 0;
	if (bl_options_config(NULL, NULL, &none, NULL, config, &found, err))
		return bl_next(err, "correct it, or name the store with --store");
	*store = bl_config_text(config, "store");
	return 0;
}

/* A verb about runs makes no store: only the first run does. */
static int open_there(const char *uri, enum bl_store_mode mode, struct bl_store **out,
                      struct bl_err *err)
{
	struct bl_store *store;

	if (bl_store_is_remote(uri)) /* a bucket is never made */
		return bl_store_open(uri, mode, out, err);
	if (bl_store_open(uri, BL_STORE_READ, &store, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_ENOENT, "there is no store at '%s'", uri);
		return bl_next(err, "the first `branchline local` makes it; --store names another");
	}
	if (mode == BL_STORE_READ) {
		*out = store;
		return 0;
	}
	bl_store_close(store);
	return bl_store_open(uri, mode, out, err);
}

int place_open(struct place *place, const char *store, enum bl_store_mode mode, struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	char uri[8192];

	if (bl_git_read(".", &place->git, err))
		return -1;
	if (place->git.found)
		snprintf(place->root, sizeof(place->root), "%s", place->git.root);
	else if (!getcwd(place->root, sizeof(place->root)))
		return bl_fail_errno(err, errno, "current directory");
	if (bl_git_repo_key(&place->git, place->root, place->repo_key, err) ||
	    configured(&store, &config, err) ||
	    place_store_uri(store, place->root, uri, sizeof(uri), err))
		return -1;
	return open_there(uri, mode, &place->store, err);
}

int place_run(struct place *place, const char *word, char run[BL_RUN_SIZE], struct bl_err *err)
{
	struct bl_resolve_context context = { .repository = place->repo_key,
		                              .branch = place->git.branch };

	return bl_run_resolve(place->store, word, &context, run, err);
}

const char *place_repo_name(const struct bl_git *git, const char *root, char *out, size_t size)
{
	BL_AUTO(bl_buf) name = BL_BUF(size - 1);

	if (!bl_remote_add_name(&name, git->remote))
		return root;
	snprintf(out, size, "%s", bl_buf_text(&name));
	return out;
}
