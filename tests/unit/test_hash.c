/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"

#include "codec/crc64nvme.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sha256_agrees_with_fips_180(void **state)
{
	static const struct {
		const char *text, *hex;
	} table[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	struct bl_err err = { 0 };
	char hex[BL_SHA256_HEX];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		assert_int_equal(bl_sha256_of(table[i].text, strlen(table[i].text), hex, &err), 0);
		assert_string_equal(hex, table[i].hex);
	}
}

static void sha256_takes_pieces(void **state)
{
	struct bl_err err = { 0 };
	struct bl_sha256 *sha = NULL;
	char block[1000], hex[BL_SHA256_HEX];

	(void)state;
	memset(block, 'a', sizeof(block));
	assert_int_equal(bl_sha256_new(&sha, &err), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bl_sha256_add(sha, block, sizeof(block), &err), 0);
	assert_int_equal(bl_sha256_hex(sha, hex, &err), 0);
	bl_sha256_free(sha);
	assert_string_equal(hex,
	                    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	bl_sha256_free(NULL);
}

/* The check value of the CRC catalogue, and those that S3's own library tests with. */
static void crc_agrees_with_published_values(void **state)
{
	unsigned char block[32];

	(void)state;
	assert_true(bl_crc64nvme(0, "123456789", 9) == 0xae8b14860a799888);
	assert_true(bl_crc64nvme(0, "", 0) == 0);
	memset(block, 0, sizeof(block));
	assert_true(bl_crc64nvme(0, block, sizeof(block)) == 0xcf3473434d4ecf3b);
	memset(block, 0xff, sizeof(block));
	assert_true(bl_crc64nvme(0, block, sizeof(block)) == 0xa0a06974c34d63c4);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void fast_and_portable_agree_on_any_length_and_alignment(void **state)
{
	enum { SIZE = 8192 };
	uint64_t seed = 88172645463325252;
	unsigned char *bytes = malloc(SIZE);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)next_random(&seed);
	for (size_t len = 0; len < 600; len++) {
		size_t from = next_random(&seed) % 64;
		uint64_t start = next_random(&seed);

		assert_true(bl_crc64nvme(start, bytes + from, len) ==
		            bl_crc64nvme_portable(start, bytes + from, len));
	}
	for (int i = 0; i < 2000; i++) {
		size_t from = next_random(&seed) % 4096, len = next_random(&seed) % 4096;
		size_t cut = len ? next_random(&seed) % len : 0;
		uint64_t whole = bl_crc64nvme(0, bytes + from, len);
		uint64_t first = bl_crc64nvme(0, bytes + from, cut);

		assert_true(whole == bl_crc64nvme_portable(0, bytes + from, len));
		assert_true(whole == bl_crc64nvme(first, bytes + from + cut, len - cut));
		assert_true(whole ==
		            bl_crc64nvme_join(first, bl_crc64nvme(0, bytes + from + cut, len - cut),
		                              len - cut));
	}
	free(bytes);
}

static void join_counts_far(void **state)
{
	uint64_t zero = bl_crc64nvme(0, "", 1), run = zero;

	(void)state;
	/* the CRC of 2^40 zero bytes by doubling, beside the same by halves of another size */
	for (int i = 0; i < 40; i++)
		run = bl_crc64nvme_join(run, run, 1ULL << i);
	uint64_t one_less = 0, doubled = zero;
	for (int i = 0; i < 40; i++) {
		one_less = bl_crc64nvme_join(one_less, doubled, 1ULL << i);
		doubled = bl_crc64nvme_join(doubled, doubled, 1ULL << i);
	}
	assert_true(bl_crc64nvme_join(one_less, zero, 1) == run);
	assert_true(bl_crc64nvme_join(run, 0, 0) == run);
	assert_true(bl_crc64nvme_join(0, run, 1ULL << 40) == run);
}

static void crc_has_one_text(void **state)
{
	static const char *const bad[] = { "",
		                           "rosUhgp5mIg",
		                           "rosUhgp5mIh=",
		                           "rosUhgp5mIg==",
		                           "rosUhgp5mI==",
		                           "rosUhgp5m-g=",
		                           "rosUhgp5mIg= ",
		                           "rosUhgp5mIgg" };
	struct bl_err err = { 0 };
	char text[BL_CRC64_TEXT];
	uint64_t crc = 7, seed = 88172645463325252;

	(void)state;
	bl_crc64nvme_text(0xae8b14860a799888, text);
	assert_string_equal(text, "rosUhgp5mIg=");
	for (int i = 0; i < 1000; i++) {
		uint64_t value = next_random(&seed);

		bl_crc64nvme_text(value, text);
		assert_int_equal(bl_crc64nvme_parse(text, &crc, &err), 0);
		assert_true(crc == value);
	}
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		crc = 7;
		assert_int_equal(bl_crc64nvme_parse(bad[i], &crc, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_true(crc == 7);
		bl_err_clear(&err);
	}
}

/* RFC 4231, cases 1 to 4, 6 and 7; no key and no bytes as Python's hmac has it. */
static void hmac_agrees_with_rfc_4231(void **state)
{
	static const struct {
		unsigned char key_byte; /* 0: `key` counts */
		size_t key_len;
		const char *key, *text;
		unsigned char byte; /* text NULL: this, n times */
		size_t n;
		const char *hex;
	} table[] = {
		{ 0x0b, 20, NULL, "Hi There", 0, 0,
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ 0, 4, "Jefe", "what do ya want for nothing?", 0, 0,
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ 0xaa, 20, NULL, NULL, 0xdd, 50,
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ 0, 25,
		  "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
		  "\x14\x15\x16\x17\x18\x19",
		  NULL, 0xcd, 50,
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
		{ 0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First", 0, 0,
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ 0xaa, 131, NULL,
		  "This is a test using a larger than block-size key and a larger than block-size "
		  "data. The key needs to be hashed before being used by the HMAC algorithm.",
		  0, 0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
		{ 0, 0, "", "", 0, 0,
		  "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};
	struct bl_err err = { 0 };
	unsigned char key[200], bytes[200], raw[BL_SHA256_BYTES];
	char hex[BL_SHA256_HEX];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const void *from = table[i].text;
		size_t len = table[i].text ? strlen(table[i].text) : table[i].n;

		memset(key, table[i].key_byte, sizeof(key));
		memset(bytes, table[i].byte, sizeof(bytes));
		assert_int_equal(bl_hmac_sha256(table[i].key ? (const void *)table[i].key : key,
		                                table[i].key_len, from ? from : bytes, len, raw,
		                                &err),
		                 0);
		bl_hex(raw, sizeof(raw), hex);
		assert_string_equal(hex, table[i].hex);
	}
}

/* 64 bytes are a key as they are, 65 are hashed first. */
static void a_key_of_one_block_is_not_hashed(void **state)
{
	struct bl_err err = { 0 };
	unsigned char key[65], raw[BL_SHA256_BYTES];
	char hex[BL_SHA256_HEX];

	(void)state;
	memset(key, 'k', sizeof(key));
	assert_int_equal(bl_hmac_sha256(key, 64, "x", 1, raw, &err), 0);
	bl_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex,
	                    "f91c4c403625fb06910ef93999265bbd2d62baeaec6ff36455498cc124fe3e66");
	assert_int_equal(bl_hmac_sha256(key, 65, "x", 1, raw, &err), 0);
	bl_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex,
	                    "75092ca3ee2b307470c227697b42b3e65376aa3bae98fb5a1f7b7536daa9588a");
}

static void raw_and_hex_are_one_hash(void **state)
{
	struct bl_err err = { 0 };
	struct bl_sha256 *sha = NULL;
	unsigned char raw[BL_SHA256_BYTES];
	char hex[BL_SHA256_HEX];

	(void)state;
	assert_int_equal(bl_sha256_new(&sha, &err), 0);
	assert_int_equal(bl_sha256_add(sha, "abc", 3, &err), 0);
	assert_int_equal(bl_sha256_raw(sha, raw, &err), 0);
	bl_sha256_free(sha);
	bl_hex(raw, sizeof(raw), hex);
	assert_string_equal(hex,
	                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	bl_hex("", 0, hex);
	assert_string_equal(hex, "");
}

/* 1,000 bytes are four calls to the kernel. That two are equal does not happen. */
static void random_bytes_fill_all_and_differ(void **state)
{
	static const unsigned char zeros[16];
	struct bl_err err = { 0 };
	unsigned char a[1001] = { 0 }, b[1000] = { 0 };

	(void)state;
	a[1000] = 42;
	assert_int_equal(bl_random(a, 1000, &err), 0);
	assert_int_equal(bl_random(b, 1000, &err), 0);
	assert_memory_not_equal(a, b, 1000);
	assert_memory_not_equal(a + 984, zeros, sizeof(zeros));
	assert_int_equal(a[1000], 42);
	assert_int_equal(bl_random(a, 0, &err), 0);
}

static int hash_something(struct bl_err *err)
{
	struct bl_sha256 *sha = NULL;
	unsigned char raw[BL_SHA256_BYTES];
	char hex[BL_SHA256_HEX];
	int rc = bl_sha256_new(&sha, err);

	if (rc || bl_sha256_add(sha, "abc", 3, err) || bl_sha256_hex(sha, hex, err))
		rc = -1;
	bl_sha256_free(sha);
	if (rc)
		return rc;
	if (bl_sha256_of("abc", 3, hex, err))
		return -1;
	if (bl_sha1_of("abc", 3, hex, err))
		return -1;
	return bl_hmac_sha256("key", 3, "abc", 3, raw, err);
}

static void every_failed_allocation_is_told(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	/* the library's own set-up is done once and not ours to fail */
	assert_int_equal(hash_something(&err), 0);
	each_allocation_fails(hash_something, 100);
}

static void sha1_agrees_with_fips_180(void **state)
{
	struct bl_err err = { 0 };
	char hex[BL_SHA1_HEX];

	(void)state;
	assert_int_equal(bl_sha1_of("abc", 3, hex, &err), 0);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(bl_sha1_of("", 0, hex, &err), 0);
	assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_agrees_with_fips_180),
		cmocka_unit_test(sha256_takes_pieces),
		cmocka_unit_test(hmac_agrees_with_rfc_4231),
		cmocka_unit_test(a_key_of_one_block_is_not_hashed),
		cmocka_unit_test(raw_and_hex_are_one_hash),
		cmocka_unit_test(random_bytes_fill_all_and_differ),
		cmocka_unit_test(crc_agrees_with_published_values),
		cmocka_unit_test(fast_and_portable_agree_on_any_length_and_alignment),
		cmocka_unit_test(join_counts_far),
		cmocka_unit_test(crc_has_one_text),
		cmocka_unit_test(sha1_agrees_with_fips_180),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
