/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_CALL_H
#define BL_BASE_CALL_H

#include <stdint.h>

/* How long an operation may take, and who watches it. NULL: 60 s without progress, nobody. */
struct bl_call {
	int64_t deadline_mono_ms; /* 0: 60 s without progress */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
};

#endif
