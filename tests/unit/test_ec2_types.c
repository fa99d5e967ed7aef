/* SPDX-License-Identifier: Apache-2.0 */
/* What can be bought, where and for how much. */
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

/* --- What can be bought ----------------------------------------------------------------------- */

#define G6                                                                                         \
	"<item><instanceType>g6.xlarge</instanceType><supportedUsageClasses><item>on-demand</"     \
	"item>"                                                                                    \
	"<item>spot</item></supportedUsageClasses><processorInfo><supportedArchitectures>"         \
	"<item>x86_64</item></supportedArchitectures></processorInfo><vCpuInfo><defaultVCpus>4"    \
	"</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>16384</sizeInMiB></memoryInfo>"          \
	"<instanceStorageInfo><totalSizeInGB>250</totalSizeInGB></instanceStorageInfo><gpuInfo>"   \
	"<gpus><item><name>L4</name><manufacturer>NVIDIA</manufacturer><count>1</count>"           \
	"<memoryInfo><sizeInMiB>22888</sizeInMiB></memoryInfo></item></gpus><totalGpuMemoryInMiB>" \
	"22888</totalGpuMemoryInMiB></gpuInfo></item>"
#define TYPES                                                                                      \
	OK("DescribeInstanceTypes",                                                                \
	   "<instanceTypeSet>" G6 "<item><instanceType>t4g.nano</instanceType>"                    \
	   "<supportedUsageClasses><item>on-demand</item></supportedUsageClasses><processorInfo>"  \
	   "<supportedArchitectures><item>arm64</item></supportedArchitectures></processorInfo>"   \
	   "</item></instanceTypeSet>")
#define OFFERS                                                                                     \
	OK("DescribeInstanceTypeOfferings",                                                        \
	   "<instanceTypeOfferingSet><item><instanceType>g6.xlarge</instanceType><locationType>"   \
	   "availability-zone</locationType><location>us-east-1a</location></item>"                \
	   "</instanceTypeOfferingSet>")
#define PRICE(zone, usd, at)                                                                       \
	"<item><instanceType>g6.xlarge</instanceType><productDescription>Linux/UNIX"               \
	"</productDescription><spotPrice>" usd "</spotPrice><timestamp>" at "</timestamp>"         \
	"<availabilityZone>" zone "</availabilityZone></item>"
#define PRICES                                                                                     \
	OK("DescribeSpotPriceHistory",                                                             \
	   "<spotPriceHistorySet>" PRICE("us-east-1a", "0.300000", "2026-11-25T10:00:00.000Z")     \
	           PRICE("us-east-1a", "0.310000", "2026-11-25T11:00:00.000Z")                     \
	                   PRICE("us-east-1a", "0.29", "2026-11-25T09:00:00.000Z")                 \
	                           PRICE("us-east-1b", "0.5", "2026-11-20T00:00:00.000Z") PRICE(   \
					   "us-east-1c", "dear",                                   \
					   "2026-11-20T00:00:00.000Z") "</spotPriceHistorySet>")
#define TEMPLATE                                                                                   \
	OK("DescribeLaunchTemplateVersions",                                                       \
	   "<launchTemplateVersionSet><item><launchTemplateId>lt-1</launchTemplateId>"             \
	   "<launchTemplateName>branchline</launchTemplateName><versionNumber>3</versionNumber>"   \
	   "<launchTemplateData><imageId>ami-1</imageId><iamInstanceProfile><arn>arn:aws:iam::1:"  \
	   "instance-profile/branchline</arn></iamInstanceProfile><blockDeviceMappingSet><item>"   \
	   "<deviceName>/dev/xvda</deviceName><ebs><volumeSize>80</volumeSize></ebs></item><item>" \
	   "<ebs><volumeSize>500</volumeSize></ebs></item></blockDeviceMappingSet>"                \
	   "<metadataOptions><httpTokens>required</httpTokens><httpPutResponseHopLimit>1"          \
	   "</httpPutResponseHopLimit><instanceMetadataTags>enabled</instanceMetadataTags>"        \
	   "</metadataOptions><instanceInitiatedShutdownBehavior>terminate"                        \
	   "</instanceInitiatedShutdownBehavior><tagSpecificationSet><item><resourceType>volume"   \
	   "</resourceType><tagSet><item><key>cost center</key><value>v</value></item></tagSet>"   \
	   "</item><item><resourceType>instance</resourceType><tagSet><item><key>team/x</key>"     \
	   "<value>a</value></item></tagSet></item><item><resourceType>network-interface"          \
	   "</resourceType><tagSet><item><key>n</key><value>v</value></item></tagSet></item>"      \
	   "</tagSpecificationSet></launchTemplateData></item></launchTemplateVersionSet>")
#define SUBNETS                                                                                    \
	OK("DescribeSubnets",                                                                      \
	   "<subnetSet><item><subnetId>subnet-a</subnetId><availabilityZone>us-east-1a"            \
	   "</availabilityZone><availableIpAddressCount>251</availableIpAddressCount></item>"      \
	   "</subnetSet>")

static const char *const names[] = { "g6.xlarge", "t4g.nano" };

static void types_and_offers(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .body = TYPES }, { .body = OFFERS } };
	struct canned *server = canned_start(replies, 2);
	struct bl_ec2_offer *offers = NULL;
	struct bl_ec2_type *types = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_types(aws, names, 2, &types, &n, &err), &err);
	assert_int_equal(n, 2);
	assert_string_equal(types[0].name, "g6.xlarge");
	assert_string_equal(types[0].arch, "x86_64");
	assert_string_equal(types[0].gpu, "L4");
	assert_string_equal(types[0].gpu_maker, "NVIDIA");
	assert_true(types[0].vcpus == 4 && types[0].memory_mib == 16384 && types[0].gpus == 1);
	assert_true(types[0].gpu_memory_mib == 22888 && types[0].disk_gb == 250);
	assert_true(types[0].spot && types[0].on_demand);
	assert_string_equal(types[1].arch, "arm64");
	assert_true(!types[1].spot && types[1].on_demand && !types[1].gpus);
	assert_string_equal(body_of(server, 0),
	                    "Action=DescribeInstanceTypes&Version=2016-11-15&Filter.1.Name="
	                    "instance-type&Filter.1.Value.1=g6.xlarge&Filter.1.Value.2=t4g.nano");
	free(types);
	must(bl_ec2_offers(aws, names, 1, &offers, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(offers[0].type, "g6.xlarge");
	assert_string_equal(offers[0].zone, "us-east-1a");
	assert_non_null(strstr(body_of(server, 1), "LocationType=availability-zone"));
	free(offers);
	canned_stop(server);
}

static void the_newest_price_of_each_zone(void **state)
{
	const struct canned_reply reply = { .body = PRICES };
	struct canned *server = canned_start(&reply, 1);
	struct bl_ec2_price *prices = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_spot_prices(aws, names, 1, &prices, &n, &err), &err);
	assert_int_equal(n, 2); /* what is no price is left out */
	assert_string_equal(prices[0].zone, "us-east-1a");
	assert_true(prices[0].usd_hour == 0.31);
	assert_true(prices[0].at_ms == 1795604400000);
	assert_true(prices[1].usd_hour == 0.5);
	assert_non_null(strstr(body_of(server, 0), "ProductDescription.1=Linux%2FUNIX"));
	free(prices);
	canned_stop(server);
}

static void a_template_and_its_subnets(void **state)
{
	const struct canned_reply replies[] = { { .times = 1, .body = TEMPLATE },
		                                { .body = SUBNETS } };
	static const char *const ids[] = { "subnet-a" };
	struct canned *server = canned_start(replies, 2);
	BL_AUTO(bl_ec2_template) found = { 0 };
	struct bl_ec2_subnet *subnets = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;
	BL_AWS aws = client_of(canned_url(server, ""));

	(void)state;
	must(bl_ec2_template_get(aws, "lt-1", 3, &found, &err), &err);
	assert_string_equal(found.name, "branchline");
	assert_string_equal(found.image, "ami-1");
	assert_string_equal(found.profile, "arn:aws:iam::1:instance-profile/branchline");
	assert_string_equal(found.http_tokens, "required");
	assert_string_equal(found.metadata_tags, "enabled");
	assert_string_equal(found.shutdown, "terminate");
	assert_true(found.version == 3 && found.hop_limit == 1 && found.disk_gb == 80);
	assert_int_equal(found.n_tags, 1);
	assert_string_equal(found.tags[0].key, "team/x");
	assert_string_equal(body_of(server, 0),
	                    "Action=DescribeLaunchTemplateVersions&Version=2016-11-15&"
	                    "LaunchTemplateId=lt-1&LaunchTemplateVersion.1=3");
	must(bl_ec2_subnets(aws, ids, 1, &subnets, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_string_equal(subnets[0].zone, "us-east-1a");
	assert_int_equal(subnets[0].free_addresses, 251);
	free(subnets);
	canned_stop(server);
}

static void what_is_not_there(void **state)
{
	static const char *const codes[] = { REFUSAL("InvalidLaunchTemplateId.NotFound"),
		                             REFUSAL("InvalidLaunchTemplateId.VersionNotFound"),
		                             TEMPLATE };
	static const char *const ids[] = { "subnet-x" };
	struct bl_ec2_subnet *subnets;
	size_t n;

	(void)state;
	for (size_t i = 0; i <= BL_COUNT(codes); i++) {
		const char *text =
			i < BL_COUNT(codes) ? codes[i] : REFUSAL("InvalidSubnetID.NotFound");
		const struct canned_reply reply = { .status = strstr(text, "Errors") ? 400 : 200,
			                            .body = text };
		struct canned *server = canned_start(&reply, 1);
		BL_AUTO(bl_ec2_template) found = { 0 };
		struct bl_err err = { 0 };
		BL_AWS aws = client_of(canned_url(server, ""));

		if (i < BL_COUNT(codes))
			assert_int_equal(bl_ec2_template_get(aws, "lt-9", 9, &found, &err), -1);
		else
			assert_int_equal(bl_ec2_subnets(aws, ids, 1, &subnets, &n, &err), -1);
		assert_int_equal(err.code, BL_ENOENT);
		canned_stop(server);
	}
}

/* --- Memory ----------------------------------------------------------------------------------- */

static struct bl_aws *open_already;

static int types(struct bl_err *err)
{
	struct bl_ec2_type *found = NULL;
	size_t n;
	int rc = bl_ec2_types(open_already, names, 2, &found, &n, err);

	free(found);
	return rc;
}

static int offers(struct bl_err *err)
{
	struct bl_ec2_offer *found = NULL;
	size_t n;
	int rc = bl_ec2_offers(open_already, names, 1, &found, &n, err);

	free(found);
	return rc;
}

static int prices(struct bl_err *err)
{
	struct bl_ec2_price *found = NULL;
	size_t n;
	int rc = bl_ec2_spot_prices(open_already, names, 1, &found, &n, err);

	free(found);
	return rc;
}

static int template(struct bl_err *err)
{
	BL_AUTO(bl_ec2_template) found = { 0 };

	return bl_ec2_template_get(open_already, "lt-1", 3, &found, err);
}

static int subnets(struct bl_err *err)
{
	static const char *const ids[] = { "subnet-a" };
	struct bl_ec2_subnet *found = NULL;
	size_t n;
	int rc = bl_ec2_subnets(open_already, ids, 1, &found, &n, err);

	free(found);
	return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
	static const struct {
		alloc_story *story;
		const char *body;
	} table[] = {
		{ types, TYPES },       { offers, OFFERS },   { prices, PRICES },
		{ template, TEMPLATE }, { subnets, SUBNETS },
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
		cmocka_unit_test(types_and_offers),
		cmocka_unit_test(the_newest_price_of_each_zone),
		cmocka_unit_test(a_template_and_its_subnets),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(no_allocation_is_taken_for_granted),
	};

	return cmocka_run_group_tests_name("ec2 types", tests, NULL, NULL);
}
