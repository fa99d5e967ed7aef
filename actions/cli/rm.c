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

#define KEYS_AT_ONCE 1000
#define KEYS_MAX_BYTES ((size_t)256 << 20)

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
	uint64_t bytes, objects;
	const char *last; /* removed at the end: run.json, so that a rm cut short can be repeated */
	struct bl_buf keys; /* the others, a NUL after each */
};

static void sweep_done(struct sweep *sweep)
{
	bl_buf_done(&sweep->keys);
}

static int count(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct sweep *sweep = arg;

	sweep->bytes += item->size;
	sweep->objects++;
	if (strcmp(item->key, sweep->last) != 0)
		bl_buf_add(&sweep->keys, item->key, strlen(item->key) + 1);
	return bl_buf_check(&sweep->keys, "keys of the run", err);
}

static int remove_all(struct bl_store *store, const struct sweep *sweep, struct bl_err *err)
{
	const char *keys[KEYS_AT_ONCE];
	size_t n = 0;

	for (size_t at = 0; at < sweep->keys.len; at += strlen(sweep->keys.data + at) + 1) {
		keys[n++] = sweep->keys.data + at;
		if (n == KEYS_AT_ONCE) {
			if (bl_store_delete_many(store, NULL, keys, n, err))
				return -1;
			n = 0;
		}
	}
	if (bl_store_delete_many(store, NULL, keys, n, err))
		return -1;
	return bl_store_delete(store, NULL, sweep->last, err);
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
	BL_AUTO(sweep) sweep = { .last = last.text, .keys = BL_BUF(KEYS_MAX_BYTES) };
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
	if (remove_all(place->store, &sweep, err))
		return -1;
	if (bl_store_tidy(place->store, NULL, prefix.text, err)) {
		bl_log_err(BL_LOG_DEBUG, err); /* a life cycle rule ends them, too */
		bl_err_clear(err);
	}
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
