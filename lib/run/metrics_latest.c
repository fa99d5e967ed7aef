/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader of the stream keeps: newest values, and the first sign of divergence. */
#include "base/str.h"
#include "codec/jsonl.h"
#include "run/metrics.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

void bl_latest_init(struct bl_latest *latest)
{
	memset(latest, 0, sizeof(*latest));
	latest->step = latest->total_steps = latest->bad_step = (double)NAN;
}

/* At most 63 bytes, cut between characters. */
static void short_name(const char *name, size_t len, char out[64])
{
	if (len > 63)
		len = bl_utf8_valid(name, 63);
	memcpy(out, name, len);
	out[len] = '\0';
}

/*
 * Not every NaN means divergence: a gradient norm overflows under mixed precision, an F1 of no
 * positives is 0/0, a perplexity overflows. A loss that is no number does.
 */
static bool has_diverged(const char *name, double value)
{
	if (isnan(value))
		return bl_metric_goal_is_min(name);
	return isinf(value) && strcasestr(name, "loss");
}

static void take_value(struct bl_latest *latest, const char *key, size_t len, double value)
{
	char name[64];
	size_t i = 0;

	short_name(key, len, name);
	if (!latest->bad_name[0] && has_diverged(name, value)) {
		memcpy(latest->bad_name, name, sizeof(name));
		latest->bad_step = latest->step;
	}
	while (i < latest->n && strcmp(latest->values[i].name, name) != 0)
		i++;
	if (i == BL_LATEST_MAX)
		return;
	if (i == latest->n) {
		latest->n++;
		memcpy(latest->values[i].name, name, sizeof(name));
		latest->values[i].ever_bad = false;
	}
	latest->values[i].value = value;
	latest->values[i].step = latest->step;
	latest->values[i].ever_bad |= !isfinite(value);
}

static int take_member(void *arg, const struct bl_member *member)
{
	static const char values[] = "values.";
	const size_t prefix = sizeof(values) - 1;
	struct bl_latest *latest = arg;

	if (member->kind != BL_SCALAR_NUMBER)
		return 0;
	if (member->key_len > prefix && !memcmp(member->key, values, prefix))
		take_value(latest, member->key + prefix, member->key_len - prefix, member->number);
	else if (member->key_len == 4 && !memcmp(member->key, "step", 4))
		latest->step = member->number;
	else if (member->key_len == 11 && !memcmp(member->key, "total_steps", 11))
		latest->total_steps = member->number;
	return 0;
}

size_t bl_latest_feed(struct bl_latest *latest, const char *bytes, size_t len)
{
	size_t used = 0;

	for (;;) {
		const char *line = bytes + used;
		const char *end = memchr(line, '\n', len - used);
		struct bl_json_fault fault;

		if (!end)
			return used;
		/* a torn line tells nothing, the next one is whole again */
		(void)!bl_json_members(line, (size_t)(end - line), true, take_member, latest,
		                       &fault);
		used += (size_t)(end - line) + 1;
	}
}

bool bl_metric_goal_is_min(const char *name)
{
	static const char *const words[] = { "perplexity", "ppl",  "wer", "cer", "err", "mae",
		                             "mse",        "rmse", "nll", "bpb", "bpc", "latency" };

	if (strcasestr(name, "loss") || strcasestr(name, "error"))
		return true;
	while (*name) {
		size_t len = 0;

		while (isalnum((unsigned char)name[len]))
			len++;
		for (size_t i = 0; i < BL_COUNT(words); i++)
			if (strlen(words[i]) == len && !strncasecmp(name, words[i], len))
				return true;
		name += len + (name[len] != '\0');
	}
	return false;
}
