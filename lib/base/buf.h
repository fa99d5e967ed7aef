/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_BUF_H
#define BL_BASE_BUF_H

#include "base/err.h"

#include <stdint.h>

/*
 * Growing bytes with a limit. A failed append latches: later appends do
 * nothing, and one bl_buf_check() at the end tells of all of them.
 *
 *   data  NUL-terminated once anything was added; NULL before. Owned.
 *   len   bytes, the final NUL not counted; 0..max
 *   max   the most that len may become
 */
struct bl_buf {
	char *data;
	size_t len, cap, max;
	enum bl_code failed; /* BL_OK, BL_ENOMEM or BL_ELIMIT */
};

#define BL_BUF(max_bytes) ((struct bl_buf){ .max = (max_bytes) })

void bl_buf_add(struct bl_buf *buf, const void *bytes, size_t len);
void bl_buf_adds(struct bl_buf *buf, const char *text);
void bl_buf_addc(struct bl_buf *buf, char c);
void bl_buf_addf(struct bl_buf *buf, const char *fmt, ...) BL_PRINTF(2);

/* Makes room for len more bytes and returns where they go, NULL when latched; then bl_buf_grew().
 */
BL_MUST char *bl_buf_room(struct bl_buf *buf, size_t len);
void bl_buf_grew(struct bl_buf *buf, size_t len);

/* Drops the first len bytes. */
void bl_buf_drop(struct bl_buf *buf, size_t len);

/* Empties it, keeps the memory, clears the latch. */
void bl_buf_reset(struct bl_buf *buf);

/* 0 when nothing was lost; else -1: BL_ENOMEM, or BL_ELIMIT naming `what` and the limit. */
BL_MUST int bl_buf_check(const struct bl_buf *buf, const char *what, struct bl_err *err);

/* The text, never NULL: "" when nothing was added. Valid until the next change. */
const char *bl_buf_text(const struct bl_buf *buf);

/* Moves the bytes out: the caller frees them. NULL when empty or latched. */
BL_MUST char *bl_buf_take(struct bl_buf *buf);

void bl_buf_done(struct bl_buf *buf);

#endif
