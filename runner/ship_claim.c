/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "codec/json.h"
#include "run/config.h"
#include "run/heartbeat.h"
#include "run/settle.h"
#include "runner/ship.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Space kept free for the last words of a run on a full disk. */
#define RESERVE_BYTES 262144
#define SURVIVORS_MS 10000

static int read_run(struct ship *ship, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(BL_DOC_MAX);
	struct bl_key key = bl_key_run(ship->place.run, "run.json");

	if (ship->run_doc)
		return 0;
	if (bl_store_get(ship->store, NULL, key.text, &text, err) ||
	    bl_json_document(bl_buf_text(&text), text.len, key.text, 1, &ship->run_doc, err))
		return bl_wrap(err, "read run %s", ship->place.run);
	return 0;
}

/* host is our parent: it is the owner, since it is what supervises. */
static int claim_for_host(unsigned attempt, struct bl_claim *out, struct bl_err *err)
{
	if (bl_claim_make(attempt, out, err))
		return -1;
	out->owner.pid = getppid();
	out->owner.start_ticks = bl_proc_start_ticks(getppid());
	return 0;
}

static int held_by(const struct bl_claim *claim, struct bl_err *err)
{
	char since[BL_UTC_SIZE], holder[48];

	bl_utc_text(claim->claimed_at_ms, since);
	bl_claim_holder(claim, holder);
	bl_fail(err, BL_EBUSY, "attempt %u is held by %s since %s", claim->attempt, holder, since);
	return bl_next(err, "watch it with `branchline logs -f`, or end it with `branchline stop`");
}

static void pause_ms(int64_t ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/*
 * Only its heartbeat can tell: wait until seq has moved (alive) or stood still long enough (dead).
 */
static int watch_heartbeat(struct ship *ship, const struct bl_claim *claim, enum bl_liveness *owner,
                           struct bl_err *err)
{
	struct bl_watch watch = { 0 };
	int64_t first = -1;

	for (*owner = BL_UNKNOWN; *owner == BL_UNKNOWN;) {
		struct bl_heartbeat beat = { 0 };

		if (bl_heartbeat_read(ship->store, ship->place.run, claim->attempt, &beat, err)) {
			if (err->code != BL_ENOENT)
				return -1;
			bl_err_clear(err); /* it never beat */
			beat.seq = 0;
		}
		if (first < 0)
			first = beat.seq;
		if (beat.seq != first)
			*owner = BL_ALIVE;
		else
			*owner = bl_watch_seq(&watch, beat.seq, claim->heartbeat_ms, bl_mono_ms());
		if (*owner == BL_ALIVE && beat.seq == first)
			*owner = BL_UNKNOWN;
		if (*owner == BL_UNKNOWN)
			pause_ms(claim->heartbeat_ms / 10 + 1);
	}
	return 0;
}

/* Whether the newest attempt's owner is gone; what it left behind is ended. */
static int end_dead_owner(struct ship *ship, const struct bl_attempts *attempts,
                          struct ship_claimed *claimed, enum bl_liveness *owner, struct bl_err *err)
{
	char run[BL_RUN_SIZE + 24], number[40];
	const char *const pairs[] = { run, number, NULL };

	if (bl_proc_probe(&attempts->claim.owner, owner, err))
		return -1;
	if (*owner == BL_UNKNOWN && watch_heartbeat(ship, &attempts->claim, owner, err))
		return -1;
	if (*owner != BL_DEAD)
		return held_by(&attempts->claim, err);
	snprintf(run, sizeof(run), "BRANCHLINE_RUN_ID=%s", ship->place.run);
	snprintf(number, sizeof(number), "BRANCHLINE_ATTEMPT=%u", attempts->newest);
	if (bl_proc_end_all(pairs, bl_mono_ms() + SURVIVORS_MS, &claimed->ended_survivors, err))
		return bl_wrap(err, "end what attempt %u left running", attempts->newest);
	return 0;
}

/* The fence of an attempt whose host died: from here on it cannot write an end of its own. */
static int end_as_lost(struct ship *ship, const struct bl_claim *lost, struct bl_err *err)
{
	struct bl_end end = {
		.attempt = lost->attempt,
		.by = "claimer",
		.last_step = __builtin_nan(""),
		.result = { .status = BL_STATUS_INTERRUPTED,
		            .class = BL_CLASS_LOST,
		            .stage = "training",
		            .exit_code = -1,
		            .message = "its host process died" },
	};
	struct bl_claim nonce;

	BL_FAILPOINT("ship.end_lost.before");
	/* the night until somebody resumed is not time that it ran */
	if (bl_run_last_seen_ms(ship->store, ship->place.run, lost, &end.finished_at_ms, err) ||
	    bl_claim_make(lost->attempt, &nonce, err))
		return -1;
	memcpy(end.nonce, nonce.nonce, sizeof(end.nonce));
	if (bl_end_create(ship->store, ship->place.run, &end, NULL, err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err); /* it has an end: all we wanted */
	}
	BL_FAILPOINT("ship.end_lost.after");
	return 0;
}

/*
 * "/opt/ml/..." is the attempt's own tree; anything else is where it says, seen from the command.
 */
static int checkpoint_dir(struct ship *ship, const struct bl_config *config,
                          struct ship_claimed *claimed, struct bl_err *err)
{
	const char *path = bl_config_text(config, "checkpoints.path");
	const char *cwd = bl_value_text_or(ship->run_doc, "place.cwd", "/");
	int n;

	claimed->checkpoint_dir[0] = '\0';
	if (!bl_config_checkpoints(config))
		return 0;
	if (!path)
		n = snprintf(claimed->checkpoint_dir, PATH_MAX, "%s/checkpoints", claimed->root);
	else if (!strncmp(path, "/opt/ml/", 8))
		n = snprintf(claimed->checkpoint_dir, PATH_MAX, "%s/%s", claimed->root, path + 8);
	else if (path[0] == '/')
		n = snprintf(claimed->checkpoint_dir, PATH_MAX, "%s", path);
	else
		n = snprintf(claimed->checkpoint_dir, PATH_MAX, "%s/%s", cwd, path);
	if (n >= PATH_MAX)
		return bl_fail(err, BL_EINPUT, "checkpoints.path is longer than %d bytes",
		               PATH_MAX);
	return 0;
}

static int read_claimed(struct ship *ship, unsigned attempt, struct ship_claimed *out,
                        struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	const char *primary;
	int64_t spent;

	if (bl_config_from_tree(bl_value_get(ship->run_doc, "config"), &config, err) ||
	    bl_run_spent_ms(ship->store, ship->place.run, attempt - 1, &spent, err))
		return -1;
	out->attempt = attempt;
	if (snprintf(out->root, sizeof(out->root), "%s/%u", ship->place.work, attempt) >=
	    (int)sizeof(out->root))
		return bl_fail(err, BL_EINPUT, "the work directory's path is too long");
	snprintf(out->sha, sizeof(out->sha), "%s", bl_value_text_or(ship->run_doc, "git.head", ""));
	out->budget_left_ms = bl_config_duration_ms(&config, "max_runtime") - spent;
	out->grace_ms = bl_config_duration_ms(&config, "grace");
	out->flush_reserve_ms = bl_config_duration_ms(&config, "flush_reserve");
	out->stall_ms = bl_config_duration_ms(&config, "stall");
	out->quiet_ms = bl_config_duration_ms(&config, "checkpoints.quiet");
	out->stop_on_nan = bl_config_lists(&config, "stop_on", "nan");
	out->stop_on_stall = bl_config_lists(&config, "stop_on", "stall");
	primary = bl_config_text(&config, "metrics.primary");
	snprintf(out->primary, sizeof(out->primary), "%s", primary ? primary : "");
	return checkpoint_dir(ship, &config, out, err);
}

/* A repeated request after the ship was restarted finds host's own claim. */
static bool is_ours(const struct bl_claim *claim)
{
	struct bl_proc_id self;
	struct bl_err ignored = { 0 };

	return !bl_proc_self(&self, &ignored) && claim->owner.pid == getppid() &&
	       claim->owner.pidns == self.pidns && !strcmp(claim->owner.boot_id, self.boot_id) &&
	       claim->owner.start_ticks == bl_proc_start_ticks(getppid());
}

static int refuse_ended(struct ship *ship, enum bl_liveness owner, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	struct bl_outcome outcome;
	bool settled;

	if (bl_run_read(ship->store, ship->place.run, &run, err) ||
	    bl_run_settle(ship->store, &run, owner, &settled, &outcome, err))
		return -1;
	bl_fail(err, BL_EBUSY, "run %s has ended", ship->place.run);
	return bl_next(err, "see `branchline status %s`", ship->place.run);
}

/* What a dead attempt left is ended, saved, and only then fenced: nothing of it is lost. */
static int bury(struct ship *ship, const struct bl_attempts *attempts,
                const struct bl_run_view *view, struct bl_err *err)
{
	if (attempts->newest_ended || view->owner != BL_DEAD)
		return 0;
	if (read_claimed(ship, attempts->newest, &ship->claimed, err) ||
	    ship_salvage(ship, attempts->newest, err))
		return -1;
	return end_as_lost(ship, &attempts->claim, err);
}

/* The number of the attempt to claim: decides, and ends what is dead. */
static int next_attempt(struct ship *ship, const struct ship_request *request,
                        struct ship_claimed *claimed, unsigned *out, struct bl_err *err)
{
	struct bl_attempts attempts;
	struct bl_run_view view = { .attempts = &attempts, .asked = request->asked };
	struct bl_run_step step;
	int64_t spent;

	if (bl_attempts_read(ship->store, ship->place.run, &attempts, err))
		return -1;
	*out = attempts.newest + 1;
	if (!attempts.newest)
		return 0;
	if (!attempts.newest_ended && is_ours(&attempts.claim)) {
		ship->claim = attempts.claim;
		*out = attempts.newest;
		return 0;
	}
	if (!attempts.newest_ended && !attempts.has_outcome &&
	    end_dead_owner(ship, &attempts, claimed, &view.owner, err))
		return -1;
	if (bl_run_spent_ms(ship->store, ship->place.run, attempts.newest, &spent, err))
		return -1;
	view.retries = (unsigned)bl_value_int_or(ship->run_doc, "limits.retries", 0);
	view.budget_left_ms = bl_value_int_or(ship->run_doc, "limits.max_runtime_ms", 0) - spent;
	step = bl_run_next(&view);
	if (!attempts.has_outcome && bury(ship, &attempts, &view, err))
		return -1;
	if (step.next != BL_RELAUNCH)
		return refuse_ended(ship, view.owner, err);
	return 0;
}

static int keep_reserve(struct ship *ship, struct bl_err *err)
{
	struct bl_key key = bl_key_run(ship->place.run, "reserve");
	void *room;

	if (bl_store_is_remote(ship->place.store))
		return 0;
	room = calloc(1, RESERVE_BYTES);
	if (!room)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	int rc = bl_store_put(ship->store, NULL, key.text, room, RESERVE_BYTES, err);
	free(room);
	return rc;
}

/* Uploads that an attempt before us was killed in: they cost space only, so best effort. */
static void tidy(struct ship *ship, unsigned attempt)
{
	struct bl_key prefix = bl_key_run(ship->place.run, "%s", "");
	struct bl_err unsaid = { 0 };

	if (attempt > 1 && bl_store_tidy(ship->store, NULL, prefix.text, &unsaid))
		bl_err_clear(&unsaid);
}

int ship_claim(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
               struct bl_err *err)
{
	struct ship_claimed claimed = { 0 };
	struct bl_claim held;
	unsigned attempt;

	if (read_run(ship, err) || next_attempt(ship, request, &claimed, &attempt, err))
		return -1;
	if (ship->claim.attempt != attempt) {
		BL_FAILPOINT("ship.claim.before");
		if (claim_for_host(attempt, &ship->claim, err))
			return -1;
		if (bl_claim_create(ship->store, ship->place.run, &ship->claim, &held, err)) {
			/* its reply may be lost: whoever asks again looks whether it stands */
			ship->claim.attempt = 0;
			if (err->code != BL_EBUSY)
				return -1;
			bl_err_clear(err);
			return held_by(&held, err);
		}
		BL_FAILPOINT("ship.claim.after");
		tidy(ship, attempt);
	}
	if (read_claimed(ship, attempt, &claimed, err) || keep_reserve(ship, err) ||
	    ship_prepare(ship->run_doc, &claimed, err))
		return -1;
	ship->claimed = claimed;
	reply->claimed = claimed;
	BL_FAILPOINT("ship.claim.prepared");
	return 0;
}

int ship_adopt(struct ship *ship, unsigned attempt, struct bl_err *err)
{
	if (read_run(ship, err) ||
	    bl_claim_read(ship->store, ship->place.run, attempt, &ship->claim, err))
		return -1;
	return read_claimed(ship, attempt, &ship->claimed, err);
}

int ship_started(struct ship *ship, const struct ship_request *request, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_json json = BL_JSON(&text);
	struct bl_key key = bl_key_run(ship->place.run, BL_KEY_STARTED, ship->claimed.attempt);

	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", ship->claimed.attempt);
	bl_json_text(&json, "nonce", ship->claim.nonce);
	bl_json_text(&json, "engine", "process");
	bl_json_int(&json, "pid", request->pid);
	bl_json_int(&json, "started_at_ms", bl_wall_ms());
	bl_json_int(&json, "deadline_ms", request->deadline_ms);
	bl_json_end_map(&json);
	if (bl_buf_check(&text, key.text, err))
		return -1;
	if (bl_store_put_if_absent(ship->store, NULL, key.text, bl_buf_text(&text), text.len,
	                           err)) {
		if (err->code != BL_EEXIST)
			return -1;
		bl_err_clear(err); /* our own, repeated */
	}
	BL_FAILPOINT("ship.started.after");
	return 0;
}
