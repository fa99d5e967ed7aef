/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_HISTORY_H
#define BL_RUN_REPORT_HISTORY_H

#include "run/run.h"

/* Earlier runs of the same pull request, or of the same branch, and of the same job. */
#define BL_HISTORY_MAX 10u
struct bl_history {
	struct bl_run_summary *runs; /* n, newest first, without the reported one */
	size_t n;
	bool newer; /* one of them is newer than the reported one */
	int64_t pr; /* 0: by branch */
};
void bl_history_done(struct bl_history *history);
BL_MUST int bl_history_read(struct bl_store *store, const struct bl_run *run,
                            struct bl_history *out, struct bl_err *err);

#endif
