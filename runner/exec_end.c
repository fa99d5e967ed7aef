/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/log.h"
#include "codec/json.h"
#include "runner/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_FILLS 64 /* a stuck process may write on: what is in the pipe is enough */
#define TAIL_CHUNK 65536

/* Not spawned: why. Stuck, so that its status never came: our SIGKILL. */
int exec_code(const struct exec_run *run)
{
	if (run->child.pid <= 0)
		return run->failed.code != BL_OK ? run->exec_status : 128 + SIGKILL;
	if (!run->reaped)
		return 128 + SIGKILL;
	return WIFEXITED(run->status) ? WEXITSTATUS(run->status) : 128 + WTERMSIG(run->status);
}

int exec_record_write(const struct exec_run *run, int64_t oom_kills, uint64_t captured,
                      uint64_t dropped, struct bl_buf *out, struct bl_err *err)
{
	bool spawned = run->child.pid > 0, exited = run->reaped && WIFEXITED(run->status);
	struct bl_json json = BL_JSON(out);

	bl_json_begin(&json, 1);
	bl_json_bool(&json, "spawned", spawned);
	bl_json_bool(&json, "exited", exited);
	bl_json_int(&json, "code", exec_code(run));
	if (spawned && !exited)
		bl_json_int(&json, "signal", run->reaped ? WTERMSIG(run->status) : SIGKILL);
	else
		bl_json_null(&json, "signal");
	if (run->stop_delivered_ms)
		bl_json_int(&json, "stop_delivered_at", run->stop_delivered_ms);
	else
		bl_json_null(&json, "stop_delivered_at");
	bl_json_text(&json, "stop_reason", run->stop_delivered_ms ? run->stop_reason : NULL);
	bl_json_int(&json, "oom_kills", oom_kills);
	bl_json_int(&json, "captured_bytes", (int64_t)captured);
	bl_json_int(&json, "dropped_bytes", (int64_t)dropped);
	bl_json_int(&json, "started_at", run->started_ms);
	bl_json_int(&json, "ended_at", run->ended_ms ? run->ended_ms : bl_wall_ms());
	bl_json_text(&json, "error", run->failed.code != BL_OK ? run->failed.text : NULL);
	bl_json_text(&json, "next_step", run->failed.next[0] ? run->failed.next : NULL);
	bl_json_end_map(&json);
	bl_buf_addc(out, '\n');
	return bl_buf_check(out, "exit.json", err);
}

static void fill_rest(struct exec_run *run)
{
	for (int i = 0; i < LAST_FILLS && run->pipe_fd >= 0; i++) {
		ssize_t n = ring_fill(&run->ring, run->pipe_fd);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			bl_fd_done(&run->pipe_fd);
	}
}

/* Waits until observe has drained the ring and judged, for a bounded time. */
static void await_observe(struct exec_run *run)
{
	struct pollfd signals = { .fd = run->signal_fd, .events = POLLIN };
	int64_t deadline = bl_mono_ms() + EXEC_OBSERVE_MS, now = 0;
	struct signalfd_siginfo ignored[8];

	if (run->observe.pid <= 0)
		return;
	while (exec_reap(run), !run->observe_reaped && (now = bl_mono_ms()) < deadline) {
		(void)poll(&signals, 1, (int)(deadline - now));
		(void)!read(run->signal_fd, ignored, sizeof(ignored)); /* all but its end is late */
	}
	if (run->observe_reaped)
		return;
	/* SIGKILL ends it but for a disk that hangs, and then exit.json hangs as well */
	kill(run->observe.pid, SIGKILL);
	while (waitpid(run->observe.pid, &run->observe_status, 0) < 0 && errno == EINTR)
		;
	run->observe_reaped = true;
}

/* observe did not live to see the end: what it has not taken goes to the log as it is. */
static void write_tail(struct exec_run *run)
{
	static char chunk[TAIL_CHUNK];
	struct bl_err err = { 0 };
	uint64_t dropped;
	size_t n;

	if (run->record_dir < 0)
		return;
	record_free_log_room(run->record_dir);
	BL_FD log = openat(run->record_dir, "log",
	                   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (log < 0)
		return;
	run->ring.at = atomic_load(&run->ring.shared->taken);
	do {
		n = ring_take(&run->ring, chunk, sizeof(chunk), &dropped);
		if (dropped)
			dprintf(log, "\n[branchline: %llu bytes dropped]\n",
			        (unsigned long long)dropped);
		if (bl_fs_write(log, chunk, n, &err)) {
			atomic_fetch_add(&run->ring.shared->lost, (uint64_t)n);
			break;
		}
		ring_release(&run->ring);
	} while (n);
}

static void drain(struct exec_run *run)
{
	struct ring_shared *shared = run->ring.shared;

	fill_rest(run);
	shared->status = run->reaped ? run->status : run->child.pid > 0 ? SIGKILL : -1;
	atomic_store(&shared->closed, 1);
	bl_fd_done(&run->wake_fd); /* its end of file wakes observe */
	await_observe(run);
	if (run->observe.pid <= 0 || !WIFEXITED(run->observe_status) ||
	    WEXITSTATUS(run->observe_status))
		write_tail(run);
}

static void write_record(struct exec_run *run)
{
	struct ring_shared *shared = run->ring.shared;
	BL_AUTO(bl_buf) text = BL_BUF(65536);
	uint64_t captured = 0, dropped = 0;
	struct bl_err err = { 0 };

	if (run->record_dir < 0)
		return;
	if (shared) {
		captured = atomic_load(&shared->written);
		dropped = atomic_load(&shared->dropped) + atomic_load(&shared->lost);
	}
	BL_FAILPOINT("exec.exit_record.before");
	if (exec_record_write(run, oom_watch_delta(&run->oom), captured, dropped, &text, &err) ||
	    record_replace(run->record_dir, "exit.json", &text, &err)) {
		bl_wrap(&err, "record the command's end in %s/output/branchline", run->root);
		bl_log_err(BL_LOG_ERROR, &err);
	}
	record_free_room(run->record_dir);
	BL_FAILPOINT("exec.exit_record.after");
}

int exec_finish(struct exec_run *run)
{
	if (run->failed.code != BL_OK)
		bl_log_err(BL_LOG_ERROR, &run->failed);
	if (run->ring.shared)
		drain(run);
	write_record(run);
	return exec_code(run);
}
