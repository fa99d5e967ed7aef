/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/ship.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/value.h"
#include "runner/roles.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHIP_FD 3

static int dispatch(struct ship *ship, const struct ship_request *request, struct ship_reply *reply,
                    struct bl_err *err)
{
	switch (request->op) {
	case SHIP_CLAIM:
		return ship_claim(ship, request, reply, err);
	case SHIP_RESTORE:
		return ship_restore(ship, reply, err);
	case SHIP_STARTED:
		return ship_started(ship, request, err);
	case SHIP_SNAPSHOT:
		return ship_snapshot(ship, request, reply, err);
	case SHIP_OUTPUTS:
		return ship_outputs(ship, reply, err);
	case SHIP_END:
		return ship_end(ship, request, reply, err);
	case SHIP_TICK:
		return ship_tick(ship, request, reply, err);
	case SHIP_DRAIN:
		return ship_drain(ship, request, reply, err);
	}
	return bl_fail(err, BL_EBUG, "unknown request %d", request->op);
}

/* Opens the store at the first request, so that a failure has somebody to tell. */
static int serve(struct ship *ship, unsigned attempt, const struct ship_request *request,
                 struct ship_reply *reply, struct bl_err *err)
{
	if (!ship->store && ship_open_store(ship, err))
		return -1;
	if (attempt && !ship->claimed.attempt && ship_adopt(ship, attempt, err))
		return -1;
	/* a tick looks by itself: what it reads of the training it tells in any case */
	if (request->op != SHIP_CLAIM && request->op != SHIP_TICK && ship_check_fence(ship, err))
		return -1;
	if (!ship->fenced && dispatch(ship, request, reply, err) && !ship->fenced)
		return -1;
	/* what failed behind the fence is no failure */
	if (ship->fenced)
		bl_err_clear(err);
	reply->fenced = ship->fenced;
	return 0;
}

int role_ship(int argc, char **argv)
{
	struct ship ship = { 0 };
	struct bl_err err = { 0 };
	uint64_t attempt;

	if (argc != 6 || bl_str_u64(argv[5], 0, BL_ATTEMPTS_MAX, &attempt, &err)) {
		bl_log(BL_LOG_ERROR, "ship is started by host; run branchline local");
		return 2;
	}
	ship.place = (struct ship_place){ argv[2], argv[3], argv[4] };
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		static struct ship_request request;
		static struct ship_reply reply;
		ssize_t n = recv(SHIP_FD, &request, sizeof(request), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(request))
			break; /* host has gone */
		BL_FAILPOINT("ship.request");
		memset(&reply, 0, sizeof(reply));
		reply.op = request.op;
		if (serve(&ship, (unsigned)attempt, &request, &reply, &reply.err) &&
		    !reply.err.code)
			bl_fail(&reply.err, BL_EBUG, "request %d failed without a cause",
			        request.op);
		BL_FAILPOINT("ship.reply");
		if (send(SHIP_FD, &reply, sizeof(reply), MSG_NOSIGNAL) < 0)
			break;
	}
	ship_streams_free(ship.streams);
	bl_snapshots_free(ship.snapshots);
	bl_value_free(ship.run_doc);
	bl_store_close(ship.store);
	return 0;
}
