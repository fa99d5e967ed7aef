/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/registry_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * A registry that keeps its blobs elsewhere sends there only for one that it has. That place is not
 * asked: its signed URLs are often for a GET alone.
 */
static bool is_kept_elsewhere(const struct bl_registry *registry, const struct bl_http_reply *reply)
{
	char location[8192];

	return (reply->status == 302 || reply->status == 303 || reply->status == 307) &&
	       bl_http_header(reply, "location", location, sizeof(location)) &&
	       strstr(location, "://") && !bl_registry_owns(registry, location);
}

static bool is_of_size(const struct bl_http_reply *reply, uint64_t want)
{
	struct bl_err ignored = { 0 };
	char length[32];
	uint64_t size;

	return !bl_http_header(reply, "content-length", length, sizeof(length)) ||
	       bl_str_u64(length, 0, UINT64_MAX, &size, &ignored) || size == want;
}

int bl_registry_has_blob(struct bl_registry *registry, const char *repository,
                         const struct bl_oci_desc *blob, bool *has, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char what[400], target[400], scope[300];

	snprintf(what, sizeof(what), "look for blob %s in %s", blob->digest, repository);
	snprintf(target, sizeof(target), "/v2/%s/blobs/%s", repository, blob->digest);
	snprintf(scope, sizeof(scope), "repository:%s:pull,push", repository);
	struct bl_registry_ask ask = {
		.what = what, .method = "HEAD", .target = target, .scope = scope
	};

	if (bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (is_kept_elsewhere(registry, &reply)) {
		*has = true;
		return 0;
	}
	ask.redirects = true;
	if (reply.status / 100 == 3 && bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (reply.status != 200 && reply.status != 404)
		return bl_registry_refused(registry, &ask, &reply, err);
	/* one of another size cannot be it: it is sent again, and the registry will judge */
	*has = reply.status == 200 && is_of_size(&reply, blob->size);
	return 0;
}

int bl_registry_get_blob(struct bl_registry *registry, const char *repository,
                         const struct bl_oci_desc *blob, struct bl_buf *body, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char what[400], target[400], scope[300], digest[BL_DIGEST_SIZE];

	snprintf(what, sizeof(what), "get blob %s of %s", blob->digest, repository);
	snprintf(target, sizeof(target), "/v2/%s/blobs/%s", repository, blob->digest);
	snprintf(scope, sizeof(scope), "repository:%s:pull", repository);
	const struct bl_registry_ask ask = { .what = what,
		                             .method = "GET",
		                             .target = target,
		                             .scope = scope,
		                             .reply_max = BL_OCI_DOC_MAX,
		                             .redirects = true };

	if (bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (reply.status != 200)
		return bl_registry_refused(registry, &ask, &reply, err);
	if (bl_digest_of(bl_buf_text(&reply.body), reply.body.len, digest, err))
		return -1;
	if (strcmp(digest, blob->digest) != 0 || reply.body.len != blob->size) {
		bl_fail(err, BL_ECORRUPT, "registry %s: %s: it is %s of %zu bytes, not of %" PRIu64,
		        registry->session->registry, what, digest, reply.body.len, blob->size);
		return bl_next(err, "push that image again: the registry's copy is damaged");
	}
	bl_buf_add(body, bl_buf_text(&reply.body), reply.body.len);
	return bl_buf_check(body, what, err);
}
