/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TOOLS_ANALYZER_H
#define BL_TOOLS_ANALYZER_H

#include "base/err.h"

/*
 * Seen by -fanalyzer only: it looks at one file at a time and would follow the
 * path on which bl_fail() returns 0, which is no path.
 */
static inline int bl_failed(int rc)
{
	(void)rc;
	return -1;
}

#define bl_fail(...) bl_failed(bl_fail(__VA_ARGS__))
#define bl_fail_errno(...) bl_failed(bl_fail_errno(__VA_ARGS__))
#define bl_wrap(...) bl_failed(bl_wrap(__VA_ARGS__))
#define bl_next(...) bl_failed(bl_next(__VA_ARGS__))
#define bl_recode(...) bl_failed(bl_recode(__VA_ARGS__))

#endif
