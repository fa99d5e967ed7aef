/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hash.h"
#include "net/registry_push_parts.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

#define OCTETS "content-type: application/octet-stream\n"
#define URL_MAX ((size_t)9 << 10)
#define PATIENCE_MS 60000
#define PATIENCE_MAX_MS 900000
#define WAIT_FIRST_MS 1000 /* before a new session; four times as long before the next */

struct upload {
	struct bl_registry *registry;
	const char *repository;
	const struct bl_oci_desc *blob;
	const struct bl_blob_source *source;
	struct bl_push *push;
	struct bl_upload_state at;
	struct bl_buf url;  /* of the session */
	uint64_t from;      /* where the body under way begins */
	bool source_failed; /* its error is no loss of the network's */
	struct bl_err last; /* why something is done again */
	char what[400], scope[600];
};

static void tell(const struct upload *up, uint64_t sent)
{
	if (up->push && up->push->progress)
		up->push->progress(up->push->arg, sent);
}

static int read_body(void *arg, uint64_t offset, char *to, size_t len, struct bl_err *err)
{
	struct upload *up = arg;

	if (up->source->read(up->source->arg, up->from + offset, to, len, err)) {
		up->source_failed = true;
		return -1;
	}
	tell(up, up->from + offset + len);
	return 0;
}

/* The source's bytes once more: whose fault is it that they have another digest? */
static int check_source(struct upload *up, struct bl_err *err)
{
	char digest[BL_DIGEST_SIZE], piece[16384];
	struct bl_sha256 *sha;
	int rc = bl_sha256_new(&sha, err);

	if (rc)
		return -1;
	for (uint64_t at = 0; !rc && at < up->blob->size;) {
		uint64_t left = up->blob->size - at;
		size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

		rc = up->source->read(up->source->arg, at, piece, n, err);
		if (!rc)
			rc = bl_sha256_add(sha, piece, n, err);
		at += n;
	}
	if (!rc)
		rc = bl_digest_end(sha, digest, err);
	bl_sha256_free(sha);
	if (rc)
		return bl_wrap(err, "%s: read it again", up->what);
	if (!strcmp(digest, up->blob->digest)) {
		bl_recode(&up->last, BL_ECORRUPT);
		bl_wrap(&up->last, "damaged on the way");
		return 0;
	}
	bl_fail(err, BL_ECORRUPT, "%s: its bytes changed meanwhile: they are %s now", up->what,
	        digest);
	return bl_next(err, "start again once nothing writes to them");
}

static int check_taken(const struct upload *up, const struct bl_http_reply *reply,
                       struct bl_err *err)
{
	char digest[512];

	if (!bl_http_header(reply, "docker-content-digest", digest, sizeof(digest)) ||
	    !strcmp(digest, up->blob->digest))
		return 0;
	return bl_fail(err, BL_ECORRUPT, "registry %s: %s: it says that it took %.80s",
	               up->registry->session->registry, up->what, digest);
}

/* The session's next URL. A registry that names none goes on at the one that it named before. */
static int take_location(struct upload *up, const char *asked, const struct bl_http_reply *reply,
                         struct bl_err *err)
{
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX);
	struct bl_buf old = up->url;
	char location[8300];

	if (!bl_http_header(reply, "location", location, sizeof(location))) {
		if (up->url.len)
			return 0;
		return bl_fail(err, BL_ECORRUPT, "registry %s: %s: no Location for the upload",
		               up->registry->session->registry, up->what);
	}
	if (bl_upload_location(up->registry->session->base, asked, location, &url, err))
		return bl_wrap(err, "registry %s: %s", up->registry->session->registry, up->what);
	up->url = url;
	url = old; /* asked may lie in it */
	return 0;
}

/* It may copy all that arrived before it answers: a second for each 16 MiB. */
static int patience_ms(uint64_t size)
{
	uint64_t ms = PATIENCE_MS + (size >> 24) * 1000;

	return ms < PATIENCE_MAX_MS ? (int)ms : PATIENCE_MAX_MS;
}

/* Bytes that would go to whoever a redirect names are not sent at all. */
static int refuse_redirect(const struct upload *up, const struct bl_http_reply *reply,
                           struct bl_err *err)
{
	char location[256] = "";

	bl_http_header(reply, "location", location, sizeof(location));
	location[strcspn(location, "?")] = '\0';
	bl_fail(err, BL_EDENIED, "registry %s: %s: HTTP %d: it sends uploads elsewhere%s%.128s",
	        up->registry->session->registry, up->what, reply->status, *location ? ", to " : "",
	        location);
	return bl_next(err, "name the image by the registry that takes the upload");
}

/* Asks, and says in `event` what came of it; -1: nothing that could be done about it. */
static int ask(struct upload *up, enum bl_upload_step step, struct bl_registry_ask *ask,
               struct bl_http_reply *reply, enum bl_upload_event *event, struct bl_err *err)
{
	struct bl_registry_error said;

	ask->what = up->what;
	if (!ask->scope)
		ask->scope = up->scope;
	if (bl_registry_request(up->registry, ask, reply, err)) {
		if (err->code != BL_ERETRY || !ask->once || up->source_failed)
			return -1;
		up->last = *err;
		bl_err_clear(err);
		*event = BL_UPLOAD_LOST;
		return 0;
	}
	bl_registry_error_read(reply, &said);
	*event = bl_upload_event(step, reply->status, said.code);
	if (*event == BL_UPLOAD_OK)
		return 0;
	if (reply->status / 100 == 3)
		return refuse_redirect(up, reply, err);
	bl_err_clear(&up->last);
	bl_registry_refused(up->registry, ask, reply, &up->last);
	if (*event == BL_UPLOAD_GONE)
		bl_recode(&up->last, BL_ERETRY);
	return *event == BL_UPLOAD_DAMAGED ? check_source(up, err) : 0;
}

static int begin(struct upload *up, enum bl_upload_event *event, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char target[300];
	struct bl_registry_ask post = { .method = "POST", .target = target, .bytes = "" };

	bl_buf_reset(&up->url);
	snprintf(target, sizeof(target), "/v2/%s/blobs/uploads/", up->repository);
	if (ask(up, BL_UPLOAD_BEGIN, &post, &reply, event, err))
		return -1;
	return *event == BL_UPLOAD_OK ? take_location(up, target, &reply, err) : 0;
}

static int finish(struct upload *up, enum bl_upload_step step, enum bl_upload_event *event,
                  struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	BL_AUTO(bl_buf) url = BL_BUF(URL_MAX + 128);
	bool whole = step == BL_UPLOAD_ALL && up->blob->size;
	struct bl_registry_ask put = { .method = "PUT",
		                       .headers = OCTETS,
		                       .bytes = whole ? NULL : "",
		                       .read = whole ? read_body : NULL,
		                       .size = whole ? up->blob->size : 0,
		                       .arg = up,
		                       .stall_ms = patience_ms(up->blob->size),
		                       .once = true };

	bl_buf_add(&url, up->url.data, up->url.len);
	bl_upload_add_digest(&url, up->blob->digest);
	if (bl_buf_check(&url, "upload URL", err))
		return -1;
	put.target = bl_buf_text(&url);
	up->from = 0;
	if (ask(up, step, &put, &reply, event, err))
		return -1;
	return *event == BL_UPLOAD_OK ? check_taken(up, &reply, err) : 0;
}

static int send_part(struct upload *up, enum bl_upload_event *event, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	uint64_t end = bl_upload_part_end(&up->at), kept;
	char headers[128], range[64];
	struct bl_registry_ask patch = {
		.method = "PATCH",
		.target = bl_buf_text(&up->url),
		.headers = headers,
		.read = read_body,
		.arg = up,
		.stall_ms = patience_ms(up->blob->size),
		.once = true,
	};

	up->from = up->at.kept;
	patch.size = end - up->from;
	snprintf(headers, sizeof(headers), OCTETS "content-range: %ju-%ju\n", (uintmax_t)up->from,
	         (uintmax_t)end - 1);
	if (ask(up, BL_UPLOAD_PART, &patch, &reply, event, err))
		return -1;
	if (*event != BL_UPLOAD_OK)
		return 0;
	/* It may keep less than it took; what makes no sense is left to the digest at the end. */
	if (bl_http_header(&reply, "range", range, sizeof(range)) &&
	    bl_upload_kept(range, end, &kept) && kept > up->from)
		end = kept;
	up->at.kept = end;
	return take_location(up, patch.target, &reply, err);
}

static int ask_kept(struct upload *up, enum bl_upload_event *event, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char range[64] = "";
	struct bl_registry_ask get = { .method = "GET", .target = bl_buf_text(&up->url) };
	struct bl_err why = up->last;

	if (ask(up, BL_UPLOAD_ASK, &get, &reply, event, err))
		return -1;
	up->last = why; /* the cut tells more than what became of the session */
	if (*event != BL_UPLOAD_OK)
		return 0;
	bl_http_header(&reply, "range", range, sizeof(range));
	if (!bl_upload_kept(range, up->blob->size, &up->at.kept))
		up->at.kept = 0;
	tell(up, up->at.kept);
	return take_location(up, get.target, &reply, err);
}

static int look(struct upload *up, enum bl_upload_event *event, struct bl_err *err)
{
	bool has;

	if (bl_registry_has_blob(up->registry, up->repository, up->blob, &has, err))
		return -1;
	*event = has ? BL_UPLOAD_OK : BL_UPLOAD_NO;
	return 0;
}

static int act(struct upload *up, enum bl_upload_step step, enum bl_upload_event *event,
               struct bl_err *err)
{
	switch (step) {
	case BL_UPLOAD_BEGIN:
		return begin(up, event, err);
	case BL_UPLOAD_PART:
		return send_part(up, event, err);
	case BL_UPLOAD_ASK:
		return ask_kept(up, event, err);
	case BL_UPLOAD_LOOK:
		return look(up, event, err);
	default:
		return finish(up, step, event, err);
	}
}

/* Mounting is a favour: whatever is said against it, the blob can be sent. */
static int mount(struct upload *up, enum bl_upload_step *next, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	BL_AUTO(bl_buf) target = BL_BUF(2048);
	char scope[900];
	struct bl_registry_ask post = {
		.what = up->what, .method = "POST", .bytes = "", .scope = scope
	};
	const char *from = up->push->from_repository;

	bl_buf_addf(&target, "/v2/%s/blobs/uploads/?mount=", up->repository);
	bl_uri_add(&target, up->blob->digest, strlen(up->blob->digest));
	bl_buf_adds(&target, "&from=");
	bl_uri_add(&target, from, strlen(from));
	if (bl_buf_check(&target, "mount", err))
		return -1;
	post.target = bl_buf_text(&target);
	snprintf(scope, sizeof(scope), "%s repository:%s:pull", up->scope, from);
	if (bl_registry_request(up->registry, &post, &reply, err)) {
		if (err->code != BL_EDENIED)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (reply.status == 201) {
		*next = BL_UPLOAD_DONE;
		up->push->mounted = true;
		return check_taken(up, &reply, err);
	}
	if (reply.status != 202)
		return 0;
	*next = bl_upload_next(&up->at, BL_UPLOAD_BEGIN, BL_UPLOAD_OK);
	return take_location(up, post.target, &reply, err);
}

/* Before a session that follows a lost one; longer each time. */
static int pause_before(struct upload *up, enum bl_upload_event why, struct bl_err *err)
{
	double longest = WAIT_FIRST_MS;

	if (why == BL_UPLOAD_UNFIT || !up->at.begun)
		return 0;
	for (unsigned i = 1; i < up->at.begun; i++)
		longest *= 4;
	if (bl_registry_sleep(up->registry, (int64_t)(longest * up->registry->random()), err))
		return bl_wrap(err, "%s", up->what);
	return 0;
}

static int put(struct upload *up, struct bl_err *err)
{
	enum bl_upload_step step = BL_UPLOAD_BEGIN;
	enum bl_upload_event event = BL_UPLOAD_OK;

	if (up->push && up->push->from_repository && mount(up, &step, err))
		return -1;
	while (step != BL_UPLOAD_DONE) {
		if (step == BL_UPLOAD_BEGIN && pause_before(up, event, err))
			return -1;
		if (act(up, step, &event, err))
			return -1;
		step = bl_upload_next(&up->at, step, event);
		if (step == BL_UPLOAD_FAIL) {
			*err = up->last;
			return -1;
		}
	}
	return 0;
}

int bl_registry_put_blob(struct bl_registry *registry, const char *repository,
                         const struct bl_oci_desc *blob, const struct bl_blob_source *source,
                         struct bl_push *push, struct bl_err *err)
{
	struct upload up = {
		.registry = registry,
		.repository = repository,
		.blob = blob,
		.source = source,
		.push = push,
		.at.size = blob->size,
		.url = BL_BUF(URL_MAX),
	};
	int rc;

	snprintf(up.what, sizeof(up.what), "put blob %s@%s", repository, blob->digest);
	snprintf(up.scope, sizeof(up.scope), "repository:%s:pull,push", repository);
	if (push)
		push->mounted = false;
	rc = put(&up, err);
	bl_buf_done(&up.url);
	return rc;
}
