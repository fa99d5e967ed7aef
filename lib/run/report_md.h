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
 * A folded part, written row by row into `row`; bl_md_keep_row() moves it to the part unless the
 * part is full.
 */
struct bl_md_part {
	struct bl_buf row;
	struct bl_buf *out;
	size_t room; /* bytes left */
	size_t left_out;
};
#define BL_MD_CELL 60u /* characters of a table's cell */
struct bl_md_part bl_md_part_of(size_t room, struct bl_buf *out);
void bl_md_keep_row(struct bl_md_part *part);
/* what: "metrics", of which some may have been left out */
void bl_md_end_part(struct bl_md_part *part, const char *what);
void bl_md_open_fold(struct bl_buf *out);  /* the title follows, escaped by the caller */
void bl_md_begin_fold(struct bl_buf *out); /* the content follows */
void bl_md_end_fold(struct bl_buf *out);
/* " | `TEXT`", " | –" for NULL */
void bl_md_cell(const char *text, size_t chars, struct bl_buf *out);
/* "- NAME: `VALUE`"; nothing for "" */
void bl_md_bullet(const char *name, const char *value, struct bl_buf *out);
/* "**Next:** TEXT" and a blank line: the lines; nothing for "" */
unsigned bl_md_next(const char *text, struct bl_buf *out);
/* "$0.34", of less than a cent "$0.0034", "–" for NaN: two bare dollars would be a formula */
void bl_md_usd(double usd, struct bl_buf *out);
/* "branchline VERB RUN MORE --store STORE", as a shell takes it; a store that is no address, or
 * none that a shell leaves alone, is left out */
void bl_md_command(const char *verb, const char *run, const char *more, const char *store,
                   struct bl_buf *out);
void bl_md_value(double value, bool there, const char *mark, struct bl_buf *out);

/*
 * The folded parts, each one line while it is closed, each within `room` bytes: what was
 * left out is said. Return the lines visible: 1, or 0 when there is nothing to tell.
 */
unsigned bl_md_about(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_differences(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_everything(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_gates(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_samples(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_history(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_commands(const struct bl_report *report, size_t room, struct bl_buf *out);
/* Within the part of bl_md_about(): a table of the attempts, sums below. */
void bl_md_cost(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_log(const struct bl_report *report, size_t room, struct bl_buf *out);
unsigned bl_md_log_text(const char *log, size_t room, struct bl_buf *out); /* log may be NULL */
unsigned bl_md_folded_chart(const struct bl_report *report, size_t room, struct bl_buf *out);

/* The table of metrics: at most max rows of those that are `main` (or of all). */
void bl_md_table(const struct bl_report *report, size_t max, bool all, size_t room,
                 struct bl_buf *out);

#endif
