/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"

#define LOST_MAX 16 /* in a row: the network, not the names */

void sync_say(const struct sync *sync, const char *act, const char *name, uint64_t size,
              const char *why)
{
	if (sync->watch && sync->watch->said)
		sync->watch->said(sync->watch->arg, act, name, size, why);
}

void sync_make_fatal(struct sync *sync, const struct bl_err *err)
{
	if (!sync->fatal.code)
		sync->fatal = *err;
}

/* The class that the exit status tells of. */
static enum bl_code class_of(enum bl_code code)
{
	return code == BL_EDENIED || code == BL_ERETRY || code == BL_ETIMEOUT ? code : BL_EDATA;
}

void sync_failed(struct sync *sync, const char *name, struct bl_err *err)
{
	enum bl_code class = class_of(err->code);

	sync->totals->failed++;
	sync_say(sync, "failed", name, 0, err->text);
	sync->failure = !sync->failure || sync->failure == class ? class : BL_EDATA;
	if (err->code == BL_ENOSPC) {
		bl_next(err, "make room and run it again: it goes on where it was");
		sync_make_fatal(sync, err);
	}
	if (err->code == BL_ENOMEM || err->code == BL_EBUG)
		sync_make_fatal(sync, err);
	if (class != BL_ERETRY && class != BL_ETIMEOUT)
		sync->lost_in_row = 0;
	else if (++sync->lost_in_row >= LOST_MAX) {
		bl_wrap(err, "%d in a row", LOST_MAX);
		bl_next(err, "run it again when S3 can be reached: it goes on where it was");
		sync_make_fatal(sync, err);
	}
	bl_err_clear(err);
}
