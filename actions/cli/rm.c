/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "run/attempt.h"
#include "run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *store;
	bool yes;
};

static const struct bl_option table[] = {
	{ "yes", 'y', BL_OPT_SWITCH, offsetof(struct options, yes), NULL, "do not ask" },
	PLACE_OPT_STORE(struct options),
};

static const struct bl_usage usage = {
	.verb = "rm",
	.example = "branchline rm q7xk",
	.about = "Removes a run with its checkpoints, outputs and log. It cannot be brought back.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "RUN",
	.words_min = 1,
	.words_max = 1,
};

struct sweep {
	struct bl_store *store;
	uint64_t bytes, objects;
	const char *last; /* removed at the end: run.json, so that a rm cut short can be repeated */
};

static int count(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct sweep *sweep = arg;

	(void)err;
	sweep->bytes += item->size;
	sweep->objects++;
	return 0;
}

static int sweep_one(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct sweep *sweep = arg;

	if (!strcmp(item->key, sweep->last))
		return 0;
	return bl_store_delete(sweep->store, NULL, item->key, err);
}

static int refuse_live(struct place *place, const char *run, struct bl_err *err)
{
	struct bl_run_summary summary;

	if (bl_run_summarise(place->store, run, &summary, err))
		return -1;
	if (summary.state == BL_RUN_ENDED || summary.state == BL_RUN_RESUMABLE ||
	    summary.state == BL_RUN_PENDING)
		return 0;
	bl_fail(err, BL_EBUSY, "run %s is %s", run, summary.word);
	return bl_next(err, "end it first: branchline stop %s", run);
}

static bool agreed(const char *run, const struct sweep *sweep)
{
	BL_AUTO(bl_buf) text = BL_BUF(64);
	char answer[8] = "";

	bl_str_add_bytes(&text, sweep->bytes);
	fprintf(stderr, "Remove run %s, %" PRIu64 " objects, %s? [y/N] ", run, sweep->objects,
	        bl_buf_text(&text));
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int remove_run(struct place *place, const char *run, const struct options *opt,
                      struct bl_err *err)
{
	struct bl_key prefix = bl_key_run(run, "%s", ""), last = bl_key_run(run, "run.json");
	struct sweep sweep = { .store = place->store, .last = last.text };
	char work[128];
	BL_FD root = -1;

	if (refuse_live(place, run, err) ||
	    bl_store_list(place->store, NULL, prefix.text, NULL, 0, count, &sweep, err))
		return -1;
	if (!opt->yes && !isatty(STDIN_FILENO)) {
		bl_fail(err, BL_EINPUT, "nobody is there to be asked");
		return bl_next(err, "say --yes to remove run %s", run);
	}
	if (!opt->yes && !agreed(run, &sweep))
		return bl_fail(err, BL_ECANCELLED, "nothing was removed");
	if (bl_store_list(place->store, NULL, prefix.text, NULL, 0, sweep_one, &sweep, err) ||
	    bl_store_delete(place->store, NULL, last.text, err))
		return -1;
	/* the attempts' work directories of this machine */
	snprintf(work, sizeof(work), ".branchline/work/%s", run);
	if (bl_fs_open_dir(place->root, &root, err) || bl_fs_remove_tree(root, work, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	bl_log(BL_LOG_INFO, "removed run %s", run);
	return 0;
}

int verb_rm(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	struct options opt = { 0 };
	char run[BL_RUN_SIZE];

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, BL_STORE_WRITE, err) ||
	    place_run(&place, args.words[0], run, err) || remove_run(&place, run, &opt, err))
		return bl_wrap(err, "rm");
	return 0;
}
