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
