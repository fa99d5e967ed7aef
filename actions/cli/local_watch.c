/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/cli/local.h"
#include "actions/progress.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_FD 3
#define STATUS_MAX_BYTES (1u << 20)

struct watch {
	struct progress progress;
	struct bl_child host;
	int status_fd, signal_fd, notify_fd, log_fd;
	uint64_t log_read;
	unsigned signals; /* wishes to stop so far */
	unsigned attempt;
	char log_path[PATH_MAX + 64];
	struct bl_buf status; /* bytes of status lines not ended yet */
	bool fenced;
	struct bl_err failure; /* what host said when it could not go on */
};

static void read_log(struct watch *watch)
{
	static char bytes[65536];
	ssize_t n;

	if (watch->log_fd < 0 && *watch->log_path)
		watch->log_fd = open(watch->log_path, O_RDONLY | O_CLOEXEC);
	if (watch->log_fd < 0)
		return;
	while ((n = pread(watch->log_fd, bytes, sizeof(bytes), (off_t)watch->log_read)) > 0) {
		watch->log_read += (uint64_t)n;
		progress_output(&watch->progress, bytes, (size_t)n);
	}
}

/* The attempt's tree is known: from now on its log is followed. */
static void follow(struct watch *watch, const char *root)
{
	char dir[PATH_MAX + 32];

	if (*watch->log_path)
		return;
	snprintf(dir, sizeof(dir), "%s/output/branchline", root);
	snprintf(watch->log_path, sizeof(watch->log_path), "%s/log", dir);
	watch->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->notify_fd < 0 ||
	    inotify_add_watch(watch->notify_fd, dir, IN_MODIFY | IN_CREATE) < 0)
		bl_log(BL_LOG_DEBUG, "inotify: %s", strerror(errno));
}

static void on_step(struct watch *watch, const struct bl_value *line)
{
	const struct bl_value *metrics = bl_value_get(line, "metrics");
	BL_AUTO(bl_buf) text = BL_BUF(159);

	for (size_t i = 0; metrics && i < metrics->n && i < 3; i++) {
		const struct bl_value *item = metrics->items[i];

		if (item->type == BL_STRING)
			bl_buf_addf(&text, "%s%.20s %.8s", i ? "  " : "", item->key, item->text);
		else
			bl_buf_addf(&text, "%s%.20s %.4g", i ? "  " : "", item->key, item->real);
	}
	progress_step(&watch->progress, bl_value_real_or(line, "step", NAN),
	              bl_value_real_or(line, "total", NAN), bl_buf_text(&text));
}

static void on_checkpoint(struct watch *watch, const struct bl_value *line)
{
	BL_AUTO(bl_buf) text = BL_BUF(256);
	double step = bl_value_real_or(line, "step", NAN);

	bl_buf_adds(&text, "checkpoint kept, ");
	bl_str_add_bytes(&text, (uint64_t)bl_value_int_or(line, "bytes", 0));
	if (!isnan(step)) /* of the newest metrics: the checkpoint itself may be a little older */
		bl_buf_addf(&text, "; training is at step %.0f", step);
	progress_note(&watch->progress, "info", bl_buf_text(&text));
}

static void on_end(struct watch *watch, const struct bl_value *line)
{
	int64_t code = bl_value_int_or(line, "code", 0);

	watch->fenced = bl_value_bool_or(line, "fenced", false);
	if (!code)
		return;
	bl_fail(&watch->failure, (enum bl_code)code, "%s", bl_value_text_or(line, "text", ""));
	bl_next(&watch->failure, "%s", bl_value_text_or(line, "next", ""));
}

/* Somebody else's wish, or a limit. */
static void say_stop(struct watch *watch, const char *phase, const char *reason)
{
	char text[96];

	if (watch->signals || strcmp(phase, "stopping") != 0)
		return;
	snprintf(text, sizeof(text), "stopping: %s", *reason ? reason : "on request");
	progress_note(&watch->progress, "info", text);
}

static void on_phase(struct watch *watch, const struct bl_value *line)
{
	const char *phase = bl_value_text_or(line, "phase", "");

	watch->attempt = (unsigned)bl_value_int_or(line, "attempt", 0);
	if (watch->attempt)
		follow(watch, bl_value_text_or(line, "root", ""));
	read_log(watch);
	say_stop(watch, phase, bl_value_text_or(line, "stop", ""));
	progress_phase(&watch->progress, phase);
}

static void on_status(struct watch *watch, const char *bytes, size_t len)
{
	BL_VALUE line = NULL;
	struct bl_err err = { 0 };

	if (bl_json_parse(bytes, len, "host's status", &line, &err)) {
		bl_log_err(BL_LOG_DEBUG, &err);
		return;
	}
	const char *event = bl_value_text_or(line, "event", "");
	if (!strcmp(event, "phase"))
		on_phase(watch, line);
	else if (!strcmp(event, "step"))
		on_step(watch, line);
	else if (!strcmp(event, "checkpoint"))
		on_checkpoint(watch, line);
	else if (!strcmp(event, "note"))
		progress_note(&watch->progress, bl_value_text_or(line, "level", "info"),
		              bl_value_text_or(line, "text", ""));
	else if (!strcmp(event, "end"))
		on_end(watch, line);
}

/* Returns false at the end of the pipe. */
static bool read_status(struct watch *watch)
{
	char bytes[16384];
	ssize_t n = read(watch->status_fd, bytes, sizeof(bytes));
	char *end;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	bl_buf_add(&watch->status, bytes, (size_t)n);
	if (watch->status.failed)
		bl_buf_reset(&watch->status);
	while (watch->status.len && (end = memchr(watch->status.data, '\n', watch->status.len))) {
		size_t len = (size_t)(end - watch->status.data);

		on_status(watch, watch->status.data, len);
		bl_buf_drop(&watch->status, len + 1);
	}
	return true;
}

/* First: TERM to training, grace, last checkpoint. Second: at once. */
static void on_signal(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (read(watch->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			kill(watch->host.pid, SIGHUP);
			continue;
		}
		if (!watch->signals++) {
			progress_note(
				&watch->progress, "info",
				"stopping: the last checkpoint is kept; once more stops at once");
			kill(watch->host.pid, SIGINT);
		} else {
			kill(watch->host.pid, SIGQUIT);
		}
	}
}

static void drain_events(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void loop(struct watch *watch)
{
	bool open = true;

	while (open) {
		struct pollfd fds[] = {
			{ .fd = watch->status_fd, .events = POLLIN },
			{ .fd = watch->signal_fd, .events = POLLIN },
			{ .fd = watch->notify_fd, .events = POLLIN },
		};

		if (poll(fds, BL_COUNT(fds), progress_tick(&watch->progress)) < 0) {
			if (errno != EINTR)
				break;
			continue;
		}
		if (fds[1].revents)
			on_signal(watch);
		if (fds[2].revents) {
			drain_events(watch->notify_fd);
			read_log(watch);
		}
		if (fds[0].revents)
			open = read_status(watch);
	}
	read_log(watch);
}

static int start_host(struct local *local, bool resume, struct watch *watch, int status_fd,
                      struct bl_err *err)
{
	char program[PATH_MAX], work[PATH_MAX];
	const char *words[] = { "branchline-runner",
		                "host",
		                "--engine",
		                "process",
		                "--store",
		                local->store_uri,
		                "--run",
		                local->run,
		                "--work",
		                work,
		                "--status-fd",
		                "3",
		                resume ? "--resume" : NULL };
	char *argv[BL_COUNT(words) + 1] = { NULL };
	BL_FD null = open("/dev/null", O_RDONLY | O_CLOEXEC); /* a terminal is not training's */
	int fds[][2] = { { null, STDIN_FILENO }, { status_fd, STATUS_FD } }, status;
	struct bl_spawn how = {
		.file = program,
		.argv = argv,
		.fds = fds,
		.n_fds = BL_COUNT(fds),
		.own_group = true,
		.hold_signals = true,
		/*
		 * when we are gone nobody waits for it: it saves what there is and can be resumed
		 */
		.parent_signal = SIGHUP,
	};
	BL_FD cwd = -1;

	if (snprintf(work, sizeof(work), "%s/.branchline/work/%s", local->root, local->run) >=
	    (int)sizeof(work))
		return bl_fail(err, BL_EINPUT, "the path of '%s' is too long", local->root);
	if (bl_proc_beside("branchline-runner", program, sizeof(program), err))
		return bl_next(err, "install it beside branchline, as `make install` does");
	for (size_t i = 0; i < BL_COUNT(words) && words[i]; i++)
		argv[i] = (char *)words[i];
	if (bl_fs_open_dir(local->cwd, &cwd, err))
		return bl_wrap(err, "workdir");
	how.dir_fd = cwd;
	return bl_proc_spawn(&how, &watch->host, &status, err);
}

static int block_signals(struct watch *watch, struct bl_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return bl_fail_errno(err, errno, "block signals");
	watch->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (watch->signal_fd < 0)
		return bl_fail_errno(err, errno, "signalfd");
	return 0;
}

static int supervise(struct local *local, bool resume, struct watch *watch, struct bl_err *err)
{
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC))
		return bl_fail_errno(err, errno, "pipe");
	watch->status_fd = pipe_fds[0];
	BL_FD its = pipe_fds[1];
	fcntl(watch->status_fd, F_SETFL, O_NONBLOCK);
	if (block_signals(watch, err) || start_host(local, resume, watch, its, err))
		return -1;
	bl_fd_done(&its);
	loop(watch);
	while (waitpid(watch->host.pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void watch_done(struct watch *watch)
{
	progress_done(&watch->progress);
	bl_fd_done(&watch->status_fd);
	bl_fd_done(&watch->signal_fd);
	bl_fd_done(&watch->notify_fd);
	bl_fd_done(&watch->log_fd);
	bl_fd_done(&watch->host.pidfd);
	bl_buf_done(&watch->status);
}

int local_watch(struct local *local, bool resume, struct bl_err *err)
{
	struct watch watch = { .status_fd = -1, .signal_fd = -1, .notify_fd = -1, .log_fd = -1 };
	int rc;

	watch.host.pidfd = -1;
	watch.status = BL_BUF(STATUS_MAX_BYTES);
	progress_init(&watch.progress, local->out_fd, local->mask);
	rc = supervise(local, resume, &watch, err);
	watch_done(&watch);
	if (rc)
		return bl_wrap(err, "start host");
	if (watch.failure.code) {
		*err = watch.failure;
		return -1;
	}
	if (watch.fenced) {
		bl_fail(err, BL_EBUSY, "attempt %u was ended by somebody else", watch.attempt);
		return bl_next(err, "see `branchline status %s`", local->run);
	}
	return 0;
}
