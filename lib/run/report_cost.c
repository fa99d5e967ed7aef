/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_cost.h"

#include "base/clock.h"
#include "run/run.h"
#include "run/store_warm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_expense_done(struct bl_expense *expense)
{
	free(expense->items);
	*expense = (struct bl_expense){ 0 };
}

/* NaN is nothing known, not poison. */
static void sum_up(double *sum, double part)
{
	if (isnan(part))
		return;
	*sum = isnan(*sum) ? part : *sum + part;
}

static void name_place(const struct bl_started *started, char place[64])
{
	const char *const parts[] = { started->type, started->market, started->zone };
	size_t len = 0;

	place[0] = '\0';
	for (size_t i = 0; i < BL_COUNT(parts) && len < 60; i++)
		if (parts[i][0])
			len += (size_t)snprintf(place + len, 64 - len, "%s%s", len ? " " : "",
			                        parts[i]);
	if (!len)
		snprintf(place, 64, "%s",
		         strcmp(started->engine, "process") != 0 ? started->engine
		                                                 : "this machine");
}

int bl_expense_add(struct bl_expense *expense, const struct bl_started *started,
                   const struct bl_end *end, int64_t at_ms, struct bl_err *err)
{
	struct bl_spent *spent = reallocarray(expense->items, expense->n + 1, sizeof(*spent));
	bool is_first = !expense->n;

	if (!spent)
		return bl_fail(err, BL_ENOMEM, "cost: out of memory");
	expense->items = spent;
	spent += expense->n++;
	*spent = (struct bl_spent){ .attempt = started->attempt, .usd_hour = started->usd_hour };
	name_place(started, spent->place);
	snprintf(spent->instance, sizeof(spent->instance), "%s", started->instance);
	spent->cost = bl_started_cost(started, end ? end->finished_at_ms : at_ms);
	if (end)
		snprintf(spent->ended, sizeof(spent->ended), "%s",
		         bl_status_word(end->result.status));
	if (is_first)
		expense->usd = expense->disk_usd = expense->saved_usd = (double)NAN;
	sum_up(&expense->usd, spent->cost.usd);
	sum_up(&expense->disk_usd, spent->cost.disk_usd);
	sum_up(&expense->saved_usd, spent->cost.saved_usd);
	expense->seconds += spent->cost.seconds;
	/* a process of this machine has no price, and needs none */
	expense->is_part |= isnan(spent->cost.usd) && strcmp(started->engine, "process") != 0;
	return 0;
}

double bl_expense_total(const struct bl_expense *expense)
{
	double total = (double)NAN;

	if (!expense->n)
		return total;
	sum_up(&total, expense->usd);
	sum_up(&total, expense->disk_usd);
	return total;
}

double bl_expense_saved(const struct bl_expense *expense)
{
	if (!expense->n || !(expense->saved_usd > 0) || !(expense->usd >= 0))
		return (double)NAN;
	return expense->saved_usd / (expense->saved_usd + expense->usd) * 100;
}

/* What is known of one attempt. */
struct known {
	struct bl_started started;
	struct bl_end end;
	bool began, ended;
};

/* Absent is an answer, and so is what is torn or of a newer version: its price is not known. */
static int learn(struct bl_store *store, const char *run, unsigned attempt, struct known *out,
                 struct bl_err *err)
{
	static const enum bl_code answers[] = { BL_ENOENT, BL_ECORRUPT, BL_EINPUT };

	out->began = !bl_started_read(store, run, attempt, &out->started, err);
	for (size_t i = 0; i < BL_COUNT(answers); i++)
		if (err->code == answers[i])
			bl_err_clear(err);
	if (err->code)
		return -1;
	out->ended = out->began && !bl_end_read(store, run, attempt, &out->end, err);
	for (size_t i = 0; i < BL_COUNT(answers); i++)
		if (err->code == answers[i])
			bl_err_clear(err);
	return err->code ? -1 : 0;
}

/*
 * newest 0: as far as there are any. One without an end is over when the next one began: nobody
 * claims before.
 */
static int add_attempts(struct bl_store *store, const char *run, unsigned newest, int64_t at_ms,
                        struct bl_expense *expense, struct bl_err *err)
{
	struct known now, next = { .began = false };

	if (learn(store, run, 1, &now, err))
		return -1;
	for (unsigned n = 1; newest ? n <= newest : now.began; n++) {
		next.began = false;
		if (newest != n && learn(store, run, n + 1, &next, err))
			return -1;
		if (now.began && bl_expense_add(expense, &now.started, now.ended ? &now.end : NULL,
		                                next.began ? next.started.started_ms : at_ms, err))
			return -1;
		now = next;
	}
	return 0;
}

#define FIRST_ATTEMPTS 2u /* of each run of the month */
#define SOME_ATTEMPTS 8u  /* of one run */

/* What is known of the first attempts of each, fetched at once. */
static int fetch(struct bl_store *warm, const struct bl_run_ids *list, size_t n, unsigned first,
                 struct bl_err *err)
{
	char names[2 * SOME_ATTEMPTS][40];
	const char *wanted[2 * SOME_ATTEMPTS];
	size_t n_wanted = 0;

	for (unsigned a = 1; a <= first; a++) {
		snprintf(names[n_wanted], sizeof(names[0]), BL_KEY_STARTED, a);
		snprintf(names[n_wanted + 1], sizeof(names[0]), BL_KEY_END, a);
		n_wanted += 2;
	}
	for (size_t i = 0; i < n_wanted; i++)
		wanted[i] = names[i];
	return bl_run_ids_fetch(warm, list, 0, n, wanted, n_wanted, err);
}

int bl_expense_read(struct bl_store *store, const char *run, unsigned newest, int64_t at_ms,
                    struct bl_expense *out, struct bl_err *err)
{
	struct bl_expense expense = { .usd = (double)NAN,
		                      .disk_usd = (double)NAN,
		                      .saved_usd = (double)NAN };
	char id[BL_RUN_SIZE];
	const struct bl_run_ids only = { &id, 1 };
	BL_STORE warm = NULL;
	int rc = 0;

	snprintf(id, sizeof(id), "%s", run);
	if (newest &&
	    (bl_store_warm_open(store, &warm, err) ||
	     fetch(warm, &only, 1, newest < SOME_ATTEMPTS ? newest : SOME_ATTEMPTS, err) ||
	     add_attempts(warm, run, newest, at_ms, &expense, err)))
		rc = -1;
	if (rc) {
		bl_expense_done(&expense);
		return bl_wrap(err, "cost of run %s", run);
	}
	*out = expense;
	return 0;
}

#define MONTH_RUNS 300u

/* How many of the newest ids begin in the month of at_ms: "202611...". */
static size_t runs_of_month(const struct bl_run_ids *list, int64_t at_ms)
{
	char at[BL_UTC_SIZE];
	size_t n = 0;

	bl_utc_text(at_ms, at); /* 2026-11-24T... */
	while (n < list->n && n < MONTH_RUNS && !strncmp(list->ids[n], at, 4) &&
	       !strncmp(list->ids[n] + 4, at + 5, 2))
		n++;
	return n;
}

int bl_expense_month(struct bl_store *store, int64_t at_ms, double *usd, struct bl_err *err)
{
	BL_AUTO(bl_run_ids) list = { 0 };
	BL_STORE warm = NULL;
	double sum = (double)NAN;
	size_t n;

	if (bl_run_ids_read(store, &list, err) || bl_store_warm_open(store, &warm, err))
		return bl_wrap(err, "cost of this month");
	n = runs_of_month(&list, at_ms);
	if (n && fetch(warm, &list, n, FIRST_ATTEMPTS, err))
		return bl_wrap(err, "cost of this month");
	for (size_t i = 0; i < n; i++) {
		BL_AUTO(bl_expense) expense = { 0 };

		if (add_attempts(warm, list.ids[i], 0, at_ms, &expense, err))
			return bl_wrap(err, "cost of this month");
		sum_up(&sum, bl_expense_total(&expense));
	}
	*usd = sum;
	return 0;
}
