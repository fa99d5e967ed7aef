/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cloud.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 500
#define FAR_POLL_MS 2000 /* each look is a few requests */
#define SURVIVORS_MS 10000
#define SEEN_MS 15000 /* a wish is seen within 10 s */

struct options {
	struct cloud_options cloud;
	bool no_wait;
};

static const struct bl_option table[] = {
	{ "no-wait", 0, BL_OPT_SWITCH, offsetof(struct options, no_wait), NULL,
	  "ask only; do not wait for the end" },
	CLOUD_OPTION(struct options, store, "store", "STORE",
	             "where runs are kept; default .branchline/store, else the stack's bucket"),
	CLOUD_OPTION(struct options, stack, "stack", "NAME", "default branchline"),
	CLOUD_OPTION(struct options, region, "region", "NAME", "default AWS_REGION"),
	CLOUD_OPTION(struct options, profile, "profile", "NAME", "of AWS's configuration"),
};

static const struct bl_usage usage = {
	.verb = "stop",
	.example = "branchline stop latest",
	.about = "Ends a run, wherever it trains: its command gets TERM and its grace, the last\n"
		 "checkpoint is kept.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

/* Where the run is: one of the two is open. */
struct stopping {
	struct place place;
	struct cloud cloud;
	struct bl_store *store;
	char run[BL_RUN_SIZE];
};

static void stopping_done(struct stopping *stopping)
{
	place_done(&stopping->place);
	cloud_done(&stopping->cloud);
}

/* A run of this machine, or in the store that is named; else one of the stack's. */
static int find_run(struct stopping *stopping, const struct cloud_options *options,
                    const char *word, struct bl_err *err)
{
	struct bl_err here;

	if (!place_open(&stopping->place, options->store, BL_STORE_WRITE, err) &&
	    !place_run(&stopping->place, word, stopping->run, err)) {
		stopping->store = stopping->place.store;
		return 0;
	}
	if (options->store || (err->code != BL_ENOENT && err->code != BL_EINPUT))
		return -1;
	here = *err;
	bl_err_clear(err);
	if (!cloud_open(&stopping->cloud, options, BL_STORE_WRITE, err) &&
	    !cloud_run(&stopping->cloud, word, stopping->run, err)) {
		stopping->store = stopping->cloud.store;
		return 0;
	}
	return bl_wrap(err, "%.160s; and the stack's store", here.text);
}

/* What a dead supervisor left: its processes end, its last words stay on this machine. */
static int end_survivors(const char *run, unsigned attempt, struct bl_err *err)
{
	char run_pair[BL_RUN_SIZE + 24], attempt_pair[40];
	const char *const pairs[] = { run_pair, attempt_pair, NULL };
	unsigned ended = 0;

	snprintf(run_pair, sizeof(run_pair), "BRANCHLINE_RUN_ID=%s", run);
	snprintf(attempt_pair, sizeof(attempt_pair), "BRANCHLINE_ATTEMPT=%u", attempt);
	if (bl_proc_end_all(pairs, bl_mono_ms() + SURVIVORS_MS, &ended, err))
		return bl_wrap(err, "end what attempt %u left running", attempt);
	if (ended)
		bl_log(BL_LOG_INFO, "ended %u processes that attempt %u left running", ended,
		       attempt);
	bl_log(BL_LOG_INFO, "what attempt %u had not stored stays in .branchline/work/%s/%u",
	       attempt, run, attempt);
	return 0;
}

/* Nobody may be left to see the wish: the outcome then follows from what stands. */
static int settle_dead(struct bl_store *store, const struct bl_run *run, bool *settled,
                       struct bl_err *err)
{
	struct bl_attempts attempts;
	struct bl_outcome outcome;
	enum bl_liveness owner = BL_DEAD; /* no claim: nobody */

	if (bl_attempts_read(store, run->id, &attempts, err))
		return -1;
	if (attempts.newest && !attempts.newest_ended &&
	    (bl_proc_probe(&attempts.claim.owner, &owner, err) ||
	     (owner == BL_DEAD && end_survivors(run->id, attempts.newest, err))))
		return -1;
	return bl_run_settle(store, run, owner, settled, &outcome, err);
}

static int wait_for_end(struct bl_store *store, const struct bl_run *run, struct bl_err *err)
{
	int64_t pause_ms = bl_store_is_remote(bl_store_uri(store)) ? FAR_POLL_MS : POLL_MS;
	int64_t until = bl_mono_ms() + SEEN_MS + run->grace_ms + run->flush_reserve_ms;
	struct bl_outcome outcome;

	while (bl_outcome_read(store, run->id, &outcome, err)) {
		bool settled = false;

		if (err->code == BL_ENOENT) {
			bl_err_clear(err);
			if (!settle_dead(store, run, &settled, err) && settled)
				continue;
		}
		/* a store across a network comes back */
		if (err->code && err->code != BL_ERETRY && err->code != BL_ETIMEOUT)
			return -1;
		bl_err_clear(err);
		if (bl_mono_ms() > until) {
			bl_fail(err, BL_ETIMEOUT, "run %s has not ended in its grace and reserve",
			        run->id);
			if (!strcmp(run->kind, "cloud"))
				return bl_next(err, "`branchline cancel %s` ends its machine",
				               run->id);
			return bl_next(err, "see who holds it: branchline status %s", run->id);
		}
		(void)bl_compute_pause(pause_ms, NULL);
	}
	bl_log(BL_LOG_INFO, "run %s: %s", run->id, bl_status_word(outcome.result.status));
	return 0;
}

int verb_stop(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(stopping) stopping = { .store = NULL };
	BL_AUTO(bl_run) run = { 0 };
	const char *user = getenv("USER"), *id = stopping.run;
	struct options opt = { 0 };
	struct bl_outcome outcome;

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (find_run(&stopping, &opt.cloud, args.n_words ? args.words[0] : NULL, err) ||
	    bl_run_read(stopping.store, id, &run, err))
		return bl_wrap(err, "stop");
	if (!bl_outcome_read(stopping.store, id, &outcome, err)) {
		bl_log(BL_LOG_INFO, "run %s has ended already: %s", id,
		       bl_status_word(outcome.result.status));
		return 0;
	}
	if (err->code != BL_ENOENT)
		return bl_wrap(err, "stop");
	bl_err_clear(err);
	if (bl_stop_ask(stopping.store, id, "cancelled", user ? user : "", err))
		return bl_wrap(err, "stop");
	bl_log(BL_LOG_INFO, "asked run %s to stop", id);
	if (!opt.no_wait && wait_for_end(stopping.store, &run, err))
		return bl_wrap(err, "stop");
	return 0;
}
