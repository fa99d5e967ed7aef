/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/github_open.h"

#include "base/clock.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define WAITS 64

static int64_t now_ms, waits[WAITS];
static size_t n_waits;

static int64_t mono(void)
{
	return now_ms;
}

static int64_t wall(void)
{
	return 1700000000000 + now_ms;
}

static int wait(struct bl_github *github, int64_t ms, struct bl_err *err)
{
	(void)github;
	(void)err;
	assert_true(ms >= 0 && n_waits < WAITS);
	waits[n_waits++] = ms;
	now_ms += ms;
	return 0;
}

static double shortest(void)
{
	return 0;
}

void github_open(struct github *at, const struct canned_reply *replies, size_t n,
                 int64_t patience_ms)
{
	static const struct bl_clock clock = { mono, wall };
	struct bl_github_options options = {
		.token = "ghs_secret",
		.repository = "o/n",
		.patience_ms = patience_ms,
	};
	struct bl_err err = { 0 };

	now_ms = 1000000;
	n_waits = 0;
	bl_clock_replace(&clock);
	at->server = canned_start(replies, n);
	options.api_url = canned_url(at->server, "/api/");
	must(bl_github_open(&options, &at->client, &err), &err);
	at->client->wait = wait;
	at->client->random = shortest;
}

void github_close(struct github *at)
{
	bl_github_close(at->client);
	canned_stop(at->server);
	bl_clock_replace(NULL);
}

int64_t github_waited(size_t i)
{
	return i < n_waits ? waits[i] : -1;
}

size_t github_waits(void)
{
	return n_waits;
}
