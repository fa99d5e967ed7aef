/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct bl_sha256 {
	EVP_MD_CTX *context;
};

int bl_sha256_new(struct bl_sha256 **out, struct bl_err *err)
{
	struct bl_sha256 *sha = calloc(1, sizeof(*sha));

	/* a configuration file could name code to load */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (sha)
		sha->context = EVP_MD_CTX_new();
	/* SHA-256 is built in, so all that it can lack is memory */
	if (!sha || !sha->context || EVP_DigestInit_ex(sha->context, EVP_sha256(), NULL) != 1) {
		bl_sha256_free(sha);
		return bl_fail(err, BL_ENOMEM, "SHA-256: out of memory");
	}
	*out = sha;
	return 0;
}

int bl_sha256_add(struct bl_sha256 *sha, const void *bytes, size_t len, struct bl_err *err)
{
	if (EVP_DigestUpdate(sha->context, bytes, len) != 1)
		return bl_fail(err, BL_EBUG, "SHA-256: refused to go on");
	return 0;
}

int bl_sha256_hex(struct bl_sha256 *sha, char hex[BL_SHA256_HEX], struct bl_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (EVP_DigestFinal_ex(sha->context, raw, &len) != 1 || len != BL_SHA256_HEX / 2)
		return bl_fail(err, BL_EBUG, "SHA-256: refused to end");
	for (unsigned int i = 0; i < len; i++) {
		hex[2 * i] = digits[raw[i] >> 4];
		hex[2 * i + 1] = digits[raw[i] & 15];
	}
	hex[BL_SHA256_HEX - 1] = '\0';
	return 0;
}

void bl_sha256_free(struct bl_sha256 *sha)
{
	if (!sha)
		return;
	EVP_MD_CTX_free(sha->context);
	free(sha);
}

int bl_sha256_of(const void *bytes, size_t len, char hex[BL_SHA256_HEX], struct bl_err *err)
{
	struct bl_sha256 *sha;
	int rc;

	if (bl_sha256_new(&sha, err))
		return -1;
	rc = bl_sha256_add(sha, bytes, len, err) || bl_sha256_hex(sha, hex, err) ? -1 : 0;
	bl_sha256_free(sha);
	return rc;
}
