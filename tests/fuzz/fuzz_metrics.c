/* SPDX-License-Identifier: Apache-2.0 */
/* What a training prints is anybody's text; what comes of it must be a stream that reads back. */
#include "codec/json.h"
#include "codec/jsonl.h"
#include "run/metrics.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct bl_metrics *metrics, const char *text, size_t len, struct bl_buf *out)
{
	int64_t at_ms = 1000;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		bl_metrics_line(metrics, text, n, at_ms += 700, out);
		n += end != NULL;
		text += n;
		len -= n;
	}
	while (bl_metrics_finish(metrics, at_ms, out))
		bl_buf_reset(out);
}

/* Each line a document without a key twice: the strict parser says so. */
static void must_read_back(const struct bl_buf *out)
{
	const char *line = bl_buf_text(out), *end;
	struct bl_latest latest;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		struct bl_err err = { 0 };
		BL_VALUE value = NULL;

		if (bl_json_document(line, (size_t)(end - line), "line", 1, &value, &err))
			abort();
	}
	if (*line)
		abort();
	bl_latest_init(&latest);
	if (bl_latest_feed(&latest, bl_buf_text(out), out->len) != out->len ||
	    latest.n > BL_LATEST_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_AUTO(bl_buf) out = BL_BUF(64u << 20);
	const struct bl_metrics_where where = { .attempt = 1 };
	struct bl_metrics *metrics;
	struct bl_err err = { 0 };

	if (bl_metrics_new(&where, &metrics, &err))
		return 0;
	feed(metrics, (const char *)data, size, &out);
	bl_metrics_free(metrics);
	must_read_back(&out);
	return 0;
}
