/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "codec/oci.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "sha256:"

bool bl_digest_valid(const char *text)
{
	size_t len = strlen(PREFIX);

	return !strncmp(text, PREFIX, len) && strlen(text) == BL_DIGEST_SIZE - 1 &&
	       strspn(text + len, "0123456789abcdef") == BL_DIGEST_SIZE - 1 - len;
}

int bl_digest_end(struct bl_sha256 *sha, char digest[BL_DIGEST_SIZE], struct bl_err *err)
{
	char hex[BL_SHA256_HEX];

	if (bl_sha256_hex(sha, hex, err))
		return -1;
	snprintf(digest, BL_DIGEST_SIZE, PREFIX "%s", hex);
	return 0;
}

int bl_digest_of(const void *bytes, size_t len, char digest[BL_DIGEST_SIZE], struct bl_err *err)
{
	char hex[BL_SHA256_HEX];

	if (bl_sha256_of(bytes, len, hex, err))
		return -1;
	snprintf(digest, BL_DIGEST_SIZE, PREFIX "%s", hex);
	return 0;
}
