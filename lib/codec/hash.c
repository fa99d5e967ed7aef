/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 64  /* of SHA-256, and so of its HMAC's keys */
#define ENTROPY_MAX 256 /* of one getentropy() */

struct bl_sha256 {
	EVP_MD_CTX *context;
};

/*
 * The algorithm is looked up once: libcrypto's own look-up costs more than hashing a kilobyte.
 * Kept for the life of the process. NULL: out of memory, since SHA-256 itself is built in.
 */
static const EVP_MD *sha256(void)
{
	static _Atomic(EVP_MD *) kept;
	EVP_MD *got = atomic_load_explicit(&kept, memory_order_acquire), *none = NULL;

	if (got)
		return got;
	/* a configuration file could name code to load */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	got = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!got || atomic_compare_exchange_strong(&kept, &none, got))
		return got;
	EVP_MD_free(got); /* another thread was first */
	return none;
}

static int no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "SHA-256: out of memory");
}

static EVP_MD_CTX *begin(void)
{
	const EVP_MD *algorithm = sha256();
	EVP_MD_CTX *context = algorithm ? EVP_MD_CTX_new() : NULL;

	if (!context || EVP_DigestInit_ex(context, algorithm, NULL) == 1)
		return context;
	EVP_MD_CTX_free(context);
	return NULL;
}

static int end(EVP_MD_CTX *context, unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	if (EVP_DigestFinal_ex(context, raw, NULL) != 1)
		return bl_fail(err, BL_EBUG, "SHA-256: refused to end");
	return 0;
}

int bl_sha256_new(struct bl_sha256 **out, struct bl_err *err)
{
	struct bl_sha256 *sha = calloc(1, sizeof(*sha));

	if (sha)
		sha->context = begin();
	if (!sha || !sha->context) {
		bl_sha256_free(sha);
		return no_memory(err);
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

int bl_sha256_raw(struct bl_sha256 *sha, unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	return end(sha->context, raw, err);
}

int bl_sha256_hex(struct bl_sha256 *sha, char hex[BL_SHA256_HEX], struct bl_err *err)
{
	unsigned char raw[BL_SHA256_BYTES];

	if (end(sha->context, raw, err))
		return -1;
	bl_hex(raw, sizeof(raw), hex);
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
	struct bl_sha256 sha = { .context = begin() };
	int rc;

	if (!sha.context)
		return no_memory(err);
	rc = bl_sha256_add(&sha, bytes, len, err) || bl_sha256_hex(&sha, hex, err) ? -1 : 0;
	EVP_MD_CTX_free(sha.context);
	return rc;
}

int bl_sha1_of(const void *bytes, size_t len, char hex[BL_SHA1_HEX], struct bl_err *err)
{
	unsigned char raw[(BL_SHA1_HEX - 1) / 2];

	if (EVP_Digest(bytes, len, raw, NULL, EVP_sha1(), NULL) != 1)
		return no_memory(err);
	bl_hex(raw, sizeof(raw), hex);
	return 0;
}

/* Begins anew in the same context, which is cheaper than another one. */
static int again(EVP_MD_CTX *context, struct bl_err *err)
{
	return EVP_DigestInit_ex(context, NULL, NULL) == 1 ? 0 : no_memory(err);
}

static int two_pieces(EVP_MD_CTX *context, const unsigned char pad[BLOCK_BYTES], const void *bytes,
                      size_t len, unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	if (EVP_DigestUpdate(context, pad, BLOCK_BYTES) != 1 ||
	    EVP_DigestUpdate(context, bytes, len) != 1)
		return bl_fail(err, BL_EBUG, "HMAC-SHA-256: refused to go on");
	return end(context, raw, err);
}

/* pad: the key, filled up with zeros. */
static int hmac_with(EVP_MD_CTX *context, unsigned char pad[BLOCK_BYTES], const void *bytes,
                     size_t len, unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	unsigned char inner[BL_SHA256_BYTES];

	for (size_t i = 0; i < BLOCK_BYTES; i++)
		pad[i] ^= 0x36;
	if (two_pieces(context, pad, bytes, len, inner, err) || again(context, err))
		return -1;
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	return two_pieces(context, pad, inner, sizeof(inner), raw, err);
}

static int long_key(EVP_MD_CTX *context, const void *key, size_t key_len, unsigned char *pad,
                    struct bl_err *err)
{
	if (EVP_DigestUpdate(context, key, key_len) != 1)
		return bl_fail(err, BL_EBUG, "HMAC-SHA-256: refused the key");
	return end(context, pad, err) || again(context, err) ? -1 : 0;
}

int bl_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                   unsigned char raw[BL_SHA256_BYTES], struct bl_err *err)
{
	unsigned char pad[BLOCK_BYTES] = { 0 };
	EVP_MD_CTX *context = begin();
	int rc = 0;

	if (!context)
		return no_memory(err);
	if (key_len > sizeof(pad))
		rc = long_key(context, key, key_len, pad, err);
	else if (key_len)
		memcpy(pad, key, key_len);
	if (!rc)
		rc = hmac_with(context, pad, bytes, len, raw, err);
	bl_wipe(pad, sizeof(pad));
	EVP_MD_CTX_free(context); /* wipes its own state */
	return rc;
}

void bl_hex(const void *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;

	for (size_t i = 0; i < len; i++) {
		*hex++ = digits[from[i] >> 4];
		*hex++ = digits[from[i] & 15];
	}
	*hex = '\0';
}

int bl_random(void *bytes, size_t len, struct bl_err *err)
{
	unsigned char *to = bytes;

	while (len) {
		size_t n = len < ENTROPY_MAX ? len : ENTROPY_MAX;

		if (getentropy(to, n))
			return bl_fail_errno(err, errno, "random bytes");
		to += n;
		len -= n;
	}
	return 0;
}
