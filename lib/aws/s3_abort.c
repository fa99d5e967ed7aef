/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_parts.h"
#include "base/clock.h"
#include "base/str.h"
#include "codec/xml.h"
#include "net/url.h"

#include <stdlib.h>
#include <string.h>

#define ABORT_TRIES 5 /* a part under way may land after an abort: then once more */
#define PAGES_MAX 10000
#define NAME_BYTES (3 * 1024 + 1)
#define ID_BYTES 1024

/* One page of ListMultipartUploads: those that are old enough, as "key NUL id NUL" in `old`. */
struct uploads {
	int64_t before_wall_ms;
	const char *only; /* of this key alone; NULL: of all that the list holds */
	struct bl_buf old;
	size_t n;
	bool whole, more;
	char key[NAME_BYTES], id[ID_BYTES];
	int64_t begun_wall_ms;
	char next_key[NAME_BYTES], next_id[ID_BYTES];
};

static int set_text(char *to, size_t size, const char *text, struct bl_err *err)
{
	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "a name in the list of uploads is too long");
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

/* encoding-type=url, as in lists of keys. */
static int set_name(char to[NAME_BYTES], const char *text, struct bl_err *err)
{
	if (set_text(to, NAME_BYTES, text, err))
		return -1;
	for (char *at = to; *at; at++)
		*at = *at == '+' ? ' ' : *at;
	if (bl_uri_decode(to) < 0)
		return bl_fail(err, BL_ECORRUPT, "a listed key is not URL-encoded");
	return 0;
}

static void upload_ends(struct uploads *uploads)
{
	/* without a time it is left alone: it may be somebody's who is at work */
	if (uploads->begun_wall_ms && uploads->begun_wall_ms <= uploads->before_wall_ms &&
	    (!uploads->only || !strcmp(uploads->key, uploads->only))) {
		bl_buf_add(&uploads->old, uploads->key, strlen(uploads->key) + 1);
		bl_buf_add(&uploads->old, uploads->id, strlen(uploads->id) + 1);
		uploads->n++;
	}
	uploads->begun_wall_ms = 0;
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	static const char root[] = "ListMultipartUploadsResult";
	struct uploads *uploads = arg;

	if (!bl_str_starts(path, root))
		return 0;
	path += sizeof(root) - 1;
	if (!*path)
		uploads->whole = true;
	if (!strcmp(path, "/Upload/Key"))
		return set_name(uploads->key, text, err);
	if (!strcmp(path, "/Upload/UploadId"))
		return set_text(uploads->id, sizeof(uploads->id), text, err);
	if (!strcmp(path, "/Upload/Initiated"))
		uploads->begun_wall_ms = bl_s3_time(text);
	if (!strcmp(path, "/Upload"))
		upload_ends(uploads);
	if (!strcmp(path, "/IsTruncated"))
		uploads->more = !strcmp(text, "true");
	if (!strcmp(path, "/NextKeyMarker"))
		return set_name(uploads->next_key, text, err);
	if (!strcmp(path, "/NextUploadIdMarker"))
		return set_text(uploads->next_id, sizeof(uploads->next_id), text, err);
	return 0;
}

static int read_page(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
                     struct uploads *uploads, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_s3_object_request(s3, "GET", "ListMultipartUploads", NULL, call, &request, err))
		return -1;
	bl_aws_query(&request, "uploads", NULL);
	bl_aws_query(&request, "encoding-type", "url");
	bl_aws_query(&request, "prefix", prefix);
	if (uploads->next_key[0])
		bl_aws_query(&request, "key-marker", uploads->next_key);
	if (uploads->next_id[0])
		bl_aws_query(&request, "upload-id-marker", uploads->next_id);
	uploads->whole = uploads->more = false;
	if (bl_aws_send(s3->aws, &request, &reply, err) ||
	    bl_xml_read(bl_buf_text(&reply.http.body), reply.http.body.len, "the list of uploads",
	                on_element, uploads, err) ||
	    bl_buf_check(&uploads->old, "unfinished uploads", err))
		return bl_s3_failed(s3, "list uploads of", prefix, &reply, err);
	if (!uploads->whole) {
		bl_fail(err, BL_ECORRUPT, "the reply is no ListMultipartUploadsResult");
		return bl_s3_failed(s3, "list uploads of", prefix, NULL, err);
	}
	return 0;
}

/* 1: S3 no longer knows the upload. */
static int ask(struct bl_s3 *s3, const struct bl_call *call, const char *method,
               const char *operation, const char *key, const char *upload_id, struct bl_err *err)
{
	BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
	BL_AUTO(bl_aws_reply) reply = { 0 };

	if (bl_s3_object_request(s3, method, operation, key, call, &request, err))
		return -1;
	bl_aws_query(&request, "uploadId", upload_id);
	if (!bl_aws_send(s3->aws, &request, &reply, err))
		return 0;
	if (strcmp(reply.code, "NoSuchUpload") != 0)
		return bl_s3_failed(s3, "end the upload of", key, &reply, err);
	bl_err_clear(err);
	return 1;
}

int bl_s3_abort(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                const char *upload_id, struct bl_err *err)
{
	for (int i = 0; i < ABORT_TRIES; i++) {
		int gone = ask(s3, call, "DELETE", "AbortMultipartUpload", key, upload_id, err);

		if (!gone)
			gone = ask(s3, call, "GET", "ListParts", key, upload_id, err);
		if (gone)
			return gone < 0 ? -1 : 0;
	}
	return bl_fail(err, BL_ERETRY, "end the upload of s3://%s/%s: S3 still has parts of it",
	               s3->bucket, key);
}

static int abort_old(struct bl_s3 *s3, const struct bl_call *call, const struct uploads *uploads,
                     unsigned *aborted, struct bl_err *err)
{
	const char *at = bl_buf_text(&uploads->old);

	for (size_t i = 0; i < uploads->n; i++) {
		const char *key = at, *id = key + strlen(key) + 1;

		if (bl_s3_abort(s3, call, key, id, err))
			return -1;
		++*aborted;
		at = id + strlen(id) + 1;
	}
	return 0;
}

static int end_stale(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
                     const char *only, int64_t age_ms, unsigned *aborted, struct bl_err *err)
{
	struct uploads *uploads = calloc(1, sizeof(*uploads));
	unsigned done = 0;
	int rc = -1;

	if (!uploads)
		return bl_fail(err, BL_ENOMEM, "list uploads: out of memory");
	uploads->old = BL_BUF((size_t)8 << 20);
	uploads->only = only;
	uploads->before_wall_ms = bl_wall_ms() + bl_aws_skew_s(s3->aws) * 1000 - age_ms;
	for (int page = 0; page < PAGES_MAX; page++) {
		if (read_page(s3, call, prefix, uploads, err) ||
		    abort_old(s3, call, uploads, &done, err))
			goto out;
		if (!uploads->more) {
			*aborted = done;
			rc = 0;
			goto out;
		}
		bl_buf_reset(&uploads->old);
		uploads->n = 0;
	}
	bl_fail(err, BL_ELIMIT, "the list of uploads has over %d pages", PAGES_MAX);
out:
	bl_buf_done(&uploads->old);
	free(uploads);
	return rc;
}

int bl_s3_abort_stale(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
                      int64_t age_ms, unsigned *aborted, struct bl_err *err)
{
	return end_stale(s3, call, prefix, NULL, age_ms, aborted, err);
}

int bl_s3_abort_stale_key(struct bl_s3 *s3, const struct bl_call *call, const char *key,
                          int64_t age_ms, unsigned *aborted, struct bl_err *err)
{
	return end_stale(s3, call, key, key, age_ms, aborted, err);
}
