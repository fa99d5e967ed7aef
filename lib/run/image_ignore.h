/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_IGNORE_H
#define BL_RUN_IMAGE_IGNORE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * .branchlineignore, in the form of .gitignore: a pattern a line; '#' comments; '!' takes back; a
 * '/' at the end means directories; a '/' elsewhere ties it to the root; "**" any depth; '\'
 * escapes; blanks at the end do not count. The last that matches decides; what lies in a directory
 * that is left out stays out. Pure.
 */
struct bl_ignore;
BL_MUST int bl_ignore_parse(const char *bytes, size_t len, const char *file, struct bl_ignore **out,
                            struct bl_err *err);
void bl_ignore_free(struct bl_ignore *ignore); /* takes NULL */
/* path from the root, without '/' at the end. ignore NULL: nothing is left out. */
bool bl_ignore_matches(const struct bl_ignore *ignore, const char *path, bool is_dir);

#endif
