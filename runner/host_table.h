/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_HOST_TABLE_H
#define BL_RUNNER_HOST_TABLE_H

/*
 * One attempt of a run, as a table: state x event -> act, next state. Pure.
 *
 *   DONE and FAILED are of the bulk lane's (in DRAINING: the control lane's)
 *   request that the state waits for.
 */
enum host_state {
	HOST_CLAIMING,
	HOST_RESTORING,
	HOST_STARTING,
	HOST_CLAIM_STOPPED, /* a stop while claiming: waits for the claim, to end it properly */
	HOST_STOP_EARLY,    /* a stop before the training began: waits for the restore */
	HOST_RUNNING,
	HOST_STOPPING,  /* TERM delivered */
	HOST_KILLING,   /* KILL delivered */
	HOST_FLUSHING,  /* last snapshot */
	HOST_UPLOADING, /* artefacts */
	HOST_DRAINING,  /* rest of the log and metrics */
	HOST_ENDING,    /* the fence and the outcome */
	HOST_FENCED,    /* somebody ended this attempt: nothing more may be written */
	HOST_DONE,
	HOST_STATES
};

enum host_event {
	HEV_DONE,
	HEV_FAILED,
	HEV_STOP,   /* signal, stop.json, time, nan, stall */
	HEV_KILL,   /* a second wish: now */
	HEV_EXITED, /* exec has ended */
	HEV_OVER,   /* the state's time is over */
	HEV_FENCED,
	HOST_EVENTS
};

enum host_act {
	HACT_IGNORE, /* 0: no such rule */
	HACT_MOVE,
	HACT_RESTORE,
	HACT_START,
	HACT_TERM,
	HACT_KILL,
	HACT_FLUSH,
	HACT_UPLOAD,
	HACT_DRAIN,
	HACT_END,
	HACT_GIVE_UP, /* nothing was claimed: leave without a trace */
	HACT_QUIT
};

struct host_step {
	enum host_act act;
	enum host_state next;
};

struct host_step host_next(enum host_state now, enum host_event ev);

/* Phases shown to people and in heartbeats: claim restore start training stopping flush end. */
#define HOST_PHASES 7
extern const char *const host_phases[HOST_PHASES];
unsigned host_phase(enum host_state state); /* index */

#endif
