/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUNNER_RECORD_H
#define BL_RUNNER_RECORD_H

#include "base/buf.h"

/*
 * exit.json and verdict.json: written when all is over, also on a disk that the training has
 * filled. A file kept from the start makes room for them, another one for the end of the log.
 *
 *   dir  output/branchline
 */
void record_keep_room(int dir);
void record_free_room(int dir);
void record_free_log_room(int dir);

/* As bl_fs_replace(). BL_ENOSPC: not even the room that was kept did. */
BL_MUST int record_replace(int dir, const char *name, const struct bl_buf *text,
                           struct bl_err *err);

#endif
