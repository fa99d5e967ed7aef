/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_RECENT_H
#define BL_RUN_RECENT_H

#include "run/run.h"

/* How far a run has come, by the documents that are there. */
struct bl_recent {
	const struct bl_run *run; /* valid during the call */
	bool has_outcome, is_reported;
};
/* A non-zero return ends it and is returned. */
typedef int bl_recent_fn(void *arg, const struct bl_recent *recent, struct bl_err *err);

/*
 * The newest `max` runs of a store, newest first, as far as they are of the repository (key; NULL
 * or "": of any). Across a network many are fetched at once. One that cannot be read (torn, or of a
 * newer version) is left out and counted; unreadable may be NULL.
 */
BL_MUST int bl_recent_each(struct bl_store *store, const char *repository, size_t max,
                           bl_recent_fn *fn, void *arg, size_t *unreadable, struct bl_err *err);

#endif
