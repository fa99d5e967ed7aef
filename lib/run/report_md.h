/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_MD_H
#define BL_RUN_REPORT_MD_H

#include "run/report.h"

/*
 * A Mermaid chart of the primary metric, fence and all, and its legend line: lines that it
 * takes, 0 when there is no curve to draw. Falls back to one line with a sparkline where
 * fixed decimals cannot show the curve.
 */
#define BL_MD_CHART_LINES 10u
unsigned bl_md_chart(const struct bl_report *report, struct bl_buf *out);

/*
 * The folded parts, each one line while it is closed, each within `room` bytes: what was
 * left out is said. Return the lines visible: 1, or 0 when there is nothing to tell.
 */
unsigned bl_md_about(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_differences(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_everything(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_log(const struct bl_report *report, size_t room, struct bl_buf *out);

/* The table of metrics: at most max rows of those that are `main` (or of all). */
void bl_md_table(const struct bl_report *report, size_t max, bool all, size_t room,
                 struct bl_buf *out);

#endif
