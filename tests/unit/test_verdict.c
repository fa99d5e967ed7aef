/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/verdict.h"

#include "base/str.h"
#include "codec/json.h"
#include "tests/unit/failalloc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CODE(n) ((n) << 8) /* as waitpid() gives it */
#define TRACE "Traceback (most recent call last):\n  File \"t.py\", line 3, in <module>\n    f()\n"
#define LAUNCHER                                                                                   \
	TRACE "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"              \
	      "=====\ntrain.py FAILED\n"

static const struct story {
	const char *tail, *elastic, *failure;
	int status;
	const char *class, *source, *message;
} stories[] = {
	{ "fine\n", NULL, NULL, CODE(0), "", "", "" },
	{ TRACE "ValueError: caught\ngoing on\n", NULL, NULL, CODE(0), "", "", "" },
	{ "", NULL, NULL, -1, "", "", "" },
	{ "bye\n", NULL, NULL, CODE(3), "user_exit", "", "" },
	{ "", NULL, NULL, SIGSEGV, "user_exit", "signal", "the command was ended by SIGSEGV" },
	/* tracebacks */
	{ "epoch 1\n" TRACE "ValueError: no key 'x'\n", NULL, NULL, CODE(1), "user_exit",
	  "traceback", "ValueError: no key 'x'" },
	{ TRACE "KeyboardInterrupt\n", NULL, NULL, CODE(1), "user_exit", "traceback",
	  "KeyboardInterrupt" },
	{ TRACE "KeyError: 'a'\n\nDuring handling of the above exception, another exception "
	        "occurred:\n\n" TRACE "RuntimeError: b\n",
	  NULL, NULL, CODE(1), "user_exit", "traceback", "RuntimeError: b" },
	{ TRACE "RuntimeError: Error(s) in loading state_dict for GPT:\n\tsize mismatch for w\n",
	  NULL, NULL, CODE(1), "user_exit", "traceback",
	  "RuntimeError: Error(s) in loading state_dict for GPT: size mismatch for w" },
	{ "[rank1]: Traceback (most recent call last):\n[rank1]:   File \"t.py\", line 1\n"
	  "[rank1]: AssertionError: shapes\n",
	  NULL, NULL, CODE(1), "user_exit", "traceback", "AssertionError: shapes" },
	{ TRACE "IndexError: 7\n" LAUNCHER, NULL, NULL, CODE(1), "user_exit", "traceback",
	  "IndexError: 7" },
	{ "  File \"t.py\", line 1\n    x y\n      ^\nSyntaxError: invalid syntax\n", NULL, NULL,
	  CODE(1), "user_exit", "traceback", "SyntaxError: invalid syntax" },
	{ TRACE "OSError: [Errno 28] No space left on device: 'c.pt'\n", NULL, NULL, CODE(1),
	  "storage", "traceback", "OSError: [Errno 28] No space left on device: 'c.pt'" },
	{ TRACE "RuntimeError: CUDA error: uncorrectable ECC error encountered\n", NULL, NULL,
	  CODE(1), "gpu", "traceback",
	  "RuntimeError: CUDA error: uncorrectable ECC error encountered" },
	{ TRACE "ValueError: \x1b\xc3\xa9\n", NULL, NULL, CODE(1), "user_exit", "traceback",
	  "ValueError: \xc3\xa9" },
	{ TRACE, NULL, NULL, CODE(1), "user_exit", "", "" }, /* cut before the exception */
	{ TRACE "\x1b[31mValueError\x1b[0m: a\x07 b\xff\n", NULL, NULL, CODE(1), "user_exit",
	  "traceback", "ValueError: a  b\xef\xbf\xbd" },
	/* out of GPU memory */
	{ TRACE "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n",
	  NULL, NULL, CODE(1), "cuda_oom", "cuda_oom",
	  "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB" },
	{ TRACE "torch.OutOfMemoryError: CUDA out of memory.\n" LAUNCHER, NULL, NULL, CODE(1),
	  "cuda_oom", "cuda_oom", "torch.OutOfMemoryError: CUDA out of memory." },
	{ "RuntimeError: CUDA error: out of memory\n", NULL, NULL, CODE(1), "cuda_oom", "cuda_oom",
	  "RuntimeError: CUDA error: out of memory" },
	{ TRACE "torch.OutOfMemoryError: CUDA out of memory.\nretry smaller\n" TRACE
	        "ValueError: later\n",
	  NULL, NULL, CODE(1), "user_exit", "traceback", "ValueError: later" },
	/* torch's error file */
	{ TRACE "ValueError: from the log\n",
	  "{\"message\":{\"message\":\"ZeroDivisionError: division by zero\",\"extraInfo\":"
	  "{\"py_callstack\":\"Traceback\",\"timestamp\":\"1\"}}}",
	  NULL, CODE(1), "user_exit", "torchelastic", "ZeroDivisionError: division by zero" },
	{ "", "{\"message\":\"SignalException: 15\\nmore\",\"timestamp\":1}", NULL, CODE(1),
	  "user_exit", "torchelastic", "SignalException: 15" },
	{ "", "{\"message\":{\"message\":\"OutOfMemoryError: CUDA out of memory. x\"}}", NULL,
	  CODE(1), "cuda_oom", "cuda_oom", "OutOfMemoryError: CUDA out of memory. x" },
	{ TRACE "ValueError: v\n", "{\"message\":", NULL, CODE(1), "user_exit", "traceback",
	  "ValueError: v" },
	{ TRACE "ValueError: v\n", "[1]", NULL, CODE(1), "user_exit", "traceback",
	  "ValueError: v" },
	/* SageMaker's failure file */
	{ "x\n", NULL, "  the disk is missing\nsecond line\n", CODE(1), "user_exit", "failure_file",
	  "the disk is missing second line" },
	{ "x\n", NULL, TRACE "ValueError: deep\n", CODE(1), "user_exit", "failure_file",
	  "ValueError: deep" },
	{ TRACE "ValueError: v\n", NULL, " \n", CODE(1), "user_exit", "traceback",
	  "ValueError: v" },
};

static void each_story_has_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(stories); i++) {
		const struct story *story = &stories[i];
		struct verdict_evidence evidence = {
			.tail = story->tail,
			.tail_len = strlen(story->tail),
			.elastic = story->elastic,
			.elastic_len = story->elastic ? strlen(story->elastic) : 0,
			.failure = story->failure,
			.failure_len = story->failure ? strlen(story->failure) : 0,
			.status = story->status,
		};
		struct verdict got;

		verdict_judge(&evidence, &got);
		if (strcmp(got.class, story->class) || strcmp(got.source, story->source) ||
		    strcmp(got.message, story->message))
			fail_msg("story %zu: %s, %s, '%s'", i, got.class, got.source, got.message);
	}
}

static void a_long_message_is_cut_within_utf8(void **state)
{
	char tail[4096] = TRACE "ValueError: ";
	struct verdict_evidence evidence = { .tail = tail, .status = CODE(1) };
	struct verdict got;

	(void)state;
	for (size_t i = strlen(tail); i + 3 < sizeof(tail); i += 2)
		memcpy(tail + i, "\xc3\xa9", 3);
	evidence.tail_len = strlen(tail);
	verdict_judge(&evidence, &got);
	assert_in_range(strlen(got.message), 500, sizeof(got.message) - 1);
	assert_int_equal(bl_utf8_valid(got.message, strlen(got.message)), strlen(got.message));
}

static void the_document_ends_with_the_last_lines(void **state)
{
	BL_AUTO(bl_buf) tail = BL_BUF(65536);
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct verdict_evidence evidence = { .status = CODE(1) };
	struct bl_err err = { 0 };
	struct verdict verdict;
	BL_VALUE doc = NULL;

	(void)state;
	for (int i = 0; i < 100; i++)
		bl_buf_addf(&tail, "line %d \xff\n", i);
	bl_buf_add(&tail, "a\0b\n", 4); /* which no reader of JSON here takes */
	evidence.tail = tail.data;
	evidence.tail_len = tail.len;
	verdict_judge(&evidence, &verdict);
	assert_int_equal(verdict_write(&verdict, &evidence, &out, &err), 0);
	assert_int_equal(bl_json_document(out.data, out.len, "verdict.json", 1, &doc, &err), 0);
	assert_string_equal(bl_value_text_or(doc, "class", "?"), "user_exit");
	const char *last = bl_value_text_or(doc, "trace_tail", "?");
	assert_memory_equal(last, "line 71", 7);
	assert_non_null(strstr(last, "line 99"));
	assert_non_null(strstr(last, "a b\n"));
}

static int write_one(struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct verdict_evidence evidence = { .tail = TRACE "ValueError: x\n", .status = CODE(1) };
	struct verdict verdict;

	evidence.tail_len = strlen(evidence.tail);
	evidence.elastic = "{\"message\":\"a\"}";
	evidence.elastic_len = strlen(evidence.elastic);
	verdict_judge(&evidence, &verdict);
	return verdict_write(&verdict, &evidence, &out, err);
}

static void allocations_may_fail(void **state)
{
	(void)state;
	each_allocation_fails(write_one, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_has_its_verdict),
		cmocka_unit_test(a_long_message_is_cut_within_utf8),
		cmocka_unit_test(the_document_ends_with_the_last_lines),
		cmocka_unit_test(allocations_may_fail),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
