/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_LANE_H
#define BL_RUNNER_LANE_H

#include "base/proc.h"
#include "runner/ship.h"

/*
 * host's end of one ship: one request under way at a time, never waited for.
 * A ship that dies is started again, a few times, and its request is sent again.
 */
#define LANE_RESTARTS_MAX 3

struct lane {
	enum ship_lane which;
	struct ship_place place;
	struct bl_child child; /* pid 0: none */
	int sock;
	bool busy;
	unsigned attempt; /* told to a restarted ship: it adopts this claim */
	unsigned restarts;
	struct ship_request request; /* under way */
};

/* attempt: the claim to adopt; 0: none yet. */
BL_MUST int lane_open(struct lane *lane, enum ship_lane which, const struct ship_place *place,
                      unsigned attempt, struct bl_err *err);

/* The lane must be idle. A ship that cannot take it now gets it when it is restarted. */
BL_MUST int lane_send(struct lane *lane, const struct ship_request *request, struct bl_err *err);

/*
 * The socket is readable or the ship has ended. got false: nothing yet, or it was restarted. On
 * -1 the lane is beyond repair.
 */
BL_MUST int lane_receive(struct lane *lane, struct ship_reply *reply, bool *got,
                         struct bl_err *err);

/* Gives up what is under way: another ship, idle. */
BL_MUST int lane_replace(struct lane *lane, struct bl_err *err);

void lane_close(struct lane *lane);

#endif
