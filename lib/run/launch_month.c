/* SPDX-License-Identifier: Apache-2.0 */
/* What this month's attempts cost so far, by their own documents. */
#include "codec/json.h"
#include "run/attempt.h"
#include "run/launch_gate.h"
#include "run/run.h"
#include "run/started.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WEEK_MS (7 * 86400000LL)
#define EACH_MAX ((size_t)64 << 10)

int64_t bl_month_start_ms(int64_t now_ms)
{
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return now_ms;
	return (now / 86400 - (tm.tm_mday - 1)) * 86400000LL;
}

/* One attempt, as its two documents come in. */
struct spent {
	char run[BL_RUN_SIZE];
	struct bl_started started; /* attempt 0: none */
	int64_t ended_ms;          /* 0: it goes on */
	bool goes_on_as_next;      /* its end is one that another attempt may follow */
};

struct asking {
	struct spent *attempts; /* n */
	size_t n;
	struct bl_key *keys; /* 2 * n: started, end */
	const char **names;
};

static void asking_done(struct asking *asking)
{
	free(asking->attempts);
	free(asking->keys);
	free(asking->names);
}

static void take_started(struct spent *spent, const struct bl_value *doc)
{
	bl_started_init(&spent->started);
	spent->started.attempt = 1;
	spent->started.started_ms = bl_value_int_or(doc, "started_at_ms", 0);
	spent->started.deadline_ms = bl_value_int_or(doc, "deadline_ms", 0);
	spent->started.usd_hour = bl_value_real_or(doc, "usd_hour", (double)NAN);
	spent->started.disk_usd_hour = bl_value_real_or(doc, "disk_usd_hour", 0);
}

static void take_end(struct spent *spent, const struct bl_value *doc)
{
	struct bl_err ignored = { 0 };
	enum bl_class class;

	spent->ended_ms = bl_value_int_or(doc, "finished_ms", 0);
	spent->goes_on_as_next =
		!bl_class_parse(bl_value_text_or(doc, "class", ""), &class, &ignored) &&
		bl_class_relaunchable(class);
}

/* A document that cannot be read costs nothing: the gate is not the place to refuse over it. */
static int took(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	struct asking *asking = arg;
	struct bl_err ignored = { 0 };
	BL_VALUE doc = NULL;

	(void)err;
	if (!bytes || bl_json_document(bytes, len, asking->names[i], 1, &doc, &ignored))
		return 0;
	if (i % 2)
		take_end(&asking->attempts[i / 2], doc);
	else
		take_started(&asking->attempts[i / 2], doc);
	return 0;
}

static int ask(struct bl_store *store, struct asking *asking, unsigned attempt, struct bl_err *err)
{
	for (size_t i = 0; i < asking->n; i++) {
		struct spent *spent = &asking->attempts[i];

		spent->started.attempt = 0;
		spent->ended_ms = 0;
		spent->goes_on_as_next = false;
		asking->keys[2 * i] = bl_key_run(spent->run, BL_KEY_STARTED, attempt);
		asking->keys[2 * i + 1] = bl_key_run(spent->run, BL_KEY_END, attempt);
		asking->names[2 * i] = asking->keys[2 * i].text;
		asking->names[2 * i + 1] = asking->keys[2 * i + 1].text;
	}
	return bl_store_get_many(store, NULL, asking->names, 2 * asking->n, EACH_MAX, took, asking,
	                         err);
}

static double cost_of(struct spent *spent, int64_t now_ms, int64_t month_ms)
{
	int64_t until = spent->ended_ms ? spent->ended_ms : now_ms;
	struct bl_cost cost;

	if (!spent->started.attempt || isnan(spent->started.usd_hour))
		return 0;
	if (spent->started.deadline_ms && until > spent->started.deadline_ms)
		until = spent->started.deadline_ms; /* four guards see to that */
	if (spent->started.started_ms < month_ms)
		spent->started.started_ms = month_ms;
	if (until <= spent->started.started_ms)
		return 0;
	cost = bl_started_cost(&spent->started, until);
	return cost.usd + (isnan(cost.disk_usd) ? 0 : cost.disk_usd);
}

/* Sums this round's and keeps those that have another attempt. */
static double sum(struct asking *asking, int64_t now_ms, int64_t month_ms)
{
	double usd = 0;
	size_t kept = 0;

	for (size_t i = 0; i < asking->n; i++) {
		struct spent *spent = &asking->attempts[i];

		usd += cost_of(spent, now_ms, month_ms);
		if (spent->goes_on_as_next)
			memmove(asking->attempts[kept++].run, spent->run, BL_RUN_SIZE);
	}
	asking->n = kept;
	return usd;
}

static int choose_runs(const struct bl_run_ids *ids, int64_t since_ms, struct asking *asking,
                       struct bl_err *err)
{
	while (asking->n < ids->n && bl_run_id_wall_ms(ids->ids[asking->n]) >= since_ms)
		asking->n++;
	asking->attempts = calloc(asking->n + 1, sizeof(*asking->attempts));
	asking->keys = calloc(2 * asking->n + 1, sizeof(*asking->keys));
	asking->names = calloc(2 * asking->n + 1, sizeof(*asking->names));
	if (!asking->attempts || !asking->keys || !asking->names)
		return bl_fail(err, BL_ENOMEM, "this month's runs: out of memory");
	for (size_t i = 0; i < asking->n; i++)
		memcpy(asking->attempts[i].run, ids->ids[i], BL_RUN_SIZE);
	return 0;
}

int bl_month_usd(struct bl_store *store, int64_t now_ms, double *usd, struct bl_err *err)
{
	__attribute__((cleanup(asking_done))) struct asking asking = { 0 };
	BL_AUTO(bl_run_ids) ids = { 0 };
	int64_t month_ms = bl_month_start_ms(now_ms);
	double all = 0;

	if (bl_run_ids_read(store, &ids, err) ||
	    choose_runs(&ids, month_ms - WEEK_MS, &asking, err))
		return bl_wrap(err, "what this month's runs cost");
	for (unsigned attempt = 1; asking.n && attempt <= BL_ATTEMPTS_MAX; attempt++) {
		if (ask(store, &asking, attempt, err))
			return bl_wrap(err, "what this month's runs cost");
		all += sum(&asking, now_ms, month_ms);
	}
	*usd = all;
	return 0;
}
