/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_ATTEMPT_H
#define BL_RUN_ATTEMPT_H

#include "base/proc.h"
#include "run/keys.h"
#include "run/outcome.h"
#include "run/store.h"

/*
 * Attempts of a run (design 4.3). attempts/N.json is the claim, created once
 * before anything starts; attempts/N.end.json is the fence, created once: whoever loses that
 * create writes nothing more.
 */
#define BL_NONCE_SIZE 17
#define BL_HEARTBEAT_MS 30000
#define BL_HEARTBEATS_TO_DEATH 6

struct bl_claim {
	unsigned attempt;
	struct bl_proc_id owner;            /* zero when an instance owns it */
	char instance_tag[BL_RUN_SIZE + 4]; /* "RUN/N": of the instance that owns it; "" none */
	char nonce[BL_NONCE_SIZE];
	int64_t heartbeat_ms;  /* period */
	int64_t claimed_at_ms; /* wall */
};

/* A fresh claim of our own process; nonce random. */
BL_MUST int bl_claim_make(unsigned attempt, struct bl_claim *out, struct bl_err *err);

/* The same for an instance, which is known by its tags before it is bought. */
BL_MUST int bl_claim_make_instance(const char *run, unsigned attempt, struct bl_claim *out,
                                   struct bl_err *err);

/* Who holds it, for people: "process 4711", "an instance". */
void bl_claim_holder(const struct bl_claim *claim, char text[48]);

/*
 * Creates attempts/N.json. BL_EBUSY when another owner has it: `held` (may be NULL) tells whose.
 * Our own earlier write (equal nonce) is success.
 */
BL_MUST int bl_claim_create(struct bl_store *store, const char *run, const struct bl_claim *mine,
                            struct bl_claim *held, struct bl_err *err);
BL_MUST int bl_claim_read(struct bl_store *store, const char *run, unsigned attempt,
                          struct bl_claim *out, struct bl_err *err); /* BL_ENOENT */

/* Why and how an attempt ended. */
struct bl_end {
	unsigned attempt;
	char by[16]; /* "host", "claimer", "reaper" */
	char nonce[BL_NONCE_SIZE];
	struct bl_result result; /* status, class, stage, code, signal, message, next step */
	int64_t finished_at_ms;  /* wall */
	char outputs_crc[16];    /* CRC64NVME text of outputs/N.manifest.json, "" without */
	double last_step;        /* NaN: none */
};

/* Creates attempts/N.end.json. Lost: BL_EEXIST and `winner` (may be NULL) is what stands; equal
 * nonce is success. */
BL_MUST int bl_end_create(struct bl_store *store, const char *run, const struct bl_end *mine,
                          struct bl_end *winner, struct bl_err *err);
BL_MUST int bl_end_read(struct bl_store *store, const char *run, unsigned attempt,
                        struct bl_end *out, struct bl_err *err); /* BL_ENOENT */

/* What the store knows of a run's attempts. */
struct bl_attempts {
	unsigned newest; /* highest claimed N; 0: none */
	bool newest_ended;
	struct bl_claim claim;  /* of newest, when newest > 0 */
	struct bl_end end;      /* of newest, when newest_ended */
	unsigned interruptions; /* ends with a relaunchable class so far, an owner dead without an
	                           end not counted */
	bool has_outcome;
	struct bl_outcome outcome;
	bool stop_wanted;
	char stop_reason[32]; /* word in stop.json */
};
BL_MUST int bl_attempts_read(struct bl_store *store, const char *run, struct bl_attempts *out,
                             struct bl_err *err);

/*
 * Writes stop.json, the wish that the run stops: `reason` is a status or class word
 * ("cancelled", "budget"), `by` who asks, "" unknown. Asking again replaces both.
 */
BL_MUST int bl_stop_ask(struct bl_store *store, const char *run, const char *reason, const char *by,
                        struct bl_err *err);

/* What was asked, of stop.json. reason: set where *wanted. */
BL_MUST int bl_stop_read(struct bl_store *store, const char *run, bool *wanted, char reason[32],
                         struct bl_err *err);

/*
 * The one decision of design 4.3: what is to be done about a run. Pure.
 *
 *   WAIT      the newest attempt is, or may be, alive; or there is nothing to do
 *   RELAUNCH  end N as lost when it has no end (its owner is proven dead), then claim N+1
 *   SETTLE    outcome.json is due: `result` is what it says
 *
 * An unknown owner never relaunches. A stop wanted never relaunches. `retries` relaunches
 * are made in all; a person who asks is not counted. Where another attempt would be due but
 * nothing is left of max_runtime (budget_left_ms, over all attempts), the run ends as timeout.
 */
enum bl_next { BL_WAIT, BL_RELAUNCH, BL_SETTLE };

struct bl_run_view {
	const struct bl_attempts *attempts;
	unsigned retries;       /* configured */
	enum bl_liveness owner; /* of the newest attempt without an end; else ignored */
	int64_t budget_left_ms;
	bool asked; /* a person asked to resume: retries do not matter */
};
struct bl_run_step {
	enum bl_next next;
	struct bl_result result; /* SETTLE only */
};
struct bl_run_step bl_run_next(const struct bl_run_view *view);

/*
 * Watches a heartbeat whose owner /proc cannot tell about: dead when seq has not moved for
 * BL_HEARTBEATS_TO_DEATH periods of the reader's monotonic clock. Zero-initialise.
 */
struct bl_watch {
	int64_t seq, since_mono_ms;
	bool started;
};
enum bl_liveness bl_watch_seq(struct bl_watch *watch, int64_t seq, int64_t period_ms,
                              int64_t now_mono_ms);

#endif
