/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/wait_world.h"

#include "base/clock.h"
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world world;

static int64_t world_ms(void)
{
	return world.now_ms;
}

static const struct bl_clock world_clock = { world_ms, world_ms };

static size_t resident_pages(void)
{
	char text[128] = "";
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	return strtoul(strchr(text, ' '), NULL, 10);
}

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#define CHUNK "step 1 loss 2\n"
#define CHUNK_LEN (sizeof(CHUNK) - 1)

/* Chunks of one length are all alike: none is kept. */
static void store_chunk(void)
{
	world.log_end += CHUNK_LEN;
	world.chunk_ms = world.now_ms;
}

static void add_beat(struct bl_buf *out)
{
	struct bl_heartbeat beat;

	bl_heartbeat_init(&beat, 1);
	beat.seq = world.seq;
	beat.at_ms = world.beat_ms;
	snprintf(beat.phase, sizeof(beat.phase), "training");
	beat.step = (double)world.seq;
	beat.total_steps = 1000;
	beat.n_metrics = 1;
	snprintf(beat.metrics[0].name, sizeof(beat.metrics[0].name), "loss");
	beat.metrics[0].value = 1.0 / (double)world.seq;
	beat.log.end = (int64_t)world.log_end;
	bl_heartbeat_encode(&beat, out);
}

static void store_beat(void)
{
	world.seq++;
	world.beat_ms = world.now_ms;
}

static void store_end(void)
{
	struct bl_end end = { .attempt = 1,
		              .by = "host",
		              .nonce = "aaaaaaaaaaaaaaaa",
		              .finished_at_ms = world.now_ms,
		              .last_step = NAN };
	struct bl_err err = { 0 };

	must(bl_end_create(world.inner, RUN, &end, NULL, &err), &err);
	world.has_ended = true;
}

/* What the host has done meanwhile. */
static void host_works(void)
{
	int64_t age = world.now_ms - world.began_ms;

	if (age >= world.hours_ms && !world.has_ended)
		store_end();
	if (world.plot == BOOTS || world.has_ended)
		return;
	if (world.plot == TALKS && world.now_ms - world.chunk_ms >= 10 * SECOND)
		store_chunk();
	if (world.now_ms - world.beat_ms >= 30 * SECOND)
		store_beat();
}

static void note_limits(void)
{
	int64_t age = world.now_ms - world.began_ms;

	if (world.now_ms - world.minute_ms >= MINUTE) {
		unsigned n = world.requests - world.minute_from;

		if (age > 2 * MINUTE && age < world.hours_ms && n > world.worst_minute)
			world.worst_minute = n;
		world.minute_from = world.requests;
		world.minute_ms = world.now_ms;
	}
	if (age < world.hours_ms / 6 || !world.fds_early) {
		world.rss_early = resident_pages();
		world.fds_early = open_files();
	} else if (age < world.hours_ms) {
		world.rss_late = resident_pages();
		world.fds_late = open_files();
	}
}

static void pass(int64_t ms)
{
	while (ms > 0) {
		int64_t step = ms < SECOND ? ms : SECOND;

		world.now_ms += step;
		ms -= step;
		host_works();
	}
	note_limits();
}

/* --- a store that counts, as a bucket counts -------------------------------------------------- */

static void counted_close(void *self)
{
	(void)self;
}

static int counted_put_if_absent(void *self, const struct bl_call *call, const char *key,
                                 const void *bytes, size_t len, struct bl_err *err)
{
	(void)self;
	world.requests++;
	return bl_store_put_if_absent(world.inner, call, key, bytes, len, err);
}

static int counted_put(void *self, const struct bl_call *call, const char *key, const void *bytes,
                       size_t len, struct bl_err *err)
{
	(void)self;
	world.requests++;
	if (strstr(key, "/waiter.json"))
		return 0; /* nobody reads it here, and a disk is slow */
	return bl_store_put(world.inner, call, key, bytes, len, err);
}

static int counted_get_range(void *self, const struct bl_call *call, const char *key,
                             uint64_t offset, size_t len, struct bl_buf *buf, uint64_t *total,
                             struct bl_err *err)
{
	(void)self;
	world.requests++;
	if (strstr(key, "/heartbeats/") && world.seq) {
		add_beat(buf);
		if (total)
			*total = buf->len;
		return bl_buf_check(buf, key, err);
	}
	if (!strstr(key, "/logs/"))
		return bl_store_get_range(world.inner, call, key, offset, len, buf, total, err);
	bl_buf_adds(buf, CHUNK);
	if (total)
		*total = CHUNK_LEN;
	return bl_buf_check(buf, key, err);
}

static int list_chunks(const char *start_after, bl_list_fn *fn, void *arg, struct bl_err *err)
{
	const char *slash = start_after ? strrchr(start_after, '/') : NULL;
	uint64_t from = slash ? strtoull(slash + 1, NULL, 10) + 1 : 0;

	for (uint64_t at = (from + CHUNK_LEN - 1) / CHUNK_LEN * CHUNK_LEN; at < world.log_end;
	     at += CHUNK_LEN) {
		struct bl_key key = bl_stream_key(RUN, BL_STREAM_LOG, 1, at);
		int rc = fn(arg, &(struct bl_listed){ .key = key.text, .size = CHUNK_LEN }, err);

		if (rc)
			return rc;
	}
	return 0;
}

static int counted_list(void *self, const struct bl_call *call, const char *prefix,
                        const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                        struct bl_err *err)
{
	(void)self;
	world.requests++;
	if (strstr(prefix, "/logs/"))
		return list_chunks(start_after, fn, arg, err);
	return bl_store_list(world.inner, call, prefix, start_after, delimiter, fn, arg, err);
}

static const struct bl_store_ops counted = { .close = counted_close,
	                                     .put_if_absent = counted_put_if_absent,
	                                     .put = counted_put,
	                                     .get_range = counted_get_range,
	                                     .list = counted_list };

/* --- an engine that counts -------------------------------------------------------------------- */

static void engine_close(void *self)
{
	(void)self;
}

static int engine_probe(void *self, const struct bl_run *run, const struct bl_attempts *attempts,
                        struct bl_probe *out, struct bl_err *err)
{
	(void)self, (void)run, (void)attempts, (void)err;
	world.requests++;
	world.probes++;
	*out = (struct bl_probe){ .owner = BL_ALIVE, .found = true };
	return 0;
}

static int engine_start(void *self, const struct bl_start *what, struct bl_started *out,
                        struct bl_err *err)
{
	(void)self, (void)what, (void)out;
	return bl_fail(err, BL_EDENIED, "CreateFleet: HTTP 403 UnauthorizedOperation");
}

static int engine_end(void *self, const struct bl_end_scope *scope, struct bl_ended_boxes *out,
                      struct bl_err *err)
{
	(void)self, (void)scope, (void)err;
	*out = (struct bl_ended_boxes){ .n = 1 };
	world.ended++;
	return 0;
}

static int engine_console(void *self, const struct bl_started *started, struct bl_buf *out,
                          struct bl_err *err)
{
	(void)self, (void)started;
	bl_buf_adds(out, "[1.0] kernel\r\n[2.0] \033[31muser-data: no such bucket\033[0m\r\n\r\n");
	return bl_buf_check(out, "console", err);
}

static const struct bl_compute_ops engine = { .name = "fake",
	                                      .close = engine_close,
	                                      .start = engine_start,
	                                      .probe = engine_probe,
	                                      .end = engine_end,
	                                      .console = engine_console };

/* --- waiting in it ---------------------------------------------------------------------------- */

void world_begin(struct bl_store *store, enum plot plot, int64_t hours_ms)
{
	static const struct fixture_run run = { .id = RUN };
	struct bl_err err = { 0 };
	struct bl_started started;
	struct bl_claim claim;

	world = (struct world){ .inner = store,
		                .plot = plot,
		                .now_ms = BEGAN,
		                .began_ms = BEGAN,
		                .minute_ms = BEGAN,
		                .hours_ms = hours_ms };
	bl_clock_replace(&world_clock);
	wait_pause_by(pass);
	put_run(store, &run);
	must(bl_claim_make_instance(RUN, 1, &claim, &err), &err);
	must(bl_claim_create(store, RUN, &claim, NULL, &err), &err);
	bl_started_init(&started);
	started.attempt = 1;
	started.started_ms = BEGAN;
	started.deadline_ms = BEGAN + 24 * 60 * (int64_t)MINUTE;
	started.usd_hour = 0.5;
	snprintf(started.nonce, sizeof(started.nonce), "%s", claim.nonce);
	snprintf(started.engine, sizeof(started.engine), "ec2");
	snprintf(started.instance, sizeof(started.instance), "i-0123456789abcdef0");
	must(bl_started_create(store, RUN, &started, &err), &err);
	if (plot != BOOTS)
		store_beat();
}

int world_wait(const struct wait_how *how, struct wait_ended *out, struct bl_err *err)
{
	struct cloud cloud = { 0 };
	int saved = dup(STDOUT_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC), rc;

	must(bl_store_new(&counted, &world, "s3://counted", &cloud.store, err), err);
	must(bl_compute_new(&engine, &world, &cloud.compute, err), err);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	rc = wait_run(&cloud, RUN, how, out, err);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(null);
	bl_store_close(cloud.store);
	bl_compute_close(cloud.compute);
	bl_clock_replace(NULL);
	wait_pause_by(NULL);
	return rc;
}
