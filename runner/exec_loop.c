/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/exec.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_GROW_MS 100
#define GROW_MS 50
#define FILLS_PER_TURN 8 /* then signals get their turn */
#define LOOK_MS 250      /* while waiting for the end: a missed notice costs this much */

void exec_wake(struct exec_run *run)
{
	if (run->wake_fd >= 0 && ring_wants_wake(&run->ring) && write(run->wake_fd, "", 1) < 0 &&
	    errno == EPIPE)
		bl_fd_done(&run->wake_fd);
}

static void close_termed(struct exec_run *run)
{
	for (size_t i = 0; i < run->n_termed; i++)
		bl_fd_done(&run->termed[i]);
	run->n_termed = 0;
}

/* Design 4.5: with a shell, those of its children that we sent TERM belong to the command. */
static bool has_command_ended(struct exec_run *run)
{
	struct pollfd ended[EXEC_TERMED_MAX];
	int n = 0;

	if (!run->reaped)
		return false;
	for (size_t i = 0; i < run->n_termed; i++)
		ended[i] = (struct pollfd){ .fd = run->termed[i], .events = POLLIN };
	if (run->n_termed)
		n = poll(ended, run->n_termed, 0);
	if (n < (int)run->n_termed)
		return false;
	close_termed(run);
	return true;
}

void exec_step_on(struct exec_run *run, enum exec_event ev)
{
	struct exec_step step = exec_next(run->state, ev);
	bool entered = step.next != run->state;

	run->state = step.next;
	if (entered && step.next == EXEC_STOPPING)
		run->deadline_mono_ms = bl_mono_ms() + run->config.grace_ms;
	if (entered && (step.next == EXEC_LEAVING || step.next == EXEC_KILLING))
		run->deadline_mono_ms = bl_mono_ms() + EXEC_STRAYS_MS;
	if (step.act == ACT_TERM)
		exec_deliver_stop(run);
	else if (step.act == ACT_KILL_ALL)
		exec_kill_all(run);
}

void exec_reap(struct exec_run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->child.pid && !run->reaped) {
			run->reaped = true;
			run->status = status;
			run->ended_ms = bl_wall_ms();
		} else if (pid == run->observe.pid && !run->observe_reaped) {
			run->observe_reaped = true;
			run->observe_status = status;
			bl_fd_done(&run->wake_fd);
		}
	}
}

void exec_read_signals(struct exec_run *run)
{
	struct signalfd_siginfo got[16];
	bool stop = false, kill_now = false;
	ssize_t n;

	while ((n = read(run->signal_fd, got, sizeof(got))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(got[0]); i++) {
			int signum = (int)got[i].ssi_signo;

			if (signum == SIGTERM || signum == SIGINT)
				stop = true;
			else if (signum == SIGQUIT)
				kill_now = true;
			else if (signum != SIGCHLD)
				exec_forward(run, signum);
		}
	}
	/* who ended before the stop was not stopped */
	exec_reap(run);
	if (has_command_ended(run))
		exec_step_on(run, EV_COMMAND_EXIT);
	if (stop)
		exec_step_on(run, EV_STOP);
	if (kill_now)
		exec_step_on(run, EV_KILL_NOW);
}

static void fill_ring(struct exec_run *run)
{
	for (int i = 0; i < FILLS_PER_TURN && run->pipe_fd >= 0; i++) {
		ssize_t n = ring_fill(&run->ring, run->pipe_fd);

		if (n > 0) {
			exec_wake(run);
			if ((size_t)n < RING_FILL_MAX / 16)
				return; /* likely empty by now: do not ask twice */
		} else if (!n || (errno != EAGAIN && errno != EINTR)) {
			bl_fd_done(&run->pipe_fd); /* nobody holds its other end */
		} else {
			return;
		}
	}
}

static void check_deadlines(struct exec_run *run)
{
	int64_t now = bl_mono_ms();

	if (run->grow_mono_ms && now >= run->grow_mono_ms)
		run->grow_mono_ms = ring_grow(&run->ring) ? now + GROW_MS : 0;
	if (run->state == EXEC_STOPPING && now >= run->deadline_mono_ms)
		exec_step_on(run, EV_GRACE_OVER);
	else if ((run->state == EXEC_LEAVING || run->state == EXEC_KILLING) &&
	         now >= run->deadline_mono_ms)
		exec_step_on(run, EV_STRAYS_OVER);
}

static int time_left(const struct exec_run *run)
{
	int64_t now = bl_mono_ms(), next = INT64_MAX;

	if (run->state == EXEC_STOPPING || run->state == EXEC_LEAVING || run->state == EXEC_KILLING)
		next = run->deadline_mono_ms;
	if (run->state == EXEC_LEAVING || run->state == EXEC_KILLING ||
	    (run->reaped && run->n_termed))
		next = next < now + LOOK_MS ? next : now + LOOK_MS;
	if (run->grow_mono_ms && run->grow_mono_ms < next)
		next = run->grow_mono_ms;
	if (next == INT64_MAX)
		return -1;
	return next > now ? (int)(next - now < 3600000 ? next - now : 3600000) : 0;
}

static void check_all_gone(struct exec_run *run)
{
	if (run->state != EXEC_LEAVING && run->state != EXEC_KILLING)
		return;
	exec_reap(run);
	if (run->pipe_fd < 0 && has_command_ended(run) && !exec_has_strays(run))
		exec_step_on(run, EV_ALL_GONE);
}

void exec_loop(struct exec_run *run)
{
	run->grow_mono_ms = bl_mono_ms() + FIRST_GROW_MS;
	while (run->state != EXEC_DONE) {
		struct pollfd fds[] = {
			{ .fd = run->signal_fd, .events = POLLIN },
			{ .fd = run->pipe_fd, .events = POLLIN },
		};

		if (poll(fds, BL_COUNT(fds), time_left(run)) < 0 && errno != EINTR)
			fds[0].revents = fds[1].revents = POLLIN; /* look anyway */
		BL_FAILPOINT("exec.loop");
		if (fds[1].revents)
			fill_ring(run);
		if (fds[0].revents)
			exec_read_signals(run);
		else if (run->reaped && run->n_termed && has_command_ended(run))
			exec_step_on(run, EV_COMMAND_EXIT);
		check_deadlines(run);
		check_all_gone(run);
	}
}
