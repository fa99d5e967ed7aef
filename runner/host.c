/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/host.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "runner/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

void host_event(struct host *host, enum host_event ev)
{
	struct host_step step = host_next(host->state, ev);
	unsigned phase = host_phase(host->state);
	int64_t now = bl_mono_ms();

	if (step.act == HACT_IGNORE)
		return;
	host->state = step.next;
	host->over_at = 0;
	if (host_phase(step.next) != phase) {
		host->phase_ms[phase] += now - host->phase_since;
		host->phase_since = now;
		host->beat = true;
		host_say_phase(host);
	}
	host_act(host, step.act);
}

void host_stop(struct host *host, const char *reason)
{
	if (*host->stop_reason)
		return;
	snprintf(host->stop_reason, sizeof(host->stop_reason), "%s", reason);
	host_event(host, HEV_STOP);
}

/* At once; where only a store that cannot be reached is left to wait for, without it. */
static void on_kill(struct host *host)
{
	bool waits_for_store = host->state == HOST_ENDING && host->unreachable;

	host->hurried = true;
	host_event(host, waits_for_store ? HEV_OVER : HEV_KILL);
}

/*
 * TERM, INT: somebody wants it to end. HUP: whoever started us has gone (it is our parent
 * death signal too): nobody would see the end, so the run is left to be resumed.
 */
static void on_signal(struct host *host)
{
	struct signalfd_siginfo info;

	while (read(host->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGINT:
		case SIGTERM:
			host_stop(host, "cancelled");
			if (host->wishes++)
				on_kill(host);
			break;
		case SIGHUP:
			host_stop(host, "interrupted");
			break;
		case SIGQUIT:
			host_stop(host, "cancelled");
			on_kill(host);
			break;
		default: /* SIGCHLD: pidfds tell */
			break;
		}
	}
}

static void on_lane(struct host *host, struct lane *lane)
{
	static struct ship_reply reply;
	struct bl_err err = { 0 };
	bool got = false;

	if (lane_receive(lane, &reply, &got, &err)) {
		host_lane_lost(host, lane->which, &err);
		return;
	}
	if (!got)
		return;
	if (lane->which == SHIP_BULK)
		host_bulk_reply(host, &reply);
	else
		host_control_reply(host, &reply);
}

static int64_t soonest(const struct host *host)
{
	const int64_t times[] = { host->tick_at,         host->snapshot_at, host->over_at,
		                  host->stop_at,         host->deadline_at, host->bulk_again_at,
		                  host->control_again_at };
	int64_t first = 0;

	for (size_t i = 0; i < BL_COUNT(times); i++)
		if (times[i] && (!first || times[i] < first))
			first = times[i];
	return first;
}

static void loop(struct host *host)
{
	while (host->state != HOST_DONE) {
		struct pollfd fds[] = {
			{ .fd = host->signal_fd, .events = POLLIN },
			{ .fd = host->bulk.sock, .events = POLLIN },
			{ .fd = host->control.sock, .events = POLLIN },
			{ .fd = host->engine.child.pidfd, .events = POLLIN },
		};
		int64_t at = soonest(host), now = bl_mono_ms();
		int wait = !at                  ? -1
		           : at <= now          ? 0
		           : at - now > 3600000 ? 3600000
		                                : (int)(at - now);

		if (poll(fds, BL_COUNT(fds), wait) < 0 && errno != EINTR) {
			bl_fail_errno(&host->failure, errno, "poll");
			host_stop(host, "interrupted");
		}
		if (fds[0].revents)
			on_signal(host);
		if (fds[3].revents)
			host_event(host, HEV_EXITED);
		if (fds[1].revents && host->bulk.sock == fds[1].fd)
			on_lane(host, &host->bulk);
		if (fds[2].revents && host->control.sock == fds[2].fd)
			on_lane(host, &host->control);
		host_timers(host, bl_mono_ms());
	}
}

static int block_signals(struct host *host, struct bl_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return bl_fail_errno(err, errno, "block signals");
	host->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (host->signal_fd < 0)
		return bl_fail_errno(err, errno, "signalfd");
	return 0;
}

static int options(struct host *host, int argc, char **argv, struct bl_err *err)
{
	uint64_t fd;

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--resume")) {
			host->asked = true;
			continue;
		}
		if (!value)
			return bl_fail(err, BL_EINPUT, "host: '%s' is no option or lacks its value",
			               argv[i]);
		i++;
		if (!strcmp(argv[i - 1], "--store"))
			host->place.store = value;
		else if (!strcmp(argv[i - 1], "--run"))
			host->place.run = value;
		else if (!strcmp(argv[i - 1], "--work"))
			host->place.work = value;
		else if (!strcmp(argv[i - 1], "--engine") && !strcmp(value, engine_process.name))
			host->engine.ops = &engine_process;
		else if (!strcmp(argv[i - 1], "--status-fd") &&
		         !bl_str_u64(value, 3, 1023, &fd, err))
			host->status_fd = (int)fd;
		else
			return bl_fail(err, BL_EINPUT, "host: unknown option '%s %s'", argv[i - 1],
			               value);
	}
	if (!host->place.store || !host->place.run || !host->place.work || !host->engine.ops) {
		bl_fail(err, BL_EINPUT,
		        "host: --engine process --store, --run and --work are needed");
		return bl_next(err, "`branchline local` starts it with them");
	}
	return 0;
}

int role_host(int argc, char **argv)
{
	static struct host host = { .signal_fd = -1, .status_fd = -1 };
	struct ship_request claim = { .op = SHIP_CLAIM };
	struct bl_err *err = &host.failure;

	host.bulk.sock = host.control.sock = -1;
	host.engine.child.pidfd = -1;
	host.published_step = host.stall_step = NAN;
	bl_latest_init(&host.latest);
	if (options(&host, argc, argv, err)) {
		bl_log_err(BL_LOG_ERROR, err);
		return bl_exit_status(err->code);
	}
	if (host.status_fd >= 0 && fcntl(host.status_fd, F_SETFD, FD_CLOEXEC))
		host.status_fd = -1;
	if (host.status_fd >= 0)
		fcntl(host.status_fd, F_SETFL, O_NONBLOCK);
	claim.asked = host.asked;
	host.phase_since = bl_mono_ms();
	BL_FAILPOINT("host.start");
	if (!block_signals(&host, err) && !lane_open(&host.bulk, SHIP_BULK, &host.place, 0, err) &&
	    !lane_send(&host.bulk, &claim, err)) {
		host_say_phase(&host);
		loop(&host);
	}
	lane_close(&host.bulk);
	lane_close(&host.control);
	host_say_end(&host);
	BL_FAILPOINT("host.end");
	if (host.status_fd < 0 && err->code)
		bl_log_err(BL_LOG_ERROR, err);
	if (err->code)
		return bl_exit_status(err->code);
	if (!host.settled)
		return bl_exit_status(BL_EINTERRUPTED);
	return bl_class_exit_status(host.outcome.result.class);
}
