/* SPDX-License-Identifier: Apache-2.0 */
/* What EC2's offers, addresses and the budget mean for a stack. */
#include "run/doctor_judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bl_checks checks;

static const struct bl_stack stack = {
	.subnets = { { "subnet-a", "z-a" }, { "subnet-a2", "z-a" }, { "subnet-b", "z-b" } },
	.n_subnets = 3,
};

static void only(size_t i, enum bl_check_state state, enum bl_code code, const char *seen)
{
	const struct bl_check *check = &checks.items[0];

	assert_int_equal(checks.n, 1);
	if (check->state != state || check->code != code || !strstr(check->seen, seen))
		fail_msg("%zu: %s %d: %s", i, bl_check_state_name(check->state), check->code,
		         check->seen);
	if ((state == BL_CHECK_WARN || state == BL_CHECK_FAIL) && !check->next[0])
		fail_msg("%zu: nothing to do about: %s", i, check->seen);
}

static void types_by_zone(void **state)
{
	static const char *const types[] = { "t1", "t2", "t3", "t4", "t5" };
	static const struct {
		struct bl_ec2_offer offers[6];
		size_t n, n_types;
		enum bl_check_state state;
		const char *seen;
	} table[] = {
		{ { { "t1", "z-a" }, { "t1", "z-b" } },
		  2,
		  1,
		  BL_CHECK_OK,
		  "z-a 1 of 1 types, z-b 1 of 1 types" },
		{ { { "t1", "z-a" }, { "t2", "z-a" }, { "t1", "z-b" } },
		  3,
		  2,
		  BL_CHECK_OK,
		  "z-a 2 of 2 types, z-b 1 of 2 types (not t2)" },
		{ { { "t1", "z-a" }, { "t1", "z-b" } },
		  2,
		  5,
		  BL_CHECK_OK,
		  "z-a 1 of 5 types (not t2, t3, t4, ...)" },
		{ { { "t1", "z-a" }, { "t1", "z-c" } },
		  2,
		  1,
		  BL_CHECK_WARN,
		  "z-a 1 of 1 types, z-b 0 of 1 types" },
		{ { { "t1", "z-c" } }, 1, 1, BL_CHECK_FAIL, "z-a 0 of 1 types, z-b 0 of 1 types" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		checks.n = 0;
		bl_doctor_judge_offers(&stack, types, table[i].n_types, table[i].offers, table[i].n,
		                       &checks);
		only(i, table[i].state, table[i].state == BL_CHECK_FAIL ? BL_EINPUT : BL_OK,
		     table[i].seen);
	}
}

static void a_stack_of_one_subnet_needs_one_zone(void **state)
{
	static const char *const types[] = { "t1" };
	static const struct bl_ec2_offer offer = { "t1", "z-a" };
	struct bl_stack small = stack;

	(void)state;
	small.n_subnets = 1;
	checks.n = 0;
	bl_doctor_judge_offers(&small, types, 1, &offer, 1, &checks);
	only(0, BL_CHECK_OK, BL_OK, "z-a 1 of 1 types");
}

static void addresses(void **state)
{
	static const struct {
		struct bl_ec2_subnet subnets[2];
		enum bl_check_state state;
		const char *seen;
	} table[] = {
		{ { { "subnet-a", "z-a", 251 }, { "subnet-b", "z-b", 8 } },
		  BL_CHECK_OK,
		  "2, with 259 free addresses" },
		{ { { "subnet-a", "z-a", 251 }, { "subnet-b", "z-b", 3 } },
		  BL_CHECK_WARN,
		  "but 3 in subnet-b (z-b)" },
		{ { { "subnet-a", "z-a", 0 }, { "subnet-b", "z-b", 0 } },
		  BL_CHECK_FAIL,
		  "no address is free in 2" },
		{ { { "subnet-a", "z-a", 251 }, { "subnet-b", "z-c", 251 } },
		  BL_CHECK_WARN,
		  "subnet-b is in z-c, not in z-b" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		checks.n = 0;
		bl_doctor_judge_subnets(&stack, table[i].subnets, 2, &checks);
		only(i, table[i].state, table[i].state == BL_CHECK_FAIL ? BL_ECAPACITY : BL_OK,
		     table[i].seen);
	}
}

static void money(void **state)
{
	static const struct {
		struct bl_budget budget;
		enum bl_check_state state;
		const char *seen;
	} table[] = {
		{ { 500, 12.5 }, BL_CHECK_OK, "b: $12.50 of $500.00 spent" },
		{ { 500, 399.99 }, BL_CHECK_OK, "$399.99" },
		{ { 500, 400 }, BL_CHECK_WARN, "$400.00" },
		{ { 500, 500 }, BL_CHECK_FAIL, "$500.00 of $500.00" },
		{ { NAN, 12.5 }, BL_CHECK_OK, "b: $12.50 spent" },
		{ { 0, 12.5 }, BL_CHECK_OK, "b: $12.50 spent" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		checks.n = 0;
		bl_doctor_judge_budget("b", &table[i].budget, &checks);
		only(i, table[i].state, table[i].state == BL_CHECK_FAIL ? BL_EDEADLINE : BL_OK,
		     table[i].seen);
	}
}

static void drivers(void **state)
{
	static const struct bl_stack both = {
		.templates = { { .cuda_max = "12.4", .driver = "550.54" },
		               { .cuda_max = "11.8", .driver = "" } },
		.n_templates = 2,
	};
	static const struct bl_stack none = {
		.templates = { { .cuda_max = "", .driver = "550.54" } },
		.n_templates = 1,
	};

	(void)state;
	checks.n = 0;
	bl_doctor_judge_cuda(&both, &checks);
	only(0, BL_CHECK_OK, BL_OK, "CUDA up to 12.4 (driver 550.54), CUDA up to 11.8");
	checks.n = 0;
	bl_doctor_judge_cuda(&none, &checks);
	only(1, BL_CHECK_SKIPPED, BL_OK, "does not say");
}

static void images(void **state)
{
	static const struct bl_stack one = {
		.templates = { { .cuda_max = "12.4", .driver = "550.54.15" } },
		.n_templates = 1,
	};
	static const struct {
		struct bl_image_needs needs;
		bool gpu;
		enum bl_check_state state;
		const char *seen;
	} table[] = {
		{ { .cuda = "12.4.1" },
		  true,
		  BL_CHECK_OK,
		  "0123456789ab is sha256:aaaaaaaaaaaa, CUDA" },
		{ { .cuda = "" }, true, BL_CHECK_OK, "is sha256:aaaaaaaaaaaa" },
		{ { .cuda = "13.0" }, true, BL_CHECK_FAIL, "0123456789ab: " },
		{ { .cuda = "13.0" }, false, BL_CHECK_OK, "CUDA 13.0" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_looked image = { .needs = table[i].needs };

		memset(image.digest, 'a', 71);
		memcpy(image.digest, "sha256:", 7);
		checks.n = 0;
		bl_doctor_judge_image(&one, "0123456789abcdef", &image, table[i].gpu, &checks);
		only(i, table[i].state, table[i].state == BL_CHECK_FAIL ? BL_EINPUT : BL_OK,
		     table[i].seen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_by_zone),
		cmocka_unit_test(a_stack_of_one_subnet_needs_one_zone),
		cmocka_unit_test(addresses),
		cmocka_unit_test(money),
		cmocka_unit_test(drivers),
		cmocka_unit_test(images),
	};

	return cmocka_run_group_tests_name("doctor_stack", tests, NULL, NULL);
}
