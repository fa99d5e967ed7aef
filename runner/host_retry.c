/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "runner/host.h"

/*
 * A store across a network may be out of reach for a while. No attempt ends for that: what failed
 * is asked for again, and the training runs on.
 */
#define FIRST_MS 1000
#define LONGEST_MS 5000
#define BEGIN_WAIT_MS (8 * 60000) /* for the store at the beginning: nothing would be lost */

static bool is_transient(const struct bl_err *err)
{
	return err->code == BL_ERETRY || err->code == BL_ETIMEOUT;
}

/* Until when the request of this state may be repeated, 0: for ever. */
static int64_t patience_ends(const struct host *host)
{
	switch (host->state) {
	case HOST_CLAIMING:
	case HOST_RESTORING:
		return host->bulk_since + BEGIN_WAIT_MS;
	case HOST_FLUSHING:
	case HOST_UPLOADING:
	case HOST_DRAINING:
		return host->flush_until;
	default:
		return 0; /* RUNNING: the training's own time; ENDING: over_at ends it */
	}
}

static bool may_wait(const struct host *host, enum ship_op op)
{
	int64_t ends = patience_ends(host);

	if (host->hurried || (ends && bl_mono_ms() >= ends))
		return false;
	switch (op) {
	case SHIP_CLAIM:
		return host->state == HOST_CLAIMING;
	case SHIP_RESTORE:
		return host->state == HOST_RESTORING;
	case SHIP_STARTED:
		return host->state < HOST_ENDING;
	case SHIP_SNAPSHOT: /* in RUNNING the next one comes anyway */
		return host->state == HOST_FLUSHING && !host->want_final;
	case SHIP_OUTPUTS:
		return host->state == HOST_UPLOADING;
	case SHIP_END:
		return host->state == HOST_ENDING;
	case SHIP_DRAIN:
		return host->state == HOST_DRAINING;
	case SHIP_TICK:
		break; /* the next one comes anyway */
	}
	return false;
}

static int64_t pause_ms(unsigned failures)
{
	return failures > 2 ? LONGEST_MS : FIRST_MS << failures;
}

static void note_failure(struct host *host, enum ship_lane which, const struct bl_err *err)
{
	if (!host->unreachable)
		host_note(host, "warn", "%s; this is tried again until it works", err->text);
	host->unreachable |= 1u << which;
}

static void note_success(struct host *host, enum ship_lane which, const struct ship_reply *reply)
{
	/* a snapshot of nothing new has not asked the store */
	if (!host->unreachable || (reply->op == SHIP_SNAPSHOT && !reply->published.published))
		return;
	host->unreachable &= ~(1u << which);
	if (!host->unreachable)
		host_note(host, "info", "the store can be reached again");
}

bool host_tries_again(struct host *host, enum ship_lane which, const struct ship_reply *reply)
{
	int64_t *at = which == SHIP_BULK ? &host->bulk_again_at : &host->control_again_at;

	if (!is_transient(&reply->err)) {
		if (!reply->err.code)
			note_success(host, which, reply);
		host->failures[which] = 0;
		return false;
	}
	note_failure(host, which, &reply->err);
	if (reply->op == SHIP_SNAPSHOT && reply->published.published)
		return false; /* only the pruning is left to do */
	if (!may_wait(host, reply->op))
		return false;
	*at = bl_mono_ms() + pause_ms(host->failures[which]++);
	return true;
}

void host_try_again(struct host *host, int64_t now)
{
	struct bl_err err = { 0 };

	if (host->bulk_again_at && now >= host->bulk_again_at) {
		struct ship_request again = host->bulk.request;

		host->bulk_again_at = 0;
		if (lane_send(&host->bulk, &again, &err))
			host_lane_lost(host, SHIP_BULK, &err);
	}
	if (host->control_again_at && now >= host->control_again_at) {
		host->control_again_at = 0;
		host_send_control(host, SHIP_DRAIN);
	}
}
