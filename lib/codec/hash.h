/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_HASH_H
#define BL_CODEC_HASH_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BL_SHA256_HEX 65 /* 64 lower-case digits and a NUL */

/* SHA-256 by libcrypto. BL_ENOMEM or BL_EBUG when the library refuses. */
struct bl_sha256;
BL_MUST int bl_sha256_new(struct bl_sha256 **out, struct bl_err *err);
BL_MUST int bl_sha256_add(struct bl_sha256 *sha, const void *bytes, size_t len, struct bl_err *err);
BL_MUST int bl_sha256_hex(struct bl_sha256 *sha, char hex[BL_SHA256_HEX], struct bl_err *err);
void bl_sha256_free(struct bl_sha256 *sha);
BL_MUST int bl_sha256_of(const void *bytes, size_t len, char hex[BL_SHA256_HEX],
                         struct bl_err *err);

/* SHA-1, for names only that others made with it: the AWS CLI's cache of SSO tokens. */
#define BL_SHA1_HEX 41
BL_MUST int bl_sha1_of(const void *bytes, size_t len, char hex[BL_SHA1_HEX], struct bl_err *err);

/* The 32 bytes themselves, for signatures and for x-amz-checksum-sha256. */
#define BL_SHA256_BYTES 32
BL_MUST int bl_sha256_raw(struct bl_sha256 *sha, unsigned char raw[BL_SHA256_BYTES],
                          struct bl_err *err);
/* HMAC-SHA256 of one piece; key and piece of any length. */
BL_MUST int bl_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                           unsigned char raw[BL_SHA256_BYTES], struct bl_err *err);
void bl_hex(const void *bytes, size_t len, char *hex); /* 2*len lower-case digits and a NUL */

/* Random bytes from the kernel. BL_EIO when it has none. */
BL_MUST int bl_random(void *bytes, size_t len, struct bl_err *err);

/*
 * CRC-64/NVME as S3 computes it (polynomial 0xad93d23594c93659 reflected, init and xorout all
 * ones). Start with 0, feed pieces in order. Carry-less multiplication where the CPU has it.
 */
uint64_t bl_crc64nvme(uint64_t crc, const void *bytes, size_t len);
/* CRC of A followed by B, from both CRCs and the length of B. */
uint64_t bl_crc64nvme_join(uint64_t a, uint64_t b, uint64_t b_len);
#define BL_CRC64_TEXT                                                                              \
	13 /* base64 of the 8 bytes big-endian, as in x-amz-checksum-crc64nvme, and a NUL */
void bl_crc64nvme_text(uint64_t crc, char text[BL_CRC64_TEXT]);
BL_MUST int bl_crc64nvme_parse(const char *text, uint64_t *out, struct bl_err *err);

#endif
