/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_REPORT_INPUT_H
#define BL_TESTS_REPORT_INPUT_H

#include "run/report.h"

/*
 * A report from a document, judged; any failure fails the test.
 *
 *   {"at": MS, "rules": {the metrics section of a configuration},
 *    "why", "label", "month", "ci_ms", "brief", "same_before", "samples" and "baseline_samples"
 *    (the bytes of a samples.jsonl), "page" (of a samples.md),
 *    "history": {"pr", "runs": [{"run", "sha", "word", "primary", "value", "cost", "created"}]},
 *    "now": SIDE, "baseline": SIDE, "previous": SIDE}
 *   SIDE = {"run", "job", "branch", "sha", "dirty", "status" (none: not ended), "alive", "class",
 *           "stage", "message", "next_step", "attempts", "started", "ended", "cost", "log",
 *           "params": {...}, "data": {...}, "settings": {...},
 *           "curves": [{"name", "from", "to", "points", "every", "attempt", "first"}],
 *           "spent": [{"engine", "instance", "type", "zone", "market", "usd_hour", "on_demand",
 *           "disk", "started", "ended", "status"}],
 *           "lines": [records of the metrics stream], "joined": [{"run", "step"}]}
 * A curve falls (or rises) from `from` towards `to` as a/(1+x); its steps are first,
 * first + every, ...
 */
void report_of(const char *json, size_t len, struct bl_report *out);

#endif
