/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/proc.h"
#include "run/attempt.h"
#include "run/heartbeat.h"
#include "run/run.h"
#include "run/store_warm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX_BYTES ((size_t)512 << 20)

static void take_run(const struct bl_run *run, struct bl_run_summary *out)
{
	snprintf(out->id, sizeof(out->id), "%s", run->id);
	snprintf(out->job, sizeof(out->job), "%s", run->job);
	snprintf(out->branch, sizeof(out->branch), "%s", run->branch);
	snprintf(out->sha, sizeof(out->sha), "%s", run->head);
	snprintf(out->subject, sizeof(out->subject), "%s", run->subject);
	snprintf(out->kind, sizeof(out->kind), "%s", run->kind);
	snprintf(out->primary, sizeof(out->primary), "%s", run->primary);
	out->dirty = run->dirty;
	out->created_ms = run->created_ms;
	out->step = out->total_steps = out->primary_value = out->cost_usd = (double)NAN;
}

static void take_heartbeat(const struct bl_heartbeat *beat, struct bl_run_summary *out)
{
	out->step = beat->step;
	out->total_steps = beat->total_steps;
	out->cost_usd = beat->cost_usd;
	out->seen_ms = beat->at_ms;
	snprintf(out->phase, sizeof(out->phase), "%s", beat->phase);
	for (size_t i = 0; i < beat->n_metrics; i++) {
		if (!strcmp(beat->metrics[i].name, out->primary))
			out->primary_value = beat->metrics[i].value;
	}
}

static void set_state(struct bl_run_summary *out, enum bl_run_state state, const char *word)
{
	out->state = state;
	snprintf(out->word, sizeof(out->word), "%s", word);
}

static void take_result(const struct bl_result *result, int64_t at_ms, struct bl_run_summary *out)
{
	snprintf(out->class, sizeof(out->class), "%s", bl_class_word(result->class));
	snprintf(out->message, sizeof(out->message), "%s", result->message);
	if (at_ms > out->seen_ms)
		out->seen_ms = at_ms;
}

static int judge_live(const struct bl_attempts *seen, struct bl_run_summary *out,
                      struct bl_err *err)
{
	int64_t silence_ms = bl_wall_ms() - out->seen_ms;
	enum bl_liveness owner;

	if (bl_proc_probe(&seen->claim.owner, &owner, err))
		return -1;
	if (owner == BL_DEAD)
		set_state(out, BL_RUN_RESUMABLE, "interrupted (resumable)");
	else if (owner == BL_UNKNOWN && out->seen_ms &&
	         silence_ms > seen->claim.heartbeat_ms * BL_HEARTBEATS_TO_DEATH)
		set_state(out, BL_RUN_SILENT, "silent");
	else if (seen->stop_wanted)
		set_state(out, BL_RUN_STOPPING, "stopping");
	else
		set_state(out, BL_RUN_RUNNING, "running");
	return 0;
}

static int judge_state(const struct bl_attempts *seen, struct bl_run_summary *out,
                       struct bl_err *err)
{
	const struct bl_end *end = &seen->end;

	if (seen->has_outcome) {
		out->finished_ms = seen->outcome.finished_at_ms;
		take_result(&seen->outcome.result, out->finished_ms, out);
		set_state(out, BL_RUN_ENDED, bl_status_word(seen->outcome.result.status));
		return 0;
	}
	if (!seen->newest) {
		set_state(out, BL_RUN_PENDING, "pending");
		return 0;
	}
	if (!seen->newest_ended)
		return judge_live(seen, out, err);
	take_result(&end->result, end->finished_at_ms, out);
	if (bl_class_relaunchable(end->result.class)) {
		set_state(out, BL_RUN_RESUMABLE, "interrupted (resumable)");
		return 0;
	}
	/* its outcome is due and says the same */
	out->finished_ms = end->finished_at_ms;
	set_state(out, BL_RUN_ENDED, bl_status_word(end->result.status));
	return 0;
}

/* Of one that has ended its outcome says all: its attempts need not be looked at one by one. */
static int look(struct bl_store *store, const char *run, struct bl_attempts *out,
                struct bl_err *err)
{
	struct bl_attempts seen = { 0 };

	if (bl_outcome_read(store, run, &seen.outcome, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		return bl_attempts_read(store, run, out, err);
	}
	seen.has_outcome = true;
	seen.newest = seen.outcome.attempt;
	*out = seen;
	return 0;
}

static int summarise(struct bl_store *store, const struct bl_run *run, struct bl_run_summary *out,
                     struct bl_err *err)
{
	struct bl_run_summary got = { 0 };
	struct bl_attempts seen;
	struct bl_heartbeat beat;

	if (look(store, run->id, &seen, err))
		return -1;
	take_run(run, &got);
	got.attempt = seen.newest;
	if (seen.newest) {
		if (!bl_heartbeat_read(store, run->id, seen.newest, &beat, err))
			take_heartbeat(&beat, &got);
		else if (err->code != BL_ENOENT && err->code != BL_ECORRUPT)
			return -1;
		bl_err_clear(err); /* one without a heartbeat has not come that far */
	}
	if (judge_state(&seen, &got, err))
		return -1;
	*out = got;
	return 0;
}

int bl_run_summarise(struct bl_store *store, const char *id, struct bl_run_summary *out,
                     struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };

	if (bl_run_read(store, id, &run, err))
		return -1;
	if (summarise(store, &run, out, err))
		return bl_wrap(err, "run %s", id);
	return 0;
}

static bool matters(const char *wanted, const char *is)
{
	return !wanted || !*wanted || !strcmp(wanted, is);
}

static bool passes(const struct bl_runs_filter *filter, const struct bl_run *run)
{
	return matters(filter->repository_key, run->repository_key) &&
	       matters(filter->branch, run->branch) && matters(filter->job, run->job) &&
	       (!filter->pr || filter->pr == run->pr);
}

void bl_runs_done(struct bl_runs *runs)
{
	free(runs->runs);
	*runs = (struct bl_runs){ 0 };
}

/* 1: added; 0: not wanted, or not readable and counted as such. */
static int add_run(struct bl_store *store, const char *id, const struct bl_runs_filter *filter,
                   struct bl_buf *into, size_t *unreadable, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_run_summary summary;
	bool read = !bl_run_read(store, id, &run, err);

	if (read && !passes(filter, &run))
		return 0;
	if (!read || summarise(store, &run, &summary, err)) {
		/* a torn one must not hide the others; absent: it is being made or removed */
		if (err->code != BL_ECORRUPT && err->code != BL_ENOENT)
			return -1;
		*unreadable += err->code == BL_ECORRUPT;
		bl_err_clear(err);
		return 0;
	}
	if (filter->live && summary.state == BL_RUN_ENDED)
		return 0;
	bl_buf_add(into, &summary, sizeof(summary));
	return bl_buf_check(into, "list of runs", err) ? -1 : 1;
}

/* Ids sort by second; run.json knows the millisecond. */
static int by_age(const void *a, const void *b)
{
	const struct bl_run_summary *x = a, *y = b;

	if (x->created_ms != y->created_ms)
		return x->created_ms < y->created_ms ? 1 : -1;
	return strcmp(y->id, x->id);
}

/* What a line of most runs is made of. */
static const char *const wanted[] = { "run.json", "outcome.json", "SUCCESS", "FAILURE",
	                              "heartbeats/001.json" };
#define BATCH 64

int bl_run_ids_fetch(struct bl_store *warm, const struct bl_run_ids *list, size_t from, size_t n,
                     const char *const *documents, size_t n_documents, struct bl_err *err)
{
	size_t n_keys = n * n_documents;
	struct bl_key *keys = calloc(n_keys + 1, sizeof(*keys));
	const char **names = calloc(n_keys + 1, sizeof(*names));
	int rc = -1;

	if (!keys || !names) {
		bl_fail(err, BL_ENOMEM, "documents of runs: out of memory");
		goto out;
	}
	for (size_t i = 0; i < n_keys; i++) {
		keys[i] = bl_key_run(list->ids[from + i / n_documents], "%s",
		                     documents[i % n_documents]);
		names[i] = keys[i].text;
	}
	rc = bl_store_warm_fetch(warm, names, n_keys, err);
out:
	free(keys);
	free(names);
	return rc;
}

struct listing {
	const struct bl_runs_filter *filter;
	struct bl_buf found;
	size_t n, unreadable;
};

static void listing_done(struct listing *listing)
{
	bl_buf_done(&listing->found);
}

static int list_some(struct bl_store *store, const struct bl_run_ids *list, size_t from, size_t n,
                     struct listing *into, struct bl_err *err)
{
	size_t limit = into->filter->limit;

	for (size_t i = from; i < from + n && (!limit || into->n < limit); i++) {
		int added = add_run(store, list->ids[i], into->filter, &into->found,
		                    &into->unreadable, err);

		if (added < 0)
			return bl_wrap(err, "run %s", list->ids[i]);
		into->n += (size_t)added;
	}
	return 0;
}

/* Across a network not one document after the other. */
static int list_warm(struct bl_store *store, const struct bl_run_ids *list, struct listing *into,
                     struct bl_err *err)
{
	size_t limit = into->filter->limit, batch = limit && limit < BATCH ? limit : BATCH;
	BL_STORE warm = NULL;

	if (bl_store_warm_open(store, &warm, err))
		return -1;
	for (size_t at = 0; at < list->n && (!limit || into->n < limit); at += batch) {
		size_t n = list->n - at < batch ? list->n - at : batch;

		if (bl_run_ids_fetch(warm, list, at, n, wanted, BL_COUNT(wanted), err) ||
		    list_some(warm, list, at, n, into, err))
			return -1;
	}
	return 0;
}

int bl_runs_list(struct bl_store *store, const struct bl_runs_filter *filter, struct bl_runs *out,
                 struct bl_err *err)
{
	BL_AUTO(bl_run_ids) list = { 0 };
	BL_AUTO(listing) into = { .filter = filter, .found = BL_BUF(RUNS_MAX_BYTES) };

	if (bl_run_ids_read(store, &list, err))
		return -1;
	if (bl_store_is_remote(bl_store_uri(store))
	            ? list_warm(store, &list, &into, err)
	            : list_some(store, &list, 0, list.n, &into, err))
		return -1;
	if (into.n)
		qsort(into.found.data, into.n, sizeof(struct bl_run_summary), by_age);
	/* malloc's alignment suits the structs that were added as bytes */
	*out = (struct bl_runs){ .runs = (void *)bl_buf_take(&into.found),
		                 .n = into.n,
		                 .unreadable = into.unreadable };
	return 0;
}
