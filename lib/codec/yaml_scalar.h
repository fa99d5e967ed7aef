/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_YAML_SCALAR_H
#define BL_CODEC_YAML_SCALAR_H

#include "codec/value.h"

/*
 * Gives a plain scalar the type that YAML's core schema (1.2, section 10.3.2) reads in its text;
 * text stays. -1: a number that no int64 or double holds, and *why says so.
 */
BL_MUST int bl_yaml_resolve(struct bl_value *scalar, const char **why);

#endif
