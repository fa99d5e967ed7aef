/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "codec/value.h"
#include "run/config.h"
#include "run/index.h"
#include "run/settle.h"
#include "runner/ship.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GLOBS_MAX 64
#define ASIDE_MAX 16

/*
 * What an earlier attempt left in a checkpoint directory of the user's own is kept, out of the way.
 */
static int move_aside(const char *dir, const char *root, unsigned attempt, struct bl_err *err)
{
	char aside[PATH_MAX + 64];
	bool beside = false; /* on a file system of its own it stays there */

	for (unsigned try = 1; try <= ASIDE_MAX; try++) {
		if (beside)
			snprintf(aside, sizeof(aside), "%s.before-attempt-%u-%u", dir, attempt,
			         try);
		else
			snprintf(aside, sizeof(aside), "%s/checkpoints-before-%u", root, try);
		if (!rename(dir, aside) || errno == ENOENT)
			return 0;
		if (errno == EXDEV && !beside) {
			beside = true;
			try = 0;
		} else if (errno != ENOTEMPTY && errno != EEXIST) {
			break;
		}
	}
	bl_fail_errno(err, errno, "move '%s' aside", dir);
	return bl_next(err, "empty or remove it, then resume again");
}

/* A new run that continues another starts from its parent's checkpoint until it has its own. */
static int restore_parent(struct ship *ship, struct ship_reply *reply, struct bl_buf *said,
                          struct bl_manifest *restored, struct bl_err *err)
{
	const struct bl_value *parents = bl_value_get(ship->run_doc, "parents");
	const char *run, *manifest;

	if (!parents || !parents->n)
		return 0;
	if (bl_value_text(parents->items[0], "run", &run, err) ||
	    bl_value_text(parents->items[0], "manifest", &manifest, err))
		return -1;
	return bl_checkpoint_restore(ship->store, NULL, run, manifest, ship->claimed.checkpoint_dir,
	                             &reply->restore.restored, restored, said, err);
}

static int restore_own(struct ship *ship, struct ship_reply *reply, struct bl_buf *said,
                       struct bl_manifest *restored, struct bl_err *err)
{
	const char *dir = ship->claimed.checkpoint_dir;

	if (!bl_checkpoint_restore(ship->store, NULL, ship->place.run, NULL, dir,
	                           &reply->restore.restored, restored, said, err))
		return 0;
	/* a first attempt begins with an empty place: a ship before us, killed, restored this */
	if (err->code != BL_EEXIST || ship->claimed.attempt > 1)
		return -1;
	bl_err_clear(err);
	if (move_aside(dir, ship->claimed.root, ship->claimed.attempt, err))
		return -1;
	return bl_checkpoint_restore(ship->store, NULL, ship->place.run, NULL, dir,
	                             &reply->restore.restored, restored, said, err);
}

int ship_restore(struct ship *ship, struct ship_reply *reply, struct bl_err *err)
{
	BL_AUTO(bl_buf) said = BL_BUF(SHIP_TEXT - 1);
	BL_AUTO(bl_manifest) restored = { 0 };
	const char *dir = ship->claimed.checkpoint_dir;
	BL_FD made = -1;

	if (!*dir)
		return 0;
	BL_FAILPOINT("ship.restore.before");
	if (ship->claimed.attempt > 1 &&
	    move_aside(dir, ship->claimed.root, ship->claimed.attempt, err))
		return -1;
	if (restore_own(ship, reply, &said, &restored, err))
		return bl_wrap(err, "restore");
	if (!reply->restore.restored.found && restore_parent(ship, reply, &said, &restored, err))
		return bl_wrap(err, "restore the parent's checkpoint");
	if (bl_fs_make_dir(dir, &made, err) ||
	    bl_snapshots_new(ship->place.run, ship->claimed.attempt, dir, &ship->snapshots, err) ||
	    (reply->restore.restored.found && bl_snapshots_adopt(ship->snapshots, &restored, err)))
		return -1;
	snprintf(reply->restore.said, sizeof(reply->restore.said), "%s", bl_buf_text(&said));
	BL_FAILPOINT("ship.restore.after");
	return 0;
}

static bool goal_is_min(const struct bl_config *config, const char *primary)
{
	const struct bl_value *goal =
		bl_value_get(bl_config_value(config, "metrics.goals"), primary);

	if (goal && goal->text)
		return !strcmp(goal->text, "min");
	return bl_metric_goal_is_min(primary);
}

static int prune(struct ship *ship, struct bl_err *err)
{
	BL_AUTO(bl_config) config = { 0 };
	unsigned removed;

	if (bl_config_from_tree(bl_value_get(ship->run_doc, "config"), &config, err))
		return -1;
	return bl_checkpoint_prune(ship->store, ship->place.run,
	                           (unsigned)bl_config_int(&config, "checkpoints.keep"),
	                           bl_config_bool(&config, "checkpoints.keep_best"),
	                           goal_is_min(&config, ship->claimed.primary), &removed, err);
}

int ship_snapshot(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
                  struct bl_err *err)
{
	struct bl_snapshot_when when = request->when;

	if (!*ship->claimed.checkpoint_dir)
		return 0;
	if (!ship->snapshots &&
	    bl_snapshots_new(ship->place.run, ship->claimed.attempt, ship->claimed.checkpoint_dir,
	                     &ship->snapshots, err))
		return -1;
	when.primary = *ship->claimed.primary ? ship->claimed.primary : NULL;
	when.quiet_ms = ship->claimed.quiet_ms;
	when.now_wall_ms = bl_wall_ms();
	if (bl_snapshots_take(ship->snapshots, ship->store, NULL, &when, &reply->published, err))
		return bl_wrap(err, "checkpoint");
	if (!reply->published.published)
		return 0;
	BL_FAILPOINT("ship.prune.before");
	return prune(ship, err);
}

/* Globs of `outputs` are seen from the command's directory. */
static size_t extra_globs(struct ship *ship, const char *globs[GLOBS_MAX])
{
	const struct bl_value *list = bl_value_path(ship->run_doc, "config.outputs");
	size_t n = 0;

	for (size_t i = 0; list && list->type == BL_LIST && i < list->n && n < GLOBS_MAX; i++)
		if (list->items[i]->text)
			globs[n++] = list->items[i]->text;
	return n;
}

int ship_outputs(struct ship *ship, struct ship_reply *reply, struct bl_err *err)
{
	char model[PATH_MAX + 32], output[PATH_MAX + 32];
	const char *globs[GLOBS_MAX];
	size_t n_globs = extra_globs(ship, globs);
	struct bl_output_dir dirs[] = {
		{ .dir = model, .prefix = "model" },
		{ .dir = output, .prefix = "output", .skip = "branchline" },
		{ .dir = bl_value_text_or(ship->run_doc, "place.cwd", "."),
		  .prefix = "files",
		  .globs = globs,
		  .n_globs = n_globs },
	};

	snprintf(model, sizeof(model), "%s/model", ship->claimed.root);
	snprintf(output, sizeof(output), "%s/output", ship->claimed.root);
	BL_FAILPOINT("ship.outputs.before");
	if (bl_outputs_upload(ship->store, NULL, ship->place.run, ship->claimed.attempt, dirs,
	                      n_globs ? 3 : 2, &reply->outputs, err))
		return bl_wrap(err, "outputs");
	BL_FAILPOINT("ship.outputs.after");
	return 0;
}

/*
 * The outcome follows from the end; any program could do this. An eligible success is what later
 * runs are compared with.
 */
static int settle(struct ship *ship, struct ship_reply *reply, struct bl_err *err)
{
	BL_AUTO(bl_run) run = { 0 };
	const struct bl_value *gates;
	bool entered;

	BL_FAILPOINT("ship.outcome.before");
	if (bl_run_read(ship->store, ship->place.run, &run, err) ||
	    bl_run_settle(ship->store, &run, BL_UNKNOWN, &reply->end.settled, &reply->end.outcome,
	                  err))
		return -1;
	BL_FAILPOINT("ship.outcome.after");
	if (!reply->end.settled) /* interrupted, with retries left: whoever resumes goes on */
		return 0;
	gates = bl_value_path(run.config, "metrics.fail_if");
	if (gates && gates->n) /* only its report can tell whether it may be a baseline */
		return 0;
	return bl_index_update(ship->store, &run, &reply->end.outcome, &entered, err);
}

/* A traceback's last line can hold what the training was given. */
static void hide_secrets(struct ship *ship, struct bl_result *result)
{
	struct bl_mask *mask = NULL;
	struct bl_err err = { 0 };

	if (ship_secrets(ship->run_doc, &mask, &err))
		snprintf(result->message, sizeof(result->message), "not shown: %.400s", err.text);
	else
		bl_mask_apply(mask, result->message, strlen(result->message));
	bl_mask_free(mask);
}

int ship_end(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
             struct bl_err *err)
{
	struct bl_end end = {
		.attempt = ship->claimed.attempt,
		.by = "host",
		.result = request->result,
		.finished_at_ms = bl_wall_ms(),
		.last_step = request->last_step,
	};
	struct bl_key reserve = bl_key_run(ship->place.run, "reserve");

	hide_secrets(ship, &end.result);
	memcpy(end.nonce, ship->claim.nonce, sizeof(end.nonce));
	memcpy(end.outputs_crc, request->outputs_crc, sizeof(end.outputs_crc));
	/* the reserve has served: the last words have room on a full disk */
	if (!bl_store_is_remote(ship->place.store) &&
	    bl_store_delete(ship->store, NULL, reserve.text, err))
		bl_err_clear(err);
	BL_FAILPOINT("ship.end.before");
	if (bl_end_create(ship->store, ship->place.run, &end, NULL, err)) {
		if (err->code != BL_EEXIST)
			return bl_wrap(err, "end attempt %u", end.attempt);
		bl_err_clear(err);
		ship->fenced = true; /* somebody else has said how we ended */
		return 0;
	}
	BL_FAILPOINT("ship.end.after");
	return settle(ship, reply, err);
}
