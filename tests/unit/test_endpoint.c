/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const variables[] = {
	"AWS_REGION",
	"AWS_DEFAULT_REGION",
	"AWS_PROFILE",
	"AWS_DEFAULT_PROFILE",
	"AWS_ENDPOINT_URL",
	"AWS_ENDPOINT_URL_S3",
	"AWS_ENDPOINT_URL_STS",
	"AWS_ENDPOINT_URL_SSO",
	"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
	"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	"AWS_USE_FIPS_ENDPOINT",
	"AWS_USE_DUALSTACK_ENDPOINT",
};

static int set_up(void **state)
{
	for (size_t i = 0; i < BL_COUNT(variables); i++)
		unsetenv(variables[i]);
	if (folder_make(state))
		return -1;
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", folder_path("credentials"), 1);
	return 0;
}

static struct bl_profiles *profiles_of(const char *config)
{
	struct bl_profiles *profiles = NULL;
	struct bl_err err = { 0 };

	put_text("config", config);
	if (bl_profiles_read(&profiles, &err))
		fail_msg("%s", err.text);
	return profiles;
}

/* "NAME=VALUE NAME=VALUE" */
static void set_all(const char *pairs)
{
	char copy[512], *save = NULL;

	for (size_t i = 0; i < BL_COUNT(variables); i++)
		unsetenv(variables[i]);
	assert_true(strlen(pairs) < sizeof(copy));
	memcpy(copy, pairs, strlen(pairs) + 1);
	for (char *at = strtok_r(copy, " ", &save); at; at = strtok_r(NULL, " ", &save)) {
		char *value = strchr(at, '=');

		assert_non_null(value);
		*value = '\0';
		setenv(at, value + 1, 1);
	}
}

static void the_region_by_precedence(void **state)
{
	static const struct {
		const char *variables, *named, *profile, *region;
	} table[] = {
		{ "AWS_REGION=r-1 AWS_DEFAULT_REGION=d-1", "n-1", NULL, "n-1" },
		{ "AWS_REGION=r-1 AWS_DEFAULT_REGION=d-1", NULL, NULL, "r-1" },
		{ "AWS_REGION=r-1 AWS_DEFAULT_REGION=d-1", "", NULL, "r-1" },
		{ "AWS_DEFAULT_REGION=d-1", NULL, "dev", "d-1" },
		{ "AWS_REGION= AWS_DEFAULT_REGION=d-1", NULL, NULL, "d-1" },
		{ "", NULL, "dev", "dev-1" },
		{ "AWS_PROFILE=dev", NULL, NULL, "dev-1" },
		{ "", NULL, NULL, "default-1" },
		{ "", NULL, "empty", "" },
		{ "", NULL, "absent", "" },
		{ "", "exactly-thirty-one-characters-x", NULL, "exactly-thirty-one-characters-x" },
		{ "", "more-than-thirty-one-characters-x", NULL,
		  "more-than-thirty-one-character~" },
	};
	struct bl_profiles *profiles =
		profiles_of("[default]\nregion=default-1\n[profile dev]\nregion=dev-1\n"
	                    "[profile empty]\nregion=\n");
	char region[BL_REGION_SIZE];

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		set_all(table[i].variables);
		bl_region(table[i].named, profiles, table[i].profile, region);
		assert_string_equal(region, table[i].region);
	}
	bl_region(NULL, NULL, NULL, region);
	assert_string_equal(region, "");
	bl_profiles_free(profiles);
}

static const struct {
	const char *service, *region;
	bool fips, dual;
	const char *url; /* NULL: refused */
} names[] = {
	{ "s3", "us-east-1", 0, 0, "https://s3.us-east-1.amazonaws.com" },
	{ "s3", "eu-central-1", 0, 0, "https://s3.eu-central-1.amazonaws.com" },
	{ "s3", "eu-central-1", 0, 1, "https://s3.dualstack.eu-central-1.amazonaws.com" },
	{ "s3", "us-west-2", 1, 0, "https://s3-fips.us-west-2.amazonaws.com" },
	{ "s3", "us-west-2", 1, 1, "https://s3-fips.dualstack.us-west-2.amazonaws.com" },
	{ "s3", "cn-north-1", 0, 0, "https://s3.cn-north-1.amazonaws.com.cn" },
	{ "s3", "cn-north-1", 0, 1, "https://s3.dualstack.cn-north-1.amazonaws.com.cn" },
	{ "s3", "cn-north-1", 1, 0, NULL },
	{ "s3", "us-gov-west-1", 1, 0, "https://s3-fips.us-gov-west-1.amazonaws.com" },
	{ "s3", "eusc-de-east-1", 0, 0, "https://s3.eusc-de-east-1.amazonaws.eu" },
	{ "sts", "us-east-1", 0, 0, "https://sts.us-east-1.amazonaws.com" },
	{ "sts", "us-east-1", 1, 0, "https://sts-fips.us-east-1.amazonaws.com" },
	{ "sts", "us-east-1", 0, 1, "https://sts.us-east-1.api.aws" },
	{ "sts", "us-east-1", 1, 1, "https://sts-fips.us-east-1.api.aws" },
	{ "sts", "cn-northwest-1", 0, 0, "https://sts.cn-northwest-1.amazonaws.com.cn" },
	{ "sts", "cn-north-1", 0, 1, "https://sts.cn-north-1.api.amazonwebservices.com.cn" },
	{ "sts", "us-gov-west-1", 1, 0, "https://sts.us-gov-west-1.amazonaws.com" },
	{ "sts", "us-gov-west-1", 1, 1, "https://sts-fips.us-gov-west-1.api.aws" },
	{ "ec2", "us-gov-east-1", 1, 0, "https://ec2.us-gov-east-1.amazonaws.com" },
	{ "secretsmanager", "us-gov-east-1", 1, 0,
	  "https://secretsmanager-fips.us-gov-east-1.amazonaws.com" },
	{ "sso", "us-east-1", 0, 0, "https://portal.sso.us-east-1.amazonaws.com" },
	{ "portal.sso", "us-east-1", 0, 1, "https://portal.sso.us-east-1.api.aws" },
	{ "ecr", "us-east-1", 0, 0, "https://api.ecr.us-east-1.amazonaws.com" },
	{ "ecr", "us-east-1", 1, 0, "https://ecr-fips.us-east-1.amazonaws.com" },
	{ "api.ecr", "us-east-1", 0, 1, "https://ecr.us-east-1.api.aws" },
	{ "iam", "eu-west-1", 0, 0, "https://iam.amazonaws.com" },
	{ "iam", "eu-west-1", 1, 0, "https://iam-fips.amazonaws.com" },
	{ "iam", "us-gov-east-1", 1, 0, "https://iam.us-gov.amazonaws.com" },
	{ "iam", "cn-northwest-1", 0, 0, "https://iam.cn-north-1.amazonaws.com.cn" },
	{ "budgets", "eu-west-1", 0, 0, "https://budgets.amazonaws.com" },
	{ "budgets", "eu-west-1", 1, 0, NULL },
	{ "pricing", "eu-west-1", 0, 0, "https://api.pricing.us-east-1.amazonaws.com" },
	{ "pricing", "", 0, 0, NULL },
	{ "servicequotas", "eu-west-1", 0, 0, "https://servicequotas.eu-west-1.amazonaws.com" },
	{ "logs", "us-east-1", 0, 0, "https://logs.us-east-1.amazonaws.com" },
	/* what would become another host */
	{ "s3", "", 0, 0, NULL },
	{ "s3", "x.evil.com/", 0, 0, NULL },
	{ "s3", "us-east-1.evil.com", 0, 0, NULL },
	{ "s3", "us-east-1#", 0, 0, NULL },
	{ "s3", "us-east-1@evil", 0, 0, NULL },
	{ "s3", "us-east-1:80", 0, 0, NULL },
	{ "s3", "us east", 0, 0, NULL },
	{ "s3", "us-east-1\n", 0, 0, NULL },
	{ "s3", "-us", 0, 0, NULL },
	{ "s3", "us-", 0, 0, NULL },
	{ "s3", "US-EAST-1", 0, 0, NULL },
	{ "s3", "more-than-thirty-one-character~", 0, 0, NULL },
	{ "s3", "more-than-thirty-one-characters-x", 0, 0, NULL },
	{ "s3", "\xc3\xa9", 0, 0, NULL },
};

static void names_of_aws(void **state)
{
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		struct bl_endpoint got = { .url = "before" };
		int rc;

		set_all("");
		setenv("AWS_USE_FIPS_ENDPOINT", names[i].fips ? "true" : "false", 1);
		setenv("AWS_USE_DUALSTACK_ENDPOINT", names[i].dual ? "TRUE" : "no", 1);
		rc = bl_endpoint(names[i].service, names[i].region, NULL, NULL, &got, &err);
		if (rc != (names[i].url ? 0 : -1))
			fail_msg("%s '%s': %d %s", names[i].service, names[i].region, rc, got.url);
		assert_string_equal(got.url, names[i].url ? names[i].url : "before");
		assert_false(got.custom);
		if (!names[i].url) {
			assert_int_equal(err.code, BL_EINPUT);
			assert_true(*err.next);
		}
		err = (struct bl_err){ 0 };
	}
}

static void global_ones_sign_for_their_home(void **state)
{
	static const struct {
		const char *variables, *service, *region, *home;
	} table[] = {
		{ "", "iam", "eu-west-1", "us-east-1" },
		{ "", "iam", "us-gov-east-1", "us-gov-west-1" },
		{ "", "budgets", "cn-north-1", "cn-northwest-1" },
		{ "", "ssm", "eu-west-1", "" },
		{ "AWS_ENDPOINT_URL=http://n:1", "budgets", "eu-west-1", "us-east-1" },
		{ "AWS_ENDPOINT_URL=http://n:1", "ssm", "eu-west-1", "" },
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_endpoint got = { 0 };

		set_all(table[i].variables);
		if (bl_endpoint(table[i].service, table[i].region, NULL, NULL, &got, &err))
			fail_msg("%zu: %s", i, err.text);
		assert_string_equal(got.region, table[i].home);
	}
}

static void a_named_one_by_precedence(void **state)
{
	static const char config[] = "[default]\nendpoint_url = http://p:1/\nservices = mine\n"
				     "[services mine]\ns3 =\n  endpoint_url = http://s3:2\n"
				     "cloudwatch_logs =\n  endpoint_url = http://logs:3\n"
				     "[profile plain]\nendpoint_url = http://plain:4\n"
				     "[profile off]\nendpoint_url = http://off:5\n"
				     "ignore_configured_endpoint_urls = true\n"
				     "[profile none]\nservices = absent\nregion = x\n";
	static const struct {
		const char *variables, *service, *profile, *url;
	} table[] = {
		{ "AWS_ENDPOINT_URL_S3=http://one AWS_ENDPOINT_URL=http://all", "s3", NULL,
		  "http://one" },
		{ "AWS_ENDPOINT_URL_STS=http://one AWS_ENDPOINT_URL=http://all", "s3", NULL,
		  "http://all" },
		{ "AWS_ENDPOINT_URL_S3=http://one", "s3", NULL, "http://one" },
		{ "AWS_ENDPOINT_URL_S3= AWS_ENDPOINT_URL=", "s3", NULL, "http://s3:2" },
		{ "", "s3", NULL, "http://s3:2" },
		{ "", "sts", NULL, "http://p:1" },
		{ "", "logs", NULL, "http://logs:3" },
		{ "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://l", "logs", NULL, "http://l" },
		{ "AWS_ENDPOINT_URL_SSO=http://sso", "portal.sso", NULL, "http://sso" },
		{ "", "s3", "plain", "http://plain:4" },
		{ "AWS_PROFILE=plain", "s3", NULL, "http://plain:4" },
		{ "AWS_ENDPOINT_URL=https://all/base/path/", "s3", NULL, "https://all/base/path" },
		{ "AWS_ENDPOINT_URL=http://[::1]:9000", "s3", NULL, "http://[::1]:9000" },
		{ "", "s3", "none", NULL },
		{ "", "s3", "off", NULL },
		{ "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true AWS_ENDPOINT_URL_S3=http://one", "s3",
		  NULL, NULL },
		{ "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=True AWS_ENDPOINT_URL=http://one", "s3",
		  "plain", NULL },
		/* the variable decides over the profile */
		{ "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "s3", "off", "http://off:5" },
		/* switches are for AWS's own names */
		{ "AWS_ENDPOINT_URL=http://all AWS_USE_FIPS_ENDPOINT=true", "s3", NULL,
		  "http://all" },
	};
	struct bl_profiles *profiles = profiles_of(config);
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_endpoint got = { 0 };

		set_all(table[i].variables);
		assert_int_equal(bl_endpoint(table[i].service, "eu-west-1", profiles,
		                             table[i].profile, &got, &err),
		                 0);
		if (strcmp(got.url,
		           table[i].url ? table[i].url : "https://s3.eu-west-1.amazonaws.com"))
			fail_msg("row %zu: %s", i, got.url);
		assert_int_equal(got.custom, table[i].url != NULL);
	}
	bl_profiles_free(profiles);
}

static void a_bad_url_names_where_it_stands(void **state)
{
	static const struct {
		const char *variables, *says;
	} table[] = {
		{ "AWS_ENDPOINT_URL_S3=ftp://h", "AWS_ENDPOINT_URL_S3: " },
		{ "AWS_ENDPOINT_URL=localhost:9000", "AWS_ENDPOINT_URL: " },
		{ "AWS_ENDPOINT_URL=http://u:p@h", "AWS_ENDPOINT_URL: " },
		{ "AWS_ENDPOINT_URL=http://h/?x=1", "AWS_ENDPOINT_URL: an endpoint has no query" },
		{ "AWS_ENDPOINT_URL=http://", "AWS_ENDPOINT_URL: " },
		{ "AWS_PROFILE=p", "[services x]: " },
		{ "AWS_PROFILE=q", "endpoint_url of profile q: " },
	};
	struct bl_profiles *profiles =
		profiles_of("[profile p]\nservices = x\n[services x]\ns3=\n endpoint_url = h\n"
	                    "[profile q]\nendpoint_url = h\n");
	char url[700] = "http://h/";

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_endpoint got = { 0 };
		struct bl_err err = { 0 };

		set_all(table[i].variables);
		assert_int_equal(bl_endpoint("s3", "eu-west-1", profiles, NULL, &got, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		if (strncmp(err.text, table[i].says, strlen(table[i].says)))
			fail_msg("row %zu: %s", i, err.text);
		assert_true(*err.next);
	}
	memset(url + 9, 'x', 600);
	struct bl_endpoint got = { 0 };
	struct bl_err err = { 0 };
	set_all("");
	setenv("AWS_ENDPOINT_URL", url, 1);
	assert_int_equal(bl_endpoint("s3", "eu-west-1", NULL, NULL, &got, &err), -1);
	assert_string_equal(err.text, "AWS_ENDPOINT_URL: longer than 511 bytes");
	bl_profiles_free(profiles);
}

/* OpenStack has RegionOne, a server on a desk none. */
static void a_custom_one_takes_other_regions(void **state)
{
	static const char *const good[] = { "", "RegionOne", "auto", "us_east" };
	static const char *const bad[] = { "a/b", "a b", "a.b", "a\n" };
	struct bl_endpoint got = { 0 };
	struct bl_err err = { 0 };

	(void)state;
	set_all("AWS_ENDPOINT_URL=http://127.0.0.1:9000");
	for (size_t i = 0; i < BL_COUNT(good); i++)
		assert_int_equal(bl_endpoint("s3", good[i], NULL, NULL, &got, &err), 0);
	for (size_t i = 0; i < BL_COUNT(bad); i++) {
		assert_int_equal(bl_endpoint("s3", bad[i], NULL, NULL, &got, &err), -1);
		assert_int_equal(err.code, BL_EINPUT);
		bl_err_clear(&err);
	}
}

static void switches_of_the_profile_count(void **state)
{
	struct bl_profiles *profiles =
		profiles_of("[profile f]\nuse_fips_endpoint = true\n"
	                    "[profile d]\nuse_dualstack_endpoint = true\n"
	                    "[profile s]\ns3 =\n  use_dualstack_endpoint = true\n");
	static const struct {
		const char *variables, *profile, *service, *url;
	} table[] = {
		{ "", "f", "sts", "https://sts-fips.eu-west-1.amazonaws.com" },
		{ "AWS_USE_FIPS_ENDPOINT=false", "f", "sts",
		  "https://sts.eu-west-1.amazonaws.com" },
		{ "", "d", "sts", "https://sts.eu-west-1.api.aws" },
		{ "", "d", "s3", "https://s3.dualstack.eu-west-1.amazonaws.com" },
		{ "", "s", "s3", "https://s3.dualstack.eu-west-1.amazonaws.com" },
		{ "", "s", "sts", "https://sts.eu-west-1.amazonaws.com" },
	};
	struct bl_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < BL_COUNT(table); i++) {
		struct bl_endpoint got = { 0 };

		set_all(table[i].variables);
		assert_int_equal(bl_endpoint(table[i].service, "eu-west-1", profiles,
		                             table[i].profile, &got, &err),
		                 0);
		assert_string_equal(got.url, table[i].url);
	}
	bl_profiles_free(profiles);
}

/* Of the URL's parser and messages: nothing is kept. */
static int find_endpoint(struct bl_err *err)
{
	struct bl_profiles *profiles = NULL;
	struct bl_endpoint got = { 0 };
	int rc;

	if (bl_profiles_read(&profiles, err))
		return -1;
	rc = bl_endpoint("s3", "eu-west-1", profiles, NULL, &got, err);
	bl_profiles_free(profiles);
	return rc;
}

static void every_failed_allocation_is_told(void **state)
{
	(void)state;
	put_text("config", "[default]\nendpoint_url = http://h\n");
	each_allocation_fails(find_endpoint, 100);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_region_by_precedence),        TEST(names_of_aws),
		TEST(global_ones_sign_for_their_home), TEST(a_named_one_by_precedence),
		TEST(a_bad_url_names_where_it_stands), TEST(a_custom_one_takes_other_regions),
		TEST(switches_of_the_profile_count),   TEST(every_failed_allocation_is_told),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
