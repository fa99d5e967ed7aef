/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SERIES_H
#define BL_RUN_SERIES_H

#include "run/keys.h"
#include "run/store.h"

/*
 * All metrics of a run as curves, read from its metrics stream: key order is the stream,
 * of all attempts in turn. A duplicate step (after a resume) is overwritten by the later
 * attempt; points of an earlier attempt beyond the step where the next one resumed are dropped.
 */
struct bl_curve {
	char name[129];
	size_t n, cap;
	double *step;   /* n, ascending; the ordinal from 1 where the source has no steps */
	double *value;  /* n; may be NaN or infinite */
	int64_t *at_ms; /* n, wall */
	double last, best_min, best_max; /* finite ones; NaN when none */
	double bad_step;                 /* first NaN or infinity; NaN none */
	bool has_steps;
};
/* An earlier run that a series goes back to. */
struct bl_join {
	char run[BL_RUN_SIZE];
	double step; /* where what follows it went on from; NaN: nothing is joined */
};
struct bl_series {
	struct bl_curve *curves; /* sorted by name */
	size_t n;
	double resumed_at
		[32]; /* attempts 2..: newest step kept of the earlier ones, else their first */
	size_t n_resumed;
	struct bl_join joined[16]; /* the run that it continued, the one that that continued, ... */
	size_t n_joined;
	double last_step, total_steps; /* NaN unknown */
	size_t bad_lines;              /* lines that were no record: torn, or written by others */
	size_t over_limit;             /* values left out beyond the limits below */
};

/* Bounds of one report: names beyond the first, points beyond the total are counted only. */
#define BL_CURVES_MAX 1024u
#define BL_POINTS_MAX (8u << 20)

/* The parts of bl_series_read(), for those who hold the bytes. */
struct bl_series_reader;
BL_MUST int bl_series_reader_new(struct bl_series_reader **out, struct bl_err *err);
void bl_series_reader_free(struct bl_series_reader *reader); /* takes NULL */
/* Feeds the next bytes of the stream, cut anywhere. BL_ENOMEM. */
BL_MUST int bl_series_feed(struct bl_series_reader *reader, const char *bytes, size_t len,
                           struct bl_err *err);
/* Bytes are missing here, or another attempt's stream begins: a torn line ends. */
BL_MUST int bl_series_gap(struct bl_series_reader *reader, struct bl_err *err);
/* Moves the curves out; the reader is good for nothing but _free after it. */
BL_MUST int bl_series_finish(struct bl_series_reader *reader, struct bl_series *out,
                             struct bl_err *err);

void bl_series_done(struct bl_series *series);
BL_MUST int bl_series_read(struct bl_store *store, const char *run, struct bl_series *out,
                           struct bl_err *err);
/*
 * The same, with the curves of the runs that it continued before its own: each up to the step where
 * the next one's values begin. At most 16 of them; one that was removed, or is met again, ends
 * the joined part. Curves that the run itself does not have are left out: they are not its own.
 */
BL_MUST int bl_series_read_joined(struct bl_store *store, const char *run, struct bl_series *out,
                                  struct bl_err *err);
/*
 * The part of it that decides: puts points of `earlier` before those of `series`, where both have
 * a curve by steps: what comes before the first step of `series`. joined_at: where the series goes
 * on from: `saved`, what the checkpoint's manifest says (NaN unknown), if it lies between the two,
 * else the newest step kept; NaN: nothing was joined. BL_ENOMEM, with some of the curves joined.
 */
BL_MUST int bl_series_join(struct bl_series *series, const struct bl_series *earlier, double saved,
                           double *joined_at, struct bl_err *err);
const struct bl_curve *bl_series_find(const struct bl_series *series, const char *name);

#endif
