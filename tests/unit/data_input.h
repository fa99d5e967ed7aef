/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_DATA_INPUT_H
#define BL_TESTS_DATA_INPUT_H

#include "run/data.h"

/* The channel `train` at a path below the folder. */
struct bl_data_channel data_channel_at(const char *path);
/* What a check finds, which must succeed. */
struct bl_data_found data_checked(const struct bl_data_channel *channel);
/* The check must fail as data, and say `want`; `next` may be NULL. */
void assert_bad_data(const struct bl_data_channel *channel, const char *want, const char *next);

#endif
