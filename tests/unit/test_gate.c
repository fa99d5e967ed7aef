/* SPDX-License-Identifier: Apache-2.0 */
#include "run/gate.h"

#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NONE ((double)NAN)

static const struct {
	const char *text, *again; /* as it is written back */
} good[] = {
	{ "eval_loss > 2.5", "eval_loss > 2.5" },
	{ "loss>3", "loss > 3" },
	{ "acc <= .5", "acc <= 0.5" },
	{ "\tacc\t>=-1e-3 ", "acc >= -0.001" },
	{ "a == 1.", "a == 1" },
	{ "a!=0", "a != 0" },
	{ "a!b != +7", "a!b != 7" },
	{ "eval/loss@5 < 1E2", "eval/loss@5 < 100" },
	{ "été > 1", "été > 1" },
	{ "x > baseline", "x > baseline" },
	{ "baseline > previous", "baseline > previous" },
	{ "x>baseline*1.02", "x > baseline * 1.02" },
	{ "x < previous - 0.1", "x < previous - 0.1" },
	{ "x < baseline + -0.1", "x < baseline + -0.1" },
	{ "x > 0.1234567890123456", "x > 0.1234567890123456" },
};

static void what_is_read_can_be_written_and_read_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(good); i++) {
		BL_AUTO(bl_buf) text = BL_BUF(4096);
		struct bl_gate gate, again;
		struct bl_err err = { 0 };

		must(bl_gate_parse(good[i].text, &gate, &err), &err);
		bl_gate_text(&gate, &text);
		assert_string_equal(bl_buf_text(&text), good[i].again);
		must(bl_gate_parse(bl_buf_text(&text), &again, &err), &err);
		assert_string_equal(again.metric, gate.metric);
		assert_int_equal(again.op, gate.op);
		assert_int_equal(again.side, gate.side);
		assert_int_equal(again.by, gate.by);
		assert_true(again.number == gate.number);
	}
}

static const struct {
	const char *text, *error;
} bad[] = {
	{ "", "at character 1: expected the name of a metric, found the end" },
	{ "> 3", "at character 1: expected the name of a metric, found '> 3'" },
	{ "loss is high", "at character 6: expected one of < <= > >= == !=, found 'is high'" },
	{ "loss", "at character 5: expected one of < <= > >= == !=, found the end" },
	{ "loss = 3", "at character 6: expected one of < <= > >= == !=, found '= 3'" },
	{ "loss > ", "at character 8: expected a number, baseline or previous, found the end" },
	{ "loss > high", "at character 8: expected a number, baseline or previous, found 'high'" },
	{ "loss > nan", "at character 8: expected a number, baseline or previous, found 'nan'" },
	{ "loss > inf", "at character 8: expected a number, baseline or previous, found 'inf'" },
	{ "loss > 0x10", "at character 8: expected a number, baseline or previous, found '0x10'" },
	{ "loss > 1e999",
	  "at character 8: expected a number, baseline or previous, found '1e999'" },
	{ "loss > 1e", "at character 8: expected a number, baseline or previous, found '1e'" },
	{ "loss > .", "at character 8: expected a number, baseline or previous, found '.'" },
	{ "loss > 2 * 3", "at character 10: expected the end, found '* 3'" },
	{ "loss > 2 * baseline", "at character 10: expected the end, found '* baseline'" },
	{ "loss > baseline / 2", "at character 17: expected *, +, - or the end, found '/ 2'" },
	{ "loss > baselines", "at character 16: expected *, +, - or the end, found 's'" },
	{ "loss > baseline *", "at character 18: expected a number, found the end" },
	{ "loss > baseline * previous", "at character 19: expected a number, found 'previous'" },
	{ "loss > baseline * 2 + 1", "at character 21: expected the end, found '+ 1'" },
	{ "loss > 1; rm -rf /", "at character 9: expected the end, found '; rm -rf /'" },
	{ "loss\n> 1", "at character 5: expected one of < <= > >= == !=, found '\n> 1'" },
	{ "\xff > 1", "at character 1: expected a name in UTF-8, found ''" },
};

static void a_fault_is_named_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		struct bl_gate gate = { .number = 7 };
		struct bl_err err = { 0 };

		assert_int_equal(bl_gate_parse(bad[i].text, &gate, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		assert_string_equal(err.text, bad[i].error);
		assert_true(gate.number == 7);
	}
}

static void lengths_are_bounded(void **state)
{
	char text[BL_GATE_MAX + 8];
	struct bl_gate gate;
	struct bl_err err = { 0 };

	(void)state;
	memset(text, 'm', sizeof(text));
	memcpy(text + 128, " > 1", 5);
	must(bl_gate_parse(text, &gate, &err), &err);
	memset(text, 'm', sizeof(text));
	memcpy(text + 129, " > 1", 5);
	assert_int_equal(bl_gate_parse(text, &gate, &err), -1);
	assert_non_null(strstr(err.text, "at most 128 bytes"));
	bl_err_clear(&err);
	memset(text, ' ', sizeof(text));
	memcpy(text + sizeof(text) - 4, "a>1", 4);
	assert_int_equal(bl_gate_parse(text, &gate, &err), -1);
	assert_non_null(strstr(err.text, "512 bytes"));
}

static const struct {
	const char *text;
	double now, baseline, previous;
	enum bl_gate_state state;
	const char *says;
} judged[] = {
	{ "l > 2.5", 2.6, NONE, NONE, BL_GATE_HOLDS, "l 2.6 > 2.5" },
	{ "l > 2.5", 2.5, NONE, NONE, BL_GATE_PASSED, "l 2.5, not > 2.5" },
	{ "l >= 2.5", 2.5, NONE, NONE, BL_GATE_HOLDS, "l 2.5 >= 2.5" },
	{ "l < 2.5", 2.4, NONE, NONE, BL_GATE_HOLDS, "l 2.4 < 2.5" },
	{ "l < 2.5", 2.5, NONE, NONE, BL_GATE_PASSED, "l 2.5, not < 2.5" },
	{ "l <= 2.5", 2.5, NONE, NONE, BL_GATE_HOLDS, "l 2.5 <= 2.5" },
	{ "l == 2.5", 2.5, NONE, NONE, BL_GATE_HOLDS, "l 2.5 == 2.5" },
	{ "l == 2.5", 2, NONE, NONE, BL_GATE_PASSED, "l 2, not == 2.5" },
	{ "l != 2.5", 2, NONE, NONE, BL_GATE_HOLDS, "l 2 != 2.5" },
	{ "l != 2.5", 2.5, NONE, NONE, BL_GATE_PASSED, "l 2.5, not != 2.5" },
	{ "l > baseline", 2, 1.5, NONE, BL_GATE_HOLDS, "l 2 > 1.5 (baseline)" },
	{ "l > baseline * 1.02", 1.81, 1.75, 9, BL_GATE_HOLDS,
	  "l 1.81 > 1.785 (baseline 1.75 * 1.02)" },
	{ "l > baseline * 1.02", 1.78, 1.75, 1, BL_GATE_PASSED,
	  "l 1.78, not > 1.785 (baseline 1.75 * 1.02)" },
	{ "l < previous - 0.5", 1, 9, 2, BL_GATE_HOLDS, "l 1 < 1.5 (previous 2 - 0.5)" },
	{ "l > previous + 0.5", 2.5, 9, 2, BL_GATE_PASSED, "l 2.5, not > 2.5 (previous 2 + 0.5)" },
	{ "l > 1", 1.0000001, NONE, NONE, BL_GATE_HOLDS, "l 1.0000001 > 1" },
	/* nothing to compare with */
	{ "l > baseline * 1.02", 2, NONE, 1, BL_GATE_NO_REFERENCE,
	  "l 2, no baseline to compare it with" },
	{ "l > previous", 2, 1, NONE, BL_GATE_NO_REFERENCE,
	  "l 2, no previous run to compare it with" },
	{ "l > baseline", 2, INFINITY, NONE, BL_GATE_NO_REFERENCE,
	  "l 2, no baseline to compare it with" },
	/* not a number is never better than a limit, whichever way */
	{ "l > 2.5", NONE, 1, 1, BL_GATE_NOT_A_NUMBER, "l is NaN" },
	{ "l < 2.5", NONE, 1, 1, BL_GATE_NOT_A_NUMBER, "l is NaN" },
	{ "l > baseline", NONE, NONE, 1, BL_GATE_NOT_A_NUMBER, "l is NaN" },
	{ "l < 2.5", INFINITY, 1, 1, BL_GATE_NOT_A_NUMBER, "l is Infinity" },
	{ "l > 2.5", -INFINITY, 1, 1, BL_GATE_NOT_A_NUMBER, "l is -Infinity" },
};

static void conditions_are_judged_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(judged); i++) {
		struct bl_gate_input input = { .now = judged[i].now,
			                       .baseline = judged[i].baseline,
			                       .previous = judged[i].previous,
			                       .has_now = true };
		BL_AUTO(bl_buf) text = BL_BUF(4096);
		struct bl_gate_result result;
		struct bl_gate gate;
		struct bl_err err = { 0 };

		must(bl_gate_parse(judged[i].text, &gate, &err), &err);
		result = bl_gate_judge(&gate, &input);
		assert_int_equal(result.state, judged[i].state);
		bl_gate_say(&gate, &result, &text);
		assert_string_equal(bl_buf_text(&text), judged[i].says);
		input.has_now = false;
		result = bl_gate_judge(&gate, &input);
		assert_int_equal(result.state, BL_GATE_NO_VALUE);
		assert_true(isnan(result.value));
	}
}

static void only_a_kept_or_unasked_condition_passes(void **state)
{
	(void)state;
	assert_false(bl_gate_fails(BL_GATE_PASSED));
	assert_false(bl_gate_fails(BL_GATE_NO_REFERENCE));
	assert_true(bl_gate_fails(BL_GATE_HOLDS));
	assert_true(bl_gate_fails(BL_GATE_NO_VALUE));
	assert_true(bl_gate_fails(BL_GATE_NOT_A_NUMBER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_can_be_written_and_read_again),
		cmocka_unit_test(a_fault_is_named_with_its_place),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(conditions_are_judged_as_the_table_says),
		cmocka_unit_test(only_a_kept_or_unasked_condition_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
