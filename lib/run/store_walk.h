/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_WALK_H
#define BL_RUN_STORE_WALK_H

#include "run/store.h"

/* Parts of the directory store: its walk in key order, and its temporary files. */

struct walk {
	int root;
	const struct bl_call *call;
	const char *prefix, *start_after; /* "": from the first */
	bool folds;                       /* at the first '/' after the prefix */
	bl_list_fn *fn;
	void *arg;
};
BL_MUST int walk_keys(const struct walk *walk, struct bl_err *err);

void free_chunk(char **chunk);

/* A part over the 255 bytes of a file name: no such key can be here. */
bool has_long_part(const char *key);

/* Whether the last part is the name of a temporary file of base/fs.h. */
bool is_temporary_key(const char *key);

/*
 * A write has failed: says so better (BL_EINPUT) where "a" is an object, so that "a/b" cannot
 * be one here, or the other way round. Returns -1.
 */
int fail_blocked(int root, const char *key, struct bl_err *err);

/*
 * Removes what a crash left in the key's directory: temporary files that nobody has
 * written to for an hour. Each directory is looked at once per open store, as far as the table
 * remembers. Best effort: what cannot be removed is only untidy.
 */
struct tidied {
	uint64_t seen[64];
	unsigned next;
};
void tidy_parent(struct tidied *tidied, int root, const char *key);

#endif
