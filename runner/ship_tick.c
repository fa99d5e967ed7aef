/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "codec/json.h"
#include "run/config.h"
#include "run/heartbeat.h"
#include "run/stream.h"
#include "runner/host_table.h"
#include "runner/ship.h"
#include "runner/ship_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_MS 10000
#define CHUNK_LATER_MS 60000 /* ... after this long without a waiter: */
#define CHUNK_EAGER_MS (10 * 60000)
#define WATCH_MS 5000   /* stop.json and the fence: a wish is seen within 10 s */
#define WAITER_MS 60000 /* its period */

struct ship_streams {
	struct stream log, metrics;
	struct bl_mask *mask;
	struct bl_latest latest;
	int64_t began_mono_ms, beat_mono_ms, watched_mono_ms, waiter_mono_ms;
	int64_t seq;
	struct bl_watch waiter;
	bool waited_for;
	char stop_reason[32];
};

void ship_streams_free(struct ship_streams *streams)
{
	if (!streams)
		return;
	stream_done(&streams->log);
	stream_done(&streams->metrics);
	bl_mask_free(streams->mask);
	free(streams);
}

/* `local` takes secrets from variables of the same name: what they hold must not leave. */
int ship_secrets(const struct bl_value *run_doc, struct bl_mask **out, struct bl_err *err)
{
	const struct bl_value *secrets = bl_value_path(run_doc, "config.secrets");

	if (bl_mask_new(out, err))
		return -1;
	for (size_t i = 0; secrets && secrets->type == BL_MAP && i < secrets->n; i++) {
		const char *value = getenv(secrets->items[i]->key);

		if (value && bl_mask_add(*out, value, err))
			return bl_wrap(err, "hide secret %s", secrets->items[i]->key);
	}
	return 0;
}

/* A ship that was restarted goes on from the heartbeat and chunks that stand. */
static int open_streams(struct ship *ship, struct bl_err *err)
{
	struct ship_streams *streams;
	struct bl_heartbeat beat;

	if (ship->streams)
		return 0;
	streams = calloc(1, sizeof(*streams));
	if (!streams)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	ship->streams = streams;
	streams->log.fd = streams->metrics.fd = -1;
	streams->log.which = BL_STREAM_LOG;
	streams->metrics.which = BL_STREAM_METRICS;
	streams->began_mono_ms = bl_mono_ms();
	bl_latest_init(&streams->latest);
	if (ship_secrets(ship->run_doc, &streams->mask, err))
		goto fail;
	streams->log.mask = streams->mask;
	if (stream_open(&streams->log, ship->store, ship->place.run, ship->claimed.attempt, err) ||
	    stream_open(&streams->metrics, ship->store, ship->place.run, ship->claimed.attempt,
	                err))
		goto fail;
	if (!bl_heartbeat_read(ship->store, ship->place.run, ship->claimed.attempt, &beat, err))
		streams->seq = beat.seq;
	else
		bl_err_clear(err); /* the first ship of this attempt */
	return 0;
fail:
	ship_streams_free(streams);
	ship->streams = NULL;
	return -1;
}

static int beat(struct ship *ship, const struct ship_tick *tick, struct bl_err *err)
{
	static struct bl_heartbeat beat; /* over 10 KiB: not for the stack */
	struct ship_streams *streams = ship->streams;
	const struct bl_latest *latest = &streams->latest;

	bl_heartbeat_init(&beat, ship->claimed.attempt);
	beat.seq = ++streams->seq;
	beat.at_ms = bl_wall_ms();
	snprintf(beat.phase, sizeof(beat.phase), "%s", tick->phase);
	beat.step = latest->step;
	beat.total_steps = latest->total_steps;
	for (size_t i = 0; i < latest->n && i < BL_HEARTBEAT_METRICS; i++) {
		memcpy(beat.metrics[i].name, latest->values[i].name, sizeof(beat.metrics[i].name));
		beat.metrics[i].value = latest->values[i].value;
		beat.n_metrics = i + 1;
	}
	memcpy(beat.checkpoint.manifest, tick->manifest, sizeof(beat.checkpoint.manifest));
	beat.checkpoint.at_ms = tick->manifest_at_ms;
	beat.checkpoint.step = tick->manifest_step;
	beat.log = (struct bl_stream_mark){ (int64_t)streams->log.newest,
		                            (int64_t)streams->log.stored };
	beat.metrics_stream = (struct bl_stream_mark){ (int64_t)streams->metrics.newest,
		                                       (int64_t)streams->metrics.stored };
	for (size_t i = 0; i < HOST_PHASES; i++) {
		snprintf(beat.phases[i].name, sizeof(beat.phases[i].name), "%s", host_phases[i]);
		beat.phases[i].ms = tick->phase_ms[i];
		beat.n_phases = i + 1;
	}
	BL_FAILPOINT("ship.heartbeat.before");
	if (bl_heartbeat_write(ship->store, ship->place.run, &beat, err))
		return -1;
	streams->beat_mono_ms = bl_mono_ms();
	return 0;
}

/* A wish to stop, and whether somebody has ended us. */
static int watch(struct ship *ship, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	BL_VALUE stop = NULL;
	struct bl_key key = bl_key_run(ship->place.run, "stop.json");

	if (bl_store_get(ship->store, NULL, key.text, &text, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	} else {
		/* whatever it says, and whoever wrote it so: it is a wish to stop */
		if (bl_json_document(bl_buf_text(&text), text.len, key.text, 1, &stop, err))
			bl_err_clear(err);
		snprintf(ship->streams->stop_reason, sizeof(ship->streams->stop_reason), "%s",
		         bl_value_text_or(stop, "reason", "cancelled"));
	}
	if (ship_look_at_fence(ship, err))
		return -1;
	ship->streams->watched_mono_ms = bl_mono_ms();
	return 0;
}

/* Chunks are closed sooner while somebody reads along: waiter.json moves then. */
static void look_for_waiter(struct ship *ship)
{
	struct ship_streams *streams = ship->streams;
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	BL_VALUE waiter = NULL;
	struct bl_key key = bl_key_run(ship->place.run, "waiter.json");
	struct bl_err err = { 0 };

	streams->waiter_mono_ms = bl_mono_ms();
	streams->waited_for = false;
	if (bl_store_get(ship->store, NULL, key.text, &text, &err) ||
	    bl_json_document(bl_buf_text(&text), text.len, key.text, 1, &waiter, &err))
		return;
	int64_t seq = bl_value_int_or(waiter, "seq", 0);
	bool moved = !streams->waiter.started || seq != streams->waiter.seq;
	streams->waited_for =
		bl_watch_seq(&streams->waiter, seq, WAITER_MS, bl_mono_ms()) != BL_DEAD &&
		(moved || streams->waiter.started);
}

static int64_t chunk_wait_ms(const struct ship_streams *streams)
{
	if (streams->waited_for || bl_mono_ms() - streams->began_mono_ms < CHUNK_EAGER_MS)
		return CHUNK_MS;
	return CHUNK_LATER_MS;
}

static void tell(const struct ship *ship, struct ship_reply *reply)
{
	reply->tick.read = true;
	reply->tick.latest = ship->streams->latest;
	reply->tick.log_bytes = ship->streams->log.read;
	memcpy(reply->tick.stop_reason, ship->streams->stop_reason,
	       sizeof(reply->tick.stop_reason));
}

struct paths {
	char log[PATH_MAX + 64], metrics[PATH_MAX + 64];
};

static void find_paths(const struct ship *ship, struct paths *paths)
{
	snprintf(paths->log, sizeof(paths->log), "%s/output/branchline/log", ship->claimed.root);
	snprintf(paths->metrics, sizeof(paths->metrics), "%s/output/branchline/metrics.jsonl",
	         ship->claimed.root);
}

static int pump(struct ship *ship, bool last, struct bl_err *err)
{
	struct ship_streams *streams = ship->streams;
	int64_t wait_ms = chunk_wait_ms(streams);
	struct paths paths;

	find_paths(ship, &paths);
	if (stream_pump(&streams->metrics, ship->store, ship->place.run, ship->claimed.attempt,
	                paths.metrics, wait_ms, last, &streams->latest, err))
		return -1;
	return stream_pump(&streams->log, ship->store, ship->place.run, ship->claimed.attempt,
	                   paths.log, wait_ms, last, NULL, err);
}

/* Before the store is asked for anything: it may be out of reach for long. */
static int read_along(struct ship *ship, struct ship_reply *reply, struct bl_err *err)
{
	struct ship_streams *streams = ship->streams;
	struct paths paths;

	find_paths(ship, &paths);
	if (stream_read(&streams->metrics, paths.metrics, &streams->latest, err) ||
	    stream_read(&streams->log, paths.log, NULL, err))
		return -1;
	tell(ship, reply);
	return 0;
}

/* The fence, and every WATCH_MS the wish to stop. */
static int look(struct ship *ship, struct bl_err *err)
{
	if (bl_mono_ms() - ship->streams->watched_mono_ms >= WATCH_MS)
		return watch(ship, err);
	return ship_check_fence(ship, err);
}

int ship_tick(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
              struct bl_err *err)
{
	int64_t now = bl_mono_ms();
	int rc;

	/* without a look at the fence nothing may be written */
	if (open_streams(ship, err) || read_along(ship, reply, err) || look(ship, err))
		return -1;
	tell(ship, reply);
	if (ship->fenced)
		return 0;
	if (now - ship->streams->began_mono_ms >= CHUNK_EAGER_MS &&
	    now - ship->streams->waiter_mono_ms >= WAITER_MS)
		look_for_waiter(ship);
	rc = pump(ship, false, err);
	/* the heartbeat goes out whatever became of the chunks: it says that we live */
	if (request->tick.beat ||
	    bl_mono_ms() - ship->streams->beat_mono_ms >= ship->claim.heartbeat_ms) {
		struct bl_err beat_err = { 0 };

		if (beat(ship, &request->tick, &beat_err) && !rc) {
			*err = beat_err;
			rc = -1;
		}
	}
	tell(ship, reply);
	return rc;
}

struct copy {
	int fd;
	uint64_t size;
};

static int copy_piece(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	struct copy *copy = arg;

	copy->size += piece->len;
	return bl_fs_write(copy->fd, piece->bytes, piece->len, err);
}

/* A file without a name, or one that loses it at once where the file system knows no such. */
static int nameless_file(const char *dir, struct bl_err *err)
{
	char path[PATH_MAX + 64];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/output/branchline/whole", dir);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return bl_fail_errno(err, errno, "make '%s'", path);
	unlink(path);
	return fd;
}

/* log.txt and metrics.jsonl: every attempt's stream in one object, for people. */
static int whole_copy(struct ship *ship, enum bl_stream stream, const char *name,
                      struct bl_err *err)
{
	struct bl_key key = bl_key_run(ship->place.run, "%s", name);
	struct bl_cursor cursor = { 0 };
	struct copy copy = { 0 };
	uint64_t crc;
	BL_FD fd = nameless_file(ship->claimed.root, err);

	if (fd < 0)
		return -1;
	copy.fd = fd;
	if (bl_stream_read(ship->store, ship->place.run, stream, &cursor, copy_piece, &copy, err))
		return bl_wrap(err, "copy to %s", name);
	return bl_store_put_file(ship->store, NULL, key.text, fd, copy.size, &crc, err);
}

int ship_drain(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
               struct bl_err *err)
{
	if (open_streams(ship, err) || read_along(ship, reply, err) || watch(ship, err))
		return -1;
	tell(ship, reply);
	if (ship->fenced)
		return 0;
	BL_FAILPOINT("ship.drain.before");
	if (pump(ship, true, err) || whole_copy(ship, BL_STREAM_LOG, "log.txt", err) ||
	    whole_copy(ship, BL_STREAM_METRICS, "metrics.jsonl", err) ||
	    beat(ship, &request->tick, err))
		return bl_wrap(err, "store the log");
	BL_FAILPOINT("ship.drain.after");
	tell(ship, reply);
	return 0;
}
