/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"

#include <stdlib.h>

#define STEPS_MAX 6 /* end, settle, buy: each looked at again */

static struct bl_wait_step decide(struct waiting *waiting)
{
	int64_t now = bl_wall_ms();
	struct bl_wait_seen seen = {
		.mono_ms = now,
		.wall_ms = now,
		.run = &waiting->run,
		.attempts = &waiting->attempts,
		.started = *waiting->started.engine ? &waiting->started : NULL,
		.beat = waiting->beat.seq ? &waiting->beat : NULL,
		.probe = waiting->probed ? &waiting->probe : NULL,
		.spent_ms = waiting->spent_ms,
		.cost_usd = wait_cost(waiting, now),
	};

	bl_wait_prime(&waiting->wait, &seen);
	return bl_wait_next(&waiting->wait, &seen);
}

static int step_on(struct waiting *waiting, enum wait_may may, enum wait_found *found, bool *done,
                   struct bl_err *err)
{
	struct bl_wait_step step;
	struct wait_ended ended;
	bool over;

	if (wait_look_once(waiting, err))
		return -1;
	step = decide(waiting);
	*done = true;
	*found = WAIT_FOUND_LIVE;
	if (step.act == BL_WAIT_POLL)
		return 0;
	if (step.act == BL_WAIT_OVER) {
		*found = WAIT_FOUND_ENDED;
		return 0;
	}
	if (step.act == BL_WAIT_RELAUNCH && may != WAIT_MAY_LAUNCH) {
		*found = WAIT_FOUND_LEFT;
		return 0;
	}
	*done = step.act == BL_WAIT_ASK_STOP && waiting->attempts.newest;
	if (wait_act(waiting, &step, &over, &ended, err))
		return -1;
	if (step.act == BL_WAIT_RELAUNCH)
		*found = WAIT_FOUND_LAUNCHED;
	return 0;
}

int wait_once(struct cloud *cloud, const char *run, enum wait_may may, enum wait_found *found,
              struct bl_err *err)
{
	static const struct wait_how how = { 0 };
	struct waiting *waiting = calloc(1, sizeof(*waiting)); /* large */
	enum wait_found last = WAIT_FOUND_LIVE, now = WAIT_FOUND_LIVE;
	bool done = false;
	int rc;

	if (!waiting)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	waiting->cloud = cloud;
	waiting->how = &how;
	waiting->quiet = true;
	bl_started_init(&waiting->started);
	rc = bl_run_read(cloud->store, run, &waiting->run, err);
	if (!rc) {
		wait_show_open(waiting);
		for (int i = 0; i < STEPS_MAX && !rc && !done; i++) {
			rc = step_on(waiting, may, &now, &done, err);
			if (now != WAIT_FOUND_LIVE)
				last = now;
		}
		wait_show_done(waiting);
	}
	bl_run_done(&waiting->run);
	free(waiting);
	if (!rc)
		*found = last;
	return rc;
}
