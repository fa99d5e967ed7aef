/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_WAIT_PARTS_H
#define BL_ACTIONS_WAIT_PARTS_H

#include "actions/progress.h"
#include "actions/tell.h"
#include "actions/wait/wait.h"
#include "base/log.h"
#include "run/stream.h"
#include "run/wait.h"

#define WAIT_POINTS 240 /* of the primary metric in the comment */

struct waiting {
	struct cloud *cloud;
	const struct wait_how *how;
	struct bl_run run;
	struct bl_wait wait;
	struct bl_attempts attempts;
	struct bl_started started; /* instance, or engine, "": unknown */
	struct bl_heartbeat beat;  /* seq 0: none */
	struct bl_probe probe;
	bool quiet;          /* one look for collect: the log is nobody's */
	bool probed, unsure; /* unsure: the attempts are to be read again */
	struct bl_cursor log;
	bool lines;
	int64_t spent_ms, seq, hand_over_ms, lost_mono_ms, relaunched_mono_ms;
	double past_usd; /* of attempts before the newest; NaN unknown */
	bool reached;    /* the store has answered once */
	/* shown */
	struct progress progress;
	struct tell tell;
	struct told_run told;
	char phase[24];
	unsigned shown_attempt;
	bool interrupted; /* the newest attempt is not the first, and has not beaten yet */
	struct bl_curve curve;
	double points[2][WAIT_POINTS];
	int64_t times[WAIT_POINTS];
	size_t stride, skipped; /* every how manieth heartbeat becomes a point */
};

/* Time as the waiter counts it; tests make it run faster. */
int64_t wait_mono_ms(void);
void wait_pause(int64_t ms);
void wait_pause_by(void (*pause)(int64_t ms)); /* for tests; NULL: sleep */

/* All that is known of a run but its log, at once. */
BL_MUST int wait_look_once(struct waiting *waiting, struct bl_err *err);
/* One look at all that is due. */
BL_MUST int wait_look(struct waiting *waiting, struct bl_err *err);
/* waiter.json, when that is due. */
void wait_wave(struct waiting *waiting);
/* Nobody waits from here on: in waiter.json, the comment and the log. */
void wait_hand_over(struct waiting *waiting, const char *why);
/* Does what is due. over: `out` is filled. */
BL_MUST int wait_act(struct waiting *waiting, const struct bl_wait_step *step, bool *over,
                     struct wait_ended *out, struct bl_err *err);
double wait_cost(const struct waiting *waiting, int64_t now_wall_ms);

void wait_show_open(struct waiting *waiting);
void wait_show_done(struct waiting *waiting);
/* What the primary metric did before anybody waited, for the comment's curve. */
void wait_show_seed(struct waiting *waiting);
int wait_show_piece(void *arg, const struct bl_piece *piece, struct bl_err *err);
void wait_show_beat(struct waiting *waiting);
void wait_show_attempt(struct waiting *waiting);
void wait_show_comment(struct waiting *waiting);
void wait_show_handed_over(struct waiting *waiting, const char *why);
void wait_show_cancelled(struct waiting *waiting, const char *why);
void wait_say(struct waiting *waiting, enum bl_log_level level, const char *text);

/* Signals: how many came; as a flag for whoever must stop soon. */
void wait_signals_open(void);
void wait_signals_done(void);
int wait_signals(void);
bool wait_hung_up(void); /* the last one: a terminal was closed, nobody decided anything */
/* A flag for who asks for capacity: a signal came, or it is time to hand over. */
const volatile int *wait_buys_until(void);
void wait_buy_no_more(void);
/* From here on only a second one stops the network. */
void wait_signals_taken(void);
/* The first thing after a signal. */
BL_MUST int wait_cancel(struct waiting *waiting, struct wait_ended *out, struct bl_err *err);

#endif
