/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
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
