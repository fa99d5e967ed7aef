/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hugging Face's Trainer on stdout: {'loss': 1.2, 'epoch': 0.1}, a Python dict that names no
 * step. The progress bar knows it: tqdm redraws the bar right after each such line, so a
 * record is held until that redraw tells its step.
 */
#include "run/metrics_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY_MS 2000
#define HOLD_MS 1000

struct text {
	const char *at, *end;
};

static void skip_space(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

static bool takes(struct text *t, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len) != 0)
		return false;
	t->at += len;
	return true;
}

/* --- The dict --------------------------------------------------------------------------------- */

/* 'text' or "text" without escapes: names of metrics and numbers have none. */
static bool takes_quoted(struct text *t, const char **text, size_t *len)
{
	const char quote = t->at < t->end ? *t->at : '\0';
	const char *close;

	if (quote != '\'' && quote != '"')
		return false;
	close = memchr(t->at + 1, quote, (size_t)(t->end - t->at - 1));
	if (!close || memchr(t->at, '\\', (size_t)(close - t->at)))
		return false;
	*text = t->at + 1;
	*len = (size_t)(close - *text);
	t->at = close + 1;
	return true;
}

static bool takes_number(struct text *t, double *number)
{
	char digits[64], *end;
	size_t n = 0;
	struct text signless = *t;
	double sign = takes(&signless, "-") ? -1 : 1;

	if (takes(&signless, "nan") || takes(&signless, "inf")) {
		*number = signless.at[-1] == 'n' ? (double)NAN : sign * (double)INFINITY;
		*t = signless;
		return true;
	}
	while (t->at + n < t->end && n + 1 < sizeof(digits) &&
	       strchr("+-.eE0123456789", t->at[n]) && t->at[n])
		n++;
	memcpy(digits, t->at, n);
	digits[n] = '\0';
	*number = strtod(digits, &end);
	if (end == digits)
		return false;
	t->at += end - digits;
	return true;
}

/* np.float64(1.2), tensor(1.2, device='cuda:0') */
static bool takes_wrapped(struct text *t, double *number)
{
	struct text inner = *t;
	const char *close;

	while (inner.at < inner.end &&
	       (isalnum((unsigned char)*inner.at) || *inner.at == '.' || *inner.at == '_'))
		inner.at++;
	if (inner.at == t->at || !takes(&inner, "(") || !takes_number(&inner, number))
		return false;
	close = memchr(inner.at, ')', (size_t)(inner.end - inner.at));
	if (!close)
		return false;
	t->at = close + 1;
	return true;
}

/* Any value; is_number says whether it is one. False: not a flat dict. */
static bool takes_value(struct text *t, double *number, bool *is_number)
{
	const char *text;
	size_t len;

	*is_number = true;
	if (takes_number(t, number) || takes_wrapped(t, number))
		return true;
	*is_number = false;
	if (takes(t, "True") || takes(t, "False") || takes(t, "None"))
		return true;
	if (!takes_quoted(t, &text, &len))
		return false;
	struct text inner = { text, text + len };
	*is_number = takes_number(&inner, number) && inner.at == inner.end;
	return true;
}

static void take_pair(struct bl_metric_record *record, const char *key, size_t len, double number)
{
	if ((len == 4 && !memcmp(key, "step", 4)) || (len == 11 && !memcmp(key, "global_step", 11)))
		record->step = number;
	else if ((len == 9 && !memcmp(key, "max_steps", 9)) ||
	         (len == 11 && !memcmp(key, "total_steps", 11)))
		record->total = number;
	else if (len == 5 && !memcmp(key, "epoch", 5))
		record->epoch = number;
	else
		bl_metric_add(record, key, len, number);
}

/* A whole flat dict that begins at t; t moves behind it. */
static bool takes_dict(struct text *t, struct bl_metric_record *record)
{
	bl_metric_begin(record);
	if (!takes(t, "{"))
		return false;
	do {
		const char *key;
		size_t len;
		double number;
		bool is_number;

		skip_space(t);
		if (!takes_quoted(t, &key, &len))
			return false;
		skip_space(t);
		if (!takes(t, ":"))
			return false;
		skip_space(t);
		if (!takes_value(t, &number, &is_number))
			return false;
		if (is_number)
			take_pair(record, key, len, number);
		skip_space(t);
	} while (takes(t, ","));
	return takes(t, "}") && record->n;
}

static bool has_name(const struct bl_metric_record *record, const char *name)
{
	for (size_t i = 0; i < record->n; i++)
		if (!strcmp(record->values[i].name, name))
			return true;
	return false;
}

/* A dict of settings looks the same; the Trainer's names an epoch, a loss or an evaluation. */
static bool is_a_point(const struct bl_metric_record *record)
{
	if (!isnan(record->epoch) || !isnan(record->step))
		return true;
	for (size_t i = 0; i < record->n; i++)
		if (strstr(record->values[i].name, "loss") ||
		    !strncmp(record->values[i].name, "eval_", 5))
			return true;
	return false;
}

/* --- The bar ---------------------------------------------------------------------------------- */

static bool takes_count(struct text *t, double *count)
{
	double sum = 0;
	const char *from = t->at;

	for (; t->at < t->end && isdigit((unsigned char)*t->at) && t->at - from < 15; t->at++)
		sum = sum * 10 + (*t->at - '0');
	*count = sum;
	return t->at > from;
}

/*
 * " 92%|#####  | 55/60 [00:12<00:01, 4.5it/s]". Bars with a description ("Map: 10%|...") count
 * something else than steps. t moves behind the counts.
 */
static bool takes_bar(struct text *t, double *step, double *total)
{
	const char *mark = memmem(t->at, (size_t)(t->end - t->at), "%|", 2), *bar;
	struct text after = *t;

	if (!mark)
		return false;
	skip_space(&after);
	while (after.at < mark && isdigit((unsigned char)*after.at))
		after.at++;
	if (after.at != mark)
		return false;
	bar = memchr(mark + 2, '|', (size_t)(t->end - mark - 2));
	if (!bar)
		return false;
	after.at = bar + 1;
	skip_space(&after);
	if (!takes_count(&after, step) || !takes(&after, "/") || !takes_count(&after, total) ||
	    !takes(&after, " ["))
		return false;
	*t = after;
	return *total > 0;
}

/* --- Together --------------------------------------------------------------------------------- */

static void emit(struct bl_metrics *metrics, struct bl_metric_record *record, double step)
{
	if (isnan(record->step) && !isnan(metrics->hf.total))
		record->step = step;
	record->epoch = (double)NAN; /* a fraction: never to be taken for a step */
	if (isnan(record->total))
		record->total = metrics->hf.total;
	bl_metric_emit(metrics, record, BL_METRIC_HF);
}

static void let_go(struct bl_metrics *metrics, double step)
{
	int64_t now = metrics->at_ms;

	if (!metrics->hf.held)
		return;
	metrics->hf.held = false;
	metrics->at_ms = metrics->hf.held_at_ms;
	emit(metrics, &metrics->hf.record, step);
	metrics->at_ms = now;
}

/* The wall clock may step back: then the time is over, not far away. */
static bool is_within(const struct bl_metrics *metrics, int64_t since_ms, int64_t ms)
{
	return metrics->at_ms >= since_ms && metrics->at_ms - since_ms < ms;
}

/* Between two logged points the bar alone tells how far it is: now and then that is worth a line.
 */
static void say_progress(struct bl_metrics *metrics)
{
	struct bl_metric_record *record = &metrics->record;

	if (is_within(metrics, metrics->hf.said_at_ms, PROGRESS_EVERY_MS))
		return;
	metrics->hf.said_at_ms = metrics->at_ms;
	bl_metric_begin(record);
	emit(metrics, record, metrics->hf.bar_step);
}

static void on_bar(struct bl_metrics *metrics, double step, double total)
{
	/* an evaluation's bar has another total */
	if (!isnan(metrics->hf.total) && total != metrics->hf.total)
		return;
	metrics->hf.bar_step = step;
	metrics->hf.bar_total = total;
	if (metrics->hf.held) /* redrawn after a line: it is the training's */
		metrics->hf.total = total;
	let_go(metrics, step);
	if (!isnan(metrics->hf.total))
		say_progress(metrics);
}

static void on_dict(struct bl_metrics *metrics, const struct bl_metric_record *record)
{
	let_go(metrics, metrics->hf.bar_step);
	if (has_name(record, "loss") && isnan(metrics->hf.total))
		metrics->hf.total = metrics->hf.bar_total;
	/* what was written to the file before this line was printed comes first */
	metrics->hf.record = *record;
	bl_metric_file.scan(metrics, false);
	metrics->hf.held = true;
	metrics->hf.held_at_ms = metrics->at_ms;
	if (isnan(metrics->hf.bar_step) || !isnan(metrics->hf.record.step))
		let_go(metrics, (double)NAN);
}

static void read_line(struct bl_metrics *metrics, const char *line, size_t len)
{
	struct text t = { line, line + len };
	double step, total;

	if (takes_bar(&t, &step, &total))
		on_bar(metrics, step, total);
	/* behind a bar its own text ends with ']'; other text in front is somebody else's line */
	if (t.at > line)
		t.at = memchr(t.at, '{', (size_t)(t.end - t.at));
	if (!t.at)
		return;
	skip_space(&t);
	if (t.end - t.at < 2 || t.at[0] != '{' || t.at[1] != '\'')
		return;
	if (takes_dict(&t, &metrics->record) && is_a_point(&metrics->record))
		on_dict(metrics, &metrics->record);
}

/* No redraw came: the bar's last state is the best that is known. */
static void scan(struct bl_metrics *metrics, bool last)
{
	if (last || !is_within(metrics, metrics->hf.held_at_ms, HOLD_MS))
		let_go(metrics, metrics->hf.bar_step);
}

const struct bl_metric_source bl_metric_hf = {
	.name = "hf_stdout",
	.shown = "Trainer lines on stdout",
	.line = read_line,
	.scan = scan,
};
