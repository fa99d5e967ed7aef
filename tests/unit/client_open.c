/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client_open.h"

#include "aws/client_parts.h"
#include "tests/unit/scratch.h"

#include <stdlib.h>

void set_endpoint(const char *url)
{
	static const char *const unset[] = {
		"AWS_ENDPOINT_URL_S3", "AWS_REGION",  "AWS_DEFAULT_REGION", "AWS_PROFILE",
		"AWS_ROLE_ARN",        "HTTP_PROXY",  "HTTPS_PROXY",        "http_proxy",
		"https_proxy",         "AWS_PROFILE", "AWS_MAX_ATTEMPTS",
	};

	for (size_t i = 0; i < BL_COUNT(unset); i++)
		unsetenv(unset[i]);
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "the-secret", 1);
	setenv("AWS_SESSION_TOKEN", "the-token", 1);
	setenv("AWS_ENDPOINT_URL", url, 1);
}

static double least(void)
{
	return 0;
}

int open_client(struct bl_aws **out, struct bl_err *err)
{
	const struct bl_aws_options options = { .region = "us-east-1" };

	if (bl_aws_open(&options, out, err))
		return -1;
	(*out)->random = least;
	return 0;
}

struct bl_aws *client_of(const char *url)
{
	struct bl_err err = { 0 };
	struct bl_aws *aws = NULL;

	set_endpoint(url);
	must(open_client(&aws, &err), &err);
	return aws;
}

void each_allocation_fails_at(const struct canned_reply *reply, struct bl_aws **aws,
                              alloc_story *story, unsigned max)
{
	struct canned_reply posted = *reply;
	struct canned *server;
	struct bl_err err = { 0 };

	posted.on = "POST / ";
	posted.end = CANNED_CLOSE;
	server = canned_start(&posted, 1);
	*aws = client_of(canned_url(server, ""));
	must(story(&err), &err); /* what is set up once has thousands */
	each_allocation_fails(story, max);
	bl_aws_close(*aws);
	canned_stop(server);
}
