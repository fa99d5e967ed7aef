/* SPDX-License-Identifier: Apache-2.0 */
#include "run/keys.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* d: digit, h: lower-case hex digit, r: random letter; the rest stands for itself. */
static const char shape[BL_RUN_SIZE] = "ddddddddTddddddZ-hhhhhhhh-rrrr";

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool fits(char want, char c)
{
	switch (want) {
	case 'd':
		return c >= '0' && c <= '9';
	case 'h':
		return is_hex(c);
	case 'r':
		return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
	default:
		return c == want;
	}
}

int bl_run_id_make(int64_t wall_ms, const char *sha, char id[BL_RUN_SIZE], struct bl_err *err)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char stamp[24], start[9] = "00000000", random[5];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year < 70 || tm.tm_year > 8099 ||
	    !strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm))
		return bl_fail(err, BL_EINPUT, "the clock shows no year from 1970 to 9999");
	if (sha && *sha) {
		for (size_t i = 0; i < 8; i++) {
			if (!is_hex(sha[i]))
				return bl_fail(err, BL_EBUG, "'%.40s' is no commit", sha);
			start[i] = sha[i];
		}
	}
	if (bl_str_random(random, 4, err))
		return -1;
	snprintf(id, BL_RUN_SIZE, "%.16s-%s-%s", stamp, start, random);
	return 0;
}

static int digits(const char *text, size_t n)
{
	int value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	return value;
}

bool bl_run_id_valid(const char *text)
{
	if (strlen(text) != BL_RUN_SIZE - 1)
		return false;
	for (size_t i = 0; i < BL_RUN_SIZE - 1; i++) {
		if (!fits(shape[i], text[i]))
			return false;
	}
	int month = digits(text + 4, 2), day = digits(text + 6, 2);
	return digits(text, 4) >= 1970 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
	       digits(text + 9, 2) < 24 && digits(text + 11, 2) < 60 && digits(text + 13, 2) <= 60;
}

int64_t bl_run_id_wall_ms(const char *id)
{
	struct tm tm = { 0 };

	if (!bl_run_id_valid(id))
		return 0;
	tm.tm_year = digits(id, 4) - 1900;
	tm.tm_mon = digits(id + 4, 2) - 1;
	tm.tm_mday = digits(id + 6, 2);
	tm.tm_hour = digits(id + 9, 2);
	tm.tm_min = digits(id + 11, 2);
	tm.tm_sec = digits(id + 13, 2);
	return (int64_t)timegm(&tm) * 1000;
}

struct bl_key bl_key_run(const char *run, const char *fmt, ...)
{
	struct bl_key key;
	va_list args;
	int n = snprintf(key.text, sizeof(key.text), "runs/%s/", run);

	if (n < 0 || (size_t)n >= sizeof(key.text))
		return key;
	va_start(args, fmt);
	vsnprintf(key.text + n, sizeof(key.text) - (size_t)n, fmt, args);
	va_end(args);
	return key;
}
