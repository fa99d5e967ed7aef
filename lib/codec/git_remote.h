/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_GIT_REMOTE_H
#define BL_CODEC_GIT_REMOTE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * The address without what lets one in: of http(s) the whole "user:token@", of other schemes the
 * password. "git@host:path" has none and stays.
 */
void bl_remote_add_clean(struct bl_buf *out, const char *url);

/*
 * Appends "host/owner/name" of a remote, the host in lower case, without scheme, user, port,
 * ".git" and slashes around. False, and nothing appended, when it has no host: a path, file://, or
 * nothing.
 */
bool bl_remote_add_name(struct bl_buf *out, const char *url);

#endif
