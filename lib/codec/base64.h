/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_BASE64_H
#define BL_CODEC_BASE64_H

#include "base/buf.h"

/* RFC 4648, section 4, with padding. */
void bl_base64_add(struct bl_buf *buf, const void *bytes, size_t len);
/* Appends the bytes. BL_EINPUT for anything that is not the exact encoding. */
BL_MUST int bl_base64_decode(const char *text, size_t len, struct bl_buf *out, struct bl_err *err);
/* Section 5 ("base64url"), padding optional: what JSON Web Tokens are made of. */
BL_MUST int bl_base64url_decode(const char *text, size_t len, struct bl_buf *out,
                                struct bl_err *err);

#endif
