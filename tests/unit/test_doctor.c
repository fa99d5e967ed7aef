/* SPDX-License-Identifier: Apache-2.0 */
/* The judgements, from what was seen to what it means; no AWS. */
#include "run/doctor_judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bl_checks checks;

static void has(const char *id, enum bl_check_state state, const char *seen, const char *next)
{
	for (size_t i = 0; i < checks.n; i++) {
		const struct bl_check *check = &checks.items[i];

		if (strcmp(bl_checkup_id(check->what), id) != 0)
			continue;
		if (check->state != state || !strstr(check->seen, seen) ||
		    !strstr(check->next, next))
			fail_msg("%s: %s: %s / %s", id, bl_check_state_name(check->state),
			         check->seen, check->next);
		if ((state == BL_CHECK_FAIL) != (check->code != BL_OK))
			fail_msg("%s: code %d", id, check->code);
		return;
	}
	fail_msg("no check %s", id);
}

static void each_checkup_has_a_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BL_CHECKUP_LABEL; i++) {
		assert_true(*bl_checkup_id(i) && *bl_checkup_title(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(bl_checkup_id(j), bl_checkup_id(i));
	}
}

/* --- The list --------------------------------------------------------------------------------- */

static void the_first_failure_is_the_verdict(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	checks.n = 0;
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_OK);
	assert_int_equal(bl_checks_verdict(&checks, &err), 0);
	bl_check_add(&checks, BL_CHECKUP_CLOCK, BL_CHECK_SKIPPED, "not asked");
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_OK);
	bl_check_next(bl_check_add(&checks, BL_CHECKUP_BUCKET, BL_CHECK_WARN, "odd"), BL_EDENIED,
	              "look");
	assert_int_equal(checks.items[1].code, BL_OK);
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_WARN);
	assert_int_equal(bl_checks_verdict(&checks, &err), 0);
	bl_check_next(bl_check_add(&checks, BL_CHECKUP_STACK, BL_CHECK_FAIL, "%d of 3", 1),
	              BL_ECAPACITY, "ask for %d", 2);
	bl_check_add(&checks, BL_CHECKUP_LABEL, BL_CHECK_FAIL, "later");
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_FAIL);
	assert_int_equal(bl_checks_verdict(&checks, &err), -1);
	assert_int_equal(err.code, BL_ECAPACITY);
	assert_string_equal(err.text, "Stack descriptor: 1 of 3");
	assert_string_equal(err.next, "ask for 2");
}

static void a_full_list_keeps_a_failure(void **state)
{
	(void)state;
	checks.n = 0;
	for (size_t i = 0; i < BL_CHECKS_MAX; i++)
		bl_check_add(&checks, BL_CHECKUP_CLOCK, BL_CHECK_OK, "%zu", i);
	bl_check_next(bl_check_add(&checks, BL_CHECKUP_BUCKET, BL_CHECK_WARN, "lost"), BL_OK,
	              "lost");
	assert_int_equal(checks.n, BL_CHECKS_MAX);
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_OK);
	bl_check_add(&checks, BL_CHECKUP_STACK, BL_CHECK_FAIL, "kept");
	assert_int_equal(checks.n, BL_CHECKS_MAX);
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_FAIL);
}

static void a_call_that_failed(void **state)
{
	struct bl_err denied = { .code = BL_EDENIED, .text = "may not", .next = "allow it" };
	struct bl_err lost = { .code = BL_ERETRY, .text = "HTTP 500", .next = "" };

	(void)state;
	checks.n = 0;
	bl_check_failed(&checks, BL_CHECKUP_CLOCK, BL_CHECK_SKIPPED, &denied);
	bl_check_failed(&checks, BL_CHECKUP_BUCKET, BL_CHECK_FAIL, &denied);
	bl_check_failed(&checks, BL_CHECKUP_STACK, BL_CHECK_SKIPPED, &lost);
	has("clock", BL_CHECK_SKIPPED, "may not", "allow it");
	has("bucket", BL_CHECK_FAIL, "may not", "allow it");
	has("stack", BL_CHECK_FAIL, "HTTP 500", "");
	assert_int_equal(checks.items[1].code, BL_EDENIED);
	assert_int_equal(checks.items[2].code, BL_ERETRY);
}

/* --- Quotas ----------------------------------------------------------------------------------- */

static const struct bl_check_type types[] = {
	{ "g5.2xlarge", 8 }, { "g6.xlarge", 4 },  { "p4d.24xlarge", 96 },
	{ "g6e.xlarge", 0 }, { "mac2.metal", 8 },
};

static void types_have_families(void **state)
{
	struct bl_family families[BL_FAMILIES_MAX];

	(void)state;
	assert_int_equal(bl_doctor_families(types, BL_COUNT(types), true, families), 2);
	assert_string_equal(families[0].quota, "L-3819A6DF");
	assert_int_equal(families[0].least, 4);
	assert_int_equal(families[0].most, 8);
	assert_string_equal(families[0].most_type, "g5.2xlarge");
	assert_true(isnan(families[0].vcpus));
	assert_string_equal(families[1].quota, "L-7212CCBC");
	assert_int_equal(families[1].least, 96);
	assert_int_equal(bl_doctor_families(types, 0, true, families), 0);
}

static void quotas_are_judged_together(void **state)
{
	static const struct {
		double g, p; /* NaN: the role may not ask */
		enum bl_check_state g_state, p_state;
		const char *g_seen, *g_next;
	} table[] = {
		{ 64, 96, BL_CHECK_OK, BL_CHECK_OK, "64 vCPUs; g5.2xlarge needs 8", "" },
		{ 4, 96, BL_CHECK_OK, BL_CHECK_OK, "enough for g6.xlarge (4), not for g5.2xlarge",
		  "" },
		{ 64, 0, BL_CHECK_OK, BL_CHECK_WARN, "64", "" },
		{ 3, 96, BL_CHECK_WARN, BL_CHECK_OK, "3 vCPUs, but g6.xlarge needs 4",
		  "--quota-code L-3819A6DF --desired-value 8 --region us-east-1" },
		{ 0, 0, BL_CHECK_FAIL, BL_CHECK_FAIL, "0 vCPUs", "ask for 8: aws" },
		{ 0, NAN, BL_CHECK_WARN, BL_CHECK_SKIPPED, "0 vCPUs", "ask for 8: aws" },
		{ NAN, NAN, BL_CHECK_SKIPPED, BL_CHECK_SKIPPED, "no", "" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_family families[BL_FAMILIES_MAX];
		size_t n = bl_doctor_families(types, BL_COUNT(types), true, families);

		checks.n = 0;
		families[0].vcpus = table[i].g;
		families[1].vcpus = table[i].p;
		for (size_t j = 0; j < n; j++)
			families[j].err = (struct bl_err){ .code = BL_EDENIED, .text = "no" };
		bl_doctor_judge_quota(families, n, "us-east-1", &checks);
		has("quota-spot-g", table[i].g_state, table[i].g_seen, table[i].g_next);
		has("quota-spot-p", table[i].p_state, "", "");
		assert_int_equal(bl_check_is_short(&checks, "g6.xlarge", true), table[i].g < 4);
		assert_int_equal(bl_check_is_short(&checks, "p4d.24xlarge", true), table[i].p < 96);
		assert_false(bl_check_is_short(&checks, "g6.xlarge", false));
		assert_false(bl_check_is_short(&checks, "mac2.metal", true));
	}
	has("quota-spot-p", BL_CHECK_SKIPPED, "no", "");
}

/* --- Templates -------------------------------------------------------------------------------- */

static void tags_of_metadata(void **state)
{
	static char long_key[257];
	static const struct {
		const char *key;
		bool fits;
	} table[] = {
		{ "branchline:stack", true },
		{ "a-b_c+d=e,f.g@h:i9", true },
		{ "cost center", false },
		{ "team/ml", false },
		{ ".", false },
		{ "..", false },
		{ "_index", false },
		{ "", false },
		{ "caf\xc3\xa9", false },
		{ "...", true },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		if (bl_doctor_tag_fits(table[i].key) != table[i].fits)
			fail_msg("'%s'", table[i].key);
	memset(long_key, 'a', 256);
	assert_false(bl_doctor_tag_fits(long_key));
	long_key[255] = '\0';
	assert_true(bl_doctor_tag_fits(long_key));
}

static void templates_are_judged(void **state)
{
	static struct bl_ec2_tag good[] = { { "a:b", "x" } };
	static struct bl_ec2_tag bad[] = { { "a:b", "x" }, { "cost center", "" }, { "a/b", "" } };
	static const struct bl_ec2_template right = {
		.image = "ami-1",
		.profile = "p",
		.http_tokens = "required",
		.metadata_tags = "enabled",
		.shutdown = "terminate",
		.hop_limit = 1,
		.tags = good,
		.n_tags = 1,
	};
	struct bl_value list = { .type = BL_LIST, .n = 2 };
	const struct bl_stack_template wanted = {
		.id = "lt-1", .arch = "x86_64", .version = 3, .types = &list
	};
	struct bl_ec2_template found = right;

	(void)state;
	checks.n = 0;
	bl_doctor_judge_template(&wanted, &found, &checks);
	assert_int_equal(bl_checks_worst(&checks), BL_CHECK_OK);
	has("launch-template", BL_CHECK_OK, "lt-1 version 3 (x86_64), 2 types, ami-1", "");
	has("template-tags", BL_CHECK_OK, "1, all fit", "");

	memset(found.profile, 0, sizeof(found.profile));
	found.tags = bad;
	found.n_tags = 3;
	memset(found.shutdown, 0, sizeof(found.shutdown));
	memset(found.metadata_tags, 0, sizeof(found.metadata_tags));
	checks.n = 0;
	bl_doctor_judge_template(&wanted, &found, &checks);
	has("launch-template", BL_CHECK_FAIL, "no instance profile", "Terraform");
	has("template-tags", BL_CHECK_FAIL, "2 would fail every launch, as 'cost center'",
	    "rename");
	has("template-shutdown", BL_CHECK_FAIL, "which means stop", "Terraform");
	has("template-metadata", BL_CHECK_FAIL, "tags in metadata are off", "Terraform");
}

static void metadata_is_judged(void **state)
{
	static const struct {
		struct bl_ec2_template found;
		enum bl_check_state state;
		const char *seen;
	} table[] = {
		{ { .http_tokens = "required", .metadata_tags = "enabled", .hop_limit = 1 },
		  BL_CHECK_OK,
		  "hop limit 1" },
		{ { .http_tokens = "optional", .metadata_tags = "enabled", .hop_limit = 1 },
		  BL_CHECK_FAIL,
		  "HttpTokens is optional" },
		{ { .metadata_tags = "enabled", .hop_limit = 1 }, BL_CHECK_FAIL, "not set" },
		{ { .http_tokens = "required", .metadata_tags = "disabled", .hop_limit = 1 },
		  BL_CHECK_FAIL,
		  "are disabled" },
		{ { .http_tokens = "required", .metadata_tags = "enabled", .hop_limit = 2 },
		  BL_CHECK_FAIL,
		  "hop limit 2" },
		{ { .http_tokens = "required", .metadata_tags = "enabled" },
		  BL_CHECK_WARN,
		  "hop limit is not set" },
	};
	struct bl_value list = { .type = BL_LIST };
	const struct bl_stack_template wanted = { .id = "lt-1", .arch = "", .types = &list };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		checks.n = 0;
		bl_doctor_judge_template(&wanted, &table[i].found, &checks);
		has("template-metadata", table[i].state, table[i].seen, "");
	}
}

/* --- Bucket, clock ---------------------------------------------------------------------------- */

static void buckets_and_clocks(void **state)
{
	(void)state;
	checks.n = 0;
	bl_doctor_judge_bucket("b", "us-east-1", "us-east-1", &checks);
	has("bucket", BL_CHECK_OK, "s3://b, in us-east-1", "");
	checks.n = 0;
	bl_doctor_judge_bucket("b", "", "us-east-1", &checks);
	has("bucket", BL_CHECK_OK, "s3://b, in us-east-1", "");
	checks.n = 0;
	bl_doctor_judge_bucket("b", "eu-west-1", "us-east-1", &checks);
	has("bucket", BL_CHECK_WARN, "in eu-west-1, the instances in us-east-1", "one region");
	bl_doctor_judge_clock(0, &checks);
	has("clock", BL_CHECK_OK, "within 4 minutes", "");
	checks.n = 0;
	bl_doctor_judge_clock(-300, &checks);
	has("clock", BL_CHECK_WARN, "300 s ahead of AWS", "NTP");
	checks.n = 0;
	bl_doctor_judge_clock(21600, &checks);
	has("clock", BL_CHECK_WARN, "21600 s behind AWS", "NTP");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_checkup_has_a_name),
		cmocka_unit_test(the_first_failure_is_the_verdict),
		cmocka_unit_test(a_full_list_keeps_a_failure),
		cmocka_unit_test(a_call_that_failed),
		cmocka_unit_test(types_have_families),
		cmocka_unit_test(quotas_are_judged_together),
		cmocka_unit_test(tags_of_metadata),
		cmocka_unit_test(templates_are_judged),
		cmocka_unit_test(metadata_is_judged),
		cmocka_unit_test(buckets_and_clocks),
	};

	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
