/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"
#include "run/launch_gpu.h"
#include "run/launch_types.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/launch_input.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void gpus_by_the_names_people_use(void **state)
{
	static const struct {
		const char *wanted, *name;
		bool same;
	} table[] = {
		{ "l4", "L4", true },
		{ "NVIDIA L4", "L4", true },
		{ "a10g", "A10G", true },
		{ "A10", "A10G", true },
		{ "l40s", "L40S", true },
		{ "l4", "L40S", false },
		{ "t4", "T4g", false },
		{ "Tesla-V100", "V100", true },
		{ "h100", "H100", true },
		{ "h100 80gb", "H100", true },
		{ "h100", "H200", false },
		{ "", "L4", false },
		{ "l4", "", false },
		{ "nvidia tesla t4", "T4", true },
		{ "rtx 9000", "RTX9000", true },
		{ "a100", "A100", true },
	};
	static const struct {
		const char *name;
		double compute;
	} capabilities[] = { { "T4", 7.5 },   { "A10G", 8.6 }, { "L4", 8.9 },   { "L40S", 8.9 },
		             { "V100", 7.0 }, { "A100", 8.0 }, { "H100", 9.0 }, { "H200", 9.0 },
		             { "K80", 3.7 },  { "M60", 5.2 },  { "B200", 10 },  { "Radeon", 0 } };
	BL_AUTO(bl_buf) names = BL_BUF(1024);

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		if (bl_gpu_matches(table[i].wanted, table[i].name) != table[i].same)
			fail_msg("%s / %s", table[i].wanted, table[i].name);
	for (size_t i = 0; i < BL_COUNT(capabilities); i++) {
		double got = bl_gpu_compute(capabilities[i].name);

		if (got < capabilities[i].compute || got > capabilities[i].compute)
			fail_msg("%s: %f", capabilities[i].name, got);
	}
	bl_gpu_names(&names);
	assert_non_null(strstr(bl_buf_text(&names), "A10G, L4"));
}

static void list_of(const char *json, struct bl_value **out)
{
	struct bl_err err = { 0 };

	must(bl_json_parse(json, strlen(json), "list", out, &err), &err);
}

static void read_stack(struct bl_stack *stack)
{
	struct bl_err err = { 0 };

	must(bl_stack_parse(launch_stack_text, strlen(launch_stack_text), stack, &err), &err);
}

static void names_of(const struct bl_fits *fits, struct bl_buf *out)
{
	bl_buf_reset(out);
	for (size_t i = 0; i < fits->n; i++)
		bl_buf_addf(out, "%s%s", i ? " " : "", fits->items[i].type.name);
}

static void what_is_wanted_chooses(void **state)
{
	static const struct {
		const char *gpu;
		int64_t gpus, memory;
		double compute;
		const char *types, *arch, *expect, *text; /* expect NULL: refused with text */
	} table[] = {
		{ NULL, 1, 0, 0, "[]", "", "g6.xlarge g5.xlarge g4dn.xlarge g5g.xlarge", NULL },
		{ "l4", 1, 0, 0, "[]", "", "g6.xlarge", NULL },
		{ "a10", 1, 0, 0, "[]", "", "g5.xlarge", NULL },
		{ NULL, 1, 24, 0, "[]", "", "g6.xlarge g5.xlarge", NULL },
		{ NULL, 1, 0, 8.0, "[]", "", "g6.xlarge g5.xlarge", NULL },
		{ NULL, 1, 0, 8.6, "[]", "", "g6.xlarge g5.xlarge", NULL },
		{ NULL, 1, 0, 8.9, "[]", "", "g6.xlarge", NULL },
		{ NULL, 1, 0, 0, "[\"g4dn.*\", \"g5.xlarge\"]", "", "g5.xlarge g4dn.xlarge", NULL },
		{ NULL, 1, 0, 0, "[]", "arm64", "g5g.xlarge", NULL },
		{ NULL, 1, 0, 0, "[]", "x86_64", "g6.xlarge g5.xlarge g4dn.xlarge", NULL },
		{ NULL, 0, 0, 0, "[]", "", "c7i.large", NULL },
		{ "h100", 1, 0, 0, "[]", "", NULL, "g6.xlarge has L4, not h100" },
		{ NULL, 8, 0, 0, "[]", "", NULL, "has 1 GPU, not 8" },
		{ NULL, 1, 80, 0, "[]", "", NULL, "GB of memory, not 80" },
		{ NULL, 1, 0, 9.0, "[]", "", NULL, "compute capability 8.9, not 9.0" },
		{ NULL, 1, 0, 0, "[\"p5.48xlarge\"]", "", NULL, "none of p5.48xlarge is among" },
	};
	BL_AUTO(bl_stack) stack = { 0 };
	BL_AUTO(bl_buf) names = BL_BUF(1024);

	(void)state;
	read_stack(&stack);
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_VALUE types = NULL;
		struct bl_err err = { 0 };
		struct bl_fits fits;
		int rc;

		list_of(table[i].types, &types);
		const struct bl_wanted wanted = { table[i].gpu,     table[i].gpus, table[i].memory,
			                          table[i].compute, types,         table[i].arch };

		rc = launch_fits(&wanted, &stack, &fits, &err);
		if (!table[i].expect) {
			if (!rc || err.code != BL_EINPUT || !strstr(err.text, table[i].text) ||
			    !*err.next)
				fail_msg("%zu: %s / %s", i, err.text, err.next);
			continue;
		}
		must(rc, &err);
		names_of(&fits, &names);
		assert_string_equal(bl_buf_text(&names), table[i].expect);
	}
}

static void ceilings_and_the_other_maker_are_left_out(void **state)
{
	const struct bl_wanted wanted = { .gpus = 1 };
	const struct bl_stack_template template = { .arch = "x86_64" };
	struct bl_ec2_type amd = {
		"g4ad.xlarge", "x86_64", "Radeon Pro V520", "AMD", 4, 16384, 1, 8192, 150,
		true,          true
	};
	BL_AUTO(bl_stack) stack = { 0 };
	struct bl_candidates candidates;
	struct bl_err err = { 0 };
	BL_VALUE ceilings = NULL;
	char why[96];

	(void)state;
	assert_true(bl_launch_misfit(&wanted, &amd, &template, why));
	assert_non_null(strstr(why, "NVIDIA"));
	read_stack(&stack);
	list_of("{\"instance_types\":[\"g6.*\"]}", &ceilings);
	stack.ceilings = ceilings;
	must(bl_launch_candidates(&wanted, &stack, &candidates, &err), &err);
	assert_int_equal(candidates.n, 1);
	assert_string_equal(candidates.items[0].type, "g6.xlarge");
}

static void the_configuration_says_what_is_wanted(void **state)
{
	static const char yaml[] = "version: 1\ncommand: [t]\ngpu: l4\ngpus: 2\nmin_compute: 8.0\n"
				   "gpu_memory_gb: 16\ninstance_types: [g6.12xlarge]\n";
	const struct bl_config_input input = { .bytes = yaml, .len = strlen(yaml), .file = "y" };
	BL_AUTO(bl_config) config = { 0 };
	struct bl_err err = { 0 };
	struct bl_wanted wanted;

	(void)state;
	must(bl_config_resolve(&input, &config, &err), &err);
	bl_wanted_of(&config, &wanted);
	assert_string_equal(wanted.gpu, "l4");
	assert_int_equal(wanted.gpus, 2);
	assert_int_equal(wanted.gpu_memory_gb, 16);
	assert_true(wanted.min_compute > 7.9);
	assert_int_equal(wanted.instance_types->n, 1);
	assert_null(wanted.arch);
}

static int story(struct bl_err *err)
{
	const struct bl_wanted wanted = { .gpus = 1 };
	BL_AUTO(bl_stack) stack = { 0 };
	struct bl_fits fits;

	if (bl_stack_parse(launch_stack_text, strlen(launch_stack_text), &stack, err))
		return -1;
	return launch_fits(&wanted, &stack, &fits, err);
}

static void allocations_fail_cleanly(void **state)
{
	(void)state;
	each_allocation_fails(story, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpus_by_the_names_people_use),
		cmocka_unit_test(what_is_wanted_chooses),
		cmocka_unit_test(ceilings_and_the_other_maker_are_left_out),
		cmocka_unit_test(the_configuration_says_what_is_wanted),
		cmocka_unit_test(allocations_fail_cleanly),
	};

	return cmocka_run_group_tests_name("launch_types", tests, NULL, NULL);
}
