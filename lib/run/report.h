/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_H
#define BL_RUN_REPORT_H

#include "codec/value.h"
#include "run/gate.h"
#include "run/keys.h"
#include "run/outcome.h"
#include "run/report_baseline.h"
#include "run/report_cost.h"
#include "run/report_history.h"
#include "run/report_samples.h"
#include "run/series.h"

/*
 * A report in three steps: bl_report_build() reads runs from a store, bl_report_judge()
 * decides (pure), and one writer per format shows. Every text is taken as hostile: the writer
 * that knows the medium escapes it.
 */

/* Names and values, as parameters or data digests. */
struct bl_param {
	char *name, *value;
};
struct bl_pairs {
	struct bl_param *items; /* sorted by name once bl_pairs_sort() ran */
	size_t n, cap;
};
void bl_pairs_done(struct bl_pairs *pairs);
BL_MUST int bl_pairs_add(struct bl_pairs *pairs, const char *name, const char *value,
                         struct bl_err *err);
/* Adds a document's scalars by dotted name; lists as JSON. prefix NULL: none. */
BL_MUST int bl_pairs_add_value(struct bl_pairs *pairs, const char *prefix,
                               const struct bl_value *value, struct bl_err *err);
void bl_pairs_sort(struct bl_pairs *pairs);
const char *bl_pairs_find(const struct bl_pairs *pairs, const char *name); /* NULL: absent */

/* One run as its documents tell it. Zero-initialise; unknown numbers are NaN, unknown texts "". */
struct bl_side {
	bool present;
	char run[BL_RUN_SIZE];
	char job[65], branch[256], sha[41], tree[41], subject[256];
	bool dirty;               /* uncommitted changes; the tree does not tell the code */
	bool overridden;          /* parameters are not all the file's own */
	struct bl_pairs params;   /* hyperparameters */
	struct bl_pairs data;     /* channel -> digest */
	struct bl_pairs settings; /* command, launcher, gpu, ...: what else shapes a result */
	struct bl_series series;
	bool ended;              /* has an outcome */
	struct bl_result result; /* when ended */
	bool alive;              /* not ended, and its newest attempt may be running */
	unsigned attempts;       /* claimed so far */
	char phase[24];          /* while it runs: "data", "training", ... */
	int64_t started_ms, ended_ms, heard_ms; /* wall; 0 unknown. heard: newest sign of life */
	struct bl_expense expense;              /* of its attempts */
	double cost_usd;                        /* all of it; NaN: costs nothing or unknown */
	char place[128];                        /* "this machine", "g6.xlarge spot us-east-1b" */
	char *log;                              /* last lines; NULL: none */
};
void bl_side_done(struct bl_side *side);

/* First 7 digits of its commit; "" when it has none, or something that is no commit. */
struct bl_short_sha {
	char text[8];
};
struct bl_short_sha bl_side_sha(const struct bl_side *side);

/* The last 4 characters of a run's id, by which people know it. */
const char *bl_run_short(const char *run);

enum bl_goal { BL_GOAL_NONE, BL_GOAL_MIN, BL_GOAL_MAX };

/* What the configuration says of one metric. */
struct bl_rule {
	char name[129];
	enum bl_goal goal; /* NONE: by its name */
	double noise;      /* a smaller change means nothing */
	bool is_percent;   /* of the reference's value */
	bool shown;        /* named by metrics.show */
	size_t place;      /* in metrics.show */
};
struct bl_rules {
	char primary[129]; /* "": chosen by bl_report_judge() */
	bool best;         /* the best value of a curve stands for the run, not the last */
	bool has_show;
	struct bl_rule *items;
	size_t n, cap;
	struct bl_gate *gates; /* n_gates, of metrics.fail_if */
	size_t n_gates;
};
/*
 * metrics: the map of that name in a resolved configuration; NULL: no rules. BL_ENOMEM;
 * BL_ECORRUPT: a condition that is none.
 */
BL_MUST int bl_rules_read(const struct bl_value *metrics, struct bl_rules *out, struct bl_err *err);
void bl_rules_done(struct bl_rules *rules);
enum bl_goal bl_rules_goal(const struct bl_rules *rules, const char *name);

enum bl_change {
	BL_CHANGE_NONE, /* nothing to compare with, or nobody said which way is better */
	BL_CHANGE_SAME, /* within the noise */
	BL_CHANGE_BETTER,
	BL_CHANGE_WORSE,
	BL_CHANGE_DIVERGED, /* this run ended with NaN or infinity */
};
const char *bl_change_word(enum bl_change change); /* "better", ...; "" for none */

struct bl_row {
	const char *name; /* the series' */
	enum bl_goal goal;
	double baseline, previous, now; /* NaN: absent; now may be what the run diverged to */
	bool has_now;
	double change; /* now less the reference (the baseline, else the previous run); NaN: none */
	enum bl_change word;
	bool main; /* belongs into a short table */
};

struct bl_difference {
	enum { BL_DIFF_PARAM, BL_DIFF_DATA, BL_DIFF_CODE, BL_DIFF_SETTING } kind;
	const char *name, *from, *to; /* NULL: not there */
};
struct bl_differences {
	struct bl_difference *items;
	size_t n, cap;
};
/* What differs in b from a: parameters, data, settings, code. Texts stay the sides'. */
BL_MUST int bl_compare(const struct bl_side *a, const struct bl_side *b, struct bl_differences *out,
                       struct bl_err *err);
void bl_differences_done(struct bl_differences *differences);
const char *bl_difference_word(const struct bl_difference *difference); /* "parameter", ... */
/* How much of from and to is worth showing: at most `most` characters, a commit's first ones. */
size_t bl_difference_chars(const struct bl_difference *difference, size_t most);

/*
 * Rows for every metric of now, baseline or previous: primary first, then those that
 * metrics.show names, then by name. BL_ENOMEM.
 */
BL_MUST int bl_compare_metrics(const struct bl_rules *rules, const struct bl_side *baseline,
                               const struct bl_side *previous, const struct bl_side *now,
                               struct bl_row **rows, size_t *n, struct bl_err *err);
/* The primary metric: configured, else eval_loss and its like, else the first with a goal. NULL:
 * the run has no metrics. */
const char *bl_compare_primary(const struct bl_rules *rules, const struct bl_side *now);

enum bl_mood { BL_MOOD_GOOD, BL_MOOD_PLAIN, BL_MOOD_WARN, BL_MOOD_BAD, BL_MOOD_RUNNING };
const char *bl_mood_icon(enum bl_mood mood); /* a coloured circle */

#define BL_SENTENCE 768

struct bl_report {
	struct bl_side now, baseline, previous;
	struct bl_rules rules;
	int64_t at_ms;    /* when it was made, wall */
	char store[512];  /* its URI */
	char why[384];    /* how the baseline was found, or why there is none; "" unknown */
	bool same_before; /* the baseline is the previous run, too */
	int64_t ci_ms;    /* what the workflow's job took so far; 0 unknown */
	double month_usd; /* all runs of the store this month; NaN unknown */
	char label[128];  /* that starts a run; "" unknown */
	bool brief;       /* `details: brief`: the writers of Markdown leave out what few ask for */
	struct bl_history history;
	struct bl_samples samples;
	/* bl_report_judge() fills the rest */
	char primary[129]; /* "": no metrics */
	enum bl_mood mood;
	char verdict[BL_SENTENCE]; /* one sentence, no full stop */
	char cause[BL_SENTENCE];   /* why it failed; "" otherwise */
	char next[BL_SENTENCE];    /* what to do; "" when nothing is to be done */
	bool gate_failed;          /* ended well, but a condition of the rules' gates holds */
	struct bl_gate_result
		*gates; /* rules.n_gates; NULL: not judged, the run did not end well */
	char baseline_name[BL_SENTENCE], previous_name[BL_SENTENCE]; /* "main", "run q7xk" */
	char facts[BL_SENTENCE]; /* cost, time, place, interruptions in one line */
	double bad_step;         /* where it diverged; NaN: it did not */
	char bad_name[129];
	struct bl_row *rows;
	size_t n_rows;
	struct bl_differences differences; /* from the baseline, else from the previous run */
};
void bl_report_done(struct bl_report *report);

/* Pure but for memory: from what was read to what is shown. BL_ENOMEM. */
BL_MUST int bl_report_judge(struct bl_report *report, struct bl_err *err);
const struct bl_row *bl_report_row(const struct bl_report *report, const char *name);
const struct bl_side *bl_report_reference(const struct bl_report *report); /* NULL: none */
/* It ended well without anything to compare it with: a reader is told how to get a baseline. */
bool bl_report_wants_baseline(const struct bl_report *report);
/* "▼ −0.042 better", in characters of our own only; nothing when there is nothing to say. */
void bl_report_change(const struct bl_row *row, struct bl_buf *out);
/* The last lines of a log, at most max_bytes; lines: how many. A longer one is cut at its start. */
const char *bl_report_log_tail(const char *log, size_t max_bytes, size_t *lines);

/*
 * Reads one run: documents, curves, the last lines of its log. BL_ENOENT: no such run.
 */
BL_MUST int bl_side_read(struct bl_store *store, const char *run, struct bl_side *out,
                         struct bl_err *err);

/*
 * Reads and judges: all that a report shows of `run`.
 *
 *   run       full id
 *   baseline  full id; NULL: as bl_baseline_choose() finds it at `place`
 *   previous  full id; NULL: the newest success before it on the same branch
 *   place     NULL: no history to look at
 */
BL_MUST int bl_report_build(struct bl_store *store, const char *run, const char *baseline,
                            const char *previous, const struct bl_baseline_place *place,
                            struct bl_report *out, struct bl_err *err);

/*
 * The writers append to `out`. BL_ELIMIT when out->max does not hold it, BL_ENOMEM.
 *
 *   md     at most 25 lines outside <details> and BL_REPORT_MD_MAX bytes, whatever comes in
 *   term   colour: escape sequences are welcome; columns: of the terminal, 40..200
 */
#define BL_REPORT_MD_MAX 60000u
#define BL_REPORT_MD_LINES 25u
#define BL_REPORT_MAX (32u << 20) /* bytes of the other formats */
BL_MUST int bl_report_md(const struct bl_report *report, struct bl_buf *out, struct bl_err *err);
/* The same without its first line, the marker of a sticky comment. */
BL_MUST int bl_report_comment(const struct bl_report *report, struct bl_buf *out,
                              struct bl_err *err);
BL_MUST int bl_report_html(const struct bl_report *report, struct bl_buf *out, struct bl_err *err);
BL_MUST int bl_report_json(const struct bl_report *report, struct bl_buf *out, struct bl_err *err);
BL_MUST int bl_report_term(const struct bl_report *report, bool colour, unsigned columns,
                           struct bl_buf *out, struct bl_err *err);

/* A picture of the curves alone: a whole SVG document, at most 12 charts, the primary first.
 * Without any curve it says so. */
BL_MUST int bl_report_svg(const struct bl_report *report, struct bl_buf *out, struct bl_err *err);

/* Parts of the JSON that `diff` writes too: members "metrics" and "differences" of an open map. */
struct bl_json;
void bl_report_json_rows(struct bl_json *json, const struct bl_row *rows, size_t n);
void bl_report_json_differences(struct bl_json *json, const struct bl_differences *all);

#endif
