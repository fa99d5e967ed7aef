/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_PLACE_H
#define BL_ACTIONS_PLACE_H

#include "codec/git.h"
#include "run/keys.h"
#include "run/store.h"

/* Where a verb works: its store, and the repository it was called in. */
struct place {
	struct bl_store *store;
	struct bl_git git;
	char root[4096]; /* of the repository, else the current directory */
	char repo_key[17];
};
void place_done(struct place *place);

/* URIs as they are, paths made absolute; NULL: root/.branchline/store. */
BL_MUST int place_store_uri(const char *named, const char *root, char *out, size_t size,
                            struct bl_err *err);

/*
 * store: --store; NULL: branchline.yaml's, else .branchline/store at the repository's root.
 * BL_ENOENT says how the first run is made.
 */
BL_MUST int place_open(struct place *place, const char *store, enum bl_store_mode mode,
                       struct bl_err *err);

/* The run that `word` means (design 4.1); NULL: latest. */
BL_MUST int place_run(struct place *place, const char *word, char run[BL_RUN_SIZE],
                      struct bl_err *err);

/* "host/owner/name" of the remote, for people; root where there is none. */
const char *place_repo_name(const struct bl_git *git, const char *root, char *out, size_t size);

#define PLACE_OPT_STORE(type)                                                                      \
	{                                                                                          \
		"store", 0, BL_OPT_TEXT, offsetof(type, store), "STORE",                           \
			"where runs are kept: a directory or s3://BUCKET; default "                \
			".branchline/store"                                                        \
	}

#endif
