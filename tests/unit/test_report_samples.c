/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_samples.h"

#include "run/keys.h"

#include "base/buf.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"
#define BASE "20261123T080301Z-1a2b3c4d-aaaa"

static struct bl_samples pair(const char *now, const char *baseline)
{
	struct bl_samples samples;
	struct bl_err err = { 0 };

	must(bl_samples_pair(now, strlen(now), baseline, strlen(baseline), &samples, &err), &err);
	return samples;
}

static void assert_sample(const struct bl_sample *sample, const char *prompt, const char *now,
                          const char *baseline)
{
	const char *const got[] = { sample->prompt, sample->now, sample->baseline };
	const char *const wanted[] = { prompt, now, baseline };

	for (size_t i = 0; i < BL_COUNT(got); i++) {
		assert_int_equal(!got[i], !wanted[i]);
		if (wanted[i])
			assert_string_equal(got[i], wanted[i]);
	}
}

static void answers_stand_beside_those_to_the_same_prompt(void **state)
{
	BL_AUTO(bl_samples)
	samples = pair("{\"prompt\":\"a\",\"completion\":\"1\"}\n"
	               "{\"input\":\"b\",\"output\":\"2\"}\n"
	               "{\"question\":\"c\",\"text\":\"3\"}",
	               "{\"prompt\":\"b\",\"completion\":\"y\"}\n"
	               "{\"prompt\":\"a\",\"completion\":\"x\"}\n"
	               "{\"prompt\":\"other\",\"completion\":\"z\"}\n");

	(void)state;
	assert_int_equal(samples.n, 3);
	assert_sample(&samples.items[0], "a", "1", "x");
	assert_sample(&samples.items[1], "b", "2", "y");
	assert_sample(&samples.items[2], "c", "3", NULL);
}

static void without_prompts_the_place_pairs(void **state)
{
	BL_AUTO(bl_samples)
	samples = pair("{\"text\":\"1\"}\n\n  \r\n{\"text\":\"2\"}\n", "{\"text\":\"x\"}\n");

	(void)state;
	assert_int_equal(samples.n, 2);
	assert_sample(&samples.items[0], NULL, "1", "x");
	assert_sample(&samples.items[1], NULL, "2", NULL);
}

static void other_shapes_are_shown_as_they_are(void **state)
{
	BL_AUTO(bl_samples)
	samples = pair("not json\n[1, 2]\n{\"a\": 1}\n{\"prompt\": 3, \"output\": "
	               "[1, {\"b\": null}]}\n\xff\n",
	               "");

	(void)state;
	assert_int_equal(samples.n, 5);
	assert_sample(&samples.items[0], NULL, "not json", NULL);
	assert_sample(&samples.items[1], NULL, "[1, 2]", NULL);
	assert_sample(&samples.items[2], NULL, "{\"a\": 1}", NULL);
	assert_string_equal(samples.items[3].prompt, "3");
	assert_non_null(strstr(samples.items[3].now, "null"));
	assert_sample(&samples.items[4], NULL, "\xef\xbf\xbd", NULL);
}

static void what_is_too_much_is_counted_and_cut(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 20);

	(void)state;
	for (int i = 0; i < 30; i++)
		bl_buf_addf(&text, "{\"prompt\":\"%d\",\"text\":\"%0*d\"}\n", i, 9000, i);
	BL_AUTO(bl_samples) samples = pair(bl_buf_text(&text), bl_buf_text(&text));
	assert_int_equal(samples.n, BL_SAMPLES_MAX);
	assert_int_equal(samples.left_out, 30 - BL_SAMPLES_MAX);
	assert_true(strlen(samples.items[0].now) <= BL_SAMPLE_CHARS * 4);
	assert_string_equal(samples.items[0].now, samples.items[0].baseline);
}

static void put_output(struct bl_store *store, const char *run, const char *name, const char *text)
{
	struct bl_key key = bl_key_run(run, "outputs/001/output/%s", name);
	struct bl_key manifest = bl_key_run(run, BL_KEY_OUTPUTS, 1u);
	BL_AUTO(bl_buf) doc = BL_BUF(1 << 16);

	put_object(store, key.text, text);
	bl_buf_addf(
		&doc,
		"{\"schema\":1,\"run\":\"%s\",\"attempt\":1,\"seq\":0,\"at_ms\":1,\"entries\":[{"
		"\"path\":\"output/"
		"%s\",\"size\":%zu,\"crc64nvme\":\"AAAAAAAAAAA=\",\"key\":\"%s\"}]}",
		run, name, strlen(text), key.text);
	put_object(store, manifest.text, bl_buf_text(&doc));
}

static void samples_are_found_among_the_outputs(void **state)
{
	struct bl_samples samples;
	struct bl_err err = { 0 };

	put_output(*state, RUN, "samples.jsonl", "{\"prompt\":\"a\",\"text\":\"1\"}\n");
	put_output(*state, BASE, "samples.jsonl", "{\"prompt\":\"a\",\"text\":\"x\"}\n");
	must(bl_samples_read(*state, RUN, 1, BASE, 1, &samples, &err), &err);
	assert_int_equal(samples.n, 1);
	assert_sample(&samples.items[0], "a", "1", "x");
	bl_samples_done(&samples);
	must(bl_samples_read(*state, RUN, 2, "", 0, &samples, &err), &err); /* no such attempt */
	assert_int_equal(samples.n, 0);
	bl_samples_done(&samples);
}

static void a_page_is_taken_where_there_are_no_lines(void **state)
{
	struct bl_samples samples;
	struct bl_err err = { 0 };

	put_output(*state, RUN, "samples.md", "# One\n\xff\n");
	put_output(*state, BASE, "other.md", "no\n");
	must(bl_samples_read(*state, RUN, 1, BASE, 1, &samples, &err), &err);
	assert_int_equal(samples.n, 0);
	assert_string_equal(samples.page, "# One\n\xef\xbf\xbd\n");
	assert_null(samples.baseline_page);
	bl_samples_done(&samples);
	assert_int_equal(err.code, BL_OK);
}

static struct bl_store *shared;

static int story(struct bl_err *err)
{
	struct bl_samples samples;

	if (bl_samples_read(shared, RUN, 1, BASE, 1, &samples, err))
		return -1;
	bl_samples_done(&samples);
	if (bl_samples_pair("a\nb\n", 4, "{\"text\":1}\n", 11, &samples, err))
		return -1;
	bl_samples_done(&samples);
	return 0;
}

static void memory_may_fail_anywhere(void **state)
{
	shared = *state;
	put_output(*state, RUN, "samples.jsonl", "{\"prompt\":\"a\",\"text\":\"1\"}\n");
	put_output(*state, BASE, "samples.md", "# One\n");
	each_allocation_fails(story, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_stand_beside_those_to_the_same_prompt),
		cmocka_unit_test(without_prompts_the_place_pairs),
		cmocka_unit_test(other_shapes_are_shown_as_they_are),
		cmocka_unit_test(what_is_too_much_is_counted_and_cut),
		IN_SCRATCH(samples_are_found_among_the_outputs),
		IN_SCRATCH(a_page_is_taken_where_there_are_no_lines),
		IN_SCRATCH(memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
