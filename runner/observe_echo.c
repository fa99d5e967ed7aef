/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "runner/observe.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_LENGTH 32
#define WRITES_PER_FLUSH 64 /* then the ring gets its turn */

void observe_echo_init(struct observe_echo *echo, int fd, bool in_actions)
{
	struct bl_err no_random = { 0 };
	struct stat st;

	*echo = (struct observe_echo){ .fd = fd,
		                       .at_line_start = true,
		                       .pending = BL_BUF(OBSERVE_ECHO_MAX) };
	if (fd < 0)
		return;
	echo->never_waits =
		!fstat(fd, &st) && (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && !isatty(fd)));
	if (!in_actions)
		return;
	if (bl_str_random(echo->token, TOKEN_LENGTH, &no_random)) {
		echo->fd = -1; /* an unguarded echo would let the output give commands */
		return;
	}
	bl_buf_addf(&echo->pending, "::stop-commands::%s\n", echo->token);
}

/* True when a write of up to PIPE_BUF bytes will not wait: pipe(7) and poll(2). */
static bool is_ready(const struct observe_echo *echo, int wait_ms)
{
	struct pollfd to = { .fd = echo->fd, .events = POLLOUT };

	return echo->never_waits ||
	       (poll(&to, 1, wait_ms) == 1 && to.revents & (POLLOUT | POLLERR));
}

static bool write_some(struct observe_echo *echo, int wait_ms)
{
	size_t len = echo->pending.len - echo->sent;
	ssize_t n;

	if (!echo->never_waits && len > PIPE_BUF)
		len = PIPE_BUF;
	if (!is_ready(echo, wait_ms))
		return false;
	n = write(echo->fd, echo->pending.data + echo->sent, len);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n < 0) { /* the reader is gone */
		echo->fd = -1;
		return false;
	}
	echo->sent += (size_t)n;
	if (echo->sent == echo->pending.len) {
		bl_buf_reset(&echo->pending);
		echo->sent = 0;
	}
	return true;
}

bool observe_echo_flush(struct observe_echo *echo)
{
	for (int i = 0; i < WRITES_PER_FLUSH && echo->fd >= 0 && echo->pending.len; i++)
		if (!write_some(echo, 0))
			break;
	return echo->fd >= 0 && echo->pending.len;
}

void observe_echo_add(struct observe_echo *echo, const char *bytes, size_t len)
{
	size_t room;

	if (echo->fd < 0 || !len)
		return;
	while (len) {
		bl_buf_drop(&echo->pending, echo->sent);
		echo->sent = 0;
		/* room for the line that says what was dropped, and for the token */
		room = echo->pending.max - echo->pending.len;
		room = room > 256 ? room - 256 : 0;
		if (echo->dropped && room) {
			bl_buf_addf(&echo->pending, "%s[branchline: %" PRIu64 " bytes not shown]\n",
			            echo->at_line_start ? "" : "\n", echo->dropped);
			echo->dropped = 0;
			room = room > 256 ? room - 256 : 0;
		}
		size_t part = len < room ? len : room;
		bl_buf_add(&echo->pending, bytes, part);
		if (echo->pending.failed) { /* no memory: as if its reader were slow */
			bl_buf_reset(&echo->pending);
			echo->sent = 0;
			part = 0;
		}
		if (part)
			echo->at_line_start = bytes[part - 1] == '\n';
		bytes += part;
		len -= part;
		observe_echo_flush(echo);
		if (echo->fd < 0)
			return;
		if (!part) {
			echo->dropped += len;
			return;
		}
	}
}

void observe_echo_end(struct observe_echo *echo, int64_t wait_ms)
{
	int64_t deadline = bl_mono_ms() + wait_ms, now;

	if (echo->fd >= 0 && echo->dropped)
		bl_buf_addf(&echo->pending, "%s[branchline: %" PRIu64 " bytes not shown]\n",
		            echo->at_line_start ? "" : "\n", echo->dropped);
	else if (echo->fd >= 0 && echo->token[0] && !echo->at_line_start)
		bl_buf_addc(&echo->pending, '\n');
	if (echo->fd >= 0 && echo->token[0])
		bl_buf_addf(&echo->pending, "::%s::\n", echo->token);
	while (echo->fd >= 0 && echo->pending.len && (now = bl_mono_ms()) < deadline)
		if (!write_some(echo, (int)(deadline - now)))
			break;
	bl_buf_done(&echo->pending);
}
