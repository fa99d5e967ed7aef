/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "runner/ship.h"

#include <string.h>

int ship_look_at_fence(struct ship *ship, struct bl_err *err)
{
	int64_t now = bl_mono_ms();
	struct bl_end end;

	if (bl_end_read(ship->store, ship->place.run, ship->claimed.attempt, &end, err)) {
		if (err->code != BL_ENOENT)
			return bl_wrap(err, "look whether attempt %u was ended",
			               ship->claimed.attempt);
		bl_err_clear(err);
	} else {
		ship->fenced = strcmp(end.nonce, ship->claim.nonce) != 0;
	}
	ship->fence_mono_ms = now;
	return 0;
}

/*
 * We are taken for dead after BL_HEARTBEATS_TO_DEATH periods: a look that is younger than one of
 * them is good. A machine that was frozen or cut off finds its last look too old.
 */
int ship_check_fence(struct ship *ship, struct bl_err *err)
{
	if (ship->fence_mono_ms && bl_mono_ms() - ship->fence_mono_ms < ship->claim.heartbeat_ms)
		return 0;
	return ship_look_at_fence(ship, err);
}
