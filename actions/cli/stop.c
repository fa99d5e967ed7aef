/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/options.h"
#include "actions/place.h"
#include "actions/verbs.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define POLL_MS 500
#define SURVIVORS_MS 10000
#define SEEN_MS 15000 /* a wish is seen within 10 s */

struct options {
	const char *store;
	bool no_wait;
};

static const struct bl_option table[] = {
	{ "no-wait", 0, BL_OPT_SWITCH, offsetof(struct options, no_wait), NULL,
	  "ask only; do not wait for the end" },
	PLACE_OPT_STORE(struct options),
};

static const struct bl_usage usage = {
	.verb = "stop",
	.example = "branchline stop latest",
	.about = "Ends a run: its command gets TERM and its grace, the last checkpoint is kept.",
	.options = table,
	.n_options = BL_COUNT(table),
	.words = "[RUN]",
	.words_max = 1,
};

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
static int settle_dead(struct place *place, const struct bl_run *run, bool *settled,
                       struct bl_err *err)
{
	struct bl_attempts attempts;
	struct bl_outcome outcome;
	enum bl_liveness owner = BL_DEAD; /* no claim: nobody */

	if (bl_attempts_read(place->store, run->id, &attempts, err))
		return -1;
	if (attempts.newest && !attempts.newest_ended &&
	    (bl_proc_probe(&attempts.claim.owner, &owner, err) ||
	     (owner == BL_DEAD && end_survivors(run->id, attempts.newest, err))))
		return -1;
	return bl_run_settle(place->store, run, owner, settled, &outcome, err);
}

static int wait_for_end(struct place *place, const struct bl_run *run, struct bl_err *err)
{
	struct timespec pause = { 0, POLL_MS * 1000000L };
	int64_t until = bl_mono_ms() + SEEN_MS + run->grace_ms + run->flush_reserve_ms;
	struct bl_outcome outcome;

	while (bl_outcome_read(place->store, run->id, &outcome, err)) {
		bool settled = false;

		if (err->code == BL_ENOENT) {
			bl_err_clear(err);
			if (!settle_dead(place, run, &settled, err) && settled)
				continue;
		}
		/* a store across a network comes back */
		if (err->code && err->code != BL_ERETRY && err->code != BL_ETIMEOUT)
			return -1;
		bl_err_clear(err);
		if (bl_mono_ms() > until) {
			bl_fail(err, BL_ETIMEOUT, "run %s has not ended in its grace and reserve",
			        run->id);
			return bl_next(err, "see who holds it: branchline status %s", run->id);
		}
		nanosleep(&pause, NULL);
	}
	bl_log(BL_LOG_INFO, "run %s: %s", run->id, bl_status_word(outcome.result.status));
	return 0;
}

int verb_stop(int argc, char **argv, struct bl_err *err)
{
	BL_AUTO(bl_args) args = { 0 };
	BL_AUTO(place) place = { 0 };
	BL_AUTO(bl_run) run = { 0 };
	const char *user = getenv("USER");
	struct options opt = { 0 };
	struct bl_outcome outcome;
	char id[BL_RUN_SIZE];

	if (bl_options_read(&usage, argc, argv, &opt, &args, err))
		return -1;
	if (args.helped)
		return 0;
	if (place_open(&place, opt.store, BL_STORE_WRITE, err) ||
	    place_run(&place, args.n_words ? args.words[0] : NULL, id, err) ||
	    bl_run_read(place.store, id, &run, err))
		return bl_wrap(err, "stop");
	if (!bl_outcome_read(place.store, id, &outcome, err)) {
		bl_log(BL_LOG_INFO, "run %s has ended already: %s", id,
		       bl_status_word(outcome.result.status));
		return 0;
	}
	if (err->code != BL_ENOENT)
		return bl_wrap(err, "stop");
	bl_err_clear(err);
	if (bl_stop_ask(place.store, id, "cancelled", user ? user : "", err))
		return bl_wrap(err, "stop");
	bl_log(BL_LOG_INFO, "asked run %s to stop", id);
	if (!opt.no_wait && wait_for_end(&place, &run, err))
		return bl_wrap(err, "stop");
	return 0;
}
