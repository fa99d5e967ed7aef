/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMMENT_H
#define BL_RUN_COMMENT_H

#include "run/keys.h"
#include "run/series.h"

/*
 * What the comment on a pull request says until the report takes its place, and when there is no
 * report to make. Pure; every text is taken as hostile and escaped here. At most 25 visible lines.
 */
enum bl_comment_state {
	BL_COMMENT_ACCEPTED,
	BL_COMMENT_REFUSED,
	BL_COMMENT_BUILDING, /* the image */
	BL_COMMENT_LAUNCHING,
	BL_COMMENT_BOOTING, /* bought; no heartbeat yet */
	BL_COMMENT_RUNNING,
	BL_COMMENT_INTERRUPTED, /* another attempt is being started */
	BL_COMMENT_HANDED_OVER, /* nobody waits; the run goes on */
	BL_COMMENT_FAILED,      /* before or beside the training: no report */
	BL_COMMENT_CANCELLED,
};

/* Unknown texts are NULL or "", numbers NaN, times 0. */
struct bl_comment {
	enum bl_comment_state state;
	const char *sha, *job, *run, *actor;
	const char *place;          /* "g6.xlarge spot us-east-1b" */
	const char *store;          /* its URI */
	const char *job_url;        /* of the workflow's run */
	const char *phase;          /* of the heartbeat, or of launch */
	const char *message, *next; /* cause, and what to do */
	const char *stage;          /* FAILED: the verb, "launch" */
	const char *primary;        /* metric's name */
	double primary_value, step, total_steps, cost_usd, usd_hour, estimate_usd, max_cost_usd;
	double resumed_step;   /* INTERRUPTED and after: where it goes on; NaN from the start */
	int64_t at_ms, eta_ms; /* wall; eta_ms: how long still */
	unsigned attempt, interruptions;
	const struct bl_curve *curve; /* of the primary, so far; NULL: none */
	const char *log;              /* last lines; NULL: none */
};
void bl_comment_init(struct bl_comment *comment);

/* Appends the Markdown, without the marker. BL_ELIMIT when out->max does not hold it. */
BL_MUST int bl_comment_write(const struct bl_comment *comment, struct bl_buf *out,
                             struct bl_err *err);

#endif
