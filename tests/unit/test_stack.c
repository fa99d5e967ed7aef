/* SPDX-License-Identifier: Apache-2.0 */
#include "run/stack.h"

#include "aws/ssm.h"
#include "codec/json.h"
#include "tests/unit/canned.h"
#include "tests/unit/client_open.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEAST                                                                                      \
	"{\"schema\":1,\"stack\":\"branchline\",\"region\":\"us-east-1\","                         \
	"\"account\":\"111122223333\",\"store\":\"s3://b\","                                       \
	"\"templates\":[{\"id\":\"lt-0a\",\"version\":3,\"types\":[\"g6.xlarge\"]}],"              \
	"\"subnets\":[{\"id\":\"subnet-0a\",\"zone\":\"us-east-1a\"}]"
#define WITH(more) LEAST "," more "}"

static const char whole[] = WITH(
	"\"image_repository\":\"r/n\",\"image_base\":\"b:1\",\"log_group\":\"/l\","
	"\"roles\":{\"launch\":\"L\",\"build\":\"B\",\"watch\":\"W\",\"instance_profile\":\"P\"},"
	"\"ceilings\":{\"max_cost_usd\":50,\"max_runtime\":\"24h\",\"instance_types\":[\"g6.*\"],"
	"\"live\":4,\"secrets\":[]},\"budget\":{\"name\":\"n\",\"limit_usd\":500.5},"
	"\"disk_usd_gb_month\":0.08,\"of_a_later_release\":{}");

static int parse(const char *text, struct bl_stack *out, struct bl_err *err)
{
	return bl_stack_parse(text, strlen(text), out, err);
}

static void all_of_it_is_read(void **state)
{
	BL_AUTO(bl_stack) stack = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	must(parse(whole, &stack, &err), &err);
	assert_string_equal(stack.name, "branchline");
	assert_string_equal(stack.region, "us-east-1");
	assert_string_equal(stack.account, "111122223333");
	assert_string_equal(stack.store, "s3://b");
	assert_string_equal(stack.image_repository, "r/n");
	assert_string_equal(stack.image_base, "b:1");
	assert_string_equal(stack.log_group, "/l");
	assert_string_equal(stack.launch_role, "L");
	assert_string_equal(stack.build_role, "B");
	assert_string_equal(stack.watch_role, "W");
	assert_string_equal(stack.instance_profile, "P");
	assert_int_equal(stack.n_templates, 1);
	assert_string_equal(stack.templates[0].id, "lt-0a");
	assert_int_equal(stack.templates[0].version, 3);
	assert_string_equal(stack.templates[0].arch, "x86_64");
	assert_string_equal(stack.templates[0].cuda_max, "");
	assert_string_equal(stack.templates[0].types->items[0]->text, "g6.xlarge");
	assert_int_equal(stack.n_subnets, 1);
	assert_string_equal(stack.subnets[0].zone, "us-east-1a");
	assert_int_equal(stack.live_max, 4);
	assert_true(bl_value_real_or(stack.ceilings, "max_cost_usd", 0) == 50);
	assert_string_equal(stack.budget_name, "n");
	assert_true(stack.budget_usd == 500.5 && stack.disk_usd_gb_month == 0.08);
}

static void what_is_not_said_is_empty(void **state)
{
	static const char *const table[] = {
		LEAST "}",
		WITH("\"ceilings\":null,\"image_base\":null,\"roles\":{},\"budget\":{}"),
		WITH("\"budget\":{\"limit_usd\":-1},\"disk_usd_gb_month\":\"cheap\""),
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_stack) stack = { 0 };
		struct bl_err err = { 0 };

		must(parse(table[i], &stack, &err), &err);
		assert_string_equal(stack.image_base, "");
		assert_string_equal(stack.image_repository, "");
		assert_string_equal(stack.watch_role, "");
		assert_string_equal(stack.budget_name, "");
		assert_null(stack.ceilings);
		assert_int_equal(stack.live_max, 0);
		assert_true(isnan(stack.budget_usd) && isnan(stack.disk_usd_gb_month));
	}
}

static void refusals_name_the_member(void **state)
{
	static const struct {
		const char *text, *why;
		enum bl_code code;
	} table[] = {
		{ "{", "stack descriptor", BL_ECORRUPT },
		{ "[]", "schema", BL_ECORRUPT },
		{ "{}", "schema", BL_ECORRUPT },
		{ "{\"schema\":2}", "of schema 2", BL_EINPUT },
		{ "{\"schema\":0}", "schema", BL_ECORRUPT },
		{ "{\"schema\":1}", "stack", BL_ECORRUPT },
		{ WITH("\"roles\":{\"launch\":7}"), "roles.launch", BL_ECORRUPT },
		{ WITH("\"roles\":{\"watch\":\"a\\nb\"}"), "roles.watch: has control",
		  BL_ECORRUPT },
		{ WITH("\"budget\":{\"name\":1}"), "budget.name", BL_ECORRUPT },
		{ WITH("\"ceilings\":[]"), "ceilings: expected a map", BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"max_cost_usd\":\"50\"}"), "ceilings: max_cost_usd",
		  BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"max_cost_usd\":-1}"), "ceilings: max_cost_usd",
		  BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"max_runtime\":24}"), "ceilings: max_runtime", BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"max_runtime\":\"24\"}"), "ceilings", BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"live\":1.5}"), "ceilings: live", BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"instance_types\":\"g6.*\"}"),
		  "instance_types: expected a list", BL_ECORRUPT },
		{ WITH("\"ceilings\":{\"secrets\":[1]}"), "secrets: item 0", BL_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		BL_AUTO(bl_stack) stack = { .live_max = 7 };
		struct bl_err err = { 0 };

		assert_int_equal(parse(table[i].text, &stack, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why) || !err.next[0])
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
		assert_int_equal(stack.live_max, 7);
	}
}

/* One member of the least descriptor is another. */
static void each_member_has_its_form(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} table[] = {
		{ "\"branchline\"", "\"a b\"", "stack: 'a b' is none" },
		{ "\"branchline\"", "\"\"", "stack: is empty" },
		{ "\"us-east-1\"", "\"US\"", "region" },
		{ "\"111122223333\"", "\"11112222333\"", "12 digits" },
		{ "\"111122223333\"", "111122223333", "account" },
		{ "\"s3://b\"", "\"\"", "store" },
		{ "\"lt-0a\"", "\"lt-\"", "templates, item 0: id" },
		{ "\"lt-0a\"", "\"lt-0a0000000000000000000000000000\"", "id: " },
		{ "\"version\":3", "\"version\":0", "templates, item 0: version" },
		{ "\"version\":3", "\"version\":\"$Latest\"", "item 0: 'version'" },
		{ "\"version\":3", "\"version\":3,\"arch\":\"mips\"", "arch: 'mips'" },
		{ "[\"g6.xlarge\"]", "[]", "types: expected a list" },
		{ "[\"g6.xlarge\"]", "[\"g6.xlarge-that-is-far-too-long-for-it\"]", "types: item" },
		{ "\"subnet-0a\"", "\"net-0a\"", "subnets, item 0: id" },
		{ "\"us-east-1a\"", "\"US\"", "subnets, item 0: zone" },
		{ "\"subnets\":[", "\"subnets\":[7,", "subnets, item 0" },
		{ "\"subnets\":", "\"subnets\":[],\"nets\":", "subnets: expected a list" },
		{ "\"templates\":", "\"other\":", "templates: expected a list" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const char *at = strstr(LEAST "}", table[i].from);
		BL_AUTO(bl_buf) text = BL_BUF(4096);
		BL_AUTO(bl_stack) stack = { 0 };
		struct bl_err err = { 0 };

		assert_non_null(at);
		bl_buf_add(&text, LEAST "}", (size_t)(at - LEAST "}"));
		bl_buf_adds(&text, table[i].to);
		bl_buf_adds(&text, at + strlen(table[i].from));
		assert_int_equal(parse(bl_buf_text(&text), &stack, &err), -1);
		if (err.code != BL_ECORRUPT || !strstr(err.text, table[i].why))
			fail_msg("%zu: code %d: %s", i, err.code, err.text);
	}
}

static void more_than_fits_is_refused(void **state)
{
	BL_AUTO(bl_buf) text = BL_BUF(16384);
	BL_AUTO(bl_stack) stack = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	bl_buf_adds(&text, "{\"schema\":1,\"stack\":\"s\",\"region\":\"r\",\"account\":"
	                   "\"111122223333\",\"store\":\"b\",\"templates\":[{\"id\":\"lt-1\","
	                   "\"version\":1,\"types\":[\"t\"]}],\"subnets\":[");
	for (size_t i = 0; i <= BL_STACK_SUBNETS_MAX; i++)
		bl_buf_addf(&text, "%s{\"id\":\"subnet-%zx\",\"zone\":\"z\"}", i ? "," : "", i);
	bl_buf_adds(&text, "]}");
	assert_int_equal(parse(bl_buf_text(&text), &stack, &err), -1);
	assert_non_null(strstr(err.text, "subnets: has 33, more than 32"));
}

/* --- From SSM --------------------------------------------------------------------------------- */

static const char *in_reply(const char *value)
{
	static char body[8192];
	BL_AUTO(bl_buf) text = BL_BUF(sizeof(body) - 1);
	struct bl_json json = BL_JSON(&text);

	bl_json_map(&json, NULL);
	bl_json_map(&json, "Parameter");
	bl_json_text(&json, "Value", value);
	bl_json_end_map(&json);
	bl_json_end_map(&json);
	snprintf(body, sizeof(body), "%s", bl_buf_text(&text));
	return body;
}

static void it_is_a_parameter(void **state)
{
	const struct canned_reply reply = { .body = in_reply(whole) };
	struct canned *server = canned_start(&reply, 1);
	BL_AUTO(bl_stack) stack = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));
	size_t len;

	(void)state;
	must(bl_stack_read(aws, "branchline", &stack, &err), &err);
	assert_string_equal(stack.store, "s3://b");
	assert_non_null(
		strcasestr(canned_head(server, 0), "\r\nx-amz-target: AmazonSSM.GetParameter\r\n"));
	assert_non_null(strstr(canned_head(server, 0), "/us-east-1/ssm/aws4_request"));
	assert_string_equal(canned_body(server, 0, &len),
	                    "{\"Name\":\"/branchline/branchline\",\"WithDecryption\":false}");
	canned_stop(server);
}

static void refusals_say_what_to_do(void **state)
{
	static const struct {
		const char *name;
		struct canned_reply reply;
		enum bl_code code;
		const char *text, *next;
	} table[] = {
		{ "other",
		  { .status = 400, .body = "{\"__type\":\"ParameterNotFound\"}" },
		  BL_ENOENT,
		  "parameter /branchline/other in us-east-1",
		  "apply the Terraform module in us-east-1" },
		{ "other",
		  { .status = 400,
		    .body = "{\"__type\":\"AccessDeniedException\",\"Message\":\"User: u is not "
		            "authorized to perform: ssm:GetParameter on resource: r\"}" },
		  BL_EDENIED,
		  "AccessDeniedException",
		  "ssm:GetParameter" },
		{ "other", { .body = "{}" }, BL_ECORRUPT, "Parameter.Value", "" },
		{ "other",
		  { .body = "{\"Parameter\":{\"Value\":\"{}\"}}" },
		  BL_ECORRUPT,
		  "parameter /branchline/other in us-east-1: stack descriptor: 'schema' is missing",
		  "apply the Terraform module again" },
		{ "a/b", { 0 }, BL_EINPUT, "'a/b' is no name of a stack", "1 to 64" },
		{ "", { 0 }, BL_EINPUT, "'' is no name of a stack", "1 to 64" },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		BL_AUTO(bl_stack) stack = { .live_max = 7 };
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));

		assert_int_equal(bl_stack_read(aws, table[i].name, &stack, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].text) ||
		    !strstr(err.next, table[i].next))
			fail_msg("%zu: code %d: %s / %s", i, err.code, err.text, err.next);
		assert_int_equal(stack.live_max, 7);
		canned_stop(server);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	BL_AUTO(bl_stack) stack = { 0 };
	BL_AUTO(bl_buf) value = BL_BUF(8192);

	if (bl_stack_read(open_already, "branchline", &stack, err))
		return -1;
	bl_stack_done(&stack);
	if (bl_stack_parse(whole, strlen(whole), &stack, err))
		return -1;
	return bl_ssm_parameter(open_already, "/x", &value, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply reply = { .body = in_reply(whole) };

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(what_is_not_said_is_empty),
		cmocka_unit_test(refusals_name_the_member),
		cmocka_unit_test(each_member_has_its_form),
		cmocka_unit_test(more_than_fits_is_refused),
		cmocka_unit_test(it_is_a_parameter),
		cmocka_unit_test(refusals_say_what_to_do),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
