/* SPDX-License-Identifier: Apache-2.0 */
/* CreateFleet: what is asked, what is answered, and what each refusal means. */
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

#define TOKEN "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"
#define POOL(type, subnet)                                                                         \
	"<launchTemplateAndOverrides><launchTemplateSpecification><launchTemplateId>lt-1"          \
	"</launchTemplateId><version>3</version></launchTemplateSpecification><overrides>"         \
	"<instanceType>" type "</instanceType><subnetId>" subnet "</subnetId></overrides>"         \
	"</launchTemplateAndOverrides>"
#define FLEET(inside)                                                                              \
	"<CreateFleetResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r"     \
	"</requestId><fleetId>fleet-1</fleetId>" inside "</CreateFleetResponse>"
#define ONE                                                                                        \
	FLEET("<errorSet><item>" POOL(                                                             \
		"g5.xlarge",                                                                       \
		"subnet-a") "<lifecycle>spot</lifecycle>"                                          \
	                    "<errorCode>InsufficientInstanceCapacity</"                            \
	                    "errorCode><errorMessage>none in us-east-1a"                           \
	                    "</errorMessage></item></errorSet><fleetInstanceSet><item>" POOL(      \
				    "g6.xlarge",                                                   \
				    "subnet-b") "<lifecycle>spot</lifecycle><instanceIds>"         \
	                                        "<item>i-0123456789abcdef0</item></"               \
	                                        "instanceIds><instanceType>g6.xlarge"              \
	                                        "</instanceType></item></fleetInstanceSet>")

#define FOUR "<item>i-1</item><item>i-2</item><item>i-3</item><item>i-4</item>"
#define SIXTEEN FOUR FOUR FOUR FOUR

static const struct bl_ec2_pool pools[] = { { "g5.xlarge", "subnet-a" },
	                                    { "g6.xlarge", "subnet-b" } };
static const struct bl_ec2_tag tags[] = { { "branchline:run", "R" },
	                                  { "branchline:job", "a b&c" } };
static const struct bl_ec2_fleet_request asked = {
	.client_token = TOKEN,
	.template_id = "lt-1",
	.template_version = 3,
	.spot = true,
	.pools = pools,
	.n_pools = 2,
	.tags = tags,
	.n_tags = 2,
};

/* --- Classes ---------------------------------------------------------------------------------- */

static void codes_are_compared_whole(void **state)
{
	static const struct {
		const char *code;
		enum bl_ec2_class of_call, in_errors;
	} table[] = {
		{ "InsufficientInstanceCapacity", BL_EC2_CAPACITY, BL_EC2_CAPACITY },
		{ "UnfulfillableCapacity", BL_EC2_CAPACITY, BL_EC2_CAPACITY },
		{ "SpotMaxPriceTooLow", BL_EC2_CAPACITY, BL_EC2_CAPACITY },
		{ "InsufficientFreeAddressesInSubnet", BL_EC2_SUBNET_FULL, BL_EC2_SUBNET_FULL },
		{ "VcpuLimitExceeded", BL_EC2_QUOTA, BL_EC2_QUOTA },
		{ "MaxSpotInstanceCountExceeded", BL_EC2_QUOTA, BL_EC2_QUOTA },
		{ "Unsupported", BL_EC2_CONFIG, BL_EC2_NOT_OFFERED },
		{ "InvalidFleetConfiguration", BL_EC2_CONFIG, BL_EC2_NOT_OFFERED },
		{ "InvalidParameterValue", BL_EC2_CONFIG, BL_EC2_NOT_OFFERED },
		{ "InvalidLaunchTemplateId.NotFound", BL_EC2_CONFIG, BL_EC2_NOT_OFFERED },
		{ "UnauthorizedOperation", BL_EC2_DENIED, BL_EC2_DENIED },
		{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted", BL_EC2_DENIED,
		  BL_EC2_DENIED },
		{ "RequestLimitExceeded", BL_EC2_THROTTLED, BL_EC2_THROTTLED },
		{ "InsufficientInstanceCapacityX", BL_EC2_OTHER, BL_EC2_OTHER },
		{ "InternalError", BL_EC2_OTHER, BL_EC2_OTHER },
		{ "", BL_EC2_OTHER, BL_EC2_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++)
		if (bl_ec2_classify(table[i].code, false) != table[i].of_call ||
		    bl_ec2_classify(table[i].code, true) != table[i].in_errors)
			fail_msg("%s", table[i].code);
}

/* --- What is asked ---------------------------------------------------------------------------- */

static void the_request_to_the_letter(void **state)
{
	static const char text[] =
		"Action=CreateFleet\nVersion=2016-11-15\nClientToken=" TOKEN "\nType=instant\n"
		"SpotOptions.AllocationStrategy=price-capacity-optimized\n"
		"TargetCapacitySpecification.TotalTargetCapacity=1\n"
		"TargetCapacitySpecification.DefaultTargetCapacityType=spot\n"
		"LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId=lt-1\n"
		"LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=3\n"
		"LaunchTemplateConfigs.1.Overrides.1.InstanceType=g5.xlarge\n"
		"LaunchTemplateConfigs.1.Overrides.1.SubnetId=subnet-a\n"
		"LaunchTemplateConfigs.1.Overrides.2.InstanceType=g6.xlarge\n"
		"LaunchTemplateConfigs.1.Overrides.2.SubnetId=subnet-b\n"
		"TagSpecification.1.ResourceType=fleet\n"
		"TagSpecification.1.Tag.1.Key=branchline:run\nTagSpecification.1.Tag.1.Value=R\n"
		"TagSpecification.1.Tag.2.Key=branchline:job\nTagSpecification.1.Tag.2.Value=a "
		"b&c\n"
		"TagSpecification.2.ResourceType=instance\n"
		"TagSpecification.2.Tag.1.Key=branchline:run\nTagSpecification.2.Tag.1.Value=R\n"
		"TagSpecification.2.Tag.2.Key=branchline:job\nTagSpecification.2.Tag.2.Value=a "
		"b&c\n";
	BL_AUTO(bl_buf) out = BL_BUF(65536);
	struct bl_ec2_fleet_request other = asked;

	(void)state;
	bl_ec2_fleet_text(&asked, &out);
	assert_string_equal(bl_buf_text(&out), text);
	bl_buf_reset(&out);
	other.spot = false;
	other.n_tags = 0;
	bl_ec2_fleet_text(&other, &out);
	assert_non_null(
		strstr(bl_buf_text(&out), "OnDemandOptions.AllocationStrategy=lowest-price"));
	assert_non_null(strstr(bl_buf_text(&out), "DefaultTargetCapacityType=on-demand\n"));
	assert_null(strstr(bl_buf_text(&out), "Spot"));
	assert_null(strstr(bl_buf_text(&out), "Tag"));
	assert_null(strstr(bl_buf_text(&out), "Price"));
}

static void what_ec2_would_refuse_is_not_sent(void **state)
{
	static struct bl_ec2_pool many[301];
	struct canned *server = canned_start(NULL, 0);
	struct bl_ec2_fleet_request bad[] = { asked, asked, asked, asked };
	static char token[66];
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	for (size_t i = 0; i < BL_COUNT(many); i++)
		many[i] = pools[0];
	memset(token, 'a', 65);
	bad[0].client_token = "";
	bad[1].client_token = token;
	bad[2].n_pools = 0;
	bad[3].pools = many;
	bad[3].n_pools = BL_COUNT(many);
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		BL_AUTO(bl_ec2_fleet) fleet = { .id = "before" };
		struct bl_err err = { 0 };

		assert_int_equal(bl_ec2_create_fleet(aws, &bad[i], &fleet, NULL, &err), -1);
		assert_string_equal(fleet.id, "before");
	}
	assert_int_equal(canned_requests(server), 0);
	canned_stop(server);
}

/* --- What is answered ------------------------------------------------------------------------- */

static void an_instance_and_a_dry_pool(void **state)
{
	const struct canned_reply reply = { .body = ONE };
	struct canned *server = canned_start(&reply, 1);
	BL_AUTO(bl_ec2_fleet) fleet = { 0 };
	struct bl_err err = { 0 };
	char code[96] = "before";
	BL_AWS aws = client_of(canned_url(server, ""));
	const char *head;

	(void)state;
	must(bl_ec2_create_fleet(aws, &asked, &fleet, code, &err), &err);
	assert_string_equal(code, "");
	assert_string_equal(fleet.id, "fleet-1");
	assert_int_equal(fleet.n_instances, 1);
	assert_string_equal(fleet.instances[0].id, "i-0123456789abcdef0");
	assert_string_equal(fleet.instances[0].type, "g6.xlarge");
	assert_string_equal(fleet.instances[0].subnet, "subnet-b");
	assert_true(fleet.instances[0].spot);
	assert_int_equal(fleet.n_errors, 1);
	assert_string_equal(fleet.errors[0].code, "InsufficientInstanceCapacity");
	assert_string_equal(fleet.errors[0].message, "none in us-east-1a");
	assert_string_equal(fleet.errors[0].type, "g5.xlarge");
	assert_string_equal(fleet.errors[0].subnet, "subnet-a");
	assert_int_equal(fleet.errors[0].class, BL_EC2_CAPACITY);
	assert_true(fleet.errors[0].spot);
	head = canned_head(server, 0);
	assert_non_null(strstr(head, "POST / HTTP/1.1\r\n"));
	assert_non_null(strstr(head, "/us-east-1/ec2/aws4_request"));
	assert_non_null(strcasestr(head, "content-type: application/x-www-form-urlencoded"));
	assert_non_null(strstr(body_of(server, 0), "&TagSpecification.1.Tag.2.Value=a%20b%26c"));
	canned_stop(server);
}

static void surplus_instances_are_all_told(void **state)
{
	const struct canned_reply reply = {
		.body = FLEET("<fleetInstanceSet><item>" POOL(
			"g5.xlarge",
			"subnet-a") "<lifecycle>on-demand</lifecycle><instanceIds><item>i-1</item>"
		                    "<item>i-2</item></instanceIds></item><item>" POOL(
					    "g6.xlarge",
					    "subnet-b") "<instanceIds><item>i-3</item></"
		                                        "instanceIds></item></fleetInstanceSet>")
	};
	struct canned *server = canned_start(&reply, 1);
	BL_AUTO(bl_ec2_fleet) fleet = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_create_fleet(aws, &asked, &fleet, NULL, &err), &err);
	assert_int_equal(fleet.n_instances, 3);
	assert_string_equal(fleet.instances[1].id, "i-2");
	assert_string_equal(fleet.instances[1].type, "g5.xlarge");
	assert_string_equal(fleet.instances[2].type, "g6.xlarge");
	assert_false(fleet.instances[0].spot);
	canned_stop(server);
}

static const struct {
	struct canned_reply reply;
	enum bl_code code;
	unsigned requests;
	const char *ec2, *next;
} refused[] = {
	/* F17: whatever the status, and not again in place */
	{ { .status = 500, .body = REFUSAL("InsufficientInstanceCapacity") },
	  BL_ECAPACITY,
	  1,
	  "InsufficientInstanceCapacity",
	  "wait_for_capacity" },
	{ { .status = 503, .body = REFUSAL("VcpuLimitExceeded") },
	  BL_ECAPACITY,
	  1,
	  "VcpuLimitExceeded",
	  "Service Quotas" },
	{ { .status = 400, .body = REFUSAL("InsufficientFreeAddressesInSubnet") },
	  BL_ECAPACITY,
	  1,
	  "InsufficientFreeAddressesInSubnet",
	  "larger subnets" },
	{ { .status = 400, .body = REFUSAL("InvalidParameterValue") },
	  BL_EINPUT,
	  1,
	  "InvalidParameterValue",
	  "" },
	{ { .status = 400, .body = REFUSAL("InvalidLaunchTemplateId.NotFound") },
	  BL_EINPUT,
	  1,
	  "InvalidLaunchTemplateId.NotFound",
	  "Terraform" },
	{ { .status = 403, .body = REFUSAL("UnauthorizedOperation") },
	  BL_EDENIED,
	  1,
	  "UnauthorizedOperation",
	  "ec2:CreateFleet" },
	{ { .status = 400, .body = REFUSAL("AuthFailure.ServiceLinkedRoleCreationNotPermitted") },
	  BL_EDENIED,
	  1,
	  "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
	  "create-service-linked-role" },
	{ { .status = 400, .body = REFUSAL("IdempotentParameterMismatch") },
	  BL_EBUG,
	  1,
	  "IdempotentParameterMismatch",
	  "" },
	{ { .status = 503, .body = REFUSAL("RequestLimitExceeded") },
	  BL_ERETRY,
	  3,
	  "RequestLimitExceeded",
	  "wait a minute" },
	{ { .status = 500, .body = REFUSAL("InternalError") }, BL_ERETRY, 3, "InternalError", "" },
	{ { .status = 502, .body = "<html>" }, BL_ERETRY, 3, "", "" },
	{ { .bytes = "what is this\r\n\r\n", .end = CANNED_CLOSE }, BL_ERETRY, 3, "", "" },
	{ { .end = CANNED_RESET, .is_cut = true, .cut = 0, .body = ONE }, BL_ERETRY, 3, "", "" },
	/* an answer that cannot be read: the same token brings it again */
	{ { .body = "<CreateFleetResponse><fleetId>" }, BL_ERETRY, 1, "", "" },
	{ { .body = "<CreateFleetResponse/>" }, BL_ERETRY, 1, "", "" },
	/* bought, however odd: nobody may take it for a refusal */
	{ { .body = FLEET("<fleetInstanceSet><item><instanceIds>" SIXTEEN SIXTEEN
	                  "</instanceIds></item></fleetInstanceSet>") },
	  BL_ERETRY,
	  1,
	  "",
	  "" },
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < BL_COUNT(refused); i++) {
		struct canned *server = canned_start(&refused[i].reply, 1);
		BL_AUTO(bl_ec2_fleet) fleet = { .id = "before" };
		struct bl_err err = { 0 };
		char code[96] = "before";
		BL_AWS aws = client_of(canned_url(server, ""));

		assert_int_equal(bl_ec2_create_fleet(aws, &asked, &fleet, code, &err), -1);
		if (err.code != refused[i].code || strcmp(code, refused[i].ec2) != 0 ||
		    !strstr(err.next, refused[i].next))
			fail_msg("%zu: %d '%s': %s / %s", i, err.code, code, err.text, err.next);
		assert_int_equal(canned_requests(server), refused[i].requests);
		assert_string_equal(fleet.id, "before");
		canned_stop(server);
	}
}

/* A reply that was cut is asked for again, with the same token. */
static void a_lost_reply_is_asked_for_again(void **state)
{
	const struct canned_reply replies[] = {
		{ .times = 1, .end = CANNED_RESET, .is_cut = true, .cut = 40, .body = ONE },
		{ .body = ONE },
	};
	struct canned *server = canned_start(replies, 2);
	BL_AUTO(bl_ec2_fleet) fleet = { 0 };
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_create_fleet(aws, &asked, &fleet, NULL, &err), &err);
	assert_int_equal(canned_requests(server), 2);
	assert_string_equal(body_of(server, 0), body_of(server, 1));
	canned_stop(server);
}

static void a_signal_ends_the_wait(void **state)
{
	const struct canned_reply reply = { .body = ONE, .pause = true };
	struct canned *server = canned_start(&reply, 1);
	struct bl_ec2_fleet_request request = asked;
	BL_AUTO(bl_ec2_fleet) fleet = { 0 };
	volatile int stop = 1;
	struct bl_err err = { 0 };
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	request.stop = &stop;
	assert_int_equal(bl_ec2_create_fleet(aws, &request, &fleet, NULL, &err), -1);
	assert_int_equal(err.code, BL_ECANCELLED);
	bl_err_clear(&err);
	canned_go(server);
	canned_stop(server);

	/* one that is there in time counts */
	server = canned_start(&(struct canned_reply){ .body = ONE }, 1);
	BL_AWS other = client_of(canned_url(server, ""));
	must(bl_ec2_create_fleet(other, &request, &fleet, NULL, &err), &err);
	assert_int_equal(fleet.n_instances, 1);
	canned_stop(server);
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int story(struct bl_err *err)
{
	BL_AUTO(bl_ec2_fleet) fleet = { 0 };

	return bl_ec2_create_fleet(open_already, &asked, &fleet, NULL, err);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply reply = { .body = ONE };

	(void)state;
	each_allocation_fails_at(&reply, &open_already, story, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_compared_whole),
		cmocka_unit_test(the_request_to_the_letter),
		cmocka_unit_test(what_ec2_would_refuse_is_not_sent),
		cmocka_unit_test(an_instance_and_a_dry_pool),
		cmocka_unit_test(surplus_instances_are_all_told),
		cmocka_unit_test(refusals),
		cmocka_unit_test(a_lost_reply_is_asked_for_again),
		cmocka_unit_test(a_signal_ends_the_wait),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("ec2", tests, NULL, NULL);
}
