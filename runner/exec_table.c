/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec_table.h"

/*
 * TERM: what we spawned (a shell: its children first). KILL: all, adopted orphans too.
 * Entering STOPPING starts the stop grace, LEAVING or KILLING the stragglers' 5 s.
 */
static const struct exec_step rules[EXEC_STATES][EXEC_EVENTS] = {
	[EXEC_START][EV_SPAWNED] = { ACT_MOVE, EXEC_RUNNING },
	[EXEC_START][EV_SPAWN_FAILED] = { ACT_EXIT, EXEC_DONE },
	[EXEC_START][EV_STOP] = { ACT_MOVE, EXEC_STOP_PENDING },
	[EXEC_STOP_PENDING][EV_SPAWNED] = { ACT_TERM, EXEC_STOPPING },
	[EXEC_STOP_PENDING][EV_SPAWN_FAILED] = { ACT_EXIT, EXEC_DONE },
	[EXEC_RUNNING][EV_STOP] = { ACT_TERM, EXEC_STOPPING },
	[EXEC_RUNNING][EV_COMMAND_EXIT] = { ACT_MOVE, EXEC_LEAVING },
	[EXEC_STOPPING][EV_COMMAND_EXIT] = { ACT_MOVE, EXEC_LEAVING },
	[EXEC_STOPPING][EV_GRACE_OVER] = { ACT_KILL_ALL, EXEC_KILLING },
	[EXEC_LEAVING][EV_STRAYS_OVER] = { ACT_KILL_ALL, EXEC_KILLING },
	[EXEC_LEAVING][EV_ALL_GONE] = { ACT_EXIT, EXEC_DONE },
	[EXEC_KILLING][EV_ALL_GONE] = { ACT_EXIT, EXEC_DONE },
	[EXEC_KILLING][EV_STRAYS_OVER] = { ACT_EXIT, EXEC_DONE }, /* stuck in a driver */
};

struct exec_step exec_next(enum exec_state now, enum exec_event ev)
{
	struct exec_step step = rules[now][ev];

	if (ev == EV_KILL_NOW && now != EXEC_DONE)
		return (struct exec_step){ ACT_KILL_ALL, EXEC_KILLING };
	if (step.act == ACT_IGNORE)
		step.next = now;
	return step;
}
