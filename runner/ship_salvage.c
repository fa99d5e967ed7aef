/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "runner/ship.h"
#include "runner/ship_streams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int salvage_stream(struct ship *ship, unsigned attempt, enum bl_stream which,
                          const char *path, struct bl_err *err)
{
	struct stream stream = { .which = which, .fd = -1 };
	int rc;

	if (which == BL_STREAM_LOG && ship_secrets(ship->run_doc, &stream.mask, err))
		return -1;
	rc = stream_open(&stream, ship->store, ship->place.run, attempt, err);
	if (!rc)
		rc = stream_pump(&stream, ship->store, ship->place.run, attempt, path, 0, true,
		                 NULL, err);
	stream_done(&stream);
	bl_mask_free(stream.mask);
	return rc;
}

/*
 * What was complete but not published yet. By its format only: nobody knows when the last write
 * was.
 */
static int salvage_checkpoints(struct ship *ship, unsigned attempt, const char *dir,
                               struct bl_err *err)
{
	struct bl_snapshots *snapshots;
	struct bl_published published;
	struct bl_snapshot_when when = {
		.quiet_ms = ship->claimed.quiet_ms,
		.crashed = true, /* crashed_wall_ms stays 0: an hour may have passed since */
		.now_wall_ms = bl_wall_ms(),
		.step = NAN,
		.primary = *ship->claimed.primary ? ship->claimed.primary : NULL,
		.primary_value = NAN,
	};
	int rc;

	if (bl_snapshots_new(ship->place.run, attempt, dir, &snapshots, err))
		return -1;
	rc = bl_snapshots_take(snapshots, ship->store, NULL, &when, &published, err);
	bl_snapshots_free(snapshots);
	return rc;
}

int ship_salvage(struct ship *ship, unsigned attempt, struct bl_err *err)
{
	char log[PATH_MAX + 64], metrics[PATH_MAX + 64];
	struct stat st;

	if (stat(ship->claimed.root, &st))
		return 0; /* it ran elsewhere, or its tree is gone */
	snprintf(log, sizeof(log), "%s/output/branchline/log", ship->claimed.root);
	snprintf(metrics, sizeof(metrics), "%s/output/branchline/metrics.jsonl",
	         ship->claimed.root);
	BL_FAILPOINT("ship.salvage.before");
	if (salvage_stream(ship, attempt, BL_STREAM_LOG, log, err) ||
	    salvage_stream(ship, attempt, BL_STREAM_METRICS, metrics, err) ||
	    (*ship->claimed.checkpoint_dir &&
	     salvage_checkpoints(ship, attempt, ship->claimed.checkpoint_dir, err)))
		return bl_wrap(err, "save what attempt %u left", attempt);
	return 0;
}
