/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_KEYS_H
#define BL_RUN_KEYS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Names and keys of design 4.1 and 4.2. Numbers are padded so that key order is time
 * order: attempts 3 digits, checkpoint sequence 6, stream offsets 16.
 */
#define BL_RUN_SIZE 31 /* "20261124T080301Z-1a2b3c4d-q7xk" and a NUL */
#define BL_RUN_KEY_SIZE 160

/* sha: 40 hex digits, or NULL or "" without git (00000000). */
BL_MUST int bl_run_id_make(int64_t wall_ms, const char *sha, char id[BL_RUN_SIZE],
                           struct bl_err *err);
bool bl_run_id_valid(const char *text);
int64_t bl_run_id_wall_ms(
	const char *id); /* start of the second that the id names; 0 when invalid */

/* "runs/RUN/" + tail by printf. A longer key is cut where every store refuses it as too long. */
struct bl_key {
	char text[1024 + 16];
};
struct bl_key bl_key_run(const char *run, const char *fmt, ...) BL_PRINTF(2);

#define BL_KEY_CLAIM "attempts/%03u.json"
#define BL_KEY_STARTED "attempts/%03u.started.json"
#define BL_KEY_END "attempts/%03u.end.json"
#define BL_KEY_STOP "stop.json"
#define BL_KEY_HEARTBEAT "heartbeats/%03u.json"
#define BL_KEY_MANIFEST "checkpoints/%03u-%06u.manifest.json"
#define BL_KEY_CHECKPOINT "checkpoints/%03u-%06u/%s"
#define BL_KEY_LOG "logs/%03u/%016llu.log"
#define BL_KEY_METRICS "metrics/%03u/%016llu.jsonl"
#define BL_KEY_OUTPUT "outputs/%03u/%s"
#define BL_KEY_OUTPUTS "outputs/%03u.manifest.json"

#define BL_ATTEMPTS_MAX 999u

#endif
