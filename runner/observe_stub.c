/* SPDX-License-Identifier: Apache-2.0 */
#include "run/metrics.h"

#define WEAK __attribute__((weak))

/* Until lib/run/metrics.c is there; then this file goes. */
WEAK int bl_metrics_new(const struct bl_metrics_where *where, struct bl_metrics **out,
                        struct bl_err *err)
{
	(void)where, (void)out;
	return bl_fail(err, BL_EBUG, "metrics are not built in yet");
}

WEAK void bl_metrics_free(struct bl_metrics *metrics)
{
	(void)metrics;
}

WEAK void bl_metrics_line(struct bl_metrics *metrics, const char *line, size_t len, int64_t at_ms,
                          struct bl_buf *out)
{
	(void)metrics, (void)line, (void)len, (void)at_ms, (void)out;
}

WEAK void bl_metrics_scan(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out)
{
	(void)metrics, (void)at_ms, (void)out;
}

WEAK void bl_metrics_finish(struct bl_metrics *metrics, int64_t at_ms, struct bl_buf *out)
{
	(void)metrics, (void)at_ms, (void)out;
}
