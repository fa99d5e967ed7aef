/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_DIR_H
#define BL_RUN_STORE_DIR_H

#include "run/store.h"

/*
 * bl_store_dir_open - a store in a directory: bl_store_open() calls it.
 *
 * A key is a path below the root, so that a key cannot also be the first parts of another
 * (BL_EINPUT), and a part has at most 255 bytes. Objects are regular files; links are refused when
 * named and left out of lists, as are the temporary files of writes under way.
 */
BL_MUST int bl_store_dir_open(const char *path, enum bl_store_mode mode, struct bl_store **out,
                              struct bl_err *err);

#endif
