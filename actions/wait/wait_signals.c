/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/wait/wait_parts.h"
#include "base/clock.h"
#include "base/fs.h"
#include "net/http.h"
#include "run/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 5000 /* for what was bought a moment ago: within the 7.5 s that there are */

/* GitHub sends SIGINT, SIGTERM 7.5 s later, and 2.5 s after that ends all there is. */
static volatile sig_atomic_t count;
static volatile int first, second, hung_up, buy_no_more;
static int wake[2] = { -1, -1 };
static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
static struct sigaction before[BL_COUNT(signals)];

static void on_signal(int signum)
{
	int errnum = errno;

	hung_up = signum == SIGHUP;
	count = count + 1;
	if (first)
		second = 1;
	first = buy_no_more = 1;
	if (write(wake[1], "", 1) < 0)
		errno = errnum; /* full: then it wakes already */
	errno = errnum;
}

void wait_signals_open(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	count = 0;
	first = second = hung_up = buy_no_more = 0;
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK))
		wake[0] = wake[1] = -1; /* poll(2) is interrupted nearly always */
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < BL_COUNT(signals); i++)
		sigaction(signals[i], &action, &before[i]);
	bl_http_stop_when(&first);
}

void wait_signals_done(void)
{
	bl_http_stop_when(NULL);
	for (size_t i = 0; i < BL_COUNT(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	bl_fd_done(&wake[0]);
	bl_fd_done(&wake[1]);
}

int wait_signals(void)
{
	return count;
}

bool wait_hung_up(void)
{
	return hung_up;
}

const volatile int *wait_buys_until(void)
{
	return &buy_no_more;
}

void wait_buy_no_more(void)
{
	buy_no_more = 1;
}

void wait_signals_taken(void)
{
	bl_http_stop_when(&second);
}

#ifdef BL_TESTING
/* The waiter's own time runs so many times faster: hours are waited for in seconds. */
static int64_t speed(void)
{
	const char *text = getenv("BRANCHLINE_TEST_WAIT_SPEED");
	long n = text ? strtol(text, NULL, 10) : 1;

	return n < 1 ? 1 : n;
}
#else
static int64_t speed(void)
{
	return 1;
}
#endif

int64_t wait_mono_ms(void)
{
	return bl_mono_ms() * speed();
}

int wait_scaled(int ms)
{
	return (int)(ms / speed());
}

static void sleep_ms(int64_t ms)
{
	struct pollfd woken = { .fd = wake[0], .events = POLLIN };
	int64_t left = ms / speed();

	poll(&woken, 1, left < 1 ? 1 : (int)left);
}

static void (*pause_by)(int64_t ms) = sleep_ms;

void wait_pause(int64_t ms)
{
	pause_by(ms);
}

void wait_pause_by(void (*pause)(int64_t ms))
{
	pause_by = pause ? pause : sleep_ms;
}

static int end_boxes(struct waiting *waiting, struct bl_err *err)
{
	struct bl_end_scope scope = { .run = waiting->run.id,
		                      .repository = "",
		                      .job = "",
		                      .instance = waiting->started.instance,
		                      .look_ms = wait_scaled(LOOK_MS) };
	struct bl_ended_boxes boxes;

	return bl_compute_end(waiting->cloud->compute, &scope, &boxes, err);
}

int wait_cancel(struct waiting *waiting, struct wait_ended *out, struct bl_err *err)
{
	const char *actor = getenv("GITHUB_ACTOR"), *user = getenv("USER");
	const char *by = actor ? actor : user ? user : "";
	const char *why =
		getenv("GITHUB_ACTIONS") ? "the workflow was cancelled" : "cancelled by a signal";
	struct bl_err store_err = { 0 };

	wait_signals_taken();
	/* the box first: whatever else fails now costs no money */
	if (end_boxes(waiting, err))
		bl_log_err(BL_LOG_WARN, err);
	wait_say(waiting, BL_LOG_INFO, err->code ? "cancelling" : "its machine was ended");
	if (second)
		return err->code ? bl_recode(err, BL_ECANCELLED)
		                 : bl_fail(err, BL_ECANCELLED, "cancelled by two signals");
	if (bl_cancel_run(waiting->cloud->store, &waiting->run, by, why, &out->outcome,
	                  &store_err)) {
		bl_log_err(BL_LOG_WARN, &store_err);
		out->outcome.result = (struct bl_result){ .status = BL_STATUS_CANCELLED,
			                                  .class = BL_CLASS_CANCELLED };
	}
	wait_show_cancelled(waiting, why);
	out->state = WAIT_CANCELLED;
	if (!err->code)
		return 0;
	bl_recode(err, BL_ECANCELLED);
	return bl_next(err, "its machine may still run: `branchline cancel %s`", waiting->run.id);
}
