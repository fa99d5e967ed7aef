/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_image.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void what_an_image_runs_on(void **state)
{
	static const struct {
		const char *require, *cuda;
		bool off, runs;
		const char *driver, *cuda_max;
	} table[] = {
		{ "", "", false, true, "550.54.15", "12.4" },
		{ "", "12.4.1", false, true, "550.54.15", "12.4" },
		{ "", "11.8.0", false, true, "550.54.15", "12.4" },
		{ "", "12.9", false, true, "550.54.15", "12.4" }, /* minor version compatibility */
		{ "", "13.0.1", false, false, "550.54.15", "12.4" },
		{ "", "13.0.1", false, true, "", "" }, /* nobody knows */
		{ "cuda>=12.4", "12.4.1", false, true, "550.54.15", "12.4" },
		{ "cuda>=12.5", "12.5.0", false, false, "550.54.15", "12.4" },
		{ "cuda>=12.5", "12.5.0", true, true, "550.54.15", "12.4" },
		{ "cuda>=12.5 brand=tesla,driver>=535,driver<536", "", false, false, "550.54.15",
		  "12.4" },
		{ "cuda>=12.5 brand=tesla,driver>=550,driver<551", "", false, true, "550.54.15",
		  "12.4" },
		{ "cuda>=12.5 brand=geforce,driver>=550", "", false, false, "550.54.15", "12.4" },
		{ "cuda>=9.0", "", false, true, "550.54.15", "12.4" },
		{ "cuda>12.4", "", false, false, "550.54.15", "12.4" },
		{ "cuda<=12.4", "", false, true, "550.54.15", "12.4" },
		{ "cuda!=12.4", "", false, false, "550.54.15", "12.4" },
		{ "driver=550", "", false, true, "550.54.15", "12.4" },
		{ "arch>=7.0", "", false, true, "550.54.15", "12.4" }, /* of the GPU: not ours */
		{ "cuda>=12.10", "", false, false, "550.54.15", "12.4" },
		{ "cuda>=12.4", "", false, true, "", "" },
	};
	char why[160];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_image_needs needs = { .require_is_off = table[i].off };

		snprintf(needs.require, sizeof(needs.require), "%s", table[i].require);
		snprintf(needs.cuda, sizeof(needs.cuda), "%s", table[i].cuda);
		if (bl_image_runs_on(&needs, table[i].driver, table[i].cuda_max, why) !=
		            table[i].runs ||
		    table[i].runs != !*why)
			fail_msg("row %zu: %s", i, why);
	}
}

static int read_needs(const char *json, struct bl_image_needs *out, struct bl_err *err)
{
	return bl_image_needs_read(json, strlen(json), out, err);
}

static void the_config_says_what_it_needs(void **state)
{
	struct bl_image_needs needs;
	struct bl_err err = { 0 };

	(void)state;
	must(read_needs("{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"PATH=/bin\","
	                "\"CUDA_VERSION=12.4.1\",\"NVIDIA_REQUIRE_CUDA=cuda>=12.4\","
	                "\"NVIDIA_DISABLE_REQUIRE=0\"]}}",
	                &needs, &err),
	     &err);
	assert_string_equal(needs.arch, "amd64");
	assert_string_equal(bl_image_ec2_arch(needs.arch), "x86_64");
	assert_string_equal(bl_image_ec2_arch("arm64"), "arm64");
	assert_string_equal(needs.cuda, "12.4.1");
	assert_string_equal(needs.require, "cuda>=12.4");
	assert_false(needs.require_is_off);
	must(read_needs("{\"config\":{\"Labels\":{\"branchline.cuda\":\"12.6\"},\"Env\":["
	                "\"NVIDIA_DISABLE_REQUIRE=true\"]}}",
	                &needs, &err),
	     &err);
	assert_string_equal(needs.cuda, "12.6");
	assert_true(needs.require_is_off);
	must(read_needs("{\"config\":{\"Env\":null}}", &needs, &err), &err);
	assert_string_equal(needs.cuda, "");
	assert_int_equal(read_needs("{", &needs, &err), -1);
	assert_int_equal(err.code, BL_ECORRUPT);
}

static int story(struct bl_err *err)
{
	struct bl_image_needs needs;

	return read_needs("{\"config\":{\"Env\":[\"CUDA_VERSION=12.4.1\"]}}", &needs, err);
}

static void allocations_fail_cleanly(void **state)
{
	(void)state;
	each_allocation_fails(story, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_image_runs_on),
		cmocka_unit_test(the_config_says_what_it_needs),
		cmocka_unit_test(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("launch_image", tests, NULL, NULL);
}
