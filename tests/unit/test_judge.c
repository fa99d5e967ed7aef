/* SPDX-License-Identifier: Apache-2.0 */
/* What ended commands mean, and the records that say so. */
#include "codec/json.h"
#include "run/keys.h"
#include "run/outcome.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- judging ---------------------------------------------------------------------------------- */

#define EXITED(n) .present = true, .spawned = true, .exited = true, .code = (n)
#define SIGNALLED(n) .present = true, .spawned = true, .code = -1, .signal = (n)
#define STOPPED(word) .stop_delivered = true, .stop_reason = word

static const struct {
	struct bl_exit_record record;
	struct bl_verdict verdict;
	bool we_killed;
	int64_t cgroup_ooms;
	enum bl_status status;
	enum bl_class class;
	const char *says; /* part of the message */
} endings[] = {
	/* success is exit 0 and no stop */
	{ { EXITED(0) }, { 0 }, false, 0, BL_STATUS_SUCCESS, BL_CLASS_NONE, "" },
	{ { EXITED(0) }, { BL_CLASS_NAN, "x" }, false, 0, BL_STATUS_SUCCESS, BL_CLASS_NONE, "" },
	{ { EXITED(0), .oom_kills = 1 }, { 0 }, false, 1, BL_STATUS_SUCCESS, BL_CLASS_NONE, "" },
	/* its own failure, named by the verdict where there is one */
	{ { EXITED(1) }, { 0 }, false, 0, BL_STATUS_FAILURE, BL_CLASS_USER_EXIT, "exited with 1" },
	{ { EXITED(1) },
	  { BL_CLASS_CUDA_OOM, "CUDA out of memory" },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_CUDA_OOM,
	  "CUDA out of memory" },
	{ { EXITED(1) },
	  { BL_CLASS_USER_EXIT, "ValueError: x" },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "ValueError: x" },
	{ { EXITED(127) }, { 0 }, false, 0, BL_STATUS_FAILURE, BL_CLASS_USER_EXIT, "not found" },
	{ { EXITED(126) },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "may not be executed" },
	{ { EXITED(139) }, { 0 }, false, 0, BL_STATUS_FAILURE, BL_CLASS_USER_EXIT, "139: SIGSEGV" },
	{ { EXITED(255) },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "exited with 255" },
	{ { SIGNALLED(SIGSEGV) },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "SIGSEGV" },
	/* out of memory: a SIGKILL that is not ours, and the kernel's count */
	{ { SIGNALLED(SIGKILL), .oom_kills = 1 },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_HOST_OOM,
	  "out of memory" },
	{ { SIGNALLED(SIGKILL) },
	  { 0 },
	  false,
	  1,
	  BL_STATUS_FAILURE,
	  BL_CLASS_HOST_OOM,
	  "out of memory" },
	{ { EXITED(137), .oom_kills = 1 },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_HOST_OOM,
	  "out of memory" },
	{ { SIGNALLED(SIGKILL) },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "SIGKILL" },
	{ { SIGNALLED(SIGKILL), .oom_kills = 1 },
	  { 0 },
	  true,
	  1,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "SIGKILL" },
	{ { EXITED(1), .oom_kills = 1 },
	  { 0 },
	  false,
	  1,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "exited with 1" },
	{ { SIGNALLED(SIGSEGV), .oom_kills = 1 },
	  { 0 },
	  false,
	  1,
	  BL_STATUS_FAILURE,
	  BL_CLASS_USER_EXIT,
	  "SIGSEGV" },
	/* a stop delivered before the end is the result whatever came of it */
	{ { EXITED(0), STOPPED("cancelled") },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_CANCELLED,
	  BL_CLASS_CANCELLED,
	  "request" },
	{ { EXITED(1), STOPPED("timeout") },
	  { BL_CLASS_USER_EXIT, "KeyboardInterrupt" },
	  false,
	  0,
	  BL_STATUS_TIMEOUT,
	  BL_CLASS_TIMEOUT,
	  "timeout" },
	{ { SIGNALLED(SIGKILL), STOPPED("budget") },
	  { 0 },
	  true,
	  0,
	  BL_STATUS_BUDGET,
	  BL_CLASS_BUDGET,
	  "budget" },
	{ { SIGNALLED(SIGTERM), STOPPED("interrupted") },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_INTERRUPTED,
	  BL_CLASS_INTERRUPTED,
	  "interrupted" },
	{ { SIGNALLED(SIGTERM), STOPPED("nan") },
	  { BL_CLASS_NAN, "diverged at step 120" },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_NAN,
	  "diverged at step 120" },
	{ { EXITED(0), STOPPED("stall") },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_STALL,
	  "stall" },
	{ { EXITED(0), STOPPED("") },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_CANCELLED,
	  BL_CLASS_CANCELLED,
	  "request" },
	{ { EXITED(0), STOPPED("of a later version") },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_CANCELLED,
	  BL_CLASS_CANCELLED,
	  "request" },
	{ { SIGNALLED(SIGKILL), STOPPED("cancelled"), .oom_kills = 1 },
	  { 0 },
	  false,
	  1,
	  BL_STATUS_CANCELLED,
	  BL_CLASS_CANCELLED,
	  "request" },
	/* never spawned */
	{ { .present = true, .code = 127, .error = "'trian' was not found" },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_CONFIG,
	  "'trian' was not found" },
	{ { .present = true, .code = 126 },
	  { 0 },
	  false,
	  0,
	  BL_STATUS_FAILURE,
	  BL_CLASS_CONFIG,
	  "could not be started" },
	/* no record */
	{ { 0 }, { 0 }, false, 0, BL_STATUS_INTERRUPTED, BL_CLASS_LOST, "without" },
	{ { 0 },
	  { BL_CLASS_USER_EXIT, "x" },
	  false,
	  0,
	  BL_STATUS_INTERRUPTED,
	  BL_CLASS_LOST,
	  "without" },
	{ { 0 }, { 0 }, false, 2, BL_STATUS_FAILURE, BL_CLASS_HOST_OOM, "out of memory" },
};

static void what_an_ended_command_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(endings); i++) {
		struct bl_result got;

		bl_result_judge(&endings[i].record, &endings[i].verdict, endings[i].we_killed,
		                endings[i].cgroup_ooms, &got);
		if (got.status != endings[i].status || got.class != endings[i].class ||
		    !strstr(got.message, endings[i].says))
			fail_msg("case %zu: %s, %s: %s", i, bl_status_word(got.status),
			         bl_class_word(got.class), got.message);
		/* whoever reads a failure learns what to do */
		assert_true(got.class == BL_CLASS_NONE || got.next_step[0]);
	}
}

static void all_exit_codes_are_kept(void **state)
{
	struct bl_verdict none = { 0 };

	(void)state;
	for (int code = 0; code < 256; code++) {
		struct bl_exit_record record = { EXITED(0) };
		struct bl_result got;

		record.code = code;
		bl_result_judge(&record, &none, false, 0, &got);
		assert_int_equal(got.exit_code, code);
		assert_int_equal(got.signal, 0);
		assert_int_equal(got.status, code ? BL_STATUS_FAILURE : BL_STATUS_SUCCESS);
		assert_string_equal(got.stage, "training");
	}
	for (int signum = 1; signum < 65; signum++) {
		struct bl_exit_record record = { SIGNALLED(1) };
		struct bl_result got;

		record.signal = signum;
		bl_result_judge(&record, &none, false, 0, &got);
		assert_int_equal(got.exit_code, -1);
		assert_int_equal(got.signal, signum);
	}
}

static void a_command_not_started_keeps_its_code(void **state)
{
	struct bl_exit_record record = { .present = true, .code = 127, .error = "x" };
	struct bl_verdict none = { 0 };
	struct bl_result got;

	(void)state;
	bl_result_judge(&record, &none, false, 0, &got);
	assert_int_equal(got.exit_code, 127);
	assert_string_equal(got.stage, "start");
	assert_non_null(strstr(got.next_step, "branchline.yaml"));
	snprintf(record.next_step, sizeof(record.next_step), "chmod +x x");
	bl_result_judge(&record, &none, false, 0, &got);
	assert_string_equal(got.next_step, "chmod +x x");
}

/* --- exec's and observe's records ------------------------------------------------------------- */

static int parse_exit(const char *text, struct bl_exit_record *out, struct bl_err *err)
{
	return bl_exit_record_parse(text, strlen(text), out, err);
}

static void exit_records(void **state)
{
	struct bl_exit_record got = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(parse_exit("{\"schema\":1,\"spawned\":true,\"exited\":true,\"code\":3,\"signal\":null,"
	                "\"stop_delivered_at\":\"2026-11-24T08:03:01Z\",\"stop_reason\":\"budget\","
	                "\"oom_kills\":2,\"dropped_bytes\":5,\"error\":\"\",\"later\":{}}",
	                &got, &err),
	     &err);
	assert_true(got.present && got.spawned && got.exited && got.stop_delivered);
	assert_int_equal(got.code, 3);
	assert_string_equal(got.stop_reason, "budget");
	assert_int_equal(got.oom_kills, 2);
	assert_int_equal(got.dropped_bytes, 5);
	must(parse_exit(
		     "{\"schema\":1,\"spawned\":true,\"exited\":false,\"code\":null,\"signal\":9,"
		     "\"stop_delivered_at\":null}",
		     &got, &err),
	     &err);
	assert_true(!got.exited && !got.stop_delivered);
	assert_int_equal(got.signal, 9);
	must(parse_exit("{\"schema\":1,\"spawned\":false,\"code\":127,\"error\":\"why\","
	                "\"next_step\":\"do\"}",
	                &got, &err),
	     &err);
	assert_string_equal(got.error, "why");
	assert_string_equal(got.next_step, "do");
}

static void bad_exit_records(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"spawned\":true,\"exited\":true,\"code\":0}",
		"{\"schema\":2,\"spawned\":true,\"exited\":true,\"code\":0}",
		"{\"schema\":1,\"spawned\":true,\"exited\":false}",
		"{\"schema\":1,\"spawned\":true,\"exited\":true,\"code\":0", /* torn */
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_exit_record got = { .code = 77 };
		struct bl_err err = { 0 };

		assert_int_equal(parse_exit(bad[i], &got, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_int_equal(got.code, 77);
	}
}

static void verdicts(void **state)
{
	static const char text[] = "{\"schema\":1,\"class\":\"cuda_oom\",\"message\":\"why\"}";
	static const char none[] = "{\"schema\":1,\"class\":null,\"message\":null}";
	static const char odd[] = "{\"schema\":1,\"class\":\"gremlins\",\"message\":\"\"}";
	struct bl_verdict got = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(bl_verdict_parse(text, strlen(text), &got, &err), &err);
	assert_int_equal(got.class, BL_CLASS_CUDA_OOM);
	assert_string_equal(got.message, "why");
	assert_int_equal(bl_verdict_parse(odd, strlen(odd), &got, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_string_equal(got.message, "why");
	bl_err_clear(&err);
	must(bl_verdict_parse(none, strlen(none), &got, &err), &err);
	assert_int_equal(got.class, BL_CLASS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_ended_command_means),
		cmocka_unit_test(all_exit_codes_are_kept),
		cmocka_unit_test(a_command_not_started_keeps_its_code),
		cmocka_unit_test(exit_records),
		cmocka_unit_test(bad_exit_records),
		cmocka_unit_test(verdicts),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
