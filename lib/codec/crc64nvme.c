/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/crc64nvme.h"

#include "codec/hash.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/*
 * Polynomials over GF(2) modulo P, reflected: bit 63 of a word is the coefficient of x^0, so
 * bit 62 is x and a shift to the right multiplies by x.
 */
#define P_REFLECTED 0x9a6c9329ac4bc9b5
#define ONE (1ULL << 63)
#define X (1ULL << 62)

static uint64_t times_x(uint64_t a)
{
	return (a >> 1) ^ (a & 1 ? P_REFLECTED : 0);
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product = 0;

	for (; a; a <<= 1, b = times_x(b))
		if (a & ONE)
			product ^= b;
	return product;
}

static uint64_t x_to_the(uint64_t n)
{
	uint64_t power = ONE, square = X;

	for (; n; n >>= 1, square = times(square, square))
		if (n & 1)
			power = times(power, square);
	return power;
}

/* table[k][b]: the byte b, followed by k zero bytes, modulo P. */
static uint64_t table[8][256];

#if defined(__x86_64__)
#define LANES 8
static struct {
	uint64_t near[2], far[2]; /* multipliers that move a lane by one lane, and by LANES */
	uint64_t wide[2];         /* by 2 * LANES */
	bool usable, is_wide;
} fold;
#endif

static void set_up(void)
{
	for (unsigned b = 0; b < 256; b++) {
		uint64_t a = b;

		for (int bit = 0; bit < 8; bit++)
			a = times_x(a);
		table[0][b] = a;
	}
	for (unsigned b = 0; b < 256; b++)
		for (int k = 1; k < 8; k++)
			table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
#if defined(__x86_64__)
	/* a carry-less product of reflected words comes out times x: hence one less */
	fold.near[0] = x_to_the(128 + 64 - 1);
	fold.near[1] = x_to_the(128 - 1);
	fold.far[0] = x_to_the(128 * LANES + 64 - 1);
	fold.far[1] = x_to_the(128 * LANES - 1);
	fold.wide[0] = x_to_the(128 * 2 * LANES + 64 - 1);
	fold.wide[1] = x_to_the(128 * 2 * LANES - 1);
	fold.usable = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
	fold.is_wide = fold.usable && __builtin_cpu_supports("avx2") &&
	               __builtin_cpu_supports("vpclmulqdq");
#endif
}

static void set_up_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
}

static uint64_t little_endian(const unsigned char *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* Feeds bytes to a bare remainder: neither start nor end is inverted. */
static uint64_t by_table(uint64_t rest, const unsigned char *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		rest ^= little_endian(p);
		rest = table[7][rest & 0xff] ^ table[6][rest >> 8 & 0xff] ^
		       table[5][rest >> 16 & 0xff] ^ table[4][rest >> 24 & 0xff] ^
		       table[3][rest >> 32 & 0xff] ^ table[2][rest >> 40 & 0xff] ^
		       table[1][rest >> 48 & 0xff] ^ table[0][rest >> 56];
	}
	for (; len; p++, len--)
		rest = (rest >> 8) ^ table[0][(rest ^ *p) & 0xff];
	return rest;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))

static inline CLMUL __m128i load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

/* Moves a lane forward: its first half by by[0], its second, 64 bits nearer, by by[1]. */
static inline CLMUL __m128i moved(__m128i lane, __m128i by)
{
	return _mm_xor_si128(_mm_clmulepi64_si128(lane, by, 0x00),
	                     _mm_clmulepi64_si128(lane, by, 0x11));
}

/* len: at least one block of LANES lanes. What is left over goes to the table. */
static CLMUL uint64_t by_folding(uint64_t rest, const unsigned char *p, size_t len)
{
	const __m128i far = load(fold.far), near = load(fold.near);
	__m128i lanes[LANES];
	unsigned char last[16];

#pragma GCC unroll 8
	for (int i = 0; i < LANES; i++)
		lanes[i] = load(p + 16 * i);
	lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, (long long)rest));
	for (p += sizeof(lanes), len -= sizeof(lanes); len >= sizeof(lanes);
	     p += sizeof(lanes), len -= sizeof(lanes)) {
#pragma GCC unroll 8
		for (int i = 0; i < LANES; i++)
			lanes[i] = _mm_xor_si128(moved(lanes[i], far), load(p + 16 * i));
	}
#pragma GCC unroll 8
	for (int i = 1; i < LANES; i++)
		lanes[i] = _mm_xor_si128(moved(lanes[i - 1], near), lanes[i]);
	/* the one lane left is congruent to all before it, so its remainder is theirs */
	_mm_storeu_si128((__m128i *)last, lanes[LANES - 1]);
	return by_table(by_table(0, last, sizeof(last)), p, len);
}

#define WIDE __attribute__((target("avx2,vpclmulqdq,pclmul,sse4.1")))
#define WIDE_BYTES ((size_t)32 * LANES)

static inline WIDE __m256i load_two(const unsigned char *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* The same with two lanes in each register. len: at least WIDE_BYTES. */
static WIDE uint64_t by_wide_folding(uint64_t rest, const unsigned char *p, size_t len)
{
	const __m256i by = _mm256_broadcastsi128_si256(load(fold.wide));
	unsigned char last[WIDE_BYTES];
	__m256i lanes[LANES];

#pragma GCC unroll 8
	for (int i = 0; i < LANES; i++)
		lanes[i] = load_two(p + 32 * i);
	lanes[0] = _mm256_xor_si256(lanes[0], _mm256_set_epi64x(0, 0, 0, (long long)rest));
	for (p += WIDE_BYTES, len -= WIDE_BYTES; len >= WIDE_BYTES;
	     p += WIDE_BYTES, len -= WIDE_BYTES) {
#pragma GCC unroll 8
		for (int i = 0; i < LANES; i++) {
			__m256i near_half = _mm256_clmulepi64_epi128(lanes[i], by, 0x11);
			__m256i far_half = _mm256_clmulepi64_epi128(lanes[i], by, 0x00);

			lanes[i] = _mm256_xor_si256(_mm256_xor_si256(far_half, near_half),
			                            load_two(p + 32 * i));
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < LANES; i++)
		_mm256_storeu_si256((__m256i *)(last + 32 * i), lanes[i]);
	/* congruent to all before them */
	rest = by_folding(0, last, sizeof(last));
	return len >= 16 * LANES ? by_folding(rest, p, len) : by_table(rest, p, len);
}
#endif

uint64_t bl_crc64nvme_portable(uint64_t crc, const void *bytes, size_t len)
{
	set_up_once();
	return ~by_table(~crc, bytes, len);
}

uint64_t bl_crc64nvme(uint64_t crc, const void *bytes, size_t len)
{
	set_up_once();
#if defined(__x86_64__)
	if (fold.is_wide && len >= WIDE_BYTES)
		return ~by_wide_folding(~crc, bytes, len);
	if (fold.usable && len >= 16 * LANES)
		return ~by_folding(~crc, bytes, len);
#endif
	return ~by_table(~crc, bytes, len);
}

uint64_t bl_crc64nvme_join(uint64_t a, uint64_t b, uint64_t b_len)
{
	/* x^8 to the power of b_len: 8 * b_len may not fit */
	uint64_t power = ONE, square = x_to_the(8);

	for (; b_len; b_len >>= 1, square = times(square, square))
		if (b_len & 1)
			power = times(power, square);
	return times(a, power) ^ b;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void bl_crc64nvme_text(uint64_t crc, char text[BL_CRC64_TEXT])
{
	for (int i = 0; i < 10; i++)
		text[i] = digits[crc >> (58 - 6 * i) & 63];
	text[10] = digits[crc << 2 & 63];
	text[11] = '=';
	text[12] = '\0';
}

int bl_crc64nvme_parse(const char *text, uint64_t *out, struct bl_err *err)
{
	char again[BL_CRC64_TEXT];
	uint64_t crc = 0;

	for (int i = 0; i < 11; i++) {
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			return bl_fail(err, BL_ECORRUPT, "'%.20s' is not a CRC64NVME", text);
		uint64_t six = (uint64_t)(digit - digits);
		crc = i < 10 ? crc << 6 | six : crc << 4 | six >> 2;
	}
	/* one spelling for each value: the padding and its two spare bits too */
	bl_crc64nvme_text(crc, again);
	if (strcmp(again, text) != 0)
		return bl_fail(err, BL_ECORRUPT, "'%.20s' is not a CRC64NVME", text);
	*out = crc;
	return 0;
}
