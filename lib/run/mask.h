/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_MASK_H
#define BL_RUN_MASK_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Hides secret values in a stream, also where a value lies across two pieces:
 * each byte of a value, or of its base64 form, becomes '*'. The stream keeps its length.
 * Values under 6 bytes are not hidden: they would blind the log.
 */
struct bl_mask;
BL_MUST int bl_mask_new(struct bl_mask **out, struct bl_err *err);
void bl_mask_free(struct bl_mask *mask); /* wipes; takes NULL */

/* Adds a value, its base64 and percent-encoded forms, and each of its lines when it has several. */
BL_MUST int bl_mask_add(struct bl_mask *mask, const char *value, struct bl_err *err);

/*
 * Bytes that must be held back so that a value which begins in them is seen whole: 0 without
 * values.
 */
size_t bl_mask_overlap(const struct bl_mask *mask);

/* Hides every value that lies whole in bytes[len]. Returns how many were hidden. */
size_t bl_mask_apply(const struct bl_mask *mask, char *bytes, size_t len);

#endif
