/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/registry_push_parts.h"
#include "net/url.h"

#include <string.h>

static enum bl_upload_step begin_again(struct bl_upload_state *at)
{
	if (at->begun >= BL_UPLOAD_TRIES)
		return BL_UPLOAD_FAIL;
	/* The last try in parts: what stands between (a proxy) may bear no long request. */
	if (at->begun + 1 == BL_UPLOAD_TRIES && !at->no_patch && at->size > BL_UPLOAD_PART_BYTES)
		at->in_parts = true;
	return BL_UPLOAD_BEGIN;
}

static enum bl_upload_step send_rest(const struct bl_upload_state *at)
{
	if (at->kept == at->size)
		return BL_UPLOAD_FINISH;
	return BL_UPLOAD_PART;
}

static enum bl_upload_step begun(struct bl_upload_state *at)
{
	at->begun++;
	at->kept = at->asked_kept = 0;
	return at->in_parts ? send_rest(at) : BL_UPLOAD_ALL;
}

/* Worth going on only where each cut leaves more behind than the one before. */
static enum bl_upload_step asked(struct bl_upload_state *at)
{
	bool more = at->kept > at->asked_kept;

	at->asked_kept = at->kept;
	if (!more || at->no_patch || ++at->resumed > BL_UPLOAD_RESUMES)
		return begin_again(at);
	return send_rest(at);
}

/* A request that the registry does not take: the other way, once. */
static enum bl_upload_step other_way(struct bl_upload_state *at, enum bl_upload_step now)
{
	if (now == BL_UPLOAD_ALL && !at->no_patch && !at->in_parts) {
		at->in_parts = true;
		return BL_UPLOAD_BEGIN;
	}
	if (now == BL_UPLOAD_PART && !at->no_patch && !at->in_parts) {
		at->no_patch = true;
		return begin_again(at);
	}
	return BL_UPLOAD_FAIL;
}

static enum bl_upload_step after_ok(struct bl_upload_state *at, enum bl_upload_step now)
{
	switch (now) {
	case BL_UPLOAD_BEGIN:
		return begun(at);
	case BL_UPLOAD_PART:
		return send_rest(at);
	case BL_UPLOAD_ASK:
		return asked(at);
	default:
		return BL_UPLOAD_DONE;
	}
}

enum bl_upload_step bl_upload_next(struct bl_upload_state *at, enum bl_upload_step now,
                                   enum bl_upload_event event)
{
	/* BEGIN, ASK and LOOK were repeated below us: they are lost for good. */
	bool sends = now == BL_UPLOAD_ALL || now == BL_UPLOAD_PART || now == BL_UPLOAD_FINISH;

	switch (event) {
	case BL_UPLOAD_OK:
		return after_ok(at, now);
	case BL_UPLOAD_NO:
		return begin_again(at);
	case BL_UPLOAD_LOST:
		return sends ? BL_UPLOAD_ASK : BL_UPLOAD_FAIL;
	case BL_UPLOAD_GONE:
		/* What arrived of a cut request may have been stored after we asked. */
		if (now == BL_UPLOAD_PART)
			return BL_UPLOAD_ASK;
		return sends || now == BL_UPLOAD_ASK ? BL_UPLOAD_LOOK : BL_UPLOAD_FAIL;
	case BL_UPLOAD_UNFIT:
		return other_way(at, now);
	case BL_UPLOAD_DAMAGED:
		return begin_again(at);
	default:
		return BL_UPLOAD_FAIL;
	}
}

uint64_t bl_upload_part_end(const struct bl_upload_state *at)
{
	bool is_last = !at->in_parts || at->size - at->kept <= BL_UPLOAD_PART_BYTES;

	return is_last ? at->size : at->kept + BL_UPLOAD_PART_BYTES;
}

static bool is_session_gone(int status, const char *code)
{
	if (status == 416 || !strcmp(code, "RANGE_INVALID"))
		return true;
	if (!strcmp(code, "NAME_UNKNOWN") || !strcmp(code, "NAME_INVALID"))
		return false;
	return status == 404 || !strcmp(code, "BLOB_UPLOAD_UNKNOWN") ||
	       !strcmp(code, "BLOB_UPLOAD_INVALID");
}

enum bl_upload_event bl_upload_event(enum bl_upload_step step, int status, const char *code)
{
	bool sends = step == BL_UPLOAD_ALL || step == BL_UPLOAD_PART || step == BL_UPLOAD_FINISH;

	if (status >= 200 && status < 300)
		return BL_UPLOAD_OK;
	if (!sends && step != BL_UPLOAD_ASK)
		return BL_UPLOAD_REFUSED;
	if (!strcmp(code, "DIGEST_INVALID"))
		return BL_UPLOAD_DAMAGED;
	if (sends && (status == 405 || status == 411 || status == 413))
		return BL_UPLOAD_UNFIT;
	/* No way to ask there: as good as gone. */
	if (step == BL_UPLOAD_ASK && status == 405)
		return BL_UPLOAD_GONE;
	return is_session_gone(status, code) ? BL_UPLOAD_GONE : BL_UPLOAD_REFUSED;
}

bool bl_upload_kept(const char *range, uint64_t size, uint64_t *kept)
{
	struct bl_err err = { 0 };
	uint64_t last;

	if (!*range) {
		*kept = 0;
		return true;
	}
	if (bl_str_starts(range, "bytes="))
		range += strlen("bytes=");
	if (!bl_str_starts(range, "0-") || bl_str_u64(range + 2, 0, UINT64_MAX - 1, &last, &err))
		return false;
	/* "0-0" is said of no byte and of one byte alike. */
	*kept = last ? last + 1 : 0;
	return *kept <= size;
}

static void add_directory(struct bl_buf *out, const char *url)
{
	size_t len = strcspn(url, "?");

	while (len && url[len - 1] != '/')
		len--;
	bl_buf_add(out, url, len);
}

/* Any form of a reference as a whole URL. */
static int make_whole(const char *base, const char *asked, const char *location, struct bl_buf *out,
                      struct bl_err *err)
{
	const char *scheme = strstr(base, "//");

	if (bl_str_starts(location, "http://") || bl_str_starts(location, "https://")) {
		bl_buf_adds(out, location);
	} else if (bl_str_starts(location, "//")) {
		bl_buf_add(out, base, scheme ? (size_t)(scheme - base) : 0);
		bl_buf_adds(out, location);
	} else if (*location == '/') {
		bl_buf_adds(out, base);
		bl_buf_adds(out, location);
	} else {
		if (*asked == '/')
			bl_buf_adds(out, base);
		if (*location == '?')
			bl_buf_add(out, asked, strcspn(asked, "?"));
		else
			add_directory(out, asked);
		bl_buf_adds(out, location);
	}
	return bl_buf_check(out, "Location", err);
}

/* A proxy that ends TLS makes some registries say http of themselves: the port is what counts. */
static bool is_same_host(const struct bl_url *a, const struct bl_url *b)
{
	return !strcmp(a->host, b->host) &&
	       (a->port == b->port || (!a->port_given && !b->port_given));
}

int bl_upload_location(const char *base, const char *asked, const char *location,
                       struct bl_buf *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) whole = BL_BUF((size_t)9 << 10);
	struct bl_err bad = { 0 };
	struct bl_url own, url;

	if (bl_url_parse(base, &own, err) || make_whole(base, asked, location, &whole, err))
		return -1;
	if (bl_url_parse(bl_buf_text(&whole), &url, &bad))
		return bl_fail(err, BL_ECORRUPT, "its Location for the upload: %s", bad.text);
	if (!is_same_host(&own, &url)) {
		bl_fail(err, BL_EDENIED, "it sends uploads elsewhere, to %s", url.host);
		return bl_next(err, "name the image by the registry that takes the upload");
	}
	bl_buf_adds(out, base);
	bl_buf_adds(out, url.path);
	if (url.query[0])
		bl_buf_addf(out, "?%s", url.query);
	return bl_buf_check(out, "Location", err);
}

void bl_upload_add_digest(struct bl_buf *url, const char *digest)
{
	bl_buf_addc(url, strchr(bl_buf_text(url), '?') ? '&' : '?');
	bl_buf_adds(url, "digest=");
	bl_uri_add(url, digest, strlen(digest));
}
