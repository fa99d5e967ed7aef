/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/creds_input.h"

#include "base/clock.h"
#include "codec/base64.h"
#include "tests/unit/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXTS 64
#define TEXT_SIZE 4096

extern char **environ;

void forget_identity(void)
{
	static const char *const prefixes[] = { "AWS_",       "ACTIONS_",
		                                "GITHUB_",    "BRANCHLINE_RUN_ID",
		                                "HTTP_PROXY", "HTTPS_PROXY",
		                                "http_proxy", "https_proxy" };
	char name[256];

	for (char **at = environ; *at;) {
		bool hit = false;

		for (size_t i = 0; i < BL_COUNT(prefixes); i++)
			hit = hit || !strncmp(*at, prefixes[i], strlen(prefixes[i]));
		if (!hit) {
			at++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*at, "="), *at);
		unsetenv(name); /* the rest moves up */
	}
	setenv("AWS_CONFIG_FILE", "/dev/null", 1);
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	setenv("AWS_REGION", "us-east-1", 1);
}

void be_a_job(const struct canned *server)
{
	forget_identity();
	setenv("AWS_ENDPOINT_URL", canned_url(server, ""), 1);
	setenv("AWS_ROLE_ARN", INPUT_ROLE, 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_URL", canned_url(server, "/token?api-version=2.0"), 1);
	setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-request-token", 1);
}

/* --- Time ------------------------------------------------------------------------------------- */

static int64_t wall;

static int64_t read_wall(void)
{
	return wall;
}

static int64_t read_mono(void)
{
	return wall - INPUT_NOON + 1000000;
}

void stop_clock(int64_t wall_ms)
{
	static const struct bl_clock stopped = { read_mono, read_wall };

	wall = wall_ms;
	bl_clock_replace(&stopped);
}

void move_clock(int64_t ms)
{
	wall += ms;
}

int64_t stopped_at(void)
{
	return wall;
}

void start_clock(void)
{
	bl_clock_replace(NULL);
}

/* --- Credentials ------------------------------------------------------------------------------ */

struct bl_creds *open_creds(const char *profile)
{
	const struct bl_creds_options options = { .profile = profile };
	struct bl_creds *creds = NULL;
	struct bl_err err = { 0 };

	must(bl_creds_open(&options, &creds, &err), &err);
	return creds;
}

const char *key_of(struct bl_creds *creds)
{
	const struct bl_credentials *got;
	struct bl_err err = { 0 };

	must(bl_creds_get(creds, &got, &err), &err);
	return got->access_key;
}

struct bl_err failure_of(struct bl_creds *creds)
{
	const struct bl_credentials *got;
	struct bl_err err = { 0 };

	assert_int_equal(bl_creds_get(creds, &got, &err), -1);
	return err;
}

/* --- Replies ---------------------------------------------------------------------------------- */

static char *next_text(void)
{
	static char texts[TEXTS][TEXT_SIZE];
	static size_t n;

	return texts[n++ % TEXTS];
}

const char *assumed_xml(const char *key, int64_t expires_wall_ms)
{
	char *text = next_text(), expiry[BL_UTC_SIZE];

	bl_utc_text(expires_wall_ms, expiry);
	snprintf(text, TEXT_SIZE,
	         "<AssumeRoleWithWebIdentityResponse "
	         "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
	         "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>"
	         "<SecretAccessKey>the/secret+key</SecretAccessKey><SessionToken>the//token</"
	         "SessionToken>"
	         "<Expiration>%s</Expiration></Credentials><AssumedRoleUser>"
	         "<Arn>arn:aws:sts::111122223333:assumed-role/train/s</Arn></AssumedRoleUser>"
	         "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
	         key, expiry);
	return text;
}

const char *keys_json(const char *key, int64_t expires_wall_ms)
{
	char *text = next_text(), expiry[BL_UTC_SIZE];

	bl_utc_text(expires_wall_ms, expiry);
	snprintf(text, TEXT_SIZE,
	         "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\","
	         "\"Token\":\"t\",\"Expiration\":\"%s\"}",
	         key, expiry);
	return text;
}

static void add_part(struct bl_buf *out, const char *text)
{
	BL_AUTO(bl_buf) plain = BL_BUF(TEXT_SIZE);

	bl_base64_add(&plain, text, strlen(text));
	for (size_t i = 0; i < plain.len && plain.data[i] != '='; i++)
		bl_buf_addc(out, plain.data[i] == '+'   ? '-'
		                 : plain.data[i] == '/' ? '_'
		                                        : plain.data[i]);
}

const char *jwt_of(const char *claims)
{
	BL_AUTO(bl_buf) jwt = BL_BUF(TEXT_SIZE - 64);
	char *text = next_text();

	add_part(&jwt, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	bl_buf_addc(&jwt, '.');
	add_part(&jwt, claims);
	bl_buf_adds(&jwt, ".c2lnbmF0dXJl");
	assert_int_equal(jwt.failed, BL_OK);
	snprintf(text, TEXT_SIZE, "%s", bl_buf_text(&jwt));
	return text;
}

const char *token_json(const char *claims)
{
	const char *jwt = jwt_of(claims);
	char *text = next_text();

	snprintf(text, TEXT_SIZE, "{\"count\":%zu,\"value\":\"%s\"}", strlen(jwt), jwt);
	return text;
}

const char *fresh_key_of(struct bl_creds *creds)
{
	const struct bl_credentials *got;
	struct bl_err err = { 0 };

	must(bl_creds_get(creds, &got, &err), &err);
	assert_true(!got->expires_wall_ms || got->expires_wall_ms > stopped_at());
	return got->access_key;
}
