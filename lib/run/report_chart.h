/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_CHART_H
#define BL_RUN_REPORT_CHART_H

#include "run/series.h"

/* What every chart needs, whatever draws it. All pure. */

struct bl_range {
	double low, high; /* low < high unless it is empty (both NaN) */
};

/* Of the finite points of n curves (NULLs allowed): their steps, and their values within steps. */
struct bl_range bl_chart_steps(const struct bl_curve *const *curves, size_t n);
struct bl_range bl_chart_values(const struct bl_curve *const *curves, size_t n,
                                struct bl_range steps);
/* The same with room at both ends; a flat one gets a height. */
struct bl_range bl_chart_padded(struct bl_range range, double share);

/*
 * Values at n evenly spread steps of `steps`. Where points are denser than the grid each
 * pair of places holds the least and the greatest of its points, in the order they came, so
 * that no spike is lost; where they are sparser, straight lines. Before the first and after the
 * last point the nearest one holds. false: fewer than two finite points in range, out is not set.
 */
bool bl_chart_grid(const struct bl_curve *curve, struct bl_range steps, size_t n, double *out);

/*
 * Indexes of at most max (>= 8) points that draw the same line: least and greatest of each
 * stretch, first and last; points that are not finite are kept out. Ascending; returns how many.
 */
size_t bl_chart_thin(const struct bl_curve *curve, size_t max, size_t *out);

/* Round numbers within the range, about `wanted` of them, at most max; returns how many. */
size_t bl_chart_ticks(struct bl_range range, unsigned wanted, double *out, size_t max);

/* Decimals that tell ticks `step` apart, 0..12. */
int bl_chart_decimals(double step);

/* One line of n blocks "▁▂▃▅▇"; nothing when there is no curve to draw. */
void bl_chart_sparkline(const struct bl_curve *curve, size_t n, struct bl_buf *buf);

/*
 * A field of columns x rows Braille characters, each 2 x 4 dots. Dots are lines between
 * grid values; out[rows * columns] are the dot patterns, 0..255 (U+2800 + pattern).
 */
void bl_chart_braille(const double *grid, size_t n, struct bl_range values, size_t columns,
                      size_t rows, unsigned char *out);

#endif
