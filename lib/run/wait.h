/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_WAIT_H
#define BL_RUN_WAIT_H

#include "run/compute.h"
#include "run/heartbeat.h"

/*
 * What whoever waits for a run does next, decided from what is known: pure. What there is to know
 * is asked for sparingly: at most three requests in 10 s while lines come, else at most one.
 */
#define BL_WAIT_BOOT_MS (10 * 60000)    /* an attempt without a heartbeat by then never comes up */
#define BL_WAIT_UNBOUGHT_MS (5 * 60000) /* the same of a claim that nothing was bought for */
#define BL_WAIT_GONE_MS 90000           /* its box is gone: an end of its own may still come */
#define BL_WAIT_OVERDUE_MS (2 * 60000)  /* past an attempt's deadline (design 4.9) */
#define BL_WAIT_STOPPED_MS 60000        /* past grace and flush_reserve of a stop */
#define BL_WAIT_SPOT_MS (30 * 60000)    /* two interruptions within it: on-demand next */

/* How a run stands, as far as asking depends on it. */
enum bl_wait_phase {
	BL_WAIT_BOOTING, /* no heartbeat yet */
	BL_WAIT_LINES,   /* lines came within the last minute */
	BL_WAIT_SILENT,
	BL_WAIT_ENDING, /* it stops, or saves what there is */
	BL_WAIT_PHASES
};

/* What can be asked for. */
enum bl_wait_ask {
	BL_ASK_BEAT,     /* heartbeat: one GET */
	BL_ASK_LOG,      /* new chunks: one LIST, and a GET each */
	BL_ASK_END,      /* the newest attempt's end: one GET */
	BL_ASK_ATTEMPTS, /* all of bl_attempts_read() */
	BL_ASK_PROBE,    /* bl_compute_probe() */
	BL_ASK_WAVE,     /* waiter.json: chunks are closed sooner while it moves */
	BL_ASKS
};

/* Zero-initialise; `near`: the store is a directory, asking costs nothing. */
struct bl_wait {
	bool near;
	unsigned attempt; /* that the rest is about */
	enum bl_wait_phase phase;
	struct bl_watch watch;
	int64_t since_mono_ms;                             /* the attempt was first seen */
	int64_t moved_mono_ms;                             /* its heartbeat moved last */
	int64_t lines_mono_ms, gone_mono_ms, stop_mono_ms; /* 0: not yet */
	int64_t asked_mono_ms[BL_ASKS];                    /* 0: never */
};

/* Whether it is time to ask for it; it counts as asked then. */
bool bl_wait_due(struct bl_wait *wait, enum bl_wait_ask what, int64_t now_mono_ms);

/* What is known; pointers may be NULL: nothing of it. */
struct bl_wait_seen {
	int64_t mono_ms, wall_ms;
	int64_t hand_over_ms; /* wall: nobody waits longer; 0 never */
	const struct bl_run *run;
	const struct bl_attempts *attempts; /* never NULL */
	const struct bl_started *started;
	const struct bl_heartbeat *beat;
	const struct bl_probe *probe;
	int64_t spent_ms; /* of max_runtime, by bl_run_spent_ms(); matters once an attempt ended */
	double cost_usd;  /* of all attempts so far; NaN unknown */
	bool lines;       /* came since the last time */
};

enum bl_wait_act {
	BL_WAIT_POLL,
	BL_WAIT_OVER,      /* it has an outcome */
	BL_WAIT_SETTLE,    /* bl_run_settle() is due */
	BL_WAIT_RELAUNCH,  /* buy attempt newest + 1 */
	BL_WAIT_ASK_STOP,  /* write the wish to stop with this class */
	BL_WAIT_ENDED,     /* its box is gone: write its end */
	BL_WAIT_TERMINATE, /* end its box, then write its end */
	BL_WAIT_HAND_OVER
};
struct bl_wait_step {
	enum bl_wait_act act;
	int64_t pause_ms;        /* POLL: until the next look */
	struct bl_result result; /* ENDED, TERMINATE; ASK_STOP: class */
	bool never_came_up; /* TERMINATE: what the box's console says belongs into the message */
};
struct bl_wait_step bl_wait_next(struct bl_wait *wait, const struct bl_wait_seen *seen);

/*
 * For a single look, where nothing was seen before: as if it had been watched since the times that
 * its documents name. seen->mono_ms is to be seen->wall_ms. A heartbeat by another's clock is
 * believed dead a quarter of an hour later only.
 */
void bl_wait_prime(struct bl_wait *wait, const struct bl_wait_seen *seen);

/*
 * Whether the next attempt is to be on-demand: the market allows it ("spot-then-on-demand") and
 * the two newest of `ends` (oldest first) are interruptions within BL_WAIT_SPOT_MS up to now.
 */
bool bl_wait_on_demand(const char *market, const struct bl_end *ends, size_t n,
                       int64_t now_wall_ms);

/*
 * waiter.json: that somebody reads along ("logs"), or waits ("wait") and does what is due, or did
 * and has left ("nobody").
 */
#define BL_WAITER_MS 60000
struct bl_waiter {
	int64_t seq, at_ms; /* wall; 0: nobody ever did */
	bool waits;
};
BL_MUST int bl_waiter_write(struct bl_store *store, const char *run, int64_t seq, const char *by,
                            struct bl_err *err);
BL_MUST int bl_waiter_read(struct bl_store *store, const char *run, struct bl_waiter *out,
                           struct bl_err *err);
/* Pure: somebody waits now, as far as clocks agree: it is younger than three of its periods. */
bool bl_waiter_waits(const struct bl_waiter *waiter, int64_t now_wall_ms);

#endif
