/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SERIES_CURVES_H
#define BL_RUN_SERIES_CURVES_H

#include "run/series.h"

/* Curves while they are read: found by name, grown, cut where a later attempt goes on. */
struct bl_building {
	struct bl_curve curve;
	size_t since;   /* points before it belong to earlier attempts */
	bool unordered; /* a step went back within an attempt */
};

#define BL_CURVE_SLOTS (BL_CURVES_MAX * 4)

struct bl_curves {
	struct bl_building *items;
	size_t n, cap;
	size_t points;                        /* of all */
	size_t over_limit;                    /* values left out */
	size_t guess;                         /* records repeat their names in order */
	double last_step;                     /* newest step of the stream; NaN: none yet */
	unsigned short slots[BL_CURVE_SLOTS]; /* 1 + index by hash of the name; 0: free */
};

void bl_curves_done(struct bl_curves *curves);

/*
 * Index of the curve of that name (at most 128 bytes of it), made when new; BL_CURVES_MAX when it
 * is one name too many. BL_ENOMEM.
 */
BL_MUST int bl_curves_index(struct bl_curves *curves, const char *name, size_t len, size_t *out,
                            struct bl_err *err);

/* step: NaN without one; then the newest step, or the ordinal where there are no steps. */
BL_MUST int bl_curves_add(struct bl_curves *curves, size_t index, double step, double value,
                          int64_t at_ms, struct bl_err *err);

/*
 * A later attempt's first value is at `step`: what an earlier one did from there on is void.
 * resumed_at: the newest step that is left, which is where it went on from as far as values tell;
 * `step` when nothing is left.
 */
BL_MUST int bl_curves_resume(struct bl_curves *curves, double step, double *resumed_at,
                             struct bl_err *err);

/* Sets last, best_min, best_max and bad_step by the points. */
void bl_curve_extremes(struct bl_curve *curve);

/* Moves the curves that have points out, in order, sorted by name, extremes found. */
BL_MUST int bl_curves_finish(struct bl_curves *curves, struct bl_series *out, struct bl_err *err);

#endif
