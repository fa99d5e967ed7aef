/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/lane.h"

#include "base/fs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The ship reads its end of the pair on this descriptor. */
#define SHIP_FD 3
#define END_MS 1000

static int start(struct lane *lane, struct bl_err *err)
{
	char self[] = "/proc/self/exe", attempt[16];
	const char *names[SHIP_LANES] = { "bulk", "control" };
	char *argv[] = { (char *)"branchline-runner",
		         (char *)"ship",
		         (char *)names[lane->which],
		         (char *)lane->place.store,
		         (char *)lane->place.run,
		         (char *)lane->place.work,
		         attempt,
		         NULL };
	int pair[2], status;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return bl_fail_errno(err, errno, "make a socket pair");
	BL_FD mine = pair[0], its = pair[1];
	int fds[][2] = { { its, SHIP_FD } };
	struct bl_spawn how = {
		.file = self,
		.argv = argv,
		.dir_fd = -1,
		.fds = fds,
		.n_fds = BL_COUNT(fds),
		.own_group = true, /* a terminal's Ctrl-C is not for it */
		.parent_signal = SIGKILL,
	};
	snprintf(attempt, sizeof(attempt), "%u", lane->attempt);
	if (bl_proc_spawn(&how, &lane->child, &status, err))
		return bl_wrap(err, "start the ship");
	lane->sock = bl_fd_take(&mine);
	return 0;
}

int lane_open(struct lane *lane, enum ship_lane which, const struct ship_place *place,
              unsigned attempt, struct bl_err *err)
{
	*lane = (struct lane){ .which = which, .place = *place, .attempt = attempt, .sock = -1 };
	lane->child.pidfd = -1;
	return start(lane, err);
}

/* One that hangs in the kernel (a dead network disk) is not waited for: init reaps it. */
static void end(struct lane *lane)
{
	if (lane->child.pid) {
		struct pollfd gone = { .fd = lane->child.pidfd, .events = POLLIN };

		kill(lane->child.pid, SIGKILL);
		if (poll(&gone, 1, END_MS) >= 0)
			waitpid(lane->child.pid, NULL, WNOHANG);
	}
	bl_fd_done(&lane->child.pidfd);
	bl_fd_done(&lane->sock);
	lane->child.pid = 0;
}

static int restart(struct lane *lane, struct bl_err *err)
{
	end(lane);
	if (lane->restarts++ >= LANE_RESTARTS_MAX)
		return bl_fail(err, BL_EIO, "the ship ended %u times", lane->restarts);
	if (start(lane, err))
		return -1;
	if (!lane->busy)
		return 0;
	/* what was under way may have happened: every request may be repeated */
	if (send(lane->sock, &lane->request, sizeof(lane->request), MSG_NOSIGNAL | MSG_DONTWAIT) <
	    0)
		return bl_fail_errno(err, errno, "send to the ship");
	return 0;
}

int lane_send(struct lane *lane, const struct ship_request *request, struct bl_err *err)
{
	lane->request = *request;
	lane->busy = true;
	if (send(lane->sock, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return restart(lane, err);
}

int lane_receive(struct lane *lane, struct ship_reply *reply, bool *got, struct bl_err *err)
{
	ssize_t n = recv(lane->sock, reply, sizeof(*reply), MSG_DONTWAIT);

	*got = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(*reply))
		return restart(lane, err);
	lane->busy = false;
	*got = true;
	return 0;
}

int lane_replace(struct lane *lane, struct bl_err *err)
{
	end(lane); /* with the socket: a reply that is still in it is to a request given up */
	lane->busy = false;
	return start(lane, err);
}

void lane_close(struct lane *lane)
{
	end(lane);
	lane->busy = false;
}
