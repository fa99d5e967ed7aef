/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/registry_parts.h"

#include <stdio.h>
#include <string.h>

#define ACCEPT "accept: " BL_OCI_ACCEPT "\n"

struct texts {
	char what[700], target[700], scope[300];
};

static void describe(struct texts *texts, const char *verb, const char *repository,
                     const char *reference, const char *rights)
{
	snprintf(texts->what, sizeof(texts->what), "%s manifest %s%s%s", verb, repository,
	         strchr(reference, ':') ? "@" : ":", reference);
	snprintf(texts->target, sizeof(texts->target), "/v2/%s/manifests/%s", repository,
	         reference);
	snprintf(texts->scope, sizeof(texts->scope), "repository:%s:%s", repository, rights);
}

/* What the reply says of itself; "" where it does not. */
static void read_type(const struct bl_http_reply *reply, char media_type[BL_MEDIA_SIZE])
{
	char text[256];

	media_type[0] = '\0';
	if (!bl_http_header(reply, "content-type", text, sizeof(text)))
		return;
	text[strcspn(text, "; \t")] = '\0';
	snprintf(media_type, BL_MEDIA_SIZE, "%.*s", BL_MEDIA_SIZE - 1, text);
}

static int differ(const struct bl_registry *registry, const char *what, const char *said,
                  const char *is, struct bl_err *err)
{
	bl_fail(err, BL_ECORRUPT, "registry %s: %s: it should be %s, but is %s",
	        registry->session->registry, what, said, is);
	return bl_next(err, "the registry or something on the way changes bytes: try again, then "
	                    "look there");
}

/* What the registry says of it. Another algorithm than ours says nothing that could be compared. */
static bool said_digest(const struct bl_http_reply *reply, char *said, size_t size)
{
	return bl_http_header(reply, "docker-content-digest", said, size) &&
	       strncmp(said, "sha512:", 7) != 0;
}

/* Against the reply's own header, and the reference where that is a digest. */
static int check_digest(const struct bl_registry *registry, const struct bl_http_reply *reply,
                        const char *what, const char *reference, const char *digest,
                        struct bl_err *err)
{
	char said[256];

	if (strchr(reference, ':') && strcmp(reference, digest) != 0)
		return differ(registry, what, reference, digest, err);
	if (said_digest(reply, said, sizeof(said)) && strcmp(said, digest) != 0)
		return differ(registry, what, said, digest, err);
	return 0;
}

int bl_registry_get_manifest(struct bl_registry *registry, const char *repository,
                             const char *reference, struct bl_buf *body, struct bl_oci_desc *desc,
                             struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_oci_desc found = { 0 };
	struct texts texts = { 0 };

	describe(&texts, "get", repository, reference, "pull");
	const struct bl_registry_ask ask = {
		.what = texts.what,
		.method = "GET",
		.target = texts.target,
		.scope = texts.scope,
		.headers = ACCEPT,
		.reply_max = BL_OCI_DOC_MAX,
		.redirects = true,
	};

	if (bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (reply.status != 200)
		return bl_registry_refused(registry, &ask, &reply, err);
	read_type(&reply, found.media_type);
	found.size = reply.body.len;
	if (bl_digest_of(bl_buf_text(&reply.body), reply.body.len, found.digest, err) ||
	    check_digest(registry, &reply, texts.what, reference, found.digest, err))
		return -1;
	bl_buf_add(body, bl_buf_text(&reply.body), reply.body.len);
	if (bl_buf_check(body, texts.what, err))
		return -1;
	*desc = found;
	return 0;
}

/* A registry without the header, or without HEAD, is asked for all of it. */
static int head_by_get(struct bl_registry *registry, const char *repository, const char *reference,
                       struct bl_oci_desc *desc, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_OCI_DOC_MAX);

	return bl_registry_get_manifest(registry, repository, reference, &body, desc, err);
}

int bl_registry_head_manifest(struct bl_registry *registry, const char *repository,
                              const char *reference, struct bl_oci_desc *desc, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	struct bl_oci_desc found = { 0 };
	char digest[256], length[32];
	struct texts texts = { 0 };

	describe(&texts, "look for", repository, reference, "pull");
	const struct bl_registry_ask ask = {
		.what = texts.what,
		.method = "HEAD",
		.target = texts.target,
		.scope = texts.scope,
		.headers = ACCEPT,
	};

	if (bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (reply.status == 405 ||
	    (reply.status == 200 &&
	     (!said_digest(&reply, digest, sizeof(digest)) || !bl_digest_valid(digest) ||
	      !bl_http_header(&reply, "content-length", length, sizeof(length)) ||
	      bl_str_u64(length, 1, BL_OCI_DOC_MAX, &found.size, &(struct bl_err){ 0 }))))
		return head_by_get(registry, repository, reference, desc, err);
	if (reply.status != 200)
		return bl_registry_refused(registry, &ask, &reply, err);
	read_type(&reply, found.media_type);
	snprintf(found.digest, sizeof(found.digest), "%.*s", BL_DIGEST_SIZE - 1, digest);
	if (check_digest(registry, &reply, texts.what, reference, found.digest, err))
		return -1;
	*desc = found;
	return 0;
}

/* An immutable tag: the same image under it is what was wanted. */
static int compare(struct bl_registry *registry, const char *repository, const char *reference,
                   const struct bl_oci_desc *desc, struct bl_err *err)
{
	struct bl_oci_desc there;
	struct bl_err refusal = *err;

	bl_err_clear(err);
	if (bl_registry_head_manifest(registry, repository, reference, &there, err)) {
		*err = refusal;
		return -1;
	}
	if (!strcmp(there.digest, desc->digest))
		return 0;
	bl_fail(err, BL_EEXIST, "registry %s: tag %s:%s is immutable and names %s, not %s",
	        registry->session->registry, repository, reference, there.digest, desc->digest);
	return bl_next(err, "what this image is made of has changed since (its base, or options): "
	                    "use another commit, or delete the tag");
}

int bl_registry_put_manifest(struct bl_registry *registry, const char *repository,
                             const char *reference, const void *bytes,
                             const struct bl_oci_desc *desc, struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };
	char headers[BL_MEDIA_SIZE + 32], said[256];
	struct texts texts = { 0 };

	describe(&texts, "put", repository, reference, "pull,push");
	snprintf(headers, sizeof(headers), "content-type: %s\n", desc->media_type);
	const struct bl_registry_ask ask = {
		.what = texts.what,
		.method = "PUT",
		.target = texts.target,
		.scope = texts.scope,
		.headers = headers,
		.bytes = bytes,
		.size = desc->size,
	};

	if (bl_registry_request(registry, &ask, &reply, err))
		return -1;
	if (reply.status / 100 != 2) {
		bl_registry_refused(registry, &ask, &reply, err);
		return err->code == BL_EEXIST ? compare(registry, repository, reference, desc, err)
		                              : -1;
	}
	if (said_digest(&reply, said, sizeof(said)) && strcmp(said, desc->digest) != 0)
		return differ(registry, texts.what, desc->digest, said, err);
	return 0;
}
