/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rule of that name, made when new. NULL: out of memory. */
static struct bl_rule *rule_of(struct bl_rules *rules, const char *name, struct bl_err *err)
{
	struct bl_rule *rule;

	for (size_t i = 0; i < rules->n; i++)
		if (!strcmp(rules->items[i].name, name))
			return &rules->items[i];
	if (rules->n == rules->cap) {
		size_t cap = rules->cap ? rules->cap * 2 : 8;

		rule = reallocarray(rules->items, cap, sizeof(*rule));
		if (!rule) {
			bl_fail(err, BL_ENOMEM, "metric rules: out of memory");
			return NULL;
		}
		rules->items = rule;
		rules->cap = cap;
	}
	rule = &rules->items[rules->n++];
	*rule = (struct bl_rule){ 0 };
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	return rule;
}

/* A number, or per cent as the text "2%"; what is neither was refused before the run began. */
static void read_noise(const struct bl_value *value, struct bl_rule *rule)
{
	char *end;

	if (value->type == BL_INT || value->type == BL_REAL) {
		rule->noise = fabs(value->real);
	} else if (value->type == BL_STRING) {
		rule->noise = fabs(strtod(value->text, &end));
		rule->is_percent = *end == '%';
	}
	if (!isfinite(rule->noise))
		rule->noise = 0;
}

static int read_rules(const struct bl_value *metrics, struct bl_rules *rules, struct bl_err *err)
{
	const struct bl_value *goals = bl_value_get(metrics, "goals");
	const struct bl_value *noise = bl_value_get(metrics, "noise");
	const struct bl_value *show = bl_value_get(metrics, "show");

	for (size_t i = 0; goals && goals->type == BL_MAP && i < goals->n; i++) {
		struct bl_rule *rule = rule_of(rules, goals->items[i]->key, err);

		if (!rule)
			return -1;
		if (goals->items[i]->text)
			rule->goal =
				!strcmp(goals->items[i]->text, "max") ? BL_GOAL_MAX : BL_GOAL_MIN;
	}
	for (size_t i = 0; noise && noise->type == BL_MAP && i < noise->n; i++) {
		struct bl_rule *rule = rule_of(rules, noise->items[i]->key, err);

		if (!rule)
			return -1;
		read_noise(noise->items[i], rule);
	}
	for (size_t i = 0; show && show->type == BL_LIST && i < show->n; i++) {
		struct bl_rule *rule;

		if (!show->items[i]->text)
			continue;
		rule = rule_of(rules, show->items[i]->text, err);
		if (!rule)
			return -1;
		rule->shown = rules->has_show = true;
		rule->place = i;
	}
	return 0;
}

static int read_gates(const struct bl_value *fail_if, struct bl_rules *rules, struct bl_err *err)
{
	if (!fail_if || fail_if->type != BL_LIST || !fail_if->n)
		return 0;
	rules->gates = calloc(fail_if->n, sizeof(*rules->gates));
	if (!rules->gates)
		return bl_fail(err, BL_ENOMEM, "metric rules: out of memory");
	for (size_t i = 0; i < fail_if->n; i++) {
		const char *text = fail_if->items[i]->text;

		if (bl_gate_parse(text ? text : "", &rules->gates[i], err)) {
			bl_recode(err, BL_ECORRUPT);
			return bl_wrap(err, "metrics.fail_if");
		}
		rules->n_gates++;
	}
	return 0;
}

int bl_rules_read(const struct bl_value *metrics, struct bl_rules *out, struct bl_err *err)
{
	struct bl_rules rules = { 0 };

	snprintf(rules.primary, sizeof(rules.primary), "%s",
	         bl_value_text_or(metrics, "primary", ""));
	rules.best = !strcmp(bl_value_text_or(metrics, "value", "last"), "best");
	if (read_rules(metrics, &rules, err) ||
	    read_gates(bl_value_get(metrics, "fail_if"), &rules, err)) {
		bl_rules_done(&rules);
		return -1;
	}
	*out = rules;
	return 0;
}

void bl_rules_done(struct bl_rules *rules)
{
	free(rules->items);
	free(rules->gates);
	*rules = (struct bl_rules){ 0 };
}

/* Names that tell which way is better: anywhere in the name, or as a word of it. */
static const struct known {
	const char *part;
	enum bl_goal goal;
	enum { ANYWHERE, PREFIX, WORD } where;
} known[] = {
	{ "loss", BL_GOAL_MIN, ANYWHERE },   { "error", BL_GOAL_MIN, ANYWHERE },
	{ "perplexity", BL_GOAL_MIN, WORD }, { "ppl", BL_GOAL_MIN, WORD },
	{ "wer", BL_GOAL_MIN, WORD },        { "cer", BL_GOAL_MIN, WORD },
	{ "mse", BL_GOAL_MIN, WORD },        { "rmse", BL_GOAL_MIN, WORD },
	{ "mae", BL_GOAL_MIN, WORD },        { "bpb", BL_GOAL_MIN, WORD },
	{ "bits_per", BL_GOAL_MIN, PREFIX }, { "accuracy", BL_GOAL_MAX, PREFIX },
	{ "acc", BL_GOAL_MAX, WORD },        { "f1", BL_GOAL_MAX, WORD },
	{ "bleu", BL_GOAL_MAX, PREFIX },     { "rouge", BL_GOAL_MAX, PREFIX },
	{ "reward", BL_GOAL_MAX, PREFIX },   { "precision", BL_GOAL_MAX, WORD },
	{ "recall", BL_GOAL_MAX, WORD },     { "auc", BL_GOAL_MAX, WORD },
	{ "map", BL_GOAL_MAX, WORD },        { "exact_match", BL_GOAL_MAX, WORD },
};

static bool is_at(const struct known *it, const char *name, const char *at)
{
	const char *end = at + strlen(it->part);

	if (it->where == ANYWHERE)
		return true;
	if (at != name && !strchr("_-./ @", at[-1]))
		return false;
	return it->where == PREFIX || !*end || strchr("_-./ @", *end);
}

static enum bl_goal goal_by_name(const char *name)
{
	for (size_t i = 0; i < BL_COUNT(known); i++)
		for (const char *at = name; (at = strcasestr(at, known[i].part)); at++)
			if (is_at(&known[i], name, at))
				return known[i].goal;
	return BL_GOAL_NONE;
}

enum bl_goal bl_rules_goal(const struct bl_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->n; i++)
		if (!strcmp(rules->items[i].name, name) && rules->items[i].goal != BL_GOAL_NONE)
			return rules->items[i].goal;
	return goal_by_name(name);
}
