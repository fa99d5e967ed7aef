/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* A probe that cannot tell of writers waits longer. */
#define UNKNOWN_WAITS_TIMES 3

enum bl_writer bl_writer_probe(int fd)
{
	/* were the lease broken meanwhile, SIGIO would end us: SIGURG is ignored by default */
	if (fcntl(fd, F_SETSIG, SIGURG))
		return BL_WRITER_UNKNOWN;
	if (!fcntl(fd, F_SETLEASE, F_RDLCK)) {
		/* a held lease makes the training's open() wait */
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return BL_WRITER_NONE;
	}
	return errno == EAGAIN ? BL_WRITER_OPEN : BL_WRITER_UNKNOWN;
}

bool bl_whole_at_last(const struct bl_last_look *look)
{
	int64_t wait = look->quiet_ms;

	if (look->writer == BL_WRITER_OPEN)
		return false;
	if (look->writer == BL_WRITER_UNKNOWN)
		wait *= UNKNOWN_WAITS_TIMES;
	if (look->crashed) {
		if (!look->wall_steady || !look->crashed_at || look->changed_at > look->now)
			return false;
		if (look->changed_at > look->crashed_at - wait &&
		    look->changed_at <= look->crashed_at)
			return false;
	}
	if (look->ended || look->unchanged_ms >= wait)
		return true;
	return look->wall_steady && look->changed_at <= look->now &&
	       look->now - look->changed_at >= wait;
}
