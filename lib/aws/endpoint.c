/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include "base/env.h"
#include "base/str.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ID_SIZE 48

/* Found by the beginning of the region; the last one is for all others. */
static const struct partition {
	const char *prefix, *suffix, *dual_stack;
	bool has_fips;
} partitions[] = {
	{ "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false },
	{ "eusc-", "amazonaws.eu", "api.amazonwebservices.eu", true },
	{ "", "amazonaws.com", "api.aws", true }, /* aws and aws-us-gov */
};

/*
 * Services that are not called in all places what they are called here. host NULL: as name. In
 * us-gov some are FIPS as they are, and have no other name.
 */
static const struct service {
	const char *name, *id;         /* AWS_ENDPOINT_URL_ID */
	const char *host, *other_host; /* other: FIPS or dual-stack */
	bool gov_is_fips;
} services[] = {
	{ "sts", "STS", NULL, NULL, true },
	{ "ec2", "EC2", NULL, NULL, true },
	{ "ssm", "SSM", NULL, NULL, true },
	{ "logs", "CLOUDWATCH_LOGS", NULL, NULL, true },
	{ "servicequotas", "SERVICE_QUOTAS", NULL, NULL, true },
	{ "secretsmanager", "SECRETS_MANAGER", NULL, NULL, false },
	{ "sso", "SSO", "portal.sso", "portal.sso", false },
	{ "portal.sso", "SSO", NULL, NULL, false },
	{ "ecr", "ECR", "api.ecr", "ecr", false },
	{ "api.ecr", "ECR", NULL, "ecr", false },
};

/*
 * Services that are in one place for a whole partition: found by service and the beginning of the
 * region that was asked for. region: what signatures there are for.
 */
static const struct global {
	const char *name, *prefix, *host, *region;
	const char *fips_host; /* NULL: none is known */
} globals[] = {
	{ "iam", "cn-", "iam.cn-north-1.amazonaws.com.cn", "cn-north-1", NULL },
	{ "iam", "us-gov-", "iam.us-gov.amazonaws.com", "us-gov-west-1",
	  "iam.us-gov.amazonaws.com" },
	{ "iam", "eusc-", "iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", NULL },
	{ "iam", "", "iam.amazonaws.com", "us-east-1", "iam-fips.amazonaws.com" },
	{ "budgets", "cn-", "budgets.amazonaws.com.cn", "cn-northwest-1", NULL },
	{ "budgets", "us-gov-", "budgets.amazonaws.com", "us-gov-west-1", NULL },
	{ "budgets", "eusc-", "budgets.eusc-de-east-1.api.amazonwebservices.eu", "eusc-de-east-1",
	  NULL },
	{ "budgets", "", "budgets.amazonaws.com", "us-east-1", NULL },
	/* few regions have it, and those have the prices of all */
	{ "pricing", "cn-", "api.pricing.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1", NULL },
	{ "pricing", "eusc-", "api.pricing.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", NULL },
	{ "pricing", "", "api.pricing.us-east-1.amazonaws.com", "us-east-1", NULL },
};

/* Whose settings are read. */
struct settings {
	const struct bl_profiles *profiles;
	const char *profile;
};

static const char *of_profile(const struct settings *settings, const char *key)
{
	return bl_profiles_get(settings->profiles, "profile", settings->profile, key);
}

/* A switch: the variable, else the profile's key. */
static bool is_on(const struct settings *settings, const char *name, const char *key)
{
	const char *value = bl_env_or_null(name);

	if (!value)
		value = of_profile(settings, key);
	return value && !strcasecmp(value, "true");
}

void bl_region(const char *named, const struct bl_profiles *profiles, const char *profile,
               char region[BL_REGION_SIZE])
{
	const struct settings settings = { profiles, bl_profile_name(profile) };
	const char *found = named && *named ? named : bl_env_or_null("AWS_REGION");

	if (!found)
		found = bl_env_or_null("AWS_DEFAULT_REGION");
	if (!found)
		found = of_profile(&settings, "region");
	/* what is cut must not read as another region: '~' is in none */
	if (snprintf(region, BL_REGION_SIZE, "%s", found ? found : "") >= BL_REGION_SIZE)
		region[BL_REGION_SIZE - 2] = '~';
}

static struct service service_of(const char *name)
{
	for (size_t i = 0; i < BL_COUNT(services); i++)
		if (!strcmp(name, services[i].name))
			return services[i];
	return (struct service){ .name = name };
}

/* "S3": of AWS_ENDPOINT_URL_S3, and in small letters of a services section. */
static void id_of(const char *service, char id[ID_SIZE])
{
	const char *text = service_of(service).id;
	size_t i = 0;

	if (!text)
		text = service;
	for (; i < ID_SIZE - 1 && text[i]; i++) {
		char c = text[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		id[i] = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
	}
	id[i] = '\0';
}

/* What somebody named, and where (for messages); NULL: nobody. */
static const char *named_url(const char *service, const struct settings *settings, char where[64])
{
	char id[ID_SIZE], key[ID_SIZE + 16];
	const char *url, *section;

	if (is_on(settings, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
	          "ignore_configured_endpoint_urls"))
		return NULL;
	id_of(service, id);
	snprintf(where, 64, "AWS_ENDPOINT_URL_%.40s", id);
	url = bl_env_or_null(where);
	if (url)
		return url;
	snprintf(where, 64, "AWS_ENDPOINT_URL");
	url = bl_env_or_null(where);
	section = of_profile(settings, "services");
	if (!url && section) {
		snprintf(key, sizeof(key), "%s.endpoint_url", id); /* keys have no case */
		snprintf(where, 64, "[services %.48s]", section);
		url = bl_profiles_get(settings->profiles, "services", section, key);
	}
	if (!url) {
		snprintf(where, 64, "endpoint_url of profile %.36s", settings->profile);
		url = of_profile(settings, "endpoint_url");
	}
	return url;
}

static int use_named(const char *url, const char *where, struct bl_endpoint *out,
                     struct bl_err *err)
{
	struct bl_url parts;
	size_t len = strlen(url);

	if (bl_url_parse(url, &parts, err)) {
		bl_wrap(err, "%s", where);
		return bl_next(err, "write it as https://HOST[:PORT]");
	}
	while (len && url[len - 1] == '/')
		len--;
	if (*parts.query || len >= sizeof(out->url)) {
		bl_fail(err, BL_EINPUT, "%s: %s", where,
		        *parts.query ? "an endpoint has no query" : "longer than 511 bytes");
		return bl_next(err, "write it as https://HOST[:PORT]");
	}
	*out = (struct bl_endpoint){ .custom = true };
	memcpy(out->url, url, len);
	return 0;
}

/* It becomes part of a host's name and of the signature's scope. */
static bool is_region(const char *region, const char *also)
{
	size_t len = strlen(region);

	if (!len || len >= BL_REGION_SIZE || *region == '-' || region[len - 1] == '-')
		return false;
	for (; *region; region++)
		if (!(*region >= 'a' && *region <= 'z') && !(*region >= '0' && *region <= '9') &&
		    *region != '-' && !strchr(also, *region))
			return false;
	return true;
}

static int refuse_region(const char *service, const char *region, struct bl_err *err)
{
	if (!*region)
		bl_fail(err, BL_EINPUT, "%s: no region is set", service);
	else
		bl_fail(err, BL_EINPUT, "%s: '%.64s' is no region", service, region);
	return bl_next(err, "set AWS_REGION, as eu-central-1");
}

static const struct partition *partition_of(const char *region)
{
	const struct partition *partition = partitions;

	while (!bl_str_starts(region, partition->prefix))
		partition++;
	return partition;
}

static int use_aws(const char *service, const char *region, const struct settings *settings,
                   struct bl_endpoint *out, struct bl_err *err)
{
	const struct partition *partition = partition_of(region);
	const struct service host = service_of(service);
	const char *name;
	bool s3 = !strcmp(service, "s3");
	bool fips = is_on(settings, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
	bool dual = is_on(settings, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint") ||
	            (s3 && is_on(settings, "", "s3.use_dualstack_endpoint"));

	if (fips && !partition->has_fips) {
		bl_fail(err, BL_EINPUT, "%s: no FIPS endpoint in %s", service, region);
		return bl_next(err, "unset AWS_USE_FIPS_ENDPOINT (profile: use_fips_endpoint)");
	}
	if (host.gov_is_fips && !dual && bl_str_starts(region, "us-gov-"))
		fips = false;
	name = (fips || dual) && host.other_host ? host.other_host : host.host;
	*out = (struct bl_endpoint){ 0 };
	snprintf(out->url, sizeof(out->url), "https://%s%s.%s%s.%s", name ? name : service,
	         fips ? "-fips" : "", s3 && dual ? "dualstack." : "", region,
	         dual && !s3 ? partition->dual_stack : partition->suffix);
	return 0;
}

static const struct global *global_of(const char *service, const char *region)
{
	for (size_t i = 0; i < BL_COUNT(globals); i++)
		if (!strcmp(service, globals[i].name) && bl_str_starts(region, globals[i].prefix))
			return &globals[i];
	return NULL;
}

static int use_global(const struct global *global, const struct settings *settings,
                      struct bl_endpoint *out, struct bl_err *err)
{
	bool fips = is_on(settings, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");

	if (fips && !global->fips_host) {
		bl_fail(err, BL_EINPUT, "%s: no FIPS endpoint is known of it", global->name);
		return bl_next(err, "unset AWS_USE_FIPS_ENDPOINT (profile: use_fips_endpoint)");
	}
	*out = (struct bl_endpoint){ 0 };
	snprintf(out->url, sizeof(out->url), "https://%s", fips ? global->fips_host : global->host);
	return 0;
}

int bl_endpoint(const char *service, const char *region, const struct bl_profiles *profiles,
                const char *profile, struct bl_endpoint *out, struct bl_err *err)
{
	const struct settings settings = { profiles, bl_profile_name(profile) };
	char where[64];
	const char *url = named_url(service, &settings, where);
	const struct global *global = global_of(service, region);
	int rc;

	/* servers of others have regions as RegionOne, or none */
	if (url ? *region && !is_region(region, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
	        : !is_region(region, ""))
		return refuse_region(service, region, err);
	if (url)
		rc = use_named(url, where, out, err);
	else if (global)
		rc = use_global(global, &settings, out, err);
	else
		rc = use_aws(service, region, &settings, out, err);
	if (!rc && global)
		snprintf(out->region, sizeof(out->region), "%s", global->region);
	return rc;
}

bool bl_host_is_aws(const char *host)
{
	for (size_t i = 0; i < BL_COUNT(partitions); i++) {
		const char *const suffixes[] = { partitions[i].suffix, partitions[i].dual_stack };

		for (size_t j = 0; j < BL_COUNT(suffixes); j++) {
			size_t len = strlen(host), end = strlen(suffixes[j]);

			if (len > end + 1 && host[len - end - 1] == '.' &&
			    !strcmp(host + len - end, suffixes[j]))
				return true;
		}
	}
	return false;
}
