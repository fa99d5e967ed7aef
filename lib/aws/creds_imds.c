/* SPDX-License-Identifier: Apache-2.0 */
/* The instance's own role, by IMDSv2 alone. */
#include "aws/creds_parts.h"

#include "base/clock.h"
#include "codec/hash.h"
#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define BASE_MAX 256
#define TTL_S 21600
#define TTL_EARLY_MS 60000
#define CONNECT_MS 2000
#define FIRST_BYTE_MS 1000
#define VERDICT_MS 3000
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define MINUTE_MS ((int64_t)60000)

static int add_base(struct bl_buf *url, struct bl_err *err)
{
	const char *named = creds_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = creds_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	bool six = mode && !strcasecmp(mode, "ipv6");

	if (mode && !six && strcasecmp(mode, "ipv4") != 0)
		return bl_fail(err, BL_EINPUT,
		               "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6");
	if (!named)
		named = six ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
	bl_buf_add(url, named, strlen(named) - (named[strlen(named) - 1] == '/'));
	return 0;
}

static int ask(struct bl_http *http, const char *method, const char *path, const char *headers,
               struct bl_fetched *fetched, struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(2048);
	struct bl_fetch fetch = { .what = "EC2 metadata",
		                  .method = method,
		                  .headers = headers,
		                  .attempts = 2,
		                  .connect_ms = CONNECT_MS,
		                  .first_byte_ms = FIRST_BYTE_MS,
		                  .deadline_ms = VERDICT_MS,
		                  .no_proxy = true };

	if (add_base(&url, err))
		return -1;
	bl_buf_adds(&url, path);
	if (bl_buf_check(&url, "the metadata address", err))
		return -1;
	fetch.url = bl_buf_text(&url);
	return bl_fetch(http, &fetch, fetched, err);
}

/* A laptop has no such service: whoever does not answer is not asked again. */
static int renew_token(struct bl_creds *creds, struct bl_http *http, struct bl_err *err)
{
	static const char ttl[] = "x-aws-ec2-metadata-token-ttl-seconds: 21600\n";
	BL_AUTO(bl_fetched) fetched = { 0 };
	const struct bl_buf *body = &fetched.http.body;
	int status;

	if (ask(http, "PUT", "/latest/api/token", ttl, &fetched, err)) {
		creds->imds.absent = !creds->have && !fetched.http.status && err->code != BL_ENOMEM;
		return -1;
	}
	status = fetched.http.status;
	if (status != 200 || !body->len || strpbrk(bl_buf_text(body), "\r\n")) {
		bl_fail(err, BL_EDENIED, "EC2 metadata: HTTP %d when asked for a token", status);
		return bl_next(err,
		               "the instance must offer IMDSv2; a container may need a hop limit "
		               "of 2");
	}
	creds->imds.token_until_mono_ms = bl_mono_ms() + (int64_t)TTL_S * 1000 - TTL_EARLY_MS;
	return bl_secret_set(&creds->imds.token, bl_buf_text(body), body->len, err);
}

static int get_once(struct bl_creds *creds, struct bl_http *http, const char *path,
                    struct bl_fetched *fetched, struct bl_err *err)
{
	BL_SECRET_BUF headers = BL_BUF(4096);

	if ((!creds->imds.token.len || bl_mono_ms() >= creds->imds.token_until_mono_ms) &&
	    renew_token(creds, http, err))
		return -1;
	bl_buf_adds(&headers, "x-aws-ec2-metadata-token: ");
	bl_buf_adds(&headers, bl_secret_text(&creds->imds.token));
	bl_buf_addc(&headers, '\n');
	if (bl_buf_check(&headers, "the metadata token", err))
		return -1;
	return ask(http, "GET", path, bl_buf_text(&headers), fetched, err);
}

/* 401: the token is no longer known; a new one, once. */
static int get(struct bl_creds *creds, struct bl_http *http, const char *path,
               struct bl_fetched *fetched, struct bl_err *err)
{
	if (get_once(creds, http, path, fetched, err))
		return -1;
	if (fetched->http.status == 401) {
		bl_secret_done(&creds->imds.token);
		if (get_once(creds, http, path, fetched, err))
			return -1;
	}
	if (fetched->http.status == 404)
		return bl_fail(err, BL_EDENIED, "EC2 metadata: this instance has no role");
	if (fetched->http.status != 200)
		return bl_fail(err, BL_EDENIED, "EC2 metadata: HTTP %d", fetched->http.status);
	return 0;
}

static int read_role(struct bl_creds *creds, struct bl_http *http, char path[BASE_MAX],
                     struct bl_err *err)
{
	BL_AUTO(bl_fetched) fetched = { 0 };
	const char *text;
	size_t len;

	if (get(creds, http, ROLES, &fetched, err))
		return -1;
	text = bl_buf_text(&fetched.http.body);
	len = strcspn(text, "\r\n");
	if (!len || len > 64 || strcspn(text, "/?#% ") < len)
		return bl_fail(err, BL_ECORRUPT, "EC2 metadata: no role's name in the reply");
	snprintf(path, BASE_MAX, ROLES "%.*s", (int)len, text);
	return 0;
}

/* 200 with another Code than Success is no credential. */
static int read_keys(const struct bl_buf *body, struct bl_credentials *out, struct bl_err *err)
{
	BL_VALUE document = NULL;
	const char *code;

	if (bl_json_parse(bl_buf_text(body), body->len, "EC2 metadata", &document, err))
		return -1;
	code = bl_value_text_or(document, "Code", "Success");
	if (strcmp(code, "Success") != 0)
		return bl_fail(err, BL_EDENIED, "EC2 metadata: %.40s: %.160s", code,
		               bl_value_text_or(document, "Message", ""));
	return creds_from_json(bl_buf_text(body), body->len, "EC2 metadata", out, err);
}

/*
 * The service may go on giving keys that have run out, or not answer at all, while it cannot reach
 * its own; AWS takes such keys, so they serve, and it is asked again after 11 to 19 min (a quarter
 * of what is added is the time before the end).
 */
void creds_outlive(struct bl_credentials *creds)
{
	struct bl_err ignored = { 0 };
	int64_t now = bl_wall_ms();
	uint32_t number = 0;

	if (!creds->expires_wall_ms || creds->expires_wall_ms > now)
		return;
	if (bl_random(&number, sizeof(number), &ignored))
		number = 0;
	creds->expires_wall_ms = now + 15 * MINUTE_MS + number % (10 * (uint32_t)MINUTE_MS);
}

int creds_fetch_imds(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	BL_AUTO(bl_fetched) fetched = { 0 };
	struct bl_http *http;
	char path[BASE_MAX];

	if (creds_http(creds, &http, err) || read_role(creds, http, path, err) ||
	    get(creds, http, path, &fetched, err) || read_keys(&fetched.http.body, out, err))
		return -1;
	creds_outlive(out);
	creds_label(out, "EC2 instance's role");
	return 0;
}
