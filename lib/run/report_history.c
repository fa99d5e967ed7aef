/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_history.h"

#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKED_AT 200u /* newest runs of the store */
#define SPEC_MAX_BYTES ((size_t)256 << 10)

void bl_history_done(struct bl_history *history)
{
	free(history->runs);
	*history = (struct bl_history){ 0 };
}

struct look {
	const struct bl_run *run;
	bool *is_one; /* by index */
};

/* Of the same pull request, or where the run has none, of the same branch. */
static int judge(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	const struct look *look = arg;
	const struct bl_run *run = look->run;
	BL_VALUE doc = NULL;

	if (!bytes)
		return 0;
	if (bl_json_document(bytes, len, "run.json", 1, &doc, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err); /* of a newer version, or torn: not shown */
		return 0;
	}
	look->is_one[i] =
		!strcmp(bl_value_text_or(doc, "repository.key", ""), run->repository_key) &&
		!strcmp(bl_value_text_or(doc, "job", ""), run->job) &&
		(run->pr ? bl_value_int_or(doc, "pr", 0) == run->pr
	                 : !bl_value_int_or(doc, "pr", 0) &&
	                           !strcmp(bl_value_text_or(doc, "git.branch", ""), run->branch));
	return 0;
}

static int find(struct bl_store *store, const struct bl_run *run, const struct bl_run_ids *list,
                size_t n, bool *is_one, struct bl_err *err)
{
	struct look look = { .run = run, .is_one = is_one };
	struct bl_key *keys = calloc(n + 1, sizeof(*keys));
	const char **names = calloc(n + 1, sizeof(*names));
	int rc = -1;

	if (!keys || !names) {
		bl_fail(err, BL_ENOMEM, "history: out of memory");
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		keys[i] = bl_key_run(list->ids[i], "run.json");
		names[i] = keys[i].text;
	}
	rc = bl_store_get_many(store, NULL, names, n, SPEC_MAX_BYTES, judge, &look, err);
out:
	free(keys);
	free(names);
	return rc;
}

static int summarise(struct bl_store *store, const struct bl_run *run,
                     const struct bl_run_ids *list, size_t n, const bool *is_one,
                     struct bl_history *history, struct bl_err *err)
{
	history->runs = calloc(BL_HISTORY_MAX, sizeof(*history->runs));
	if (!history->runs)
		return bl_fail(err, BL_ENOMEM, "history: out of memory");
	for (size_t i = 0; i < n && history->n < BL_HISTORY_MAX; i++) {
		struct bl_run_summary *summary = &history->runs[history->n];

		if (!is_one[i] || !strcmp(list->ids[i], run->id))
			continue;
		if (!bl_run_summarise(store, list->ids[i], summary, err)) {
			history->newer |= summary->created_ms > run->created_ms;
			history->n++;
			continue;
		}
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err); /* removed meanwhile */
	}
	return 0;
}

int bl_history_read(struct bl_store *store, const struct bl_run *run, struct bl_history *out,
                    struct bl_err *err)
{
	struct bl_history history = { .pr = run->pr };
	BL_AUTO(bl_run_ids) list = { 0 };
	bool is_one[LOOKED_AT] = { false };
	size_t n;

	if (bl_run_ids_read(store, &list, err))
		return bl_wrap(err, "history");
	n = list.n < LOOKED_AT ? list.n : LOOKED_AT;
	if (find(store, run, &list, n, is_one, err) ||
	    summarise(store, run, &list, n, is_one, &history, err)) {
		bl_history_done(&history);
		return bl_wrap(err, "history");
	}
	*out = history;
	return 0;
}
