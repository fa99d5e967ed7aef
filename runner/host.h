/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_HOST_H
#define BL_RUNNER_HOST_H

#include "runner/engine.h"
#include "runner/host_table.h"
#include "runner/lane.h"

/*
 * One attempt, seen from its supervisor. All times are of the monotonic clock, in
 * milliseconds; 0: not armed.
 */
struct host {
	struct ship_place place;
	bool asked; /* --resume */
	enum host_state state;
	struct lane bulk, control;
	struct engine engine;
	struct ship_claimed claim;

	/* fds of the poll loop */
	int signal_fd, status_fd;

	/* what has to happen when */
	int64_t tick_at, snapshot_at, over_at, stop_at, deadline_at;
	int64_t bulk_again_at, control_again_at; /* a request that found the store out of reach */

	/* while the store is out of reach */
	unsigned unreachable;          /* lanes that found it so, as bits; that was said */
	unsigned failures[SHIP_LANES]; /* in a row */
	int64_t bulk_since;            /* when the bulk lane's request was sent first */
	int64_t flush_until;           /* how long after the training's end it is waited for */

	/* time per phase */
	int64_t phase_ms[HOST_PHASES], phase_since;
	bool beat; /* the phase has changed since the last tick */

	/* what is known of the training */
	struct bl_latest latest;
	uint64_t log_bytes;
	double stall_step;
	uint64_t stall_log_bytes;
	int64_t progress_at;
	bool stall_said, nan_said, tick_failed, snapshot_failed;
	struct bl_published published; /* newest checkpoint */
	int64_t published_at_wall_ms;
	double published_step;
	char resume_from[PATH_MAX];

	/* how it ends */
	char stop_reason[32]; /* "" nobody has asked */
	unsigned wishes;      /* to end it, by signal: the second one kills */
	bool hurried;         /* it did: the store is not waited for */
	struct bl_exit_record record;
	struct bl_verdict verdict;
	struct bl_result result;
	struct bl_outputs outputs;
	bool want_final;  /* the last snapshot waits for its lane... */
	bool awaits_tick; /* ...and for a tick after the end: it tells the last step */
	bool stale_tick;  /* the tick under way was sent before the end */
	bool kept;        /* the outputs are stored and verified */
	bool drained;     /* ... the log and metrics, too */
	bool fenced, settled;
	struct bl_outcome outcome;
	struct bl_err failure; /* of our own */
};

void host_event(struct host *host, enum host_event ev);

/* Carries a step's act out; may raise further events. */
void host_act(struct host *host, enum host_act act);

/* Parts of acts that replies and timers need too. */
#define HOST_SNAPSHOT_MS 2000
void host_send_bulk(struct host *host, const struct ship_request *request);
void host_send_control(struct host *host, enum ship_op op);
void host_try_last_snapshot(struct host *host); /* once nothing is left to wait for */
/* Called in the state that failed: its phase is the result's stage. */
void host_fail(struct host *host, enum bl_class class, const struct bl_err *err);
double host_primary_value(const struct host *host); /* NaN unknown */
struct engine_spec host_engine_spec(const struct host *host, const char *const *env);

/* Asks for a stop; the first reason stands. */
void host_stop(struct host *host, const char *reason);

/* Replies of the ships. */
void host_bulk_reply(struct host *host, const struct ship_reply *reply);
void host_control_reply(struct host *host, const struct ship_reply *reply);
void host_lane_lost(struct host *host, enum ship_lane which, const struct bl_err *err);

/*
 * The store may be out of reach for a while: true when the request of this reply is kept, to be
 * sent again; nothing else is to be done with the reply. Says so once, and when it is over.
 */
bool host_tries_again(struct host *host, enum ship_lane which, const struct ship_reply *reply);
void host_try_again(struct host *host, int64_t now);

/* Timers that are due. */
void host_timers(struct host *host, int64_t now);

/*
 * What `local` shows while it waits: a JSON line per event on status_fd, dropped when
 * nobody reads.
 *
 *   {"event":"phase","phase":"training","attempt":1,"root":"/..."}
 *   {"event":"step","step":120,"total":400,"metrics":{"loss":1.2}}
 *   {"event":"checkpoint","step":100,"files":1,"bytes":1048576}
 *   {"event":"note","level":"warn","text":"..."}
 *   {"event":"end","settled":true}
 */
void host_say_phase(const struct host *host);
void host_say_step(const struct host *host);
void host_say_checkpoint(const struct host *host);
void host_note(const struct host *host, const char *level, const char *fmt, ...) BL_PRINTF(3);
void host_say_end(const struct host *host);

#endif
