/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_SHOW_H
#define BL_ACTIONS_SHOW_H

#include "codec/json.h"
#include "run/run.h"

/* How verbs show what several of them show. */

void show_step(double step, double total, struct bl_buf *out);        /* "120/400", "120", "" */
void show_metric(const char *name, double value, struct bl_buf *out); /* "loss 1.842", "" */
/* Columns of the terminal on standard output, 100 where it is none. */
unsigned show_columns(void);

void show_summary_json(struct bl_json *json, const struct bl_run_summary *run);

/*
 * Text from outside for a terminal, in at most `columns` of it (wide characters count as one): cut
 * with "…". Returns how many it takes.
 */
size_t show_text(const char *text, size_t columns, struct bl_buf *out);

#endif
