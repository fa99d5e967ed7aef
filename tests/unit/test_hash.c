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

static int hash_something(struct bl_err *err)
{
	struct bl_sha256 *sha = NULL;
	char hex[BL_SHA256_HEX];
	int rc = bl_sha256_new(&sha, err);

	if (rc || bl_sha256_add(sha, "abc", 3, err) || bl_sha256_hex(sha, hex, err))
		rc = -1;
	bl_sha256_free(sha);
	if (rc)
		return rc;
	return bl_sha256_of("abc", 3, hex, err);
}

static void every_failed_allocation_is_told(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	/* the library's own set-up is done once and not ours to fail */
	assert_int_equal(hash_something(&err), 0);
	each_allocation_fails(hash_something, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_agrees_with_fips_180),
		cmocka_unit_test(sha256_takes_pieces),
		cmocka_unit_test(crc_agrees_with_published_values),
		cmocka_unit_test(fast_and_portable_agree_on_any_length_and_alignment),
		cmocka_unit_test(join_counts_far),
		cmocka_unit_test(crc_has_one_text),
		cmocka_unit_test(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
