/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_WARM_H
#define BL_RUN_STORE_WARM_H

#include "run/store.h"

/*
 * A store in front of another one across a network: small objects that will be wanted are fetched
 * many at once, and reading them asks nobody. What was fetched is as old as its fetch: for one look
 * at many runs, not for waiting. `inner` stays the caller's.
 */
BL_MUST int bl_store_warm_open(struct bl_store *inner, struct bl_store **out, struct bl_err *err);

/* Forgets what was fetched before, then fetches these. */
BL_MUST int bl_store_warm_fetch(struct bl_store *warm, const char *const *keys, size_t n,
                                struct bl_err *err);

#endif
