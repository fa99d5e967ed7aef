/* SPDX-License-Identifier: Apache-2.0 */
#include "run/recent.h"

#include "run/store_warm.h"

#include <string.h>

static const char *const wanted[] = { "run.json", "outcome.json", "reported.json" };
#define BATCH 32

static int is_there(struct bl_store *store, const char *run, const char *name, bool *there,
                    struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, "%s", name);
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_DOC_MAX);

	*there = !bl_store_get(store, NULL, key.text, &bytes, err);
	if (*there || err->code == BL_ENOENT) {
		bl_err_clear(err);
		return 0;
	}
	return -1;
}

static int tell(struct bl_store *store, const char *id, const char *repository, bl_recent_fn *fn,
                void *arg, size_t *unreadable, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_recent recent = { .run = &run };

	if (bl_run_read(store, id, &run, err)) {
		/* absent: it is being made, or was removed */
		if (err->code != BL_ECORRUPT && err->code != BL_ENOENT && err->code != BL_EINPUT)
			return -1;
		*unreadable += err->code != BL_ENOENT;
		bl_err_clear(err);
		return 0;
	}
	if (repository && *repository && strcmp(repository, run.repository_key) != 0)
		return 0;
	if (is_there(store, id, wanted[1], &recent.has_outcome, err) ||
	    is_there(store, id, wanted[2], &recent.is_reported, err))
		return -1;
	return fn(arg, &recent, err);
}

static int each(struct bl_store *store, const struct bl_run_ids *list, size_t max,
                const char *repository, bl_recent_fn *fn, void *arg, size_t *unreadable,
                struct bl_err *err)
{
	bool far = bl_store_is_remote(bl_store_uri(store));
	size_t n = list->n < max ? list->n : max;
	BL_STORE warm = NULL;

	if (far && bl_store_warm_open(store, &warm, err))
		return -1;
	for (size_t at = 0; at < n; at++) {
		int rc;

		if (far && at % BATCH == 0 &&
		    bl_run_ids_fetch(warm, list, at, n - at < BATCH ? n - at : BATCH, wanted,
		                     BL_COUNT(wanted), err))
			return -1;
		rc = tell(far ? warm : store, list->ids[at], repository, fn, arg, unreadable, err);
		if (rc)
			return rc;
	}
	return 0;
}

int bl_recent_each(struct bl_store *store, const char *repository, size_t max, bl_recent_fn *fn,
                   void *arg, size_t *unreadable, struct bl_err *err)
{
	BL_AUTO(bl_run_ids) list = { 0 };
	size_t none;

	if (!unreadable)
		unreadable = &none;
	*unreadable = 0;
	if (bl_run_ids_read(store, &list, err))
		return -1;
	return each(store, &list, max, repository, fn, arg, unreadable, err);
}
