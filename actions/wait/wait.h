/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_WAIT_H
#define BL_ACTIONS_WAIT_H

#include "actions/cloud.h"

/* Waiting for a run, for the verbs that do. */
struct wait_how {
	/* from the job's start, else ours; 0: as long as it takes; -1: as configured in a workflow,
	 * else as long as it takes */
	int64_t minutes;
	bool detach; /* a signal leaves the run alone */
};

enum wait_state {
	WAIT_ENDED,       /* outcome says how */
	WAIT_HANDED_OVER, /* it goes on; nobody waits */
	WAIT_CANCELLED,   /* a signal: its box was ended, outcome says what stands */
};
struct wait_ended {
	enum wait_state state;
	struct bl_outcome outcome; /* ENDED, CANCELLED */
};

/*
 * Streams the log, keeps the comment up to date, buys another attempt where one is due, until the
 * run has an outcome, the time is over or a signal came. Whoever waits next goes on.
 *
 * BL_EINTERRUPTED: the store or AWS cannot be asked any more; the run goes on.
 * BL_ECANCELLED: a signal, and what then had to be done could not be done: what is said.
 */
BL_MUST int wait_run(struct cloud *cloud, const char *run, const struct wait_how *how,
                     struct wait_ended *out, struct bl_err *err);

/*
 * What is due of a run that nobody waits for: once, without a pause.
 *
 *   launch  whether another attempt may be bought
 */
enum wait_may { WAIT_MAY_END, WAIT_MAY_LAUNCH };
enum wait_found {
	WAIT_FOUND_LIVE,     /* nothing is due */
	WAIT_FOUND_ENDED,    /* it has an outcome now */
	WAIT_FOUND_LAUNCHED, /* another attempt was bought */
	WAIT_FOUND_LEFT,     /* another attempt is due, and not for us to buy */
};
BL_MUST int wait_once(struct cloud *cloud, const char *run, enum wait_may may,
                      enum wait_found *found, struct bl_err *err);

/* So many milliseconds, fewer where tests make the waiter's time run faster. */
int wait_scaled(int ms);

#endif
