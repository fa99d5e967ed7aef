/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client_parts.h"

#include "base/str.h"
#include "codec/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 10
#define ATTEMPTS 3
#define LINES_MAX ((size_t)128 << 10)
#define URL_MAX ((size_t)64 << 10)

static double drawn(void)
{
	struct bl_err unsaid = { 0 };
	uint32_t lot;

	/* without randomness: the whole wait */
	return bl_random(&lot, sizeof(lot), &unsaid) ? 1 : lot / (double)UINT32_MAX;
}

static int attempts_of(const struct bl_aws_options *options, unsigned *out, struct bl_err *err)
{
	const char *text = getenv("AWS_MAX_ATTEMPTS");
	uint64_t n = ATTEMPTS;

	if (options->max_attempts)
		n = options->max_attempts <= ATTEMPTS_MAX ? options->max_attempts : ATTEMPTS_MAX;
	else if (text && *text && bl_str_u64(text, 1, ATTEMPTS_MAX, &n, err))
		return bl_wrap(err, "AWS_MAX_ATTEMPTS");
	*out = (unsigned)n;
	return 0;
}

static int open_parts(struct bl_aws *aws, const struct bl_aws_options *options, struct bl_err *err)
{
	const struct bl_http_options http = { .allow_http = options->allow_http };

	if (attempts_of(options, &aws->max_attempts, err) || bl_http_open(&http, &aws->http, err) ||
	    bl_profiles_read(&aws->profiles, err) ||
	    bl_random(aws->invocation, sizeof(aws->invocation), err))
		return -1;
	snprintf(aws->profile, sizeof(aws->profile), "%s", bl_profile_name(options->profile));
	bl_region(options->region, aws->profiles, aws->profile, aws->region);
	aws->creds = options->creds;
	if (options->creds || options->anonymous)
		return 0;
	aws->owns_creds = true;
	return bl_creds_open(&(struct bl_creds_options){ .profile = options->profile,
	                                                 .region = options->region,
	                                                 .allow_http = options->allow_http },
	                     &aws->creds, err);
}

int bl_aws_open(const struct bl_aws_options *options, struct bl_aws **out, struct bl_err *err)
{
	struct bl_aws *aws = calloc(1, sizeof(*aws));

	if (!aws)
		return bl_fail(err, BL_ENOMEM, "AWS client: out of memory");
	aws->anonymous = options->anonymous;
	aws->bucket.tokens = BL_RETRY_BUCKET;
	aws->random = drawn;
	aws->lines = BL_BUF(LINES_MAX);
	aws->url = BL_BUF(URL_MAX);
	aws->scratch = BL_BUF(LINES_MAX);
	aws->next_due_mono_ms = INT64_MAX;
	if (open_parts(aws, options, err)) {
		bl_aws_close(aws);
		return -1;
	}
	*out = aws;
	return 0;
}

void bl_aws_close(struct bl_aws *aws)
{
	if (!aws)
		return;
	bl_http_close(aws->http);
	while (aws->calls) {
		struct bl_aws_call *call = aws->calls;

		aws->calls = call->next;
		free(call);
	}
	if (aws->owns_creds)
		bl_creds_close(aws->creds);
	bl_profiles_free(aws->profiles);
	bl_secret_done(&aws->secret);
	bl_secret_done(&aws->token);
	bl_buf_wipe(&aws->lines);
	bl_buf_wipe(&aws->scratch);
	bl_buf_done(&aws->url);
	bl_wipe(aws, sizeof(*aws)); /* the places' keys */
	free(aws);
}

void bl_aws_auto(struct bl_aws **aws)
{
	bl_aws_close(*aws);
}

const char *bl_aws_region(const struct bl_aws *aws)
{
	return aws->region;
}

struct bl_creds *bl_aws_creds(struct bl_aws *aws)
{
	return aws->anonymous ? NULL : aws->creds;
}

struct bl_http *bl_aws_http(struct bl_aws *aws)
{
	return aws->http;
}

int64_t bl_aws_skew_s(const struct bl_aws *aws)
{
	return aws->skew_ms / 1000;
}

size_t bl_aws_under_way(const struct bl_aws *aws)
{
	return aws->n_calls;
}

/* --- Endpoints -------------------------------------------------------------------------------- */

/* What is measured on loopback is then what TLS would do, less TLS. */
static bool asks_for_bare(void)
{
	const char *text = getenv("BRANCHLINE_S3_UNSIGNED");

	return text && !strcmp(text, "1");
}

static int fill_place(struct bl_aws *aws, const char *service, const char *region,
                      struct bl_aws_place *place, struct bl_err *err)
{
	BL_AUTO(bl_buf) authority = BL_BUF(sizeof(place->authority) - 1);
	struct bl_url url;
	size_t len;

	if (strlen(service) >= sizeof(place->service) || strlen(region) >= sizeof(place->region))
		return bl_fail(err, BL_EINPUT, "'%.40s' in '%.40s' is no service of AWS", service,
		               region);
	if (bl_endpoint(service, region, aws->profiles, aws->profile, &place->endpoint, err) ||
	    bl_url_parse(place->endpoint.url, &url, err))
		return -1;
	bl_url_add_authority(&authority, &url);
	len = strlen(url.path);
	if (len && url.path[len - 1] == '/')
		url.path[--len] = '\0';
	if (bl_buf_check(&authority, "endpoint", err))
		return -1;
	if (len >= sizeof(place->base))
		return bl_fail(err, BL_EINPUT, "the path of the endpoint '%.80s...' is too long",
		               place->endpoint.url);
	snprintf(place->service, sizeof(place->service), "%s", service);
	snprintf(place->region, sizeof(place->region), "%s", region);
	/* what a named endpoint without a region expects */
	snprintf(place->sign_region, sizeof(place->sign_region), "%s",
	         place->endpoint.region[0] ? place->endpoint.region
	         : *region                 ? region
	                                   : "us-east-1");
	snprintf(place->authority, sizeof(place->authority), "%s", bl_buf_text(&authority));
	memcpy(place->base, url.path, len + 1);
	place->tls = url.tls;
	place->bare = url.tls || (bl_host_is_loopback(url.host) && asks_for_bare());
	return 0;
}

int bl_aws_place(struct bl_aws *aws, const char *service, const char *region,
                 struct bl_aws_place **out, struct bl_err *err)
{
	struct bl_aws_place fresh = { 0 }, *at;
	unsigned kept = aws->n_places < BL_AWS_PLACES ? aws->n_places : BL_AWS_PLACES;

	if (!region)
		region = aws->region;
	for (unsigned i = 0; i < kept; i++) {
		if (!strcmp(aws->places[i].service, service) &&
		    !strcmp(aws->places[i].region, region)) {
			*out = &aws->places[i];
			return 0;
		}
	}
	if (fill_place(aws, service, region, &fresh, err))
		return -1;
	at = &aws->places[aws->n_places++ % BL_AWS_PLACES];
	bl_sign_key_done(&at->key);
	*at = fresh;
	*out = at;
	return 0;
}

bool bl_aws_hashes_bodies(struct bl_aws *aws, const char *service)
{
	struct bl_aws_place *place;
	struct bl_err unsaid = { 0 };

	return !aws->anonymous && !bl_aws_place(aws, service, NULL, &place, &unsaid) &&
	       !place->bare;
}

int bl_aws_endpoint(struct bl_aws *aws, const char *service, const char *region,
                    struct bl_endpoint *out, struct bl_err *err)
{
	struct bl_aws_place *place;

	if (bl_aws_place(aws, service, region, &place, err))
		return -1;
	*out = place->endpoint;
	return 0;
}

bool bl_aws_bucket(const struct bl_aws_request *request, char *bucket, size_t size)
{
	const char *from = request->host_prefix;
	size_t len;

	if (request->protocol != BL_AWS_S3)
		return false;
	if (!from) {
		from = bl_buf_text(&request->path);
		from += *from == '/';
		len = strcspn(from, "/");
	} else {
		len = strlen(from);
		len -= len && from[len - 1] == '.';
	}
	if (!len || len >= size)
		return false;
	memcpy(bucket, from, len);
	bucket[len] = '\0';
	return true;
}

static unsigned n_moved(const struct bl_aws *aws)
{
	return aws->n_moved < BL_AWS_MOVED ? aws->n_moved : BL_AWS_MOVED;
}

const char *bl_aws_moved_region(const struct bl_aws *aws, const struct bl_aws_request *request)
{
	char bucket[sizeof(aws->moved[0].bucket)];

	if (!aws->n_moved || !bl_aws_bucket(request, bucket, sizeof(bucket)))
		return NULL;
	for (unsigned i = 0; i < n_moved(aws); i++)
		if (!strcmp(aws->moved[i].bucket, bucket))
			return aws->moved[i].region;
	return NULL;
}

void bl_aws_remember_region(struct bl_aws *aws, const struct bl_aws_request *request,
                            const char *region)
{
	struct bl_aws_moved moved = { 0 };
	unsigned at;

	if (!bl_aws_bucket(request, moved.bucket, sizeof(moved.bucket)))
		return;
	for (at = 0; at < n_moved(aws) && strcmp(aws->moved[at].bucket, moved.bucket); at++)
		;
	if (at == n_moved(aws))
		at = aws->n_moved++ % BL_AWS_MOVED;
	snprintf(moved.region, sizeof(moved.region), "%s", region);
	aws->moved[at] = moved;
}

/* --- Requests and replies --------------------------------------------------------------------- */

void bl_aws_request_done(struct bl_aws_request *request)
{
	bl_buf_done(&request->path);
	bl_buf_done(&request->headers);
}

void bl_aws_header(struct bl_aws_request *request, const char *name, const char *value)
{
	size_t len = strlen(value);

	/* a line break would begin a header of somebody else's choice */
	if (strcspn(value, "\r\n") != len) {
		request->headers.failed = BL_ELIMIT;
		return;
	}
	bl_buf_adds(&request->headers, name);
	bl_buf_add(&request->headers, ": ", 2);
	bl_buf_add(&request->headers, value, len);
	bl_buf_addc(&request->headers, '\n');
}

void bl_aws_query(struct bl_aws_request *request, const char *name, const char *value)
{
	if (request->n_query < BL_COUNT(request->query))
		request->query[request->n_query++] = (struct bl_pair){ name, value };
	else
		request->path.failed = BL_ELIMIT;
}

void bl_aws_reply_done(struct bl_aws_reply *reply)
{
	bl_http_reply_done(&reply->http);
	*reply = (struct bl_aws_reply){ 0 };
}
