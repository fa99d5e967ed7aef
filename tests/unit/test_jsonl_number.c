/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jsonl_scan.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void assert_same_as_libc(const char *text)
{
	double ours = bl_scan_double(text, strlen(text)), theirs = strtod(text, NULL);

	if (memcmp(&ours, &theirs, sizeof(ours)) != 0)
		fail_msg("%s: %.17g, not %.17g", text, ours, theirs);
}

static const char *const numbers[] = {
	"0",
	"-0",
	"0.0",
	"-0e9",
	"1",
	"-1",
	"0.1",
	"1e22",
	"1e23",
	"8.5e22",
	"1e-27",
	"1e27",
	"9007199254740993",
	"9007199254740992.999",
	"9007199254740993.000",
	"18014398509481985",
	"1.7976931348623157e308",
	"1e309",
	"-1e309",
	"5e-324",
	"2e-324",
	"2.2250738585072011e-308",
	"123456789012345678901234567890",
	"0.000000000000000000001",
	"1000000000000000000000000",
	"9999999999999999999",
	"0.30000000000000004",
	"1e99999999999",
	"1e-99999999999",
	"0e99999999999",
	"1.00000000000000011102230246251565",
	"179769313486231580793e289",
	"100000000000000000000000000e-26",
	"1E+2",
	"1.5E-2",
};

static void numbers_round_to_the_nearest(void **state)
{
	uint64_t seed = 88172645463325252;
	char text[64];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(numbers); i++)
		assert_same_as_libc(numbers[i]);
	for (int i = 0; i < 60000; i++) {
		uint64_t bits = next_random(&seed);
		int exponent = (int)(next_random(&seed) % 80) - 40;
		double number;

		memcpy(&number, &bits, sizeof(number));
		snprintf(text, sizeof(text), "%" PRIu64 "e%d", bits >> (bits % 64), exponent);
		assert_same_as_libc(text);
		snprintf(text, sizeof(text), "%.*f", (int)(bits % 20), (double)(bits >> 40) / 3e3);
		assert_same_as_libc(text);
		if (!isfinite(number))
			continue;
		snprintf(text, sizeof(text), "%.17g", number);
		assert_same_as_libc(text);
	}
}

/* Half-way cases: a double, the next one, and the decimal exactly between them. */
static void ties_go_to_even(void **state)
{
	uint64_t seed = 88172645463325252;
	char text[64];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint64_t odd = (next_random(&seed) >> 11 | 1ULL << 52) * 2 + 1;

		snprintf(text, sizeof(text), "%" PRIu64, odd);
		assert_same_as_libc(text);
		snprintf(text, sizeof(text), "%" PRIu64 ".5", odd >> 1);
		assert_same_as_libc(text);
		snprintf(text, sizeof(text), "%" PRIu64 "0e-1", odd);
		assert_same_as_libc(text);
	}
}

static void an_endless_number_is_near(void **state)
{
	char text[1000];
	double number;

	(void)state;
	memset(text, '3', sizeof(text));
	text[1] = '.';
	number = bl_scan_double(text, sizeof(text));
	assert_true(fabs(number - 10.0 / 3) <= DBL_EPSILON * 2);
	memset(text, '0', sizeof(text));
	text[1] = '.';
	text[999] = '7';
	assert_true(bl_scan_double(text, sizeof(text)) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_round_to_the_nearest),
		cmocka_unit_test(ties_go_to_even),
		cmocka_unit_test(an_endless_number_is_near),
	};

	return cmocka_run_group_tests_name("jsonl: numbers", tests, NULL, NULL);
}
