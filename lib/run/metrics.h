/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_METRICS_H
#define BL_RUN_METRICS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * From whatever the training prints or writes to one normalised stream, a line per record:
 *
 *   {"schema":1,"attempt":1,"at":1764022501123,"step":120,"source":"stdout_json",
 *    "total_steps":200,"values":{"loss":1.25,"lr":0.0001}}
 *
 * at: wall ms. step and total_steps are left out when unknown. Values are numbers, or the texts
 * "NaN", "Infinity", "-Infinity". Names stay verbatim (nested: joined by dots; cut at 128 bytes). A
 * source of higher priority (the table's order) that has given a name silences lower ones for that
 * name; one that knows steps silences one that does not. A line without values tells progress only.
 */
struct bl_metrics;

struct bl_metrics_where {
	unsigned attempt;
	const char *metrics_file; /* $BRANCHLINE_METRICS: JSON lines, tailed */
	const char
		*output_dirs[4]; /* searched for trainer_state.json and metrics.json; NULL ends */
};
BL_MUST int bl_metrics_new(const struct bl_metrics_where *where, struct bl_metrics **out,
                           struct bl_err *err);
void bl_metrics_free(struct bl_metrics *metrics);

/* One line of the command's output, without its end ('\n' or '\r'), at most 64 KiB, ANSI removed.
 * Appends records to `out`. */
void bl_metrics_line(struct bl_metrics *metrics, const char *line, size_t len, int64_t at_ms,
                     struct bl_buf *out);
/*
 * Looks at the files: call about once a second; reads only what changed. true: it stopped at about
 * 1 MiB of records with more to read; empty `out` and call again.
 */
bool bl_metrics_scan(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out);
/*
 * The command has ended: last look, incomplete last lines count as they are. To be called until
 * it returns false, as bl_metrics_scan().
 */
bool bl_metrics_finish(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out);

/* For people: which sources were chosen, "trainer_state.json (37 points), ignoring stdout". */
void bl_metrics_said(const struct bl_metrics *metrics, struct bl_buf *out);

/* Newest values of the stream, as a reader keeps them (heartbeat, progress, nan watch). */
#define BL_LATEST_MAX 64
struct bl_latest {
	double step, total_steps; /* NaN unknown */
	size_t n;
	struct {
		char name[64];
		double value, step;
		bool ever_bad; /* was NaN or infinite once */
	} values[BL_LATEST_MAX];
	/* the first value that means divergence: a loss or error that is NaN, an infinite loss */
	double bad_step;   /* NaN: none, or its step is unknown */
	char bad_name[64]; /* "" none */
};
void bl_latest_init(struct bl_latest *latest);
/* Feeds whole lines of the normalised stream; returns how many bytes were whole lines. */
size_t bl_latest_feed(struct bl_latest *latest, const char *bytes, size_t len);

/* Smaller is better, by name: loss, error, perplexity, wer and so on. metrics.goals overrides. */
bool bl_metric_goal_is_min(const char *name);

#endif
