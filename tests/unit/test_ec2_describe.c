/* SPDX-License-Identifier: Apache-2.0 */
/* Instances and their end. */
#include "aws/ec2.h"

#include "tests/unit/client_open.h"
#include "tests/unit/ec2_replies.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INSTANCE(id, state)                                                                        \
	"<item><instanceId>" id "</instanceId><instanceType>g6.xlarge</instanceType>"              \
	"<launchTime>2026-11-25T12:00:01.000Z</launchTime><placement><availabilityZone>us-east-1b" \
	"</availabilityZone></placement><subnetId>subnet-b</subnetId><instanceState><code>16"      \
	"</code><name>" state "</name></instanceState><stateReason><code>Server."                  \
	"SpotInstanceTermination</code><message>gone\nsince</message></stateReason>"               \
	"<clientToken>tok</clientToken><instanceLifecycle>spot</instanceLifecycle><tagSet><item>"  \
	"<key>branchline:run</key><value>R</value></item><item><key>empty</key><value/></item>"    \
	"</tagSet><networkInterfaceSet><item><tagSet><item><key>x</key></item></tagSet></item>"    \
	"</networkInterfaceSet></item>"
#define INSTANCES(inside, token)                                                                   \
	OK("DescribeInstances", "<reservationSet><item><groupSet/><instancesSet>" inside           \
	                        "</instancesSet></item></reservationSet>" token)

/* --- Instances -------------------------------------------------------------------------------- */

static void all_pages_of_instances(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1,
		  .body = INSTANCES(INSTANCE("i-1", "running") INSTANCE("i-2", "pending"),
		                    "<nextToken>t 1</nextToken>") },
		{ .body = INSTANCES(INSTANCE("i-3", "terminated"), "") },
	};
	static const struct bl_ec2_filter filters[] = {
		{ "tag:branchline:run", "R" },
		{ "instance-state-name", "pending,running" },
	};
	struct canned *server = canned_start(replies, 2);
	BL_AUTO(bl_ec2_instances) list = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_describe(aws, NULL, 0, filters, 2, &list, &err), &err);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.items[0].id, "i-1");
	assert_string_equal(list.items[0].type, "g6.xlarge");
	assert_string_equal(list.items[0].zone, "us-east-1b");
	assert_string_equal(list.items[0].subnet, "subnet-b");
	assert_string_equal(list.items[0].state, "running");
	assert_string_equal(list.items[0].reason, "Server.SpotInstanceTermination");
	assert_string_equal(list.items[0].reason_text, "gone since");
	assert_string_equal(list.items[0].token, "tok");
	assert_true(list.items[0].launched_ms == 1795608001000 && list.items[0].spot);
	assert_int_equal(list.items[2].n_tags, 2);
	assert_string_equal(bl_ec2_tag_of(&list.items[2], "branchline:run"), "R");
	assert_string_equal(bl_ec2_tag_of(&list.items[2], "empty"), "");
	assert_null(bl_ec2_tag_of(&list.items[2], "x"));
	assert_true(bl_ec2_is_live(&list.items[0]) && bl_ec2_is_live(&list.items[1]));
	assert_false(bl_ec2_is_live(&list.items[2]));
	assert_string_equal(body_of(server, 0),
	                    "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name="
	                    "tag%3Abranchline%3Arun&Filter.1.Value.1=R&Filter.2.Name="
	                    "instance-state-name&Filter.2.Value.1=pending&Filter.2.Value.2=running"
	                    "&MaxResults=1000");
	assert_non_null(strstr(body_of(server, 1), "&NextToken=t%201"));
	canned_stop(server);
}

static void which_are_live(void **state)
{
	static const struct {
		const char *state;
		bool live;
	} table[] = {
		{ "pending", true }, { "running", true },        { "stopping", true },
		{ "stopped", true }, { "shutting-down", false }, { "terminated", false },
	};
	struct bl_ec2_instance instance = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		snprintf(instance.state, sizeof(instance.state), "%s", table[i].state);
		assert_int_equal(bl_ec2_is_live(&instance), table[i].live);
	}
}

static void describe_failures(void **state)
{
	static const struct {
		struct canned_reply reply;
		enum bl_code code;
		const char *why;
	} table[] = {
		{ { .status = 400, .body = REFUSAL("InvalidInstanceID.NotFound") },
		  BL_ENOENT,
		  "InvalidInstanceID.NotFound" },
		{ { .status = 400, .body = REFUSAL("InvalidInstanceID.Malformed") },
		  BL_EINPUT,
		  "Malformed" },
		{ { .body = INSTANCES(INSTANCE("i-1", "running"), "<nextToken>t</nextToken>") },
		  BL_ECORRUPT,
		  "the same page again" },
		{ { .body = INSTANCES("<item><instanceId>i-1</instanceId></item>", "") },
		  BL_ECORRUPT,
		  "without id or state" },
		{ { .body = INSTANCES("<item><instanceId>i-0123456789abcdef0123456789abcdef"
		                      "</instanceId></item>",
		                      "") },
		  BL_ECORRUPT,
		  "longer than EC2's" },
		{ { .body = "<DescribeInstancesResponse>" }, BL_ECORRUPT, "DescribeInstances" },
	};
	static const char *const ids[] = { "i-1" };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct canned *server = canned_start(&table[i].reply, 1);
		struct bl_ec2_instances list = { .n = 99 };
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));

		assert_int_equal(bl_ec2_describe(aws, ids, 1, NULL, 0, &list, &err), -1);
		if (err.code != table[i].code || !strstr(err.text, table[i].why))
			fail_msg("%zu: %d %s", i, err.code, err.text);
		assert_int_equal(list.n, 99);
		assert_string_equal(body_of(server, 0), "Action=DescribeInstances&Version="
		                                        "2016-11-15&InstanceId.1=i-1");
		canned_stop(server);
	}
}

/* --- Their end -------------------------------------------------------------------------------- */

static void one_bad_id_does_not_save_the_others(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .status = 400, .body = REFUSAL("InvalidInstanceID.NotFound") },
		{ .times = 1, .body = OK("TerminateInstances", "") },
		{ .times = 1, .status = 400, .body = REFUSAL("InvalidInstanceID.NotFound") },
		{ .body = OK("TerminateInstances", "") },
	};
	static const char *const ids[] = { "i-1", "i-2", "i-3" };
	struct canned *server = canned_start(replies, 4);
	struct bl_err err = { 0 };
	size_t ended = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_terminate(aws, ids, 3, 0, &ended, &err), &err);
	assert_int_equal(ended, 2);
	assert_int_equal(canned_requests(server), 4);
	assert_non_null(
		strstr(body_of(server, 0), "&InstanceId.1=i-1&InstanceId.2=i-2&InstanceId.3=i-3"));
	assert_non_null(strstr(body_of(server, 3), "&InstanceId.1=i-3"));
	canned_stop(server);
}

static void a_thousand_a_call(void **state)
{
	const struct canned_reply reply = { .body = OK("TerminateInstances", "") };
	static const char *ids[1001];
	struct canned *server = canned_start(&reply, 1);
	struct bl_err err = { 0 };
	size_t ended = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	for (size_t i = 0; i < BL_COUNT(ids); i++)
		ids[i] = "i-0123456789abcdef0";
	must(bl_ec2_terminate(aws, ids, BL_COUNT(ids), 0, &ended, &err), &err);
	assert_int_equal(ended, 1001);
	assert_int_equal(canned_requests(server), 2);
	assert_non_null(strstr(body_of(server, 0), "InstanceId.1000="));
	assert_null(strstr(body_of(server, 1), "InstanceId.2="));
	must(bl_ec2_terminate(aws, NULL, 0, 0, &ended, &err), &err);
	assert_int_equal(ended, 0);
	canned_stop(server);
}

static void who_may_not_end_is_told(void **state)
{
	const struct canned_reply reply = { .status = 403,
		                            .body = REFUSAL("UnauthorizedOperation") };
	static const char *const ids[] = { "i-1", "i-2" };
	struct canned *server = canned_start(&reply, 1);
	struct bl_err err = { 0 };
	size_t ended = 7;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	assert_int_equal(bl_ec2_terminate(aws, ids, 2, 0, &ended, &err), -1);
	assert_int_equal(err.code, BL_EDENIED);
	assert_non_null(strstr(err.next, "ec2:TerminateInstances"));
	assert_int_equal(ended, 0);
	canned_stop(server);
}

static void the_console(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1,
		  .body = OK("GetConsoleOutput",
		             "<instanceId>i-1</instanceId><output>WyAwLjAwXSBM\naW51eA==\r\n</"
		             "output>") },
		{ .times = 1, .body = OK("GetConsoleOutput", "<instanceId>i-1</instanceId>") },
		{ .body = OK("GetConsoleOutput", "<output>!</output>") },
	};
	struct canned *server = canned_start(replies, 3);
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_console(aws, "i-1", &out, &err), &err);
	assert_string_equal(bl_buf_text(&out), "[ 0.00] Linux");
	bl_buf_reset(&out);
	must(bl_ec2_console(aws, "i-1", &out, &err), &err);
	assert_int_equal(out.len, 0);
	assert_int_equal(bl_ec2_console(aws, "i-1", &out, &err), -1);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int instances(struct bl_err *err)
{
	static const char *const ids[] = { "i-1", "i-2" };
	BL_AUTO(bl_ec2_instances) list = { 0 };
	BL_AUTO(bl_buf) console = BL_BUF(4096);

	return bl_ec2_describe(open_already, ids, 2, NULL, 0, &list, err) ||
	                       bl_ec2_terminate(open_already, ids, 2, 0, NULL, err) ||
	                       bl_ec2_console(open_already, "i-1", &console, err)
	               ? -1
	               : 0;
}

static int console(struct bl_err *err)
{
	BL_AUTO(bl_buf) out = BL_BUF(4096);

	return bl_ec2_console(open_already, "i-1", &out, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const struct {
		alloc_story *story;
		const char *body;
	} table[] = {
		{ instances, INSTANCES(INSTANCE("i-1", "running") INSTANCE("i-2", "running"), "") },
		{ console, OK("GetConsoleOutput", "<output>WyAwLjAwXQ==</output>") },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		const struct canned_reply reply = { .body = table[i].body };

		each_allocation_fails_at(&reply, &open_already, table[i].story, 2000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_pages_of_instances),
		cmocka_unit_test(which_are_live),
		cmocka_unit_test(describe_failures),
		cmocka_unit_test(one_bad_id_does_not_save_the_others),
		cmocka_unit_test(a_thousand_a_call),
		cmocka_unit_test(who_may_not_end_is_told),
		cmocka_unit_test(the_console),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("ec2 describe", tests, NULL, NULL);
}
