/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_CLOCK_H
#define BL_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Two clocks. Waits, deadlines and proofs of death use the monotonic one, which
 * never steps; the wall clock is for what people and documents read.
 */
struct bl_clock {
	int64_t (*mono_ms)(void); /* CLOCK_BOOTTIME: counts a suspended laptop's sleep too */
	int64_t (*wall_ms)(void); /* milliseconds since 1970, UTC */
};

int64_t bl_mono_ms(void);
int64_t bl_wall_ms(void);

/* Tests put their own clock here; NULL brings the system's back. Not thread-safe. */
void bl_clock_replace(const struct bl_clock *clock);

#define BL_UTC_SIZE 21

/* "2026-11-24T08:03:01Z" */
void bl_utc_text(int64_t wall_ms, char text[BL_UTC_SIZE]);

/* "2026-11-24T08:03:01Z" or ".123Z", "UTC", "+01:00" in place of the Z; years 1970..9999. False: it
 * is no such time, and *wall_ms stays. */
bool bl_utc_parse(const char *text, int64_t *wall_ms);

#endif
