/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_CHANNELS_H
#define BL_ACTIONS_CHANNELS_H

#include "run/config.h"
#include "run/data.h"

/*
 * Checks channel i of a configuration where it can be read from this machine (its `local` path
 * before its `uri`); on a terminal the progress is shown on stderr meanwhile.
 *
 *   root     directory of branchline.yaml: relative paths start there
 *   channel  out: what was checked; its texts are the config's
 *
 * BL_EDATA names the first bad record.
 */
BL_MUST int channel_check(const struct bl_config *config, const char *root, size_t i,
                          struct bl_data_channel *channel, struct bl_data_found *found,
                          struct bl_err *err);

/* "data train: 1200 records, 1 file, 3.1 MiB" */
void channel_describe(const char *name, const struct bl_data_found *found, struct bl_buf *out);

#endif
