/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts))
		return 0;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_mono_ms(void)
{
	return now_ms(CLOCK_BOOTTIME);
}

#ifdef BL_TESTING
/* End-to-end tests step the wall clock while programs run: the file holds milliseconds to add. */
static int64_t test_step_ms(void)
{
	const char *path = getenv("BRANCHLINE_TEST_WALL_STEP");
	long long step = 0;
	FILE *file = path ? fopen(path, "re") : NULL;

	if (!file)
		return 0;
	if (fscanf(file, "%lld", &step) != 1)
		step = 0;
	fclose(file);
	return step;
}
#else
static int64_t test_step_ms(void)
{
	return 0;
}
#endif

static int64_t system_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME) + test_step_ms();
}

static const struct bl_clock system_clock = { system_mono_ms, system_wall_ms };
static const struct bl_clock *current = &system_clock;

void bl_clock_replace(const struct bl_clock *clock)
{
	current = clock ? clock : &system_clock;
}

int64_t bl_mono_ms(void)
{
	return current->mono_ms();
}

int64_t bl_wall_ms(void)
{
	return current->wall_ms();
}

void bl_utc_text(int64_t wall_ms, char text[BL_UTC_SIZE])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || tm.tm_year < 0 ||
	    !strftime(text, BL_UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, BL_UTC_SIZE, "1970-01-01T00:00:00Z");
}

/* Two to four digits at `at`, as `min`..`max`; -1 else. */
static int digits(const char *at, int n, int min, int max)
{
	int number = 0;

	for (int i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return -1;
		number = number * 10 + (at[i] - '0');
	}
	return number >= min && number <= max ? number : -1;
}

/* Minutes ahead of UTC, from what follows the seconds. */
static bool parse_zone(const char *text, int *minutes)
{
	int hour, minute;

	*minutes = 0;
	if (!strcmp(text, "Z") || !strcmp(text, "UTC"))
		return true;
	if ((*text != '+' && *text != '-') || strlen(text) != 6 || text[3] != ':')
		return false;
	hour = digits(text + 1, 2, 0, 14);
	minute = digits(text + 4, 2, 0, 59);
	*minutes = (hour * 60 + minute) * (*text == '-' ? -1 : 1);
	return hour >= 0 && minute >= 0;
}

bool bl_utc_parse(const char *text, int64_t *wall_ms)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = { 0 };
	int ms = 0, zone;

	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return false;
	tm.tm_year = digits(text, 4, 1970, 9999) - 1900;
	tm.tm_mon = digits(text + 5, 2, 1, 12) - 1;
	tm.tm_mday = digits(text + 8, 2, 1, 31);
	tm.tm_hour = digits(text + 11, 2, 0, 23);
	tm.tm_min = digits(text + 14, 2, 0, 59);
	tm.tm_sec = digits(text + 17, 2, 0, 60);
	if (tm.tm_year < 0 || tm.tm_mon < 0 || tm.tm_mday < 0 || tm.tm_hour < 0 || tm.tm_min < 0 ||
	    tm.tm_sec < 0)
		return false;
	text += sizeof(shape) - 1;
	if (*text == '.') {
		int unit = 100;

		if (*++text < '0' || *text > '9')
			return false;
		for (; *text >= '0' && *text <= '9'; text++, unit /= 10)
			ms += (*text - '0') * unit;
	}
	int day = tm.tm_mday;
	int64_t seconds = (int64_t)timegm(&tm);
	if (!parse_zone(text, &zone) || tm.tm_mday != day) /* 31 February became March */
		return false;
	*wall_ms = (seconds - zone * 60) * 1000 + ms;
	return true;
}
