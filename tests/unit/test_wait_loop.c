/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "run/cancel.h"

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

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define BEGAN 1795507381000

/* --- a world whose time passes only while somebody waits -------------------------------------- */

enum plot { TALKS, IS_SILENT, BOOTS };

static struct world {
	struct bl_store *inner; /* a directory, that plays a bucket */
	enum plot plot;
	int64_t now_ms, began_ms, hours_ms;
	int64_t beat_ms, chunk_ms; /* written last */
	uint64_t log_end;
	bool has_ended;
	int64_t seq;
	unsigned requests, worst_minute, minute_from; /* of the store and of the probe */
	int64_t minute_ms;
	unsigned probes, ended;
	size_t rss_early, rss_late;
	unsigned fds_early, fds_late;
} world;

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

static void begin(struct bl_store *store, enum plot plot, int64_t hours_ms)
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
	started.deadline_ms = BEGAN + 24 * (int64_t)HOUR;
	started.usd_hour = 0.5;
	snprintf(started.nonce, sizeof(started.nonce), "%s", claim.nonce);
	snprintf(started.engine, sizeof(started.engine), "ec2");
	snprintf(started.instance, sizeof(started.instance), "i-0123456789abcdef0");
	must(bl_started_create(store, RUN, &started, &err), &err);
	if (plot != BOOTS)
		store_beat();
}

static int wait_quietly(const struct wait_how *how, struct wait_ended *out, struct bl_err *err)
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

static void check_hours(struct bl_store *store, enum plot plot, unsigned per_10_s)
{
	static const struct wait_how how = { 0 };
	struct wait_ended ended;
	struct bl_err err = { 0 };

	begin(store, plot, 6 * HOUR);
	must(wait_quietly(&how, &ended, &err), &err);
	assert_int_equal(ended.state, WAIT_ENDED);
	assert_int_equal(ended.outcome.result.status, BL_STATUS_SUCCESS);
	assert_in_range(world.worst_minute, 1, per_10_s * 6);
	assert_in_range(world.probes, 6 * 60 - 10, 6 * 60 + 10);
	assert_int_equal(world.fds_late, world.fds_early);
	assert_in_range(world.rss_late, 0, world.rss_early + 64); /* pages: 256 KiB */
	assert_in_range(world.now_ms - world.began_ms, 6 * HOUR, 6 * HOUR + 2 * MINUTE);
}

static void six_hours_of_lines_are_cheap_and_flat(void **state)
{
	check_hours(*state, TALKS, 3);
}

static void six_hours_of_silence_are_cheaper(void **state)
{
	check_hours(*state, IS_SILENT, 1);
}

static void it_hands_over_by_the_clock_of_the_job(void **state)
{
	static const struct wait_how how = { .minutes = 330 };
	struct wait_ended ended;
	struct bl_err err = { 0 };

	begin(*state, IS_SILENT, 20 * HOUR);
	must(wait_quietly(&how, &ended, &err), &err);
	assert_int_equal(ended.state, WAIT_HANDED_OVER);
	assert_int_equal(world.now_ms - world.began_ms, 330 * MINUTE);
	assert_int_equal(world.ended, 0);
}

static void one_that_never_boots_is_ended_with_its_last_words(void **state)
{
	static const struct wait_how how = { 0 };
	struct wait_ended ended;
	struct bl_err err = { 0 };
	struct bl_end end;

	begin(*state, BOOTS, 20 * HOUR);
	assert_int_equal(wait_quietly(&how, &ended, &err), -1);
	/* another attempt is due, and whoever waits may not buy it */
	assert_int_equal(err.code, BL_EINTERRUPTED);
	assert_non_null(strstr(err.text, "attempt 2"));
	assert_non_null(strstr(err.next, "branchline wait " RUN));
	bl_err_clear(&err);
	must(bl_end_read(world.inner, RUN, 1, &end, &err), &err);
	assert_int_equal(end.result.class, BL_CLASS_BOOT);
	assert_non_null(strstr(end.result.message, "user-data: no such bucket"));
	assert_null(strchr(end.result.message, '\033'));
	assert_int_equal(world.ended, 1);
	assert_in_range(world.worst_minute, 1, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(six_hours_of_lines_are_cheap_and_flat),
		IN_SCRATCH(six_hours_of_silence_are_cheaper),
		IN_SCRATCH(it_hands_over_by_the_clock_of_the_job),
		IN_SCRATCH(one_that_never_boots_is_ended_with_its_last_words),
	};

	return cmocka_run_group_tests_name("wait_loop", tests, NULL, NULL);
}
