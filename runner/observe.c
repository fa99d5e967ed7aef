/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/observe.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/log.h"
#include "run/metrics.h"
#include "runner/exec.h"
#include "runner/record.h"
#include "runner/ring.h"
#include "runner/roles.h"
#include "runner/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)256 << 10)
#define SCAN_MS 1000
#define ECHO_END_MS 2000
#define RECORDS_MAX ((size_t)64 << 20) /* trainer_state.json gives all it has at once */
#define EVIDENCE_MAX ((size_t)1 << 20)

struct observer {
	const char *root;
	int dir; /* -1: nothing is recorded */
	struct ring ring;
	struct observe_log log;
	struct observe_lines lines;
	struct observe_tail tail;
	struct observe_echo echo;
	struct bl_metrics *metrics; /* NULL: none could be had */
	struct bl_buf records;      /* for metrics.jsonl */
	int records_fd;
	off_t records_size;
	int64_t scan_mono_ms;
	uint64_t lost;
	char chunk[CHUNK_BYTES];
};

/* Whole lines or none: what does not fit on the disk waits, and is lost when there is too much. */
static void flush_records(struct observer *ob)
{
	size_t done = 0;

	if (ob->records.failed) {
		bl_buf_reset(&ob->records);
		return;
	}
	if (ob->records_fd < 0 || !ob->records.len)
		return;
	while (done < ob->records.len) {
		ssize_t n = write(ob->records_fd, ob->records.data + done, ob->records.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (done < ob->records.len) {
		if (ftruncate(ob->records_fd, ob->records_size))
			ob->records_fd = -1; /* torn for good: add nothing behind it */
		return;
	}
	ob->records_size += (off_t)done;
	bl_buf_reset(&ob->records);
}

static void take_line(void *arg, const char *line, size_t len)
{
	struct observer *ob = arg;

	BL_FAILPOINT("observe.line");
	if (ob->metrics)
		bl_metrics_line(ob->metrics, line, len, bl_wall_ms(), &ob->records);
}

static void scan(struct observer *ob)
{
	if (bl_mono_ms() < ob->scan_mono_ms)
		return;
	ob->scan_mono_ms = bl_mono_ms() + SCAN_MS;
	bool more = ob->metrics && bl_metrics_scan(ob->metrics, bl_wall_ms(), &ob->records);
	flush_records(ob);
	/* the ring goes first; the rest is due at once, unless the disk takes no records now */
	if (more && !ob->records.len)
		ob->scan_mono_ms = 0;
}

/* The next bytes to all who want them; false: there were none. */
static bool take_chunk(struct observer *ob)
{
	uint64_t dropped = 0;
	size_t n = ring_take(&ob->ring, ob->chunk, sizeof(ob->chunk), &dropped);

	if (!n && !dropped)
		return false;
	BL_FAILPOINT("observe.chunk");
	observe_log_dropped(&ob->log, dropped);
	observe_log_add(&ob->log, ob->chunk, n);
	ob->echo.dropped += dropped;
	observe_echo_add(&ob->echo, ob->chunk, n);
	observe_tail_add(&ob->tail, ob->chunk, n);
	if (dropped) { /* the line went on where nobody saw it */
		ob->lines.too_long = true;
		ob->lines.len = 0;
	}
	observe_lines_feed(&ob->lines, ob->chunk, n, take_line, ob);
	ob->ring.shared->lost = ob->lost;
	ring_release(&ob->ring);
	flush_records(ob);
	return true;
}

/* Until exec has closed the ring, or is gone, and nothing is left in it. */
static void follow(struct observer *ob)
{
	bool over = false;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = OBSERVE_WAKE_FD, .events = POLLIN },
			{ .fd = ob->echo.pending.len ? ob->echo.fd : -1, .events = POLLOUT },
		};
		char woken[64];

		if (take_chunk(ob)) {
			scan(ob);
			continue;
		}
		if (over)
			return;
		scan(ob);
		if (!ring_sleep(&ob->ring))
			continue;
		int64_t wait = ob->scan_mono_ms - bl_mono_ms();
		(void)poll(fds, BL_COUNT(fds), wait > 0 ? (int)wait : 0);
		ssize_t n = read(OBSERVE_WAKE_FD, woken, sizeof(woken));
		/* end of file: exec closed its end after its last byte; once more round for that */
		over = !n;
		observe_echo_flush(&ob->echo);
	}
}

static void read_evidence(const char *path, struct bl_buf *text)
{
	struct bl_err none = { 0 };

	if (!path || bl_fs_read_path(path, text, &none))
		bl_buf_reset(text);
}

static void write_verdict(struct observer *ob)
{
	BL_AUTO(bl_buf) elastic = BL_BUF(EVIDENCE_MAX);
	BL_AUTO(bl_buf) failure = BL_BUF(EVIDENCE_MAX);
	BL_AUTO(bl_buf) text = BL_BUF(EVIDENCE_MAX);
	BL_AUTO(bl_buf) failure_path = BL_BUF(PATH_MAX);
	struct verdict_evidence evidence = { .status = ob->ring.shared->status };
	struct bl_err err = { 0 };
	struct verdict verdict;

	/* exec was killed before it knew: the command has not ended well, whatever it did */
	if (!atomic_load(&ob->ring.shared->closed))
		evidence.status = SIGKILL;
	bl_buf_addf(&failure_path, "%s/output/failure", ob->root);
	read_evidence(getenv("TORCHELASTIC_ERROR_FILE"), &elastic);
	read_evidence(bl_buf_text(&failure_path), &failure);
	evidence.tail = observe_tail_last(&ob->tail, &evidence.tail_len);
	if (elastic.len) {
		evidence.elastic = elastic.data;
		evidence.elastic_len = elastic.len;
	}
	if (failure.len) {
		evidence.failure = failure.data;
		evidence.failure_len = failure.len;
	}
	verdict_judge(&evidence, &verdict);
	if (ob->dir < 0 || !verdict.class[0])
		return; /* a command that did not fail needs no verdict */
	BL_FAILPOINT("observe.verdict.before");
	if (verdict_write(&verdict, &evidence, &text, &err) ||
	    record_replace(ob->dir, "verdict.json", &text, &err))
		bl_log_err(BL_LOG_WARN, &err);
	BL_FAILPOINT("observe.verdict.after");
}

static void start_metrics(struct observer *ob)
{
	BL_AUTO(bl_buf) output = BL_BUF(PATH_MAX);
	BL_AUTO(bl_buf) model = BL_BUF(PATH_MAX);
	struct bl_metrics_where where = {
		.attempt = ob->ring.shared->attempt,
		.metrics_file = getenv("BRANCHLINE_METRICS"),
	};
	const char *checkpoints = getenv("BRANCHLINE_CHECKPOINT_DIR");
	struct bl_err err = { 0 };
	size_t n = 0;

	bl_buf_addf(&output, "%s/output", ob->root);
	bl_buf_addf(&model, "%s/model", ob->root);
	if (checkpoints && *checkpoints)
		where.output_dirs[n++] = checkpoints;
	where.output_dirs[n++] = bl_buf_text(&output);
	where.output_dirs[n++] = bl_buf_text(&model);
	if (bl_metrics_new(&where, &ob->metrics, &err)) {
		bl_wrap(&err, "no metrics");
		bl_log_err(BL_LOG_WARN, &err);
	}
}

static int open_append(int dir, const char *name, off_t *size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	struct stat st;

	if (fd < 0) {
		struct bl_err err = { 0 };

		bl_fail_errno(&err, errno, "write '%s'", name);
		bl_log_err(BL_LOG_WARN, &err);
		return -1;
	}
	*size = fstat(fd, &st) ? 0 : st.st_size;
	return fd;
}

static int start(struct observer *ob, const char *root, struct bl_err *err)
{
	const char *actions = getenv("GITHUB_ACTIONS");
	off_t log_size = 0;
	int log_fd = -1;

	ob->root = root;
	ob->records = BL_BUF(RECORDS_MAX);
	ob->records_fd = -1;
	/* inherited, it would be ours to close and theirs to fill */
	fcntl(OBSERVE_WAKE_FD, F_SETFD, FD_CLOEXEC);
	if (ring_open(OBSERVE_RING_FD, &ob->ring, err))
		return bl_next(err, "observe is started by exec alone");
	ob->dir = ob->ring.shared->records ? OBSERVE_DIR_FD : -1;
	if (ob->dir >= 0) {
		log_fd = open_append(ob->dir, "log", &log_size);
		ob->records_fd = open_append(ob->dir, "metrics.jsonl", &ob->records_size);
	}
	observe_log_init(&ob->log, log_fd, ob->ring.shared->max_log_bytes, &ob->lost);
	ob->log.size = (uint64_t)log_size;
	observe_echo_init(&ob->echo, ob->ring.shared->echo ? 1 : -1,
	                  actions && !strcmp(actions, "true"));
	start_metrics(ob);
	return 0;
}

static void finish(struct observer *ob)
{
	size_t len;
	const char *last = observe_tail_last(&ob->tail, &len);

	observe_lines_end(&ob->lines, take_line, ob);
	while (ob->metrics && bl_metrics_finish(ob->metrics, bl_wall_ms(), &ob->records)) {
		flush_records(ob);
		if (ob->records.len) /* the disk is full for good: nobody comes after us */
			break;
	}
	/* the last lines first: they are worth more than records */
	if (ob->dir >= 0)
		record_free_log_room(ob->dir);
	observe_log_end(&ob->log, last, len);
	flush_records(ob);
	ob->ring.shared->lost = ob->lost;
	write_verdict(ob);
	observe_echo_end(&ob->echo, ECHO_END_MS);
}

/* It ends with exec, by no signal but SIGKILL: one for a whole group or session is not for it. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGPIPE,
		                       SIGUSR1, SIGUSR2, SIGTSTP, SIGALRM };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < BL_COUNT(ignored); i++)
		sigaction(ignored[i], &ignore, NULL);
}

int role_observe(int argc, char **argv)
{
	struct observer *ob = calloc(1, sizeof(*ob));
	struct bl_err err = { 0 };

	ignore_signals();
	prctl(PR_SET_NAME, "bl-observe");
	BL_FAILPOINT("observe.start");
	if (!ob || argc != 2) {
		bl_fail(&err, ob ? BL_EINPUT : BL_ENOMEM,
		        ob ? "observe is started by exec alone" : "observe: out of memory");
		bl_log_err(BL_LOG_ERROR, &err);
		free(ob);
		return bl_exit_status(err.code);
	}
	ob->ring = RING;
	if (start(ob, argv[1], &err)) {
		bl_log_err(BL_LOG_ERROR, &err);
		free(ob);
		return bl_exit_status(err.code);
	}
	follow(ob);
	finish(ob);
	bl_metrics_free(ob->metrics);
	bl_buf_done(&ob->records);
	ring_done(&ob->ring);
	free(ob);
	return 0;
}
