/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_YAML_H
#define BL_CODEC_YAML_H

#include "codec/value.h"

/*
 * Reads one YAML document (libyaml, YAML 1.2 core types: true false null ~ numbers
 * text) keeping line and column of every key and value and the text of scalars as written.
 * Refused with file:line:column (BL_EINPUT): duplicate keys, a key that is no scalar, several
 * documents, an unknown tag, nesting over 32, over 10,000 nodes (aliases count as what they copy),
 * text that is not UTF-8 or holds NUL. An empty file is an empty map.
 *
 *   file  name for messages
 */
BL_MUST int bl_yaml_parse(const char *bytes, size_t len, const char *file, struct bl_value **out,
                          struct bl_err *err);

#endif
