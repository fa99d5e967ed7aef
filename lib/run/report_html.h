/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_HTML_H
#define BL_RUN_REPORT_HTML_H

#include "run/report.h"

extern const char bl_page_style[];
extern const char bl_page_script[];

/* What one chart shows: ours first, then the runs beside it, which may be NULL. */
#define BL_HTML_SIDES 3u
struct bl_html_chart {
	const char *name;
	const struct bl_curve *curves[BL_HTML_SIDES]; /* this run, baseline, previous */
	bool wide;
};

/*
 * Writes charts into `page` and, one JSON object per chart, their numbers into
 * `numbers` (a list's members): nothing in them is text of a run. Up to BL_HTML_CHARTS.
 */
#define BL_HTML_CHARTS 60u
struct bl_html_charts {
	const struct bl_report *report;
	struct bl_buf *page, *numbers;
	unsigned n;   /* so far */
	bool has_log; /* some chart has a second, logarithmic scale */
	bool has_smooth;
};
/* false: there is no curve to draw. */
bool bl_html_chart(struct bl_html_charts *charts, const struct bl_html_chart *chart);
/* A line without axes, for a table's cell; nothing when there is no curve. */
void bl_html_spark(const struct bl_curve *curve, struct bl_buf *page);

/* Folded and open parts below the charts. */
void bl_html_facts(const struct bl_report *report, struct bl_buf *out); /* a row of cells */
void bl_html_metrics(const struct bl_report *report, struct bl_buf *page);
void bl_html_differences(const struct bl_report *report, struct bl_buf *page);
void bl_html_params(const struct bl_report *report, struct bl_buf *page);
void bl_html_gates(const struct bl_report *report, struct bl_buf *page);
void bl_html_attempts(const struct bl_report *report, struct bl_buf *page);
void bl_html_samples(const struct bl_report *report, struct bl_buf *page);
void bl_html_history(const struct bl_report *report, struct bl_buf *page);
void bl_html_log(const struct bl_report *report, struct bl_buf *page);

#endif
