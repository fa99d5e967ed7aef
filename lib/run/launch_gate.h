/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_GATE_H
#define BL_RUN_LAUNCH_GATE_H

#include "run/outcome.h"
#include "run/stack.h"
#include "run/store.h"

/*
 * Whether there is money and room for one more run. Budgets' figures lag by hours, so what our own
 * attempts cost this month counts where it is more.
 */
struct bl_gate_facts {
	double budgets_usd; /* month to date as AWS Budgets has it; NaN: not known */
	double ours_usd;    /* sum over our attempts of this month; NaN: not known */
	double estimate_usd;
	double limit_usd; /* of the month; NaN: no budget */
	int64_t live;     /* boxes of the stack now */
	int64_t live_max; /* 0: no cap */
	const char *stack;
};
/* Month to date: the larger of what is known; 0 when nothing is. */
double bl_gate_spent(const struct bl_gate_facts *facts);

/* Pure. -1 and *class: BL_EDEADLINE (budget) or BL_ECAPACITY (cap of live boxes). */
BL_MUST int bl_launch_gate(const struct bl_gate_facts *facts, enum bl_class *class,
                           struct bl_err *err);

/* The first moment of the month that now_ms is in, UTC. */
int64_t bl_month_start_ms(int64_t now_ms);

/*
 * What all attempts of the store's runs cost since then: those that ended until their end, those
 * that go on until now. Runs are ordered by time: those of earlier months are not read, but for a
 * week before (an attempt that reaches into the month).
 */
BL_MUST int bl_month_usd(struct bl_store *store, int64_t now_ms, double *usd, struct bl_err *err);

#endif
