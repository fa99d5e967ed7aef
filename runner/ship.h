/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_SHIP_H
#define BL_RUNNER_SHIP_H

#include "base/err.h"
#include "run/attempt.h"
#include "run/checkpoint.h"
#include "run/mask.h"
#include "run/metrics.h"
#include "run/outcome.h"
#include "runner/host_table.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Whatever of host can block (disk, later the network) is done by its children in
 * the role `ship`. Two of them, so that a long upload never delays a heartbeat:
 *
 *   BULK     claim, restore, snapshots, outputs, the end
 *   CONTROL  once a second: log and metric chunks, heartbeat, stop wishes, the fence
 *
 * They speak over a SOCK_SEQPACKET pair, one request and one reply at a time, as
 * these structs: both ends are the same program. A ship ends with its host (parent
 * death signal, or end of file).
 */
enum ship_lane { SHIP_BULK, SHIP_CONTROL, SHIP_LANES };

enum ship_op {
	SHIP_CLAIM,    /* ends a dead predecessor, claims the next attempt, prepares its tree */
	SHIP_RESTORE,  /* newest checkpoint that verifies */
	SHIP_STARTED,  /* N.started.json */
	SHIP_SNAPSHOT, /* publish what is complete, prune */
	SHIP_OUTPUTS,  /* upload and verify the artefacts */
	SHIP_END,      /* N.end.json, outcome.json when due, marker, baseline index */
	SHIP_TICK,     /* control: streams, heartbeat, stop, fence */
	SHIP_DRAIN,    /* control: the rest of the streams and their whole copies */
};

#define SHIP_TEXT 1024

/* What a tick tells the store of the attempt. */
struct ship_tick {
	char phase[24];
	bool beat;                      /* the phase has changed: write a heartbeat now */
	int64_t phase_ms[HOST_PHASES];  /* spent per phase */
	char manifest[BL_RUN_KEY_SIZE]; /* newest checkpoint, "" none */
	int64_t manifest_at_ms;
	double manifest_step;
};

struct ship_request {
	enum ship_op op;
	bool asked;                   /* CLAIM: a person asked to resume */
	int64_t pid;                  /* STARTED: of exec */
	int64_t deadline_ms;          /* STARTED: D, wall */
	struct bl_snapshot_when when; /* SNAPSHOT; its `primary` is set by the ship */
	struct bl_result result;      /* END */
	double last_step;             /* END, NaN none */
	char outputs_crc[16];         /* END */
	struct ship_tick tick;        /* TICK, DRAIN */
};

/* What host must know of the run, read from run.json by the claim. */
struct ship_claimed {
	unsigned attempt;
	char root[PATH_MAX];           /* the attempt's /opt/ml */
	char checkpoint_dir[PATH_MAX]; /* "" without checkpoints */
	char sha[41];
	int64_t budget_left_ms; /* of max_runtime */
	int64_t grace_ms, flush_reserve_ms, stall_ms, quiet_ms;
	bool stop_on_nan, stop_on_stall;
	char primary[64];
	unsigned ended_survivors; /* processes of a dead predecessor that had to be killed */
};

struct ship_reply {
	enum ship_op op;
	struct bl_err err; /* code BL_OK: done */
	bool fenced;       /* somebody else ended this attempt: nothing was written */
	union {
		struct ship_claimed claimed;
		struct {
			struct bl_restored restored;
			char said[SHIP_TEXT]; /* manifests that did not verify */
		} restore;
		struct bl_published published;
		struct bl_outputs outputs;
		struct {
			bool settled; /* outcome.json stands: `outcome` */
			struct bl_outcome outcome;
		} end;
		struct {
			bool read; /* else nothing is known: the store was not reached yet */
			struct bl_latest latest;
			uint64_t log_bytes;   /* captured so far */
			char stop_reason[32]; /* "" nobody wants a stop */
		} tick;
	};
};

/* How a ship is told where it works: command line of the role. */
struct ship_place {
	const char *store; /* uri */
	const char *run;
	const char *work; /* directory of the run's attempts: root is work/N */
};

/* State of a ship between requests; each file of the role owns its part. */
struct ship {
	struct ship_place place;
	struct bl_store *store;
	struct bl_value *run_doc;
	struct ship_claimed claimed;
	struct bl_claim claim;
	bool fenced;
	int64_t fence_mono_ms; /* when that was seen last, 0 never */
	struct bl_snapshots *snapshots;
	struct ship_streams *streams;
};

/* ship->store: every write through it needs a young look at the fence; BL_EBUSY: fenced. */
BL_MUST int ship_open_store(struct ship *ship, struct bl_err *err);
/*
 * What a call on a small object gets that was given no bounds: a minute in all. A server that
 * answers a byte a second is not silent, but would hold heartbeats and the wish to stop for hours.
 */
const struct bl_call *ship_bounded(const struct bl_call *call, struct bl_call *own);

BL_MUST int ship_claim(struct ship *ship, const struct ship_request *request,
                       struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_adopt(struct ship *ship, unsigned attempt, struct bl_err *err);
BL_MUST int ship_restore(struct ship *ship, struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_started(struct ship *ship, const struct ship_request *request, struct bl_err *err);
BL_MUST int ship_snapshot(struct ship *ship, const struct ship_request *request,
                          struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_outputs(struct ship *ship, struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_end(struct ship *ship, const struct ship_request *request,
                     struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_tick(struct ship *ship, const struct ship_request *request,
                      struct ship_reply *reply, struct bl_err *err);
BL_MUST int ship_drain(struct ship *ship, const struct ship_request *request,
                       struct ship_reply *reply, struct bl_err *err);

/*
 * Whether somebody ended this attempt, so that nothing more may be written: to ship->fenced.
 * `check` takes an earlier answer that is young enough to hold.
 */
BL_MUST int ship_look_at_fence(struct ship *ship, struct bl_err *err);
BL_MUST int ship_check_fence(struct ship *ship, struct bl_err *err);

/*
 * A dead attempt of this machine: its unsent log, metrics and complete checkpoints are stored,
 * before its end is. ship->claimed is that attempt's.
 */
BL_MUST int ship_salvage(struct ship *ship, unsigned attempt, struct bl_err *err);

/* What must not leave: the values of the variables that `secrets` names. */
BL_MUST int ship_secrets(const struct bl_value *run_doc, struct bl_mask **out, struct bl_err *err);

void ship_streams_free(struct ship_streams *streams);

/* Makes the attempt's tree and input/config from run.json. */
BL_MUST int ship_prepare(const struct bl_value *run_doc, const struct ship_claimed *claimed,
                         struct bl_err *err);

#endif
