/* SPDX-License-Identifier: Apache-2.0 */
/* No source takes an allocation for granted. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "codec/hash.h"
#include "tests/unit/creds_input.h"
#include "tests/unit/failalloc.h"
#include "tests/unit/folder.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60000)
#define HOUR (60 * MINUTE)

#define ROLES "GET /latest/meta-data/iam/security-credentials/"

static int open_and_get(const char *profile, struct bl_err *err)
{
	const struct bl_creds_options options = { .profile = profile };
	const struct bl_credentials *got;
	struct bl_creds *creds = NULL;
	int rc;

	if (bl_creds_open(&options, &creds, err))
		return -1;
	rc = bl_creds_get(creds, &got, err);
	bl_creds_close(creds);
	return rc;
}

static int story_of_default(struct bl_err *err)
{
	return open_and_get(NULL, err);
}

/* Opening has its own story above: what is open already is shared by all passes of these. */
static struct bl_creds *open_already;

static int story_of_profile(struct bl_err *err)
{
	const struct bl_credentials *got;

	return bl_creds_get(open_already, &got, err);
}

static void tell_story_of(const char *profile)
{
	struct bl_err err = { 0 };
	struct bl_aws *aws;

	char hex[BL_SHA256_HEX];

	/* the set-up of libcrypto's hashes is done once, too, and has thousands */
	must(bl_sha1_of("", 0, hex, &err), &err);
	must(bl_sha256_of("", 0, hex, &err), &err);
	open_already = open_creds(profile);
	must(creds_sts(open_already, &aws, &err), &err);
	each_allocation_fails(story_of_profile, 6000);
	bl_creds_close(open_already);
}

static void no_allocation_is_taken_for_granted(void **state)
{
	const struct canned_reply replies[] = {
		{ .on = "PUT ", .body = "the-token" },
		{ .on = ROLES " ", .body = "my-role\n" },
		{ .on = ROLES, .body = keys_json("ASIA1", bl_wall_ms() + HOUR) },
		{ .on = "GET /keys ", .body = keys_json("ASIA1", bl_wall_ms() + HOUR) },
		{ .on = "GET /federation",
		  .body = "{\"roleCredentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"s\","
		          "\"sessionToken\":\"t\",\"expiration\":32503680000000}}" },
		{ .on = "POST / ", .body = assumed_xml("ASIAONE", bl_wall_ms() + HOUR) },
	};
	struct canned *server = canned_start(replies, BL_COUNT(replies));

	(void)state;
	forget_identity();
	unsetenv("AWS_EC2_METADATA_DISABLED");
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", canned_url(server, ""), 1);
	each_allocation_fails(story_of_default, 5000);
	forget_identity();
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", canned_url(server, "/keys"), 1);
	each_allocation_fails(story_of_default, 5000);
	be_a_job(server);
	unsetenv("AWS_ROLE_ARN");
	put_text("config",
	         "[profile role]\nrole_arn=" INPUT_ROLE "\nsource_profile=default\n"
	         "[profile sso]\nsso_start_url=u\nsso_region=us-east-1\nsso_account_id=1\n"
	         "sso_role_name=r\n[default]\naws_access_key_id=A\naws_secret_access_key=s\n");
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	tell_story_of("role");
	setenv("HOME", folder, 1);
	/* SHA-1 of "u" */
	put_text(".aws/sso/cache/51e69892ab49df85c6230ccc57f8e1d1606caccc.json",
	         "{\"accessToken\":\"t\",\"expiresAt\":\"2999-01-01T00:00:00Z\"}");
	tell_story_of("sso");
	canned_stop(server);
}

static void processes_need_memory_too(void **state)
{
	char config[256];

	(void)state;
	forget_identity();
	put_text("keys", "{\"Version\":1,\"AccessKeyId\":\"A\","
	                 "\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\"}");
	snprintf(config, sizeof(config), "[default]\ncredential_process=cat '%s'\n",
	         folder_path("keys"));
	put_text("config", config);
	setenv("AWS_CONFIG_FILE", folder_path("config"), 1);
	each_allocation_fails(story_of_default, 3000);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(no_allocation_is_taken_for_granted),
		IN_FOLDER(processes_need_memory_too),
	};

	return cmocka_run_group_tests_name("creds memory", tests, NULL, NULL);
}
