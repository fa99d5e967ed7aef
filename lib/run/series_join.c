/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint.h"
#include "run/run.h"
#include "run/series_curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the values of a series begin; NaN: none has a step. */
static double first_step(const struct bl_series *series)
{
	double first = NAN;

	for (size_t i = 0; i < series->n; i++)
		if (series->curves[i].has_steps && series->curves[i].n)
			first = fmin(first, series->curves[i].step[0]);
	return first;
}

/* How many points of an earlier run lie before `first`. */
static size_t points_kept(const struct bl_curve *curve, double first)
{
	size_t n = curve->has_steps ? curve->n : 0;

	while (n && curve->step[n - 1] >= first)
		n--;
	return n;
}

/* Puts the first n points of `from` before those of `to`. */
static int prepend(struct bl_curve *to, const struct bl_curve *from, size_t n, struct bl_err *err)
{
	size_t all = n + to->n;
	double *step = calloc(all, sizeof(*step)), *value = calloc(all, sizeof(*value));
	int64_t *at_ms = calloc(all, sizeof(*at_ms));

	if (!step || !value || !at_ms) {
		free(step);
		free(value);
		free(at_ms);
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	}
	memcpy(step, from->step, n * sizeof(*step));
	memcpy(value, from->value, n * sizeof(*value));
	memcpy(at_ms, from->at_ms, n * sizeof(*at_ms));
	memcpy(step + n, to->step, to->n * sizeof(*step));
	memcpy(value + n, to->value, to->n * sizeof(*value));
	memcpy(at_ms + n, to->at_ms, to->n * sizeof(*at_ms));
	free(to->step);
	free(to->value);
	free(to->at_ms);
	to->step = step;
	to->value = value;
	to->at_ms = at_ms;
	to->n = to->cap = all;
	bl_curve_extremes(to);
	return 0;
}

static size_t points_of(const struct bl_series *series)
{
	size_t n = 0;

	for (size_t i = 0; i < series->n; i++)
		n += series->curves[i].n;
	return n;
}

int bl_series_join(struct bl_series *series, const struct bl_series *earlier, double saved,
                   double *joined_at, struct bl_err *err)
{
	double first = first_step(series), newest = NAN;
	size_t points = points_of(series);

	for (size_t i = 0; !isnan(first) && i < series->n; i++) {
		struct bl_curve *curve = &series->curves[i];
		const struct bl_curve *before = bl_series_find(earlier, curve->name);
		size_t n = before && curve->has_steps ? points_kept(before, first) : 0;

		if (!n)
			continue;
		if (n > BL_POINTS_MAX - points) {
			series->over_limit += n;
			continue;
		}
		if (prepend(curve, before, n, err))
			return -1;
		points += n;
		newest = fmax(newest, before->step[n - 1]);
	}
	/*
	 * A manifest has the newest step that was known when its snapshot was taken: what it holds
	 * may be older or newer than that. The values on both sides tell more.
	 */
	*joined_at = saved > newest && saved < first ? saved : newest;
	return 0;
}

/* The run that `doc` goes on from: false without one. */
static bool parent_of(const struct bl_run *doc, char id[BL_RUN_SIZE], const char **manifest)
{
	const struct bl_value *parents = doc->parents, *first;
	const char *text;

	if (!parents || parents->type != BL_LIST || !parents->n)
		return false;
	first = parents->items[0];
	text = bl_value_text_or(first, "run", "");
	if (!bl_run_id_valid(text))
		return false;
	snprintf(id, BL_RUN_SIZE, "%s", text);
	*manifest = bl_value_text_or(first, "manifest", "");
	return true;
}

/* What is gone or unreadable costs no more than the joined part; 1: it is. */
static int missing(struct bl_err *err)
{
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err);
	return 1;
}

/* Step of a checkpoint; NaN when it was pruned or does not say. */
static int read_saved(struct bl_store *store, const char *key, double *saved, struct bl_err *err)
{
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;

	*saved = NAN;
	if (bl_manifest_read(store, key, &manifest, err))
		return missing(err) < 0 ? -1 : 0;
	*saved = manifest.step;
	return 0;
}

static bool is_known(const struct bl_series *series, const char *self, const char *id)
{
	bool known = !strcmp(self, id);

	for (size_t i = 0; i < series->n_joined; i++)
		known |= !strcmp(series->joined[i].run, id);
	return known;
}

/* One ancestor, and its document in the place of its child's. */
static int join_one(struct bl_store *store, const char *id, const char *manifest,
                    struct bl_run *doc, struct bl_series *series, struct bl_err *err)
{
	struct bl_series earlier = { 0 };
	struct bl_join *join = &series->joined[series->n_joined];
	struct bl_run next = { 0 };
	double saved;
	int got;

	snprintf(join->run, sizeof(join->run), "%s", id);
	join->step = NAN;
	if (read_saved(store, manifest, &saved, err))
		return -1;
	series->n_joined++;
	if (bl_run_read(store, id, &next, err) || bl_series_read(store, id, &earlier, err)) {
		bl_run_done(&next);
		return missing(err);
	}
	bl_run_done(doc);
	*doc = next;
	got = bl_series_join(series, &earlier, saved, &join->step, err);
	bl_series_done(&earlier);
	return got;
}

static int join_all(struct bl_store *store, struct bl_run *doc, const char *self,
                    struct bl_series *series, struct bl_err *err)
{
	char id[BL_RUN_SIZE];
	const char *manifest;
	int got = 0;

	while (!got && series->n_joined < BL_COUNT(series->joined) &&
	       parent_of(doc, id, &manifest) && !is_known(series, self, id))
		got = join_one(store, id, manifest, doc, series, err);
	return got < 0 ? -1 : 0;
}

int bl_series_read_joined(struct bl_store *store, const char *run, struct bl_series *out,
                          struct bl_err *err)
{
	BL_AUTO(bl_run) doc = { 0 };
	struct bl_series series = { 0 };

	if (bl_run_read(store, run, &doc, err) || bl_series_read(store, run, &series, err))
		return -1;
	if (join_all(store, &doc, run, &series, err)) {
		bl_series_done(&series);
		return bl_wrap(err, "metrics before run %s", run);
	}
	*out = series;
	return 0;
}
