/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"

#include <string.h>

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

/* What makes going on useless; the last word is then its own. */
static bool is_fatal(struct sync *sync, const char *name, struct bl_err *err)
{
	bool lost = err->code == BL_ERETRY || err->code == BL_ETIMEOUT;

	sync->lost_in_row = lost ? sync->lost_in_row + 1 : 0;
	if (err->code == BL_ENOSPC) {
		bl_wrap(err, "%s", name);
		bl_next(err, "make room and run it again: it goes on where it was");
		return true;
	}
	if (sync->lost_in_row >= LOST_MAX) {
		bl_wrap(err, "%d in a row, the last %s", LOST_MAX, name);
		err->next[0] = '\0'; /* what to do about one alone */
		bl_next(err, "run it again when S3 can be reached: it goes on where it was");
		return true;
	}
	return err->code == BL_ENOMEM || err->code == BL_EBUG;
}

void sync_failed(struct sync *sync, const char *name, struct bl_err *err)
{
	enum bl_code class = class_of(err->code);
	BL_AUTO(bl_buf) why = BL_BUF(sizeof(err->text) + sizeof(err->next) + 8);

	sync->totals->failed++;
	sync->failure = !sync->failure || sync->failure == class ? class : BL_EDATA;
	if (is_fatal(sync, name, err) && (!sync->fatal.code || err->code == BL_ENOSPC)) {
		sync_make_fatal(sync, err);
		bl_err_clear(err);
		return;
	}
	bl_buf_adds(&why, err->text);
	/* what to do about many alike is said once */
	if (err->next[0] && strcmp(err->next, sync->said_next) != 0) {
		bl_buf_addf(&why, "; %s", err->next);
		memcpy(sync->said_next, err->next, sizeof(sync->said_next));
	}
	sync_say(sync, "failed", name, 0, why.failed ? err->text : bl_buf_text(&why));
	bl_err_clear(err);
}
