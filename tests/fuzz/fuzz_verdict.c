/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a command printed or left: the verdict is one line of UTF-8, its document reads back. */
#include "runner/verdict.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void judge(const struct verdict_evidence *evidence)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);
	struct verdict verdict;
	struct bl_err err = { 0 };
	BL_VALUE doc = NULL;

	verdict_judge(evidence, &verdict);
	size_t len = strlen(verdict.message);
	must(bl_utf8_valid(verdict.message, len) == len && !strpbrk(verdict.message, "\r\n"));
	must(!verdict_write(&verdict, evidence, &text, &err));
	must(!bl_json_document(text.data, text.len, "verdict.json", 1, &doc, &err));
}

/* The same bytes as each kind of evidence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct verdict_evidence evidence = { .tail = text, .tail_len = size, .status = 1 << 8 };

	judge(&evidence);
	evidence.elastic = text;
	evidence.elastic_len = size;
	judge(&evidence);
	evidence.elastic = NULL;
	evidence.failure = text;
	evidence.failure_len = size;
	evidence.tail_len = 0;
	judge(&evidence);
	return 0;
}
