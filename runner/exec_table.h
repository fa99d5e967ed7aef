/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_EXEC_TABLE_H
#define BL_RUNNER_EXEC_TABLE_H

/* What exec does next, decided without doing anything. */
enum exec_state {
	EXEC_START,
	EXEC_STOP_PENDING, /* told to stop before there was a command */
	EXEC_RUNNING,
	EXEC_STOPPING, /* TERM was sent, the grace runs */
	EXEC_LEAVING,  /* the command has ended, others of it have not */
	EXEC_KILLING,
	EXEC_DONE,
	EXEC_STATES
};

enum exec_event {
	EV_SPAWNED,
	EV_SPAWN_FAILED,
	EV_STOP,         /* TERM or INT */
	EV_KILL_NOW,     /* QUIT */
	EV_COMMAND_EXIT, /* what we spawned, and what of it was sent TERM, has ended */
	EV_GRACE_OVER,
	EV_STRAYS_OVER,
	EV_ALL_GONE, /* no process of the command is left, and nobody holds its pipe */
	EXEC_EVENTS
};

enum exec_act {
	ACT_IGNORE, /* nothing, and the state stays */
	ACT_MOVE,
	ACT_TERM,
	ACT_KILL_ALL,
	ACT_EXIT
};

struct exec_step {
	enum exec_act act;
	enum exec_state next;
};

struct exec_step exec_next(enum exec_state now, enum exec_event ev);

#endif
