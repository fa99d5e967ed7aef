/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPLETE_PARTS_H
#define BL_RUN_COMPLETE_PARTS_H

/* What the table in complete.c asks; nobody else includes it. */

#include "run/complete.h"

/* Rule families, a file each. */
int bl_whole_hf(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err);
int bl_whole_dcp(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err);
int bl_whole_deepspeed(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                       struct bl_err *err);
int bl_whole_zip(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err);
int bl_whole_safetensors(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                         struct bl_err *err);

#endif
