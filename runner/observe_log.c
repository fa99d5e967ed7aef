/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "runner/observe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void observe_log_init(struct observe_log *log, int fd, uint64_t max_bytes, uint64_t *lost)
{
	*log = (struct observe_log){
		.fd = fd, .max = max_bytes, .lost = lost, .at_line_start = true
	};
}

/* Returns how many bytes were written; fewer than len: errnum says why. */
static size_t put(struct observe_log *log, const char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		int fault = BL_FAULT("observe.log");
		ssize_t n = fault ? -1 : write(log->fd, bytes + done, len - done);

		if (n < 0 && !fault && errno == EINTR)
			continue;
		if (n < 0) {
			log->errnum = fault ? fault : errno;
			break;
		}
		done += (size_t)n;
	}
	log->size += done;
	if (done)
		log->at_line_start = bytes[done - 1] == '\n';
	return done;
}

static void count_unwritten(struct observe_log *log, uint64_t n)
{
	log->unwritten += n;
	*log->lost += n;
}

/* A line of ours, whole or not at all. */
static bool put_mark(struct observe_log *log, const char *fmt, ...) BL_PRINTF(2);
static bool put_mark(struct observe_log *log, const char *fmt, ...)
{
	char mark[320];
	va_list args;
	int n, start = log->at_line_start ? 0 : 1;

	mark[0] = '\n';
	va_start(args, fmt);
	n = vsnprintf(mark + start, sizeof(mark) - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return false;
	size_t len = (size_t)(n + start), done = put(log, mark, len);
	/* half a mark is worse than none */
	if (done && done < len && !ftruncate(log->fd, (off_t)(log->size - done))) {
		log->size -= done;
		log->at_line_start = !start;
	}
	return done == len;
}

static bool say_unwritten(struct observe_log *log)
{
	if (!log->unwritten)
		return true;
	if (!put_mark(log, "[branchline: %" PRIu64 " bytes not written: %s]\n", log->unwritten,
	              strerror(log->errnum)))
		return false;
	log->unwritten = 0;
	return true;
}

void observe_log_add(struct observe_log *log, const char *bytes, size_t len)
{
	uint64_t room = log->max > log->size ? log->max - log->size : 0;
	size_t fits = len < room ? len : (size_t)room, done = 0;

	if (log->fd < 0)
		return;
	if (fits && say_unwritten(log))
		done = put(log, bytes, fits);
	if (done < fits)
		count_unwritten(log, fits - done);
	if (fits == len)
		return;
	log->over += len - fits;
	*log->lost += len - fits;
	if (!log->over_said)
		log->over_said = put_mark(log,
		                          "[branchline: log limit of %" PRIu64
		                          " bytes reached; the rest is counted, not kept]\n",
		                          log->max);
}

void observe_log_dropped(struct observe_log *log, uint64_t n)
{
	if (log->fd < 0 || !n)
		return;
	/* beyond the limit, or on a full disk, exit.json alone counts them */
	if (log->size < log->max && say_unwritten(log))
		(void)put_mark(log, "[branchline: %" PRIu64 " bytes dropped]\n", n);
}

void observe_log_end(struct observe_log *log, const char *tail, size_t len)
{
	uint64_t missing = log->over + log->unwritten;

	if (log->fd < 0 || !missing)
		return;
	/* of the tail only what the log does not have yet */
	if (len > missing) {
		tail += len - missing;
		len = (size_t)missing;
	}
	if (!put_mark(log, "[branchline: %" PRIu64 " bytes not kept%s%s; the last %zu follow]\n",
	              missing - len, log->unwritten ? ": " : "",
	              log->unwritten ? strerror(log->errnum) : "", len))
		return;
	size_t done = put(log, tail, len);
	*log->lost -= done;
}
