/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TINY 1e-12 /* relative: what only the rounding of a sum tells apart */

const char *bl_change_word(enum bl_change change)
{
	switch (change) {
	case BL_CHANGE_SAME:
		return "no clear change";
	case BL_CHANGE_BETTER:
		return "better";
	case BL_CHANGE_WORSE:
		return "worse";
	case BL_CHANGE_DIVERGED:
		return "diverged";
	case BL_CHANGE_NONE:
		break;
	}
	return "";
}

size_t bl_difference_chars(const struct bl_difference *difference, size_t most)
{
	bool is_commit = difference->kind == BL_DIFF_CODE && !strcmp(difference->name, "commit");

	return is_commit && most > 12 ? 12 : most;
}

const char *bl_difference_word(const struct bl_difference *difference)
{
	switch (difference->kind) {
	case BL_DIFF_PARAM:
		return "parameter";
	case BL_DIFF_DATA:
		return "data";
	case BL_DIFF_CODE:
		return "code";
	case BL_DIFF_SETTING:
		break;
	}
	return "setting";
}

void bl_differences_done(struct bl_differences *differences)
{
	free(differences->items);
	*differences = (struct bl_differences){ 0 };
}

static int add_difference(struct bl_differences *all, struct bl_difference one, struct bl_err *err)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : 16;
		struct bl_difference *items = reallocarray(all->items, cap, sizeof(*items));

		if (!items)
			return bl_fail(err, BL_ENOMEM, "compare runs: out of memory");
		all->items = items;
		all->cap = cap;
	}
	all->items[all->n++] = one;
	return 0;
}

/* Data of one digest are the same, even if one run counted its records and the other did not. */
static bool same_value(int kind, const char *from, const char *to)
{
	const char *a = strstr(from, "digest "), *b = strstr(to, "digest ");

	if (kind == BL_DIFF_DATA && a && b)
		return !strcmp(a, b);
	return !strcmp(from, to);
}

/* Both lists are sorted: one merge finds what is new, gone or changed. */
static int compare_pairs(const struct bl_pairs *a, const struct bl_pairs *b, int kind,
                         struct bl_differences *out, struct bl_err *err)
{
	size_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		int order = i == a->n   ? 1
		            : j == b->n ? -1
		                        : strcmp(a->items[i].name, b->items[j].name);
		struct bl_difference one = {
			.kind = (unsigned)kind,
			.name = order <= 0 ? a->items[i].name : b->items[j].name,
			.from = order <= 0 ? a->items[i].value : NULL,
			.to = order >= 0 ? b->items[j].value : NULL,
		};

		i += order <= 0;
		j += order >= 0;
		if (one.from && one.to && same_value(kind, one.from, one.to))
			continue;
		if (add_difference(out, one, err))
			return -1;
	}
	return 0;
}

static int compare_code(const struct bl_side *a, const struct bl_side *b,
                        struct bl_differences *out, struct bl_err *err)
{
	struct bl_difference commit = { BL_DIFF_CODE, "commit", a->sha[0] ? a->sha : NULL,
		                        b->sha[0] ? b->sha : NULL };
	struct bl_difference clean = { BL_DIFF_CODE, "uncommitted changes", a->dirty ? "yes" : "no",
		                       b->dirty ? "yes" : "no" };

	if (strcmp(a->sha, b->sha) && (!a->tree[0] || strcmp(a->tree, b->tree)) &&
	    add_difference(out, commit, err))
		return -1;
	/* two dirty trees may differ as well: the same commit says little then */
	if ((a->dirty || b->dirty) && add_difference(out, clean, err))
		return -1;
	return 0;
}

int bl_compare(const struct bl_side *a, const struct bl_side *b, struct bl_differences *out,
               struct bl_err *err)
{
	struct bl_differences all = { 0 };

	if (compare_pairs(&a->params, &b->params, BL_DIFF_PARAM, &all, err) ||
	    compare_pairs(&a->data, &b->data, BL_DIFF_DATA, &all, err) ||
	    compare_code(a, b, &all, err) ||
	    compare_pairs(&a->settings, &b->settings, BL_DIFF_SETTING, &all, err)) {
		bl_differences_done(&all);
		return -1;
	}
	*out = all;
	return 0;
}

const char *bl_compare_primary(const struct bl_rules *rules, const struct bl_side *now)
{
	static const char *const usual[] = { "eval_loss",    "val_loss",   "validation_loss",
		                             "eval/loss",    "val/loss",   "eval.loss",
		                             "val.loss",     "valid_loss", "test_loss",
		                             "loss",         "train_loss", "train/loss",
		                             "training_loss" };
	const struct bl_series *series = &now->series;

	if (rules->primary[0])
		return rules->primary;
	for (size_t i = 0; i < BL_COUNT(usual); i++) {
		const struct bl_curve *curve = bl_series_find(series, usual[i]);

		if (curve)
			return curve->name;
	}
	for (size_t i = 0; i < series->n; i++)
		if (bl_rules_goal(rules, series->curves[i].name) != BL_GOAL_NONE)
			return series->curves[i].name;
	return series->n ? series->curves[0].name : NULL;
}

/* What a run reached in a metric; NaN without. */
static double value_of(const struct bl_rules *rules, const struct bl_side *side, const char *name,
                       enum bl_goal goal)
{
	const struct bl_curve *curve = side->present ? bl_series_find(&side->series, name) : NULL;

	if (!curve || !curve->n)
		return NAN;
	if (rules->best && goal == BL_GOAL_MAX)
		return curve->best_max;
	if (rules->best && goal == BL_GOAL_MIN)
		return curve->best_min;
	return curve->value[curve->n - 1];
}

static const struct bl_rule *rule_of(const struct bl_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->n; i++)
		if (!strcmp(rules->items[i].name, name))
			return &rules->items[i];
	return NULL;
}

/* A run on its way, or cut short, is not worse than one that finished: it is not there yet. */
static bool is_comparable(const struct bl_side *side)
{
	return side->ended && side->result.status == BL_STATUS_SUCCESS;
}

static enum bl_change word_for(const struct bl_rule *rule, enum bl_goal goal, double reference,
                               double change)
{
	double noise = fmax(fabs(reference), fabs(reference + change)) * TINY;

	if (rule && rule->noise > 0)
		noise = rule->is_percent ? fabs(reference) * rule->noise / 100 : rule->noise;
	/* a change of exactly the noise is within it, whatever the rounding says */
	if (fabs(change) <= noise * (1 + 1e-9))
		return BL_CHANGE_SAME;
	if (goal == BL_GOAL_NONE)
		return BL_CHANGE_NONE;
	return (change < 0) == (goal == BL_GOAL_MIN) ? BL_CHANGE_BETTER : BL_CHANGE_WORSE;
}

static struct bl_row row_for(const struct bl_rules *rules, const struct bl_side *baseline,
                             const struct bl_side *previous, const struct bl_side *now,
                             const char *name)
{
	const struct bl_rule *rule = rule_of(rules, name);
	struct bl_row row = { .name = name, .goal = bl_rules_goal(rules, name), .change = NAN };
	double reference;

	row.baseline = value_of(rules, baseline, name, row.goal);
	row.previous = value_of(rules, previous, name, row.goal);
	row.now = value_of(rules, now, name, row.goal);
	row.has_now = now->present && bl_series_find(&now->series, name);
	row.main = rules->has_show ? rule && rule->shown : row.goal != BL_GOAL_NONE;
	reference = isnan(row.baseline) ? row.previous : row.baseline;
	if (row.has_now && !isfinite(row.now)) {
		row.word = BL_CHANGE_DIVERGED;
	} else if (row.has_now && isfinite(reference)) {
		row.change = row.now - reference;
		if (is_comparable(now))
			row.word = word_for(rule, row.goal, reference, row.change);
	}
	return row;
}

/* What the order of rows depends on; qsort takes no argument beside the rows. */
struct place {
	int group; /* 0 primary, 1 shown, 2 with a goal, 3 the rest */
	size_t at;
	struct bl_row row;
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return strcmp(x->row.name, y->row.name);
}

static struct place place_of(const struct bl_rules *rules, const char *primary, struct bl_row row)
{
	const struct bl_rule *rule = rule_of(rules, row.name);
	struct place place = { .group = row.goal != BL_GOAL_NONE ? 2 : 3, .row = row };

	if (rule && rule->shown) {
		place.group = 1;
		place.at = rule->place;
	}
	if (primary && !strcmp(row.name, primary)) {
		place.group = 0;
		place.row.main = true;
	}
	return place;
}

static bool is_known(const struct bl_side *side, const char *name)
{
	return side->present && bl_series_find(&side->series, name);
}

int bl_compare_metrics(const struct bl_rules *rules, const struct bl_side *baseline,
                       const struct bl_side *previous, const struct bl_side *now,
                       struct bl_row **rows, size_t *n, struct bl_err *err)
{
	const struct bl_side *sides[] = { now, baseline, previous };
	const char *primary = bl_compare_primary(rules, now);
	size_t most = now->series.n + baseline->series.n + previous->series.n, used = 0;
	struct place *places = calloc(most + 1, sizeof(*places));
	struct bl_row *list = calloc(most + 1, sizeof(*list));

	if (!places || !list) {
		free(places);
		free(list);
		return bl_fail(err, BL_ENOMEM, "compare metrics: out of memory");
	}
	for (size_t s = 0; s < BL_COUNT(sides); s++) {
		for (size_t i = 0; sides[s]->present && i < sides[s]->series.n; i++) {
			const char *name = sides[s]->series.curves[i].name;

			if ((s > 0 && is_known(now, name)) || (s > 1 && is_known(baseline, name)))
				continue;
			places[used++] = place_of(rules, primary,
			                          row_for(rules, baseline, previous, now, name));
		}
	}
	qsort(places, used, sizeof(*places), by_place);
	for (size_t i = 0; i < used; i++)
		list[i] = places[i].row;
	free(places);
	*rows = list;
	*n = used;
	return 0;
}
