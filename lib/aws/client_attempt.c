/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/hash.h"

#include <stdio.h>
#include <string.h>

#define UNSIGNED "UNSIGNED-PAYLOAD"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HASH_PIECE 16384
#define REPLY_MAX ((size_t)8 << 20)
/* A larger body given as bytes is handed over in pieces, so that its progress is seen. */
#define WHOLE_MAX ((uint64_t)256 << 10)

/* --- Bodies ----------------------------------------------------------------------------------- */

static int on_read(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct bl_aws_call *call = arg;
	const struct bl_aws_request *request = call->request;

	if (request->read) {
		if (request->read(request->arg, offset, to, len, err))
			return -1;
	} else {
		memcpy(to, (const char *)request->bytes + offset, len);
	}
	call->bytes_moved += len;
	if (request->call.progress)
		request->call.progress(request->call.arg, offset + len, request->size);
	return 0;
}

static uint64_t length_of(const struct bl_http_reply *reply)
{
	struct bl_err unsaid = { 0 };
	char text[24];
	uint64_t length = 0;

	if (bl_http_header(reply, "content-length", text, sizeof(text)) &&
	    bl_str_u64(text, 0, UINT64_MAX, &length, &unsaid))
		return 0;
	return length;
}

static int on_write(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct bl_aws_call *call = arg;
	const struct bl_aws_request *request = call->request;

	if (request->write(request->arg, bytes, len, err))
		return -1;
	call->bytes_moved += len;
	call->received += len;
	if (!request->call.progress)
		return 0;
	if (!call->total_bytes)
		call->total_bytes = length_of(&call->reply->http);
	request->call.progress(request->call.arg, call->received, call->total_bytes);
	return 0;
}

static int hash_read(const struct bl_aws_request *request, char hash[BL_SHA256_HEX],
                     struct bl_err *err)
{
	struct bl_sha256 *sha;
	char piece[HASH_PIECE];
	int rc = 0;

	if (bl_sha256_new(&sha, err))
		return -1;
	for (uint64_t at = 0; !rc && at < request->size;) {
		uint64_t left = request->size - at;
		size_t len = left < sizeof(piece) ? (size_t)left : sizeof(piece);

		rc = request->read(request->arg, at, piece, len, err) ||
		                     bl_sha256_add(sha, piece, len, err)
		             ? -1
		             : 0;
		at += len;
	}
	if (!rc)
		rc = bl_sha256_hex(sha, hash, err);
	bl_sha256_free(sha);
	return rc;
}

/* Once per call: a body does not change between attempts. */
static int hash_body(struct bl_aws_call *call, bool bare, const char **out, struct bl_err *err)
{
	const struct bl_aws_request *request = call->request;

	*out = request->payload_hash;
	if (*out && (bare || strcmp(*out, UNSIGNED) != 0))
		return 0;
	*out = EMPTY_SHA256;
	if (!request->size || (!request->bytes && !request->read))
		return 0;
	*out = call->hash;
	if (call->hash[0])
		return 0;
	if (request->bytes)
		return bl_sha256_of(request->bytes, (size_t)request->size, call->hash, err);
	return hash_read(request, call->hash, err);
}

/* --- Credentials ------------------------------------------------------------------------------ */

static bool is_same(const struct bl_secret *a, const struct bl_secret *b)
{
	return a->len == b->len && !strcmp(bl_secret_text(a), bl_secret_text(b));
}

/* Notices when they changed: the places' keys are derived from them. */
static int current_credentials(struct bl_aws *aws, const struct bl_credentials **out,
                               struct bl_err *err)
{
	const struct bl_credentials *creds;

	if (bl_creds_get(aws->creds, &creds, err))
		return -1;
	*out = creds;
	if (!strcmp(creds->access_key, aws->access_key) && is_same(&creds->secret, &aws->secret) &&
	    is_same(&creds->token, &aws->token))
		return 0;
	for (unsigned i = 0; i < BL_AWS_PLACES; i++)
		bl_sign_key_done(&aws->places[i].key);
	aws->access_key[0] = '\0'; /* half a copy is no copy */
	if (bl_secret_copy(&aws->secret, &creds->secret, err) ||
	    bl_secret_copy(&aws->token, &creds->token, err))
		return -1;
	snprintf(aws->access_key, sizeof(aws->access_key), "%s", creds->access_key);
	aws->creds_serial++;
	return 0;
}

/* --- The head --------------------------------------------------------------------------------- */

static bool has_header(const struct bl_buf *lines, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = bl_buf_text(lines); *at;) {
		const char *end = strchr(at, '\n');

		if (!strncmp(at, name, len) && at[len] == ':')
			return true;
		if (!end)
			return false;
		at = end + 1;
	}
	return false;
}

static void add_line(struct bl_buf *lines, const char *name, const char *value)
{
	bl_buf_adds(lines, name);
	bl_buf_add(lines, ": ", 2);
	bl_buf_adds(lines, value);
	bl_buf_addc(lines, '\n');
}

static const char *content_type(const struct bl_aws_request *request)
{
	if (request->protocol == BL_AWS_S3 || has_header(&request->headers, "content-type"))
		return NULL;
	return request->protocol == BL_AWS_JSON
	               ? "application/x-amz-json-1.1"
	               : "application/x-www-form-urlencoded; charset=utf-8";
}

/* All but what the signature adds. */
static void add_head(struct bl_aws_call *call, const char *host, const char *hash)
{
	const struct bl_aws_request *request = call->request;
	struct bl_buf *lines = &call->aws->lines;
	const char *type = content_type(request);

	bl_buf_reset(lines);
	add_line(lines, "host", host);
	bl_buf_add(lines, bl_buf_text(&request->headers), request->headers.len);
	if (type)
		add_line(lines, "content-type", type);
	if (request->protocol == BL_AWS_S3 && !call->aws->anonymous)
		add_line(lines, "x-amz-content-sha256", hash);
	add_line(lines, "amz-sdk-invocation-id", call->invocation);
	bl_buf_addf(lines, "amz-sdk-request: attempt=%u; max=%u\n", call->attempts,
	            call->aws->max_attempts);
}

/* The lines as pairs, in a copy of their own. */
static int split_lines(const struct bl_buf *lines, struct bl_buf *copy, struct bl_pair *pairs,
                       size_t *n, struct bl_err *err)
{
	size_t count = 0;

	bl_buf_reset(copy);
	bl_buf_add(copy, bl_buf_text(lines), lines->len);
	if (bl_buf_check(lines, "request headers", err) ||
	    bl_buf_check(copy, "request headers", err))
		return -1;
	for (char *at = copy->data; *at;) {
		char *end = strchr(at, '\n'), *colon = strchr(at, ':');

		if (!end || !colon || colon > end)
			return bl_fail(err, BL_EBUG, "a header that is no line: '%.40s'", at);
		if (count == BL_SIGN_PAIRS_MAX)
			return bl_fail(err, BL_ELIMIT, "over the limit of %d headers",
			               BL_SIGN_PAIRS_MAX);
		*colon = *end = '\0';
		pairs[count++] = (struct bl_pair){ at, colon + 1 };
		at = end + 1;
	}
	*n = count;
	return 0;
}

static int sign_head(struct bl_aws_call *call, struct bl_aws_place *place, const char *path,
                     const char *hash, const struct bl_credentials *creds, struct bl_err *err)
{
	struct bl_pair headers[BL_SIGN_PAIRS_MAX];
	struct bl_aws *aws = call->aws;
	struct bl_sign sign = {
		.method = call->request->method,
		.path = path,
		.query = call->request->query,
		.n_query = call->request->n_query,
		.headers = headers,
		.payload_hash = hash,
		.region = call->signed_region,
		.service = place->service,
		.is_s3 = call->request->protocol == BL_AWS_S3,
		.access_key = creds->access_key,
		.secret = &creds->secret,
		.token = &creds->token,
	};

	call->creds_serial = aws->creds_serial;
	call->has_token = creds->token.len > 0;
	call->skew_ms = aws->skew_ms;
	sign.wall_ms = bl_wall_ms() + aws->skew_ms;
	if (split_lines(&aws->lines, &aws->scratch, headers, &sign.n_headers, err))
		return -1;
	return bl_sign_headers(&sign, &place->key, &aws->lines, err);
}

/* --- The attempt ------------------------------------------------------------------------------ */

static void add_raw_query(const struct bl_aws_request *request, struct bl_buf *url)
{
	for (size_t i = 0; i < request->n_query; i++) {
		const struct bl_pair *pair = &request->query[i];

		bl_buf_addc(url, i ? '&' : '?');
		bl_uri_add(url, pair->name, strlen(pair->name));
		if (!pair->value)
			continue;
		bl_buf_addc(url, '=');
		bl_uri_add(url, pair->value, strlen(pair->value));
	}
}

/* Up to the query. Where host and path begin is left in *host and *path. */
static void begin_url(const struct bl_aws_call *call, const struct bl_aws_place *place, bool tls,
                      struct bl_buf *url, size_t *host, size_t *path)
{
	const struct bl_aws_request *request = call->request;

	bl_buf_reset(url);
	bl_buf_adds(url, tls ? "https://" : "http://");
	*host = url->len;
	if (call->host[0]) {
		bl_buf_adds(url, call->host);
	} else {
		if (request->host_prefix)
			bl_buf_adds(url, request->host_prefix);
		bl_buf_adds(url, place->authority);
	}
	*path = url->len;
	if (!call->host[0])
		bl_buf_adds(url, place->base);
	bl_buf_adds(url, request->path.len ? request->path.data : "/");
}

static int choose_place(struct bl_aws_call *call, struct bl_aws_place **out, struct bl_err *err)
{
	const struct bl_aws_request *request = call->request;
	const char *region = call->region[0] ? call->region : NULL;
	struct bl_aws_place *place;

	if (bl_buf_check(&request->path, "request path and query", err) ||
	    bl_buf_check(&request->headers, "request headers", err))
		return -1;
	if (!region)
		region = bl_aws_moved_region(call->aws, request);
	if (bl_aws_place(call->aws, request->service, region ? region : request->region, &place,
	                 err))
		return -1;
	snprintf(call->signed_region, sizeof(call->signed_region), "%s", place->sign_region);
	call->custom = place->endpoint.custom;
	*out = place;
	return 0;
}

static int start_exchange(struct bl_aws_call *call, bl_http_done_fn *done, struct bl_err *err)
{
	struct bl_aws_request *request = call->request;
	bool in_pieces = request->read || (request->bytes && request->size > WHOLE_MAX) ||
	                 (request->bytes && request->size && request->call.progress);
	struct bl_http_request http = {
		.method = request->method,
		.url = call->aws->url.data,
		.headers = call->aws->lines.data,
		.bytes = in_pieces ? NULL : request->bytes,
		.read = in_pieces ? on_read : NULL,
		.size = request->size,
		.write = request->write ? on_write : NULL,
		.arg = call,
		.reply_max = request->reply_max ? request->reply_max : REPLY_MAX,
		.deadline_mono_ms = request->call.deadline_mono_ms,
	};

	if (bl_buf_check(&call->aws->url, "request URL", err) ||
	    bl_buf_check(&call->aws->lines, "request headers", err))
		return -1;
	return bl_http_start(call->aws->http, &http, &call->reply->http, done, call, &call->http,
	                     err);
}

/* But for its memory, which is used again. */
static void empty_reply(struct bl_aws_reply *reply)
{
	struct bl_buf head = reply->http.head, body = reply->http.body;

	bl_buf_reset(&head);
	bl_buf_reset(&body);
	*reply = (struct bl_aws_reply){ .http = { .head = head, .body = body } };
}

int bl_aws_attempt(struct bl_aws_call *call, bl_http_done_fn *done, struct bl_err *err)
{
	const struct bl_credentials *creds = NULL;
	struct bl_aws *aws = call->aws;
	struct bl_aws_place *place;
	const char *hash = NULL;
	char host[600];
	size_t host_at, path_at;
	bool tls;

	call->attempts++;
	call->received = call->total_bytes = 0;
	empty_reply(call->reply);
	call->reply->attempts = call->attempts;
	if (choose_place(call, &place, err) ||
	    (!aws->anonymous && current_credentials(aws, &creds, err)))
		return -1;
	tls = place->tls || call->host[0];
	if (creds && hash_body(call, place->bare || tls, &hash, err))
		return -1;
	begin_url(call, place, tls, &aws->url, &host_at, &path_at);
	if (bl_buf_check(&aws->url, "request URL", err))
		return -1;
	if (path_at - host_at >= sizeof(host))
		return bl_fail(err, BL_EINPUT, "the host's name is over %zu bytes", sizeof(host));
	memcpy(host, aws->url.data + host_at, path_at - host_at);
	host[path_at - host_at] = '\0';
	host[strcspn(host, "/")] = '\0';
	add_head(call, host, hash);
	if (creds && sign_head(call, place, aws->url.data + path_at, hash, creds, err))
		return -1;
	add_raw_query(call->request, &aws->url);
	if (call->request->restart && call->request->restart(call->request->arg, err))
		return -1;
	return start_exchange(call, done, err);
}
