/* SPDX-License-Identifier: Apache-2.0 */
/* The credential address that ECS and EKS give to a container. */
#include "aws/creds_parts.h"

#include "base/fs.h"
#include "net/url.h"

#include <string.h>

#define RELATIVE_BASE "http://169.254.170.2"
#define URL_MAX 4096
#define TOKEN_MAX ((size_t)16 << 10)

static int add_url(struct bl_buf *url, struct bl_err *err)
{
	const char *relative = creds_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = creds_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct bl_url parts;

	if (relative && *relative != '/')
		return bl_fail(err, BL_EINPUT,
		               "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
	if (relative) {
		bl_buf_addf(url, RELATIVE_BASE "%s", relative);
		return bl_buf_check(url, "the container's address", err);
	}
	if (!full) /* a profile's credential_source asks whatever is set */
		return bl_fail(err, BL_EINPUT, "AWS_CONTAINER_CREDENTIALS_FULL_URI is not set");
	if (bl_url_parse(full, &parts, err))
		return bl_wrap(err, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	/* it gets a token, and what it answers is trusted */
	if (!parts.tls && !bl_host_is_loopback(parts.host) &&
	    strcmp(parts.host, "169.254.170.2") != 0 && strcmp(parts.host, "169.254.170.23") != 0 &&
	    strcmp(parts.host, "fd00:ec2::23") != 0) {
		bl_fail(err, BL_EINPUT, "AWS_CONTAINER_CREDENTIALS_FULL_URI: plain http to %.100s",
		        parts.host);
		return bl_next(err, "https, or the loopback, ECS and EKS addresses");
	}
	bl_buf_adds(url, full);
	return bl_buf_check(url, "the container's address", err);
}

/* The file wins, and is read each time: EKS replaces it. */
static int add_headers(struct bl_buf *headers, struct bl_err *err)
{
	const char *path = creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = creds_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	BL_SECRET_BUF file = BL_BUF(TOKEN_MAX);

	if (path && bl_fs_read_path(path, &file, err))
		return bl_wrap(err, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	if (path) {
		while (file.len && strchr("\r\n", file.data[file.len - 1]))
			file.data[--file.len] = '\0';
		token = bl_buf_text(&file);
	}
	if (!token)
		return 0;
	if (strpbrk(token, "\r\n"))
		return bl_fail(err, BL_EINPUT, "the authorization token holds a line break");
	bl_buf_adds(headers, "authorization: ");
	bl_buf_adds(headers, token);
	bl_buf_addc(headers, '\n');
	return bl_buf_check(headers, "the authorization token", err);
}

int creds_fetch_container(struct bl_creds *creds, struct bl_credentials *out, struct bl_err *err)
{
	BL_SECRET_BUF headers = BL_BUF(TOKEN_MAX + 64);
	BL_AUTO(bl_fetched) fetched = { 0 };
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX);
	struct bl_fetch fetch = { .what = "ask its address",
		                  .connect_ms = 2000,
		                  .first_byte_ms = 5000,
		                  .no_proxy = true };
	struct bl_http *http;
	int rc;

	rc = creds_http(creds, &http, err) || add_url(&url, err) || add_headers(&headers, err);
	fetch.url = bl_buf_text(&url);
	fetch.headers = bl_buf_text(&headers);
	if (!rc)
		rc = bl_fetch(http, &fetch, &fetched, err);
	if (!rc && fetched.http.status != 200)
		rc = bl_fail(err, BL_EDENIED, "HTTP %d", fetched.http.status);
	if (rc || creds_from_json(bl_buf_text(&fetched.http.body), fetched.http.body.len,
	                          "its reply", out, err))
		return bl_wrap(err, "container credentials");
	creds_label(out, "container");
	return 0;
}
