/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_SECRET_H
#define BL_BASE_SECRET_H

#include "base/buf.h"

/*
 * Text that must not be seen: a key, a token. A type of its own, so that nothing prints it by
 * accident; its bytes are wiped when it goes. Not for growing: set it as a whole.
 */
struct bl_secret {
	char *text; /* NUL-terminated, owned; NULL: none */
	size_t len;
};

/*
 * Replaces what was there, which is wiped; bytes may lie in it. No bytes: none. BL_ENOMEM;
 * BL_EINPUT for bytes with a NUL in them.
 */
BL_MUST int bl_secret_set(struct bl_secret *secret, const char *bytes, size_t len,
                          struct bl_err *err);
BL_MUST int bl_secret_copy(struct bl_secret *to, const struct bl_secret *from, struct bl_err *err);
const char *bl_secret_text(const struct bl_secret *secret); /* "" when none */
void bl_secret_done(struct bl_secret *secret);

/* Overwrites bytes in a way that the compiler keeps. */
void bl_wipe(void *bytes, size_t len);
/*
 * bl_buf_done() for a buffer that held a secret: wiped first. Growing leaves old copies behind, so
 * make room for all of it before the first byte: bl_buf_room().
 */
void bl_buf_wipe(struct bl_buf *buf);
#define BL_SECRET_BUF __attribute__((cleanup(bl_buf_wipe))) struct bl_buf

#endif
