/* SPDX-License-Identifier: Apache-2.0 */
#include "run/series_curves.h"

#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES (sizeof(((struct bl_curve *)0)->name) - 1)

static void curve_done(struct bl_curve *curve)
{
	free(curve->step);
	free(curve->value);
	free(curve->at_ms);
}

void bl_series_done(struct bl_series *series)
{
	for (size_t i = 0; i < series->n; i++)
		curve_done(&series->curves[i]);
	free(series->curves);
	*series = (struct bl_series){ 0 };
}

void bl_curves_done(struct bl_curves *curves)
{
	for (size_t i = 0; i < curves->n; i++)
		curve_done(&curves->items[i].curve);
	free(curves->items);
	curves->items = NULL;
	curves->n = curves->cap = 0;
}

static bool is_named(const struct bl_building *it, const char *name, size_t len)
{
	return !memcmp(it->curve.name, name, len) && !it->curve.name[len];
}

static size_t hash_of(const char *name, size_t len)
{
	size_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash % BL_CURVE_SLOTS;
}

static int add_curve(struct bl_curves *curves, size_t slot, const char *name, size_t len,
                     struct bl_err *err)
{
	struct bl_building *it;

	if (curves->n == curves->cap) {
		size_t cap = curves->cap ? curves->cap * 2 : 16;

		it = reallocarray(curves->items, cap, sizeof(*it));
		if (!it)
			return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
		curves->items = it;
		curves->cap = cap;
	}
	it = &curves->items[curves->n++];
	*it = (struct bl_building){ 0 };
	memcpy(it->curve.name, name, len);
	curves->slots[slot] = (unsigned short)curves->n;
	return 0;
}

int bl_curves_index(struct bl_curves *curves, const char *name, size_t len, size_t *out,
                    struct bl_err *err)
{
	size_t slot;

	if (len > NAME_MAX_BYTES)
		len = bl_utf8_valid(name, NAME_MAX_BYTES);
	if (curves->guess >= curves->n)
		curves->guess = 0;
	if (curves->n && is_named(&curves->items[curves->guess], name, len)) {
		*out = curves->guess++;
		return 0;
	}
	for (slot = hash_of(name, len); curves->slots[slot]; slot = (slot + 1) % BL_CURVE_SLOTS) {
		size_t at = curves->slots[slot] - 1u;

		if (is_named(&curves->items[at], name, len)) {
			curves->guess = at + 1;
			*out = at;
			return 0;
		}
	}
	*out = curves->n; /* one past the last: BL_CURVES_MAX when there is no room */
	return curves->n < BL_CURVES_MAX ? add_curve(curves, slot, name, len, err) : 0;
}

static int grow(struct bl_curve *curve, struct bl_err *err)
{
	size_t cap = curve->cap ? curve->cap * 2 : 64;
	void *step = reallocarray(curve->step, cap, sizeof(*curve->step)), *value, *at;

	if (step)
		curve->step = step;
	value = reallocarray(curve->value, cap, sizeof(*curve->value));
	if (value)
		curve->value = value;
	at = reallocarray(curve->at_ms, cap, sizeof(*curve->at_ms));
	if (at)
		curve->at_ms = at;
	if (!step || !value || !at)
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	curve->cap = cap;
	return 0;
}

/* Where a value without a step belongs: at the newest step, else after the last ordinal. */
static double place_of(const struct bl_curves *curves, const struct bl_curve *curve, double step)
{
	if (!isnan(step))
		return step;
	if (!curve->has_steps)
		return (double)curve->n + 1;
	return curve->n ? fmax(curves->last_step, curve->step[curve->n - 1]) : curves->last_step;
}

int bl_curves_add(struct bl_curves *curves, size_t index, double step, double value, int64_t at_ms,
                  struct bl_err *err)
{
	struct bl_building *it = &curves->items[index];
	struct bl_curve *curve = &it->curve;

	if (!isnan(step) && !curve->has_steps) {
		curve->has_steps = true;
		curves->points -= curve->n;
		curve->n = it->since = 0; /* ordinals have no place among steps */
	}
	step = place_of(curves, curve, step);
	if (curve->n > it->since && step < curve->step[curve->n - 1])
		it->unordered = true;
	if (curve->n && step == curve->step[curve->n - 1]) {
		curve->n--;
		curves->points--;
	}
	if (curves->points >= BL_POINTS_MAX) {
		curves->over_limit++;
		return 0;
	}
	if (curve->n == curve->cap && grow(curve, err))
		return -1;
	curve->step[curve->n] = step;
	curve->value[curve->n] = value;
	curve->at_ms[curve->n++] = at_ms;
	curves->points++;
	return 0;
}

struct order {
	double step, value;
	int64_t at_ms;
	size_t ordinal;
};

static int by_step(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return x->ordinal < y->ordinal ? -1 : 1;
}

/* Brings a curve whose steps went back into order; of equal steps the later one stands. */
static int put_in_order(struct bl_curves *curves, struct bl_building *it, struct bl_err *err)
{
	struct bl_curve *curve = &it->curve;
	struct order *all;
	size_t n = 0;

	if (!it->unordered)
		return 0;
	all = calloc(curve->n, sizeof(*all));
	if (!all)
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	for (size_t i = 0; i < curve->n; i++)
		all[i] = (struct order){ curve->step[i], curve->value[i], curve->at_ms[i], i };
	qsort(all, curve->n, sizeof(*all), by_step);
	for (size_t i = 0; i < curve->n; i++) {
		if (i + 1 < curve->n && all[i].step == all[i + 1].step)
			continue;
		curve->step[n] = all[i].step;
		curve->value[n] = all[i].value;
		curve->at_ms[n++] = all[i].at_ms;
	}
	free(all);
	curves->points -= curve->n - n;
	curve->n = n;
	it->unordered = false;
	return 0;
}

int bl_curves_resume(struct bl_curves *curves, double step, double *resumed_at, struct bl_err *err)
{
	double newest = NAN;

	for (size_t i = 0; i < curves->n; i++) {
		struct bl_building *it = &curves->items[i];
		struct bl_curve *curve = &it->curve;

		if (put_in_order(curves, it, err))
			return -1;
		while (curve->has_steps && curve->n && curve->step[curve->n - 1] >= step) {
			curve->n--;
			curves->points--;
		}
		it->since = curve->n;
		if (curve->has_steps && curve->n)
			newest = fmax(newest, curve->step[curve->n - 1]);
	}
	*resumed_at = isnan(newest) ? step : newest;
	curves->last_step = step;
	return 0;
}

void bl_curve_extremes(struct bl_curve *curve)
{
	curve->last = curve->bad_step = curve->best_min = curve->best_max = NAN;
	for (size_t i = 0; i < curve->n; i++) {
		double value = curve->value[i];

		if (!isfinite(value)) {
			if (isnan(curve->bad_step))
				curve->bad_step = curve->step[i];
			continue;
		}
		curve->last = value;
		curve->best_min = fmin(curve->best_min, value);
		curve->best_max = fmax(curve->best_max, value);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct bl_curve *)a)->name, ((const struct bl_curve *)b)->name);
}

int bl_curves_finish(struct bl_curves *curves, struct bl_series *out, struct bl_err *err)
{
	struct bl_curve *list;
	size_t n = 0;

	for (size_t i = 0; i < curves->n; i++)
		if (put_in_order(curves, &curves->items[i], err))
			return -1;
	list = calloc(curves->n + 1, sizeof(*list));
	if (!list)
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	for (size_t i = 0; i < curves->n; i++) {
		if (!curves->items[i].curve.n) {
			curve_done(&curves->items[i].curve);
			continue;
		}
		list[n] = curves->items[i].curve;
		bl_curve_extremes(&list[n++]);
	}
	curves->n = 0; /* moved out */
	qsort(list, n, sizeof(*list), by_name);
	out->curves = list;
	out->n = n;
	return 0;
}

const struct bl_curve *bl_series_find(const struct bl_series *series, const char *name)
{
	size_t low = 0, high = series->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(series->curves[middle].name, name);

		if (!order)
			return &series->curves[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
