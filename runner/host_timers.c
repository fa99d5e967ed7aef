/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/host.h"

#include <math.h>
#include <string.h>

#define TICK_MS 1000

static void send_snapshot(struct host *host, int64_t now)
{
	struct ship_request request = { .op = SHIP_SNAPSHOT };

	host->snapshot_at = now + HOST_SNAPSHOT_MS;
	if (host->bulk.busy || host->bulk_again_at || host->state != HOST_RUNNING)
		return;
	request.when = (struct bl_snapshot_when){ .step = host->latest.step,
		                                  .primary_value = host_primary_value(host) };
	host_send_bulk(host, &request);
}

void host_timers(struct host *host, int64_t now)
{
	if (host->tick_at && now >= host->tick_at) {
		host->tick_at = now + TICK_MS;
		if (!host->control.busy && host->state != HOST_DRAINING)
			host_send_control(host, SHIP_TICK);
	}
	if (host->snapshot_at && now >= host->snapshot_at)
		send_snapshot(host, now);
	host_try_again(host, now);
	if (host->stop_at && now >= host->stop_at) {
		host->stop_at = 0;
		host_stop(host, "timeout");
	}
	if (host->over_at && now >= host->over_at) {
		host->over_at = 0;
		host_event(host, HEV_OVER);
	}
	if (host->deadline_at && now >= host->deadline_at && host->state < HOST_ENDING) {
		/* D: whatever is still under way ends here */
		host->deadline_at = 0;
		host->state = HOST_ENDING;
		host_act(host, HACT_END);
	}
}
