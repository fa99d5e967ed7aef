/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "codec/json.h"
#include "run/outcome.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- The table ------------------------------------------------------------------------------- */

#define STAY(state)                                                                                \
	{                                                                                          \
		ACT_IGNORE, state                                                                  \
	}
#define KILL                                                                                       \
	{                                                                                          \
		ACT_KILL_ALL, EXEC_KILLING                                                         \
	}

static const struct exec_step cells[EXEC_STATES][EXEC_EVENTS] = {
	/* SPAWNED, SPAWN_FAILED, STOP, KILL_NOW, COMMAND_EXIT, GRACE_OVER, STRAYS_OVER, ALL_GONE */
	[EXEC_START] = { { ACT_MOVE, EXEC_RUNNING },
	                 { ACT_EXIT, EXEC_DONE },
	                 { ACT_MOVE, EXEC_STOP_PENDING },
	                 KILL,
	                 STAY(EXEC_START),
	                 STAY(EXEC_START),
	                 STAY(EXEC_START),
	                 STAY(EXEC_START) },
	[EXEC_STOP_PENDING] = { { ACT_TERM, EXEC_STOPPING },
	                        { ACT_EXIT, EXEC_DONE },
	                        STAY(EXEC_STOP_PENDING),
	                        KILL,
	                        STAY(EXEC_STOP_PENDING),
	                        STAY(EXEC_STOP_PENDING),
	                        STAY(EXEC_STOP_PENDING),
	                        STAY(EXEC_STOP_PENDING) },
	[EXEC_RUNNING] = { STAY(EXEC_RUNNING),
	                   STAY(EXEC_RUNNING),
	                   { ACT_TERM, EXEC_STOPPING },
	                   KILL,
	                   { ACT_MOVE, EXEC_LEAVING },
	                   STAY(EXEC_RUNNING),
	                   STAY(EXEC_RUNNING),
	                   STAY(EXEC_RUNNING) },
	[EXEC_STOPPING] = { STAY(EXEC_STOPPING),
	                    STAY(EXEC_STOPPING),
	                    STAY(EXEC_STOPPING),
	                    KILL,
	                    { ACT_MOVE, EXEC_LEAVING },
	                    KILL,
	                    STAY(EXEC_STOPPING),
	                    STAY(EXEC_STOPPING) },
	[EXEC_LEAVING] = { STAY(EXEC_LEAVING),
	                   STAY(EXEC_LEAVING),
	                   STAY(EXEC_LEAVING),
	                   KILL,
	                   STAY(EXEC_LEAVING),
	                   STAY(EXEC_LEAVING),
	                   KILL,
	                   { ACT_EXIT, EXEC_DONE } },
	[EXEC_KILLING] = { STAY(EXEC_KILLING),
	                   STAY(EXEC_KILLING),
	                   STAY(EXEC_KILLING),
	                   KILL,
	                   STAY(EXEC_KILLING),
	                   STAY(EXEC_KILLING),
	                   { ACT_EXIT, EXEC_DONE },
	                   { ACT_EXIT, EXEC_DONE } },
	[EXEC_DONE] = { STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE),
	                STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE), STAY(EXEC_DONE) },
};

static void every_cell_is_as_decided(void **state)
{
	(void)state;
	for (int now = 0; now < EXEC_STATES; now++) {
		for (int ev = 0; ev < EXEC_EVENTS; ev++) {
			struct exec_step step =
				exec_next((enum exec_state)now, (enum exec_event)ev);

			if (step.act != cells[now][ev].act || step.next != cells[now][ev].next)
				fail_msg("state %d, event %d: act %d, next %d", now, ev, step.act,
				         step.next);
		}
	}
}

static void stop_before_the_spawn_is_remembered(void **state)
{
	static const struct {
		enum exec_event ev;
		enum exec_act act;
	} story[] = {
		{ EV_STOP, ACT_MOVE },        { EV_SPAWNED, ACT_TERM },
		{ EV_STOP, ACT_IGNORE },      { EV_GRACE_OVER, ACT_KILL_ALL },
		{ EV_STRAYS_OVER, ACT_EXIT },
	};
	struct exec_step at = { ACT_IGNORE, EXEC_START };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(story); i++) {
		at = exec_next(at.next, story[i].ev);
		assert_int_equal(at.act, story[i].act);
	}
	assert_int_equal(at.next, EXEC_DONE);
}

/* Whatever happens in whatever order, three events end it. */
static void no_state_is_a_trap(void **state)
{
	(void)state;
	for (int now = EXEC_RUNNING; now < EXEC_DONE; now++) {
		struct exec_step at = exec_next((enum exec_state)now, EV_KILL_NOW);

		at = exec_next(at.next, EV_STRAYS_OVER);
		assert_int_equal(at.next, EXEC_DONE);
	}
}

/* --- Out-of-memory kills --------------------------------------------------------------------- */

static void the_counters_file_is_found(void **state)
{
	static const struct {
		const char *cgroup, *mountinfo, *path;
	} table[] = {
		/* version 2: a service on a host */
		{ "0::/system.slice/docker.service\n",
		  "25 30 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
		  "/sys/fs/cgroup/system.slice/docker.service/memory.events" },
		/* version 2: a container with its own cgroup namespace */
		{ "0::/\n", "900 899 0:23 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
		  "/sys/fs/cgroup/memory.events" },
		/* version 1 in a container without one: the host's path is the mount's root */
		{ "12:memory:/docker/4f5e\n11:cpu,cpuacct:/docker/4f5e\n",
		  "812 810 0:28 /docker/4f5e /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup "
		  "rw,cpu,cpuacct\n"
		  "813 810 0:29 /docker/4f5e /sys/fs/cgroup/memory ro master:9 - cgroup cgroup "
		  "rw,memory\n",
		  "/sys/fs/cgroup/memory/memory.oom_control" },
		{ "12:memory:/docker/4f5e/job\n",
		  "813 810 0:29 /docker/4f5e /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
		  "/sys/fs/cgroup/memory/job/memory.oom_control" },
		/* both mounted: the memory controller is version 1's */
		{ "4:memory:/user\n0::/user.slice\n",
		  "33 32 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		  "34 32 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		  "/sys/fs/cgroup/memory/user/memory.oom_control" },
		/* a foreign path below another root, and blanks in the mount point */
		{ "3:memory:/../other\n",
		  "34 32 0:31 / /mnt/c\\040g rw - cgroup cgroup rw,memory\n",
		  "/mnt/c g/memory.oom_control" },
		/* a controller whose name only begins alike */
		{ "3:memoryx:/a\n", "34 32 0:31 / /m rw - cgroup cgroup rw,memory\n", NULL },
		{ "", "", NULL },
		{ "0::/a\n", "", NULL },
		{ "garbage\n::\n", "more garbage\n - cgroup\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		char path[256] = "";
		bool found = oom_path(table[i].cgroup, table[i].mountinfo, path, sizeof(path));

		if (found != (table[i].path != NULL) || (found && strcmp(path, table[i].path)))
			fail_msg("row %zu: '%s'", i, path);
	}
}

static void kills_are_counted(void **state)
{
	(void)state;
	assert_int_equal(oom_count("low 0\nhigh 7\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"),
	                 2);
	assert_int_equal(oom_count("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), 5);
	assert_int_equal(oom_count("oom_kill_disable 0\nunder_oom 0\n"),
	                 -1); /* Linux before 4.13 */
	assert_int_equal(oom_count(""), -1);
}

static void a_watch_sees_what_was_added(void **state)
{
	char path[] = "/tmp/bl-oom-XXXXXX";
	int fd = mkstemp(path);
	struct oom_watch watch = { .fd = fd, .before = 2 }, none = { .fd = -1 };

	(void)state;
	assert_int_equal(pwrite(fd, "oom_kill 4\n", 11, 0), 11);
	assert_int_equal(oom_watch_delta(&watch), 2);
	assert_int_equal(pwrite(fd, "oom_kill 1\n", 11, 0), 11);
	assert_int_equal(oom_watch_delta(&watch), 0);
	assert_int_equal(oom_watch_delta(&none), 0);
	oom_watch_done(&watch);
	unlink(path);
	oom_watch_open(&watch); /* whatever this machine has: nothing was killed */
	assert_int_equal(oom_watch_delta(&watch), 0);
	oom_watch_done(&watch);
}

/* --- The record ------------------------------------------------------------------------------ */

/* Also what the reader of records understands of it. */
static void record_of(const struct exec_run *run, struct bl_exit_record *out, struct bl_value **doc)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_err err = { 0 };

	if (exec_record_write(run, 1, 100, 7, &text, &err) ||
	    bl_exit_record_parse(text.data, text.len, out, &err) ||
	    bl_json_document(text.data, text.len, "exit.json", 1, doc, &err))
		fail_msg("%s", err.text);
}

static void a_record_says_how_it_ended(void **state)
{
	static const struct {
		int status;
		bool exited;
		int code, signal;
	} table[] = {
		{ 0, true, 0, 0 },
		{ 255 << 8, true, 255, 0 },
		{ SIGKILL, false, 137, SIGKILL },
		{ SIGSEGV | 0x80, false, 139, SIGSEGV },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct exec_run run = { .child = { .pid = 5 },
			                .reaped = true,
			                .status = table[i].status,
			                .started_ms = 10,
			                .ended_ms = 20 };
		struct bl_exit_record record;
		BL_VALUE doc = NULL;

		record_of(&run, &record, &doc);
		assert_true(record.spawned);
		assert_int_equal(record.exited, table[i].exited);
		assert_int_equal(record.code, table[i].code);
		assert_int_equal(record.signal, table[i].signal);
		assert_false(record.stop_delivered);
		assert_int_equal(record.oom_kills, 1);
		assert_int_equal(record.dropped_bytes, 7);
		assert_int_equal(bl_value_int_or(doc, "captured_bytes", 0), 100);
		assert_int_equal(bl_value_int_or(doc, "ended_at", 0), 20);
		assert_int_equal(exec_code(&run), table[i].code);
	}
}

static void a_record_says_why_it_did_not_start(void **state)
{
	struct exec_run run = { .exec_status = 127 };
	struct bl_exit_record record;
	BL_VALUE doc = NULL;

	(void)state;
	bl_fail(&run.failed, BL_ENOENT, "execute 'x': none");
	bl_next(&run.failed, "install it");
	record_of(&run, &record, &doc);
	assert_false(record.spawned);
	assert_int_equal(record.code, 127);
	assert_string_equal(record.error, "execute 'x': none");
	assert_string_equal(bl_value_text_or(doc, "next_step", ""), "install it");
}

static void a_record_tells_of_the_stop(void **state)
{
	struct exec_run run = { .child = { .pid = 5 },
		                .reaped = true,
		                .stop_delivered_ms = 77,
		                .stop_reason = "timeout" };
	struct exec_run stuck = { .child = { .pid = 5 },
		                  .stop_delivered_ms = 1,
		                  .stop_reason = "cancelled" };
	struct bl_exit_record record;
	BL_VALUE doc = NULL;
	BL_VALUE stuck_doc = NULL;

	(void)state;
	record_of(&run, &record, &doc);
	assert_true(record.stop_delivered);
	assert_string_equal(record.stop_reason, "timeout");
	assert_int_equal(bl_value_int_or(doc, "stop_delivered_at", 0), 77);
	record_of(&stuck, &record, &stuck_doc); /* it never came back from the kernel */
	assert_false(record.exited);
	assert_int_equal(record.signal, SIGKILL);
}

static int write_one(struct bl_err *err)
{
	struct exec_run run = { .child = { .pid = 5 }, .reaped = true };
	BL_AUTO(bl_buf) record = BL_BUF(4096);
	BL_AUTO(ring) ring = RING;

	if (ring_create(&ring, err))
		return -1;
	return exec_record_write(&run, 0, 0, 0, &record, err);
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(write_one, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_as_decided),
		cmocka_unit_test(stop_before_the_spawn_is_remembered),
		cmocka_unit_test(no_state_is_a_trap),
		cmocka_unit_test(the_counters_file_is_found),
		cmocka_unit_test(kills_are_counted),
		cmocka_unit_test(a_watch_sees_what_was_added),
		cmocka_unit_test(a_record_says_how_it_ended),
		cmocka_unit_test(a_record_says_why_it_did_not_start),
		cmocka_unit_test(a_record_tells_of_the_stop),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("exec", tests, NULL, NULL);
}
