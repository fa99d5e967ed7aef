/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_COST_H
#define BL_RUN_REPORT_COST_H

#include "run/attempt.h"
#include "run/started.h"

/*
 * What a run costs, by what each attempt was bought for and how long it had it: from its start to
 * its end, while it has none to `at_ms`.
 */
struct bl_spent {
	unsigned attempt;
	char place[64];    /* "g6.xlarge spot us-east-1b", "this machine" */
	char instance[32]; /* "" none */
	double usd_hour;   /* NaN unknown */
	struct bl_cost cost;
	char ended[24]; /* "interrupted", "success", ...; "" not yet */
};
struct bl_expense {
	struct bl_spent *items; /* n, in order; attempts that nothing is known of are left out */
	size_t n;
	double usd, disk_usd; /* sums of the known; NaN when nothing is. usd: disks not counted */
	double saved_usd;     /* against on-demand; NaN unknown */
	int64_t seconds;
	bool is_part; /* some price is unknown */
};
void bl_expense_done(struct bl_expense *expense);
/* All of it, disks too; NaN: nothing is known to cost anything. */
double bl_expense_total(const struct bl_expense *expense);
/* Percent saved against on-demand; NaN: nothing is, or nobody knows. */
double bl_expense_saved(const struct bl_expense *expense);

/* newest: the highest attempt that was claimed. */
BL_MUST int bl_expense_read(struct bl_store *store, const char *run, unsigned newest, int64_t at_ms,
                            struct bl_expense *out, struct bl_err *err);
/* Pure: adds an attempt's part. end NULL: it has not ended by `at_ms`. BL_ENOMEM. */
BL_MUST int bl_expense_add(struct bl_expense *expense, const struct bl_started *started,
                           const struct bl_end *end, int64_t at_ms, struct bl_err *err);

/*
 * All runs of the store that began in the UTC month of at_ms: NaN when none of them has a price.
 * At most the 300 newest are counted.
 */
BL_MUST int bl_expense_month(struct bl_store *store, int64_t at_ms, double *usd,
                             struct bl_err *err);

#endif
