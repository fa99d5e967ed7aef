/* SPDX-License-Identifier: Apache-2.0 */
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

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define KEY(tail) "runs/" RUN "/" tail
#define CLASSES (BL_CLASS_USER_EXIT + 1)

/* --- words ------------------------------------------------------------------------------------ */

static void every_class_has_its_column(void **state)
{
	static const struct {
		const char *word;
		int exit;
		bool relaunchable;
		enum bl_status status;
	} table[CLASSES] = {
		[BL_CLASS_NONE] = { "", 0, false, BL_STATUS_SUCCESS },
		[BL_CLASS_CONFIG] = { "config", 2, false, BL_STATUS_FAILURE },
		[BL_CLASS_DATA] = { "data", 2, false, BL_STATUS_FAILURE },
		[BL_CLASS_CAPACITY] = { "capacity", 3, true, BL_STATUS_FAILURE },
		[BL_CLASS_QUOTA] = { "quota", 3, false, BL_STATUS_FAILURE },
		[BL_CLASS_AUTH] = { "auth", 4, false, BL_STATUS_FAILURE },
		[BL_CLASS_CANCELLED] = { "cancelled", 5, false, BL_STATUS_CANCELLED },
		[BL_CLASS_TIMEOUT] = { "timeout", 6, false, BL_STATUS_TIMEOUT },
		[BL_CLASS_BUDGET] = { "budget", 6, false, BL_STATUS_BUDGET },
		[BL_CLASS_INTERRUPTED] = { "interrupted", 75, true, BL_STATUS_INTERRUPTED },
		[BL_CLASS_LOST] = { "lost", 75, true, BL_STATUS_INTERRUPTED },
		[BL_CLASS_BOOT] = { "boot", 75, true, BL_STATUS_INTERRUPTED },
		[BL_CLASS_INTERNAL] = { "internal", 70, false, BL_STATUS_FAILURE },
		[BL_CLASS_IMAGE] = { "image", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_DRIVER] = { "driver", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_GPU] = { "gpu", 1, true, BL_STATUS_FAILURE },
		[BL_CLASS_STORAGE] = { "storage", 1, true, BL_STATUS_FAILURE },
		[BL_CLASS_CUDA_OOM] = { "cuda_oom", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_HOST_OOM] = { "host_oom", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_NAN] = { "nan", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_STALL] = { "stall", 1, false, BL_STATUS_FAILURE },
		[BL_CLASS_USER_EXIT] = { "user_exit", 1, false, BL_STATUS_FAILURE },
	};

	(void)state;
	for (int i = 0; i < CLASSES; i++) {
		enum bl_class class = (enum bl_class)i, back = BL_CLASS_NONE;
		struct bl_err err = { 0 };

		assert_string_equal(bl_class_word(class), table[i].word);
		must(bl_class_parse(table[i].word, &back, &err), &err);
		assert_int_equal(back, class);
		assert_int_equal(bl_class_exit_status(class), table[i].exit);
		assert_int_equal(bl_exit_status(bl_class_code(class)), table[i].exit);
		assert_int_equal(bl_class_relaunchable(class), table[i].relaunchable);
		assert_int_equal(bl_class_status(class), table[i].status);
	}
}

static void status_words(void **state)
{
	static const char *const words[] = { "success", "failure", "cancelled",
		                             "timeout", "budget",  "interrupted" };
	enum bl_status got = BL_STATUS_BUDGET;
	enum bl_class class = BL_CLASS_NAN;
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(words); i++) {
		assert_string_equal(bl_status_word((enum bl_status)i), words[i]);
		must(bl_status_parse(words[i], &got, &err), &err);
		assert_int_equal(got, i);
	}
	assert_int_equal(bl_status_parse("Success", &got, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_int_equal(got, BL_STATUS_INTERRUPTED);
	bl_err_clear(&err);
	assert_int_equal(bl_class_parse("oom", &class, &err), -1);
	assert_int_equal(class, BL_CLASS_NAN);
}

/* A failure of our own ends with an exit status of the same meaning as its code's. */
static void errors_have_a_class(void **state)
{
	static const struct {
		enum bl_code code;
		enum bl_class class;
	} table[] = {
		{ BL_OK, BL_CLASS_NONE },
		{ BL_EINPUT, BL_CLASS_CONFIG },
		{ BL_EDATA, BL_CLASS_DATA },
		{ BL_EBUSY, BL_CLASS_CONFIG },
		{ BL_EEXIST, BL_CLASS_CONFIG },
		{ BL_ENOENT, BL_CLASS_CONFIG },
		{ BL_EDENIED, BL_CLASS_AUTH },
		{ BL_ECAPACITY, BL_CLASS_CAPACITY },
		{ BL_ECORRUPT, BL_CLASS_STORAGE },
		{ BL_ENOSPC, BL_CLASS_STORAGE },
		{ BL_EIO, BL_CLASS_STORAGE },
		{ BL_ELIMIT, BL_CLASS_INTERNAL },
		{ BL_ETIMEOUT, BL_CLASS_STORAGE },
		{ BL_ERETRY, BL_CLASS_STORAGE },
		{ BL_ENOMEM, BL_CLASS_INTERNAL },
		{ BL_ETRAIN, BL_CLASS_USER_EXIT },
		{ BL_ECANCELLED, BL_CLASS_CANCELLED },
		{ BL_EDEADLINE, BL_CLASS_TIMEOUT },
		{ BL_EINTERRUPTED, BL_CLASS_INTERRUPTED },
		{ BL_EBUG, BL_CLASS_INTERNAL },
	};

	(void)state;
	assert_int_equal(BL_COUNT(table), BL_EBUG + 1);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_err err = { .code = table[i].code };

		assert_int_equal(bl_class_of_error(&err), table[i].class);
	}
}

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

/* --- settling --------------------------------------------------------------------------------- */

static struct bl_outcome outcome_of(enum bl_class class, const char *nonce)
{
	struct bl_outcome outcome = { .attempt = 2, .finished_at_ms = 1795507381123 };

	outcome.result = (struct bl_result){ .status = bl_class_status(class),
		                             .class = class,
		                             .stage = "training",
		                             .exit_code = -1,
		                             .signal = SIGSEGV,
		                             .message = "\"why\" \xc3\xa9\n",
		                             .next_step = "do this" };
	snprintf(outcome.nonce, sizeof(outcome.nonce), "%s", nonce);
	return outcome;
}

static void the_first_to_settle_wins(void **state)
{
	struct bl_outcome mine = outcome_of(BL_CLASS_NAN, "aaaaaaaaaaaaaaaa");
	struct bl_outcome late = outcome_of(BL_CLASS_NONE, "bbbbbbbbbbbbbbbb");
	struct bl_outcome winner = { 0 }, read = { 0 };
	struct bl_err err = { 0 };

	assert_int_equal(bl_outcome_read(*state, RUN, &read, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	bl_err_clear(&err);
	must(bl_outcome_settle(*state, RUN, &mine, &winner, &err), &err);
	assert_string_equal(winner.nonce, mine.nonce);
	must(bl_outcome_settle(*state, RUN, &late, &winner, &err), &err);
	assert_int_equal(err.code, BL_OK);
	must(bl_outcome_read(*state, RUN, &read, &err), &err);
	assert_memory_equal(&read, &mine, sizeof(mine));
	assert_memory_equal(&winner, &mine, sizeof(mine));
	assert_absent(*state, KEY("SUCCESS"));
	assert_object(*state, KEY("FAILURE"),
	              "{\"schema\":1,\"run\":\"" RUN "\",\"status\":\"failure\",\"class\":\"nan\","
	              "\"attempt\":2,\"finished_ms\":1795507381123}\n");
}

static void a_success_has_one_marker(void **state)
{
	struct bl_outcome mine = outcome_of(BL_CLASS_NONE, "aaaaaaaaaaaaaaaa"), winner;
	struct bl_err err = { 0 };

	must(bl_outcome_settle(*state, RUN, &mine, &winner, &err), &err);
	assert_absent(*state, KEY("FAILURE"));
	assert_object(*state, KEY("SUCCESS"),
	              "{\"schema\":1,\"run\":\"" RUN "\",\"status\":\"success\",\"class\":null,"
	              "\"attempt\":2,\"finished_ms\":1795507381123}\n");
}

static void a_reader_writes_a_missing_marker(void **state)
{
	struct bl_outcome mine = outcome_of(BL_CLASS_CANCELLED, "aaaaaaaaaaaaaaaa"), got;
	BL_AUTO(bl_buf) first = BL_BUF(1);
	BL_STORE reader = NULL;
	struct bl_err err = { 0 };

	must(bl_outcome_settle(*state, RUN, &mine, &got, &err), &err);
	must(bl_store_delete(*state, NULL, KEY("FAILURE"), &err), &err);
	must(bl_store_open("store", BL_STORE_READ, &reader, &err), &err);
	must(bl_outcome_read(reader, RUN, &got, &err), &err); /* may not write, reads anyway */
	assert_int_equal(err.code, BL_OK);
	assert_absent(*state, KEY("FAILURE"));
	setenv("BRANCHLINE_FAILPOINT", "store.put.write=ENOSPC", 1);
	must(bl_outcome_read(*state, RUN, &got, &err), &err);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_absent(*state, KEY("FAILURE"));
	must(bl_outcome_read(*state, RUN, &got, &err), &err);
	assert_int_equal(got.result.status, BL_STATUS_CANCELLED);
	must(bl_store_get_range(*state, NULL, KEY("FAILURE"), 0, 0, &first, NULL, &err), &err);
}

static void racers_agree_on_one_outcome(void **state)
{
	int start[2];
	struct bl_outcome winner;
	struct bl_err err = { 0 };
	int agreed = 0, status;

	assert_int_equal(pipe(start), 0);
	for (int i = 0; i < 6; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			struct bl_outcome mine = outcome_of(i % 2 ? BL_CLASS_NONE : BL_CLASS_LOST,
			                                    i % 2 ? "b" : "a");
			char byte;

			close(start[1]);
			if (read(start[0], &byte, 1) ||
			    bl_outcome_settle(*state, RUN, &mine, &winner, &err))
				_exit(99);
			_exit(winner.nonce[0]);
		}
	}
	close(start[0]);
	close(start[1]);
	for (int i = 0; i < 6; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 99);
		assert_true(!agreed || agreed == WEXITSTATUS(status));
		agreed = WEXITSTATUS(status);
	}
	must(bl_outcome_read(*state, RUN, &winner, &err), &err);
	assert_int_equal(winner.nonce[0], agreed);
	/* never both markers */
	assert_absent(*state, agreed == 'b' ? KEY("FAILURE") : KEY("SUCCESS"));
}

static void a_full_disk_settles_nothing(void **state)
{
	struct bl_outcome mine = outcome_of(BL_CLASS_NONE, "a"), winner = { .attempt = 77 };
	struct bl_err err = { 0 };

	setenv("BRANCHLINE_FAILPOINT", "store.put.write=ENOSPC", 1);
	assert_int_equal(bl_outcome_settle(*state, RUN, &mine, &winner, &err), -1);
	unsetenv("BRANCHLINE_FAILPOINT");
	assert_int_equal(err.code, BL_ENOSPC);
	assert_non_null(strstr(err.text, "outcome.json"));
	assert_int_equal(winner.attempt, 77);
	assert_absent(*state, KEY("outcome.json"));
}

static void bad_outcomes_are_named(void **state)
{
	static const char *const bad[] = {
		"{\"schema\":1}",
		"{\"schema\":9,\"status\":\"success\",\"attempt\":1,\"finished_ms\":1,\"nonce\":"
		"\"a\"}",
		"{\"schema\":1,\"status\":\"fine\",\"attempt\":1,\"finished_ms\":1,\"nonce\":"
		"\"a\"}",
		"{\"schema\":1,\"status\":\"failure\",\"class\":\"bad luck\",\"attempt\":1,"
		"\"finished_ms\":1,\"nonce\":\"a\"}",
		"{\"schema\":1,\"status\":\"success\",\"attempt\":-1,\"finished_ms\":1,\"nonce\":"
		"\"a\"}",
		"{\"schema\":1,\"status\":\"success\",\"attempt\":1,\"finished_ms\":\"x\","
		"\"nonce\":\"a\"}",
		"{\"schema\":1,\"status\":\"success\"",
	};

	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_outcome got = { .attempt = 77 };
		struct bl_err err = { 0 };

		put_object(*state, KEY("outcome.json"), bad[i]);
		assert_int_equal(bl_outcome_read(*state, RUN, &got, &err), -1);
		assert_int_equal(err.code, BL_ECORRUPT);
		assert_non_null(strstr(err.text, "outcome.json"));
		assert_int_equal(got.attempt, 77);
		assert_absent(*state, KEY("SUCCESS"));
		assert_absent(*state, KEY("FAILURE"));
	}
}

static void a_result_reads_back(void **state)
{
	struct bl_result mine = { .status = BL_STATUS_FAILURE,
		                  .class = BL_CLASS_CUDA_OOM,
		                  .stage = "training",
		                  .exit_code = 3,
		                  .signal = 9,
		                  .message = "out of \"memory\"\n at 7",
		                  .next_step = "a smaller batch" };
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_json json = BL_JSON(&text);
	struct bl_result got = { 0 };
	struct bl_err err = { 0 };
	BL_VALUE map = NULL;

	(void)state;
	bl_json_map(&json, NULL);
	bl_result_write(&json, &mine);
	bl_json_end_map(&json);
	must(bl_json_parse(bl_buf_text(&text), text.len, "result", &map, &err), &err);
	must(bl_result_read(map, &got, &err), &err);
	assert_int_equal(got.status, mine.status);
	assert_int_equal(got.class, mine.class);
	assert_int_equal(got.exit_code, mine.exit_code);
	assert_int_equal(got.signal, mine.signal);
	assert_string_equal(got.stage, mine.stage);
	assert_string_equal(got.message, mine.message);
	assert_string_equal(got.next_step, mine.next_step);
}

/* The one without a command has no code; what is unknown names itself and leaves `out` alone. */
static void half_a_result_is_read_or_refused(void **state)
{
	static const struct {
		const char *text;
		bool read;
	} table[] = {
		{ "{\"status\":\"success\"}", true },
		{ "{\"status\":\"cancelled\",\"class\":\"cancelled\",\"later\":1}", true },
		{ "{}", false },
		{ "[]", false },
		{ "{\"status\":1}", false },
		{ "{\"status\":\"fine\"}", false },
		{ "{\"status\":\"failure\",\"class\":\"moon\"}", false },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_result got = { .exit_code = 77 };
		struct bl_err err = { 0 };
		BL_VALUE map = NULL;

		must(bl_json_parse(table[i].text, strlen(table[i].text), "result", &map, &err),
		     &err);
		assert_int_equal(bl_result_read(map, &got, &err), table[i].read ? 0 : -1);
		assert_int_equal(err.code, table[i].read ? BL_OK : BL_ECORRUPT);
		assert_int_equal(got.exit_code, table[i].read ? -1 : 77);
	}
}

/* --- allocations ------------------------------------------------------------------------------ */

static struct bl_store *shared;

static int everything(struct bl_err *err)
{
	static const char record[] = "{\"schema\":1,\"spawned\":true,\"exited\":true,\"code\":3}";
	static const char verdict[] = "{\"schema\":1,\"class\":\"nan\",\"message\":\"why\"}";
	struct bl_outcome mine = outcome_of(BL_CLASS_NAN, "a"), got;
	struct bl_exit_record exit_record;
	struct bl_verdict said;

	if (bl_exit_record_parse(record, strlen(record), &exit_record, err) ||
	    bl_verdict_parse(verdict, strlen(verdict), &said, err) ||
	    bl_outcome_settle(shared, RUN, &mine, &got, err) ||
	    bl_outcome_read(shared, RUN, &got, err))
		return -1;
	return bl_store_delete(shared, NULL, KEY("outcome.json"), err);
}

static void each_allocation(void **state)
{
	shared = *state;
	each_allocation_fails(everything, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_class_has_its_column),
		cmocka_unit_test(status_words),
		cmocka_unit_test(errors_have_a_class),
		cmocka_unit_test(what_an_ended_command_means),
		cmocka_unit_test(all_exit_codes_are_kept),
		cmocka_unit_test(a_command_not_started_keeps_its_code),
		cmocka_unit_test(exit_records),
		cmocka_unit_test(bad_exit_records),
		cmocka_unit_test(verdicts),
		IN_SCRATCH(the_first_to_settle_wins),
		IN_SCRATCH(a_success_has_one_marker),
		IN_SCRATCH(a_reader_writes_a_missing_marker),
		IN_SCRATCH(racers_agree_on_one_outcome),
		IN_SCRATCH(a_full_disk_settles_nothing),
		IN_SCRATCH(bad_outcomes_are_named),
		cmocka_unit_test(a_result_reads_back),
		cmocka_unit_test(half_a_result_is_read_or_refused),
		IN_SCRATCH(each_allocation),
	};

	return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
