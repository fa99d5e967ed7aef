/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_FAILPOINT_H
#define BL_BASE_FAILPOINT_H

/*
 * Named places where a test may end, stop or fail a program; they exist only in
 * builds with BL_TESTING and cost nothing elsewhere.
 *
 *   BRANCHLINE_FAILPOINT=NAME=kill      SIGKILL to ourselves at NAME
 *   BRANCHLINE_FAILPOINT=NAME=stop      SIGSTOP to ourselves: a frozen host
 *   BRANCHLINE_FAILPOINT=NAME=ENOSPC    the guarded call fails (also EIO)
 *   ...@3                               at the third pass only
 *   several, separated by commas
 *
 * NAME is ROLE.WHAT.WHEN, as "ship.manifest.before". `branchline-runner failpoints` and
 * `branchline failpoints` list those compiled in.
 */
#ifdef BL_TESTING

struct bl_failpoint {
	const char *name;
};

/* 0 to go on, or the errno that the guarded call is to fail with. */
int bl_failpoint_hit(const char *name);

/* Prints every name compiled into this program, one a line, sorted as linked. */
void bl_failpoint_list(void);

#define BL_FAILPOINT_NAME(text)                                                                    \
	static const struct bl_failpoint bl_failpoint_here                                         \
		__attribute__((used, section("bl_failpoints"), aligned(8))) = { text }

#define BL_FAILPOINT(text)                                                                         \
	do {                                                                                       \
		BL_FAILPOINT_NAME(text);                                                           \
		(void)bl_failpoint_hit(bl_failpoint_here.name);                                    \
	} while (0)

/* Evaluates to the errno to fail with, 0 nearly always. */
#define BL_FAULT(text)                                                                             \
	({                                                                                         \
		BL_FAILPOINT_NAME(text);                                                           \
		bl_failpoint_hit(bl_failpoint_here.name);                                          \
	})

#else

#define BL_FAILPOINT(text) ((void)0)
#define BL_FAULT(text) 0

#endif
#endif
