/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_layer.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
	if (folder_make(state))
		return -1;
	put_text("branchline-runner", "\177ELF, the runner");
	return 0;
}

/* Writes the note that fits what is there now. */
static void write_note(void)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_err err = { 0 };

	if (bl_layer_describe_runner(folder, &text, &err))
		fail_msg("%s", err.text);
	put_text(BL_RUNNER_NOTE, bl_buf_text(&text));
}

static struct bl_layer know(void)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_err err = { 0 };

	if (bl_layer_know_runner(folder, &layer, &err))
		fail_msg("%s", err.text);
	return layer;
}

static void a_note_saves_the_making(void **state)
{
	struct bl_layer made, known;
	struct bl_err err = { 0 };

	(void)state;
	made = know();
	assert_true(made.fd >= 0);
	write_note();
	known = know();
	assert_true(known.fd < 0);
	assert_string_equal(known.oci.blob.digest, made.oci.blob.digest);
	assert_string_equal(known.oci.diff_id, made.oci.diff_id);
	assert_string_equal(known.oci.created_by, made.oci.created_by);
	assert_int_equal(known.oci.blob.size, made.oci.blob.size);
	assert_int_equal(bl_layer_make_runner(folder, &known, &err), 0);
	assert_true(known.fd >= 0);
	bl_layer_done(&made);
	bl_layer_done(&known);
}

/* Another runner, one more program, or no document: made as if there were no note. */
static void a_note_of_other_programs_is_none(void **state)
{
	struct bl_layer layers[4];

	(void)state;
	write_note();
	rewrite_text("branchline-runner", "\177ELF, the rUnner");
	layers[0] = know();
	rewrite_text("branchline-runner", "\177ELF, the runner");
	put_text("branchline-gpu", "\177ELF");
	layers[1] = know();
	write_note();
	layers[2] = know();
	put_text(BL_RUNNER_NOTE, "{\"schema\":2}");
	layers[3] = know();
	assert_true(layers[0].fd >= 0 && layers[1].fd >= 0 && layers[3].fd >= 0);
	assert_true(layers[2].fd < 0);
	assert_string_equal(layers[1].oci.blob.digest, layers[2].oci.blob.digest);
	assert_string_not_equal(layers[0].oci.blob.digest, layers[1].oci.blob.digest);
	for (size_t i = 0; i < BL_COUNT(layers); i++)
		bl_layer_done(&layers[i]);
}

static void a_note_that_lies_is_found_out(void **state)
{
	struct bl_layer layer;
	struct bl_err err = { 0 };

	(void)state;
	write_note();
	layer = know();
	layer.oci.blob.digest[10] = layer.oci.blob.digest[10] == '0' ? '1' : '0';
	assert_int_equal(bl_layer_make_runner(folder, &layer, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
	assert_true(layer.fd < 0);
}

static void without_a_runner_there_is_no_layer(void **state)
{
	struct bl_layer layer = { .fd = -1 };
	struct bl_err err = { 0 };

	(void)state;
	write_note();
	remove_path("branchline-runner");
	assert_int_equal(bl_layer_know_runner(folder, &layer, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
	assert_non_null(strstr(err.next, "beside `branchline`"));
}

static int story(struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(4096);
	struct bl_layer layer = { .fd = -1 };
	int rc = bl_layer_describe_runner(folder, &text, err);

	if (!rc)
		rc = bl_layer_know_runner(folder, &layer, err);
	if (!rc)
		rc = bl_layer_make_runner(folder, &layer, err);
	bl_layer_done(&layer);
	return rc;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	write_note();
	each_allocation_fails(story, 300);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_note_saves_the_making),
		IN_FOLDER(a_note_of_other_programs_is_none),
		IN_FOLDER(a_note_that_lies_is_found_out),
		IN_FOLDER(without_a_runner_there_is_no_layer),
		IN_FOLDER(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
