/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/log.h"
#include "run/index.h"

struct options {
	const char *store;
};

static const struct bl_option table[] = {
	PLACE_OPT_STORE(struct options),
};

static const struct bl_usage usage = {
	.verb = "baseline",
	.example = "branchline baseline latest",
	.about = "Makes a successful run the one that later runs of its branch and job are "
		 "compared\n"
		 "with, also when it had overrides or uncommitted changes.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

static int set(struct place *place, const char *word, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_outcome outcome;
	char id[BL_RUN_SIZE];

	if (place_run(place, word, id, err) || bl_run_read(place->store, id, &run, err))
		return -1;
	if (bl_outcome_read(place->store, id, &outcome, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		bl_fail(err, BL_EINPUT, "run %s has not ended", id);
		return bl_next(err, "see `branchline status %s`", id);
	}
	if (bl_index_set(place->store, &run, &outcome, err))
		return -1;
	bl_log(BL_LOG_INFO, "run %s is the baseline of job %s on %s", id, run.job, run.branch);
	return 0;
}

int verb_baseline(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	struct options opt = { 0 };

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, BL_STORE_WRITE, err) ||
	    set(&place, args.n_words ? args.words[0] : NULL, err))
		return bl_wrap(err, "baseline");
	return 0;
}
