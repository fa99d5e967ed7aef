/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jsonl_scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX 27 /* 5^27 is the last power of 5 in 64 bits */

/* clang-format off */
static const uint64_t powers_of_5[EXACT_MAX + 1] = {
	1, 5, 25, 125, 625, 3125, 15625, 78125, 390625, 1953125, 9765625, 48828125, 244140625,
	1220703125, 6103515625, 30517578125, 152587890625, 762939453125, 3814697265625,
	19073486328125, 95367431640625, 476837158203125, 2384185791015625, 11920928955078125,
	59604644775390625, 298023223876953125, 1490116119384765625, 7450580596923828125
};
/* clang-format on */

static double power_of_2(int exponent)
{
	uint64_t bits = (uint64_t)(1023 + exponent) << 52;
	double power;

	memcpy(&power, &bits, sizeof(power));
	return power;
}

/*
 * digits * 10^exponent, rounded once: 10^n is 5^n * 2^n, so an integer of 64 bits holds the leading
 * bits, its lowest bit stands for all that was cut off, and the CPU rounds it to 53.
 *
 *   digits    not 0
 *   exponent  -EXACT_MAX..EXACT_MAX
 */
static double nearest(uint64_t digits, int exponent)
{
	uint64_t by = powers_of_5[exponent < 0 ? -exponent : exponent], lead;
	int zeros = __builtin_clzll(digits), by_bits = 64 - __builtin_clzll(by), shift;
	unsigned __int128 wide = digits << zeros;
	bool rest;

	if (exponent < 0) {
		/* as far left as the quotient still fits into 64 bits: it has 63 or 64 */
		wide <<= by_bits - 1;
		lead = (uint64_t)(wide / by);
		rest = wide != (unsigned __int128)lead * by;
		shift = exponent - zeros - (by_bits - 1);
	} else {
		wide *= by;
		lead = (uint64_t)(wide >> by_bits);
		rest = (unsigned __int128)lead << by_bits != wide;
		shift = exponent - zeros + by_bits;
	}
	return (double)(lead | rest) * power_of_2(shift);
}

struct decimal {
	uint64_t digits; /* the first 19 that count */
	int exponent;
	bool cut; /* more digits followed, not all of them 0 */
};

static struct decimal read_decimal(const char *p, const char *end)
{
	struct decimal d = { 0 };
	bool after_point = false;
	int n = 0, exponent = 0;

	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			after_point = true;
		} else if (n < 19) {
			d.digits = d.digits * 10 + (uint64_t)(*p - '0');
			n += d.digits != 0;
			d.exponent -= after_point;
		} else {
			d.cut |= *p != '0';
			d.exponent += !after_point;
		}
	}
	if (p == end)
		return d;
	bool minus = p[1] == '-';
	for (p += p[1] == '-' || p[1] == '+' ? 2 : 1; p < end && exponent < 100000; p++)
		exponent = exponent * 10 + (*p - '0');
	d.exponent += minus ? -exponent : exponent;
	return d;
}

/* Past 400 bytes the digits after the 19th are given up: one unit in the last place at most. */
static double by_library(const char *text, size_t len, const struct decimal *d)
{
	char copy[400];

	if (len < sizeof(copy))
		snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	else
		snprintf(copy, sizeof(copy), "%" PRIu64 "e%d", d->digits, d->exponent);
	return strtod(copy, NULL);
}

double bl_scan_double(const char *text, size_t len)
{
	bool minus = *text == '-';
	struct decimal d = read_decimal(text + minus, text + len);
	double size = 0;

	if (d.digits && !d.cut && d.exponent >= -EXACT_MAX && d.exponent <= EXACT_MAX)
		size = nearest(d.digits, d.exponent);
	else if (d.digits)
		size = by_library(text + minus, len - minus, &d);
	return minus ? -size : size;
}
