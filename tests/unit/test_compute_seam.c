/* SPDX-License-Identifier: Apache-2.0 */
/* Engines are tables, chosen by name. */
#include "run/compute.h"

#include "tests/unit/client_open.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RUN "20261124T080301Z-1a2b3c4d-q7xk"

static const struct bl_run a_run = { .id = RUN };
static int closed;

static void fake_close(void *self)
{
	*(int *)self = 1;
}

static int fake_start(void *self, const struct bl_start *what, struct bl_started *out,
                      struct bl_err *err)
{
	(void)self;
	(void)out;
	return bl_fail(err, BL_ECAPACITY, "none for %u", what->attempt);
}

static int fake_probe(void *self, const struct bl_run *run, const struct bl_attempts *attempts,
                      struct bl_probe *out, struct bl_err *err)
{
	(void)self;
	(void)run;
	(void)attempts;
	(void)err;
	*out = (struct bl_probe){ .owner = BL_ALIVE };
	return 0;
}

static int fake_end(void *self, const struct bl_end_scope *scope, struct bl_ended_boxes *out,
                    struct bl_err *err)
{
	(void)self;
	(void)scope;
	(void)out;
	return bl_fail(err, BL_EDENIED, "no");
}

static int fake_console(void *self, const struct bl_started *started, struct bl_buf *out,
                        struct bl_err *err)
{
	(void)self;
	(void)err;
	bl_buf_adds(out, started->instance);
	return 0;
}

static const struct bl_compute_ops fake = { "fake",     fake_close, fake_start,
	                                    fake_probe, fake_end,   fake_console };

static void a_table_is_an_engine(void **state)
{
	const struct bl_end_scope scope = { .run = RUN };
	struct bl_start what = { .run = &a_run, .attempt = 2 };
	struct bl_started started = { .instance = "i-1" };
	struct bl_attempts attempts = { .newest = 1 };
	BL_AUTO(bl_buf) out = BL_BUF(100);
	struct bl_compute *compute = NULL;
	struct bl_ended_boxes boxes;
	struct bl_err err = { 0 };
	struct bl_probe probe;

	(void)state;
	must(bl_compute_new(&fake, &closed, &compute, &err), &err);
	assert_int_equal(bl_compute_start(compute, &what, &started, &err), -1);
	assert_int_equal(err.code, BL_ECAPACITY);
	assert_string_equal(err.text, "start attempt 2 of run " RUN ": none for 2");
	bl_err_clear(&err);
	must(bl_compute_probe(compute, &a_run, &attempts, &probe, &err), &err);
	assert_int_equal(probe.owner, BL_ALIVE);
	assert_int_equal(bl_compute_end(compute, &scope, &boxes, &err), -1);
	assert_string_equal(err.text, "end the boxes of run " RUN ": no");
	bl_err_clear(&err);
	must(bl_compute_console(compute, &started, &out, &err), &err);
	assert_string_equal(bl_buf_text(&out), "i-1");
	bl_compute_close(compute);
	bl_compute_close(NULL);
	assert_int_equal(closed, 1);
}

static void engines_by_name(void **state)
{
	struct bl_compute_options options = { .name = "slurm", .stack = "s", .cwd = "." };
	BL_AWS aws = client_of("http://127.0.0.1:1");
	struct bl_compute *compute = NULL;
	struct bl_err err = { 0 };

	(void)state;
	assert_int_equal(bl_compute_open(&options, &compute, &err), -1);
	assert_int_equal(err.code, BL_EINPUT);
	assert_string_equal(err.next, "use ec2 or local");
	bl_err_clear(&err);
	options.name = "ec2";
	assert_int_equal(bl_compute_open(&options, &compute, &err), -1);
	assert_int_equal(err.code, BL_EBUG); /* without AWS */
	bl_err_clear(&err);
	options.aws = aws;
	must(bl_compute_open(&options, &compute, &err), &err);
	bl_compute_close(compute);
	options.name = "local";
	options.runner = "/bin/false";
	must(bl_compute_open(&options, &compute, &err), &err);
	bl_compute_close(compute);
	options.cwd = "/nowhere/at/all";
	assert_int_equal(bl_compute_open(&options, &compute, &err), -1);
	assert_int_equal(err.code, BL_ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_an_engine),
		cmocka_unit_test(engines_by_name),
	};

	return cmocka_run_group_tests_name("compute seam", tests, NULL, NULL);
}
