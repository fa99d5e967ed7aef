/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_REGISTRY_H
#define BL_NET_REGISTRY_H

#include "base/secret.h"
#include "net/http.h"
#include "net/image_ref.h"

#include <stdatomic.h>

/*
 * A registry's HTTP API (OCI distribution 1.1, Docker's v2): manifests and blobs of one registry.
 * Blocking; each thread opens its own, all may share one session (tokens, login, counts).
 *
 * Every digest is compared: of what comes with what was asked for, of what was put with what the
 * registry says it took (BL_ECORRUPT names both). Lost replies, 429 and 5xx are asked again, up to
 * five times, waiting as retry-after says (30 s at most) or longer each time. A refusal says
 * "registry localhost:5000: put manifest demo:tag: HTTP 400 MANIFEST_INVALID: TEXT" and what to do.
 */

/* What a registry is told of us. */
struct bl_login {
	char user[256]; /* "": anonymous */
	struct bl_secret password;
	bool is_identity_token; /* password is for the token service's refresh_token */
};
void bl_login_done(struct bl_login *login);

/*
 * Asked when a registry wants to know who we are; again: what was given before is refused now
 * (expired). Called under a lock, from any thread. No login at all is an answer: user "".
 */
typedef int bl_login_fn(void *arg, const char *registry, bool again, struct bl_login *out,
                        struct bl_err *err);

/* What went over the wire; requests without those for authentication. */
struct bl_registry_counts {
	atomic_uint_fast64_t requests, auth_requests, sent_bytes, received_bytes; /* of bodies */
};

struct bl_registry_options {
	const char *registry; /* of struct bl_image_ref */
	bl_login_fn *login;   /* NULL: anonymous */
	void *login_arg;
	bool allow_http; /* http also where it is not loopback; https is never tried then */
	struct bl_registry_counts *counts; /* NULL: not counted */
	atomic_bool
		*stop; /* becomes true: what is under way ends with BL_ECANCELLED; NULL: never */
};

struct bl_registry_session; /* shared by threads; outlives what was opened with it */
BL_MUST int bl_registry_session_open(const struct bl_registry_options *options,
                                     struct bl_registry_session **out, struct bl_err *err);
void bl_registry_session_close(struct bl_registry_session *session); /* takes NULL */

struct bl_registry; /* of one thread */
/* Asks nobody yet. http to loopback, https elsewhere. */
BL_MUST int bl_registry_open(struct bl_registry_session *session, struct bl_registry **out,
                             struct bl_err *err);
void bl_registry_close(struct bl_registry *registry); /* takes NULL */
void bl_registry_auto(struct bl_registry **registry);
#define BL_REGISTRY __attribute__((cleanup(bl_registry_auto))) struct bl_registry *

/*
 * reference: a tag or a digest. The bytes are appended to body (max BL_OCI_DOC_MAX) and desc says
 * what they are. BL_ENOENT: no such manifest or repository. BL_EDENIED.
 */
BL_MUST int bl_registry_get_manifest(struct bl_registry *registry, const char *repository,
                                     const char *reference, struct bl_buf *body,
                                     struct bl_oci_desc *desc, struct bl_err *err);
/* The same by HEAD: desc alone. Where a registry's HEAD does not say the digest: GET. */
BL_MUST int bl_registry_head_manifest(struct bl_registry *registry, const char *repository,
                                      const char *reference, struct bl_oci_desc *desc,
                                      struct bl_err *err);
/*
 * BL_EEXIST: the tag is immutable and names another (both digests in the text); the same one is
 * success. BL_ENOENT: no such repository. BL_EINPUT: refused as invalid.
 */
BL_MUST int bl_registry_put_manifest(struct bl_registry *registry, const char *repository,
                                     const char *reference, const void *bytes,
                                     const struct bl_oci_desc *desc, struct bl_err *err);

BL_MUST int bl_registry_has_blob(struct bl_registry *registry, const char *repository,
                                 const struct bl_oci_desc *blob, bool *has, struct bl_err *err);
/* A small one (a config), whole and verified, appended to body. */
BL_MUST int bl_registry_get_blob(struct bl_registry *registry, const char *repository,
                                 const struct bl_oci_desc *blob, struct bl_buf *body,
                                 struct bl_err *err);

/*
 * Bytes of a blob on the way in: read as of bl_http_read_fn, any offset, most often in order; never
 * two at once.
 */
struct bl_blob_source {
	bl_http_read_fn *read;
	void *arg;
};
/* A file's, from its beginning. fd stays the caller's. */
struct bl_blob_source bl_blob_of_fd(int *fd);
/* Memory's; `bytes` points to a struct bl_buf. */
struct bl_blob_source bl_blob_of_buf(const struct bl_buf *buf);

struct bl_push {
	const char *from_repository; /* of the same registry: mount from there when it can; NULL */
	void (*progress)(void *arg, uint64_t sent_bytes); /* of this blob so far; NULL */
	void *arg;
	bool mounted; /* out */
};
/*
 * Puts a blob that the repository does not have. Mounts where asked and possible; else one upload:
 * POST, then PUT with all of it. After a cut the registry is asked how much it kept and only the
 * rest is sent (PATCH, PUT); a session that is lost begins anew, three times. push may be NULL.
 * BL_ENOENT: no such repository.
 */
BL_MUST int bl_registry_put_blob(struct bl_registry *registry, const char *repository,
                                 const struct bl_oci_desc *blob,
                                 const struct bl_blob_source *source, struct bl_push *push,
                                 struct bl_err *err);

/*
 * A blob of another registry (or repository) as a source: a thread of its own with its own
 * connection fetches ahead into a ring of 4 MiB; redirects to https are followed without our
 * authorization; after a cut it goes on with a range. What was read in order from 0 to the end is
 * verified: the read of the last byte fails with BL_ECORRUPT otherwise.
 */
struct bl_blob_stream;
BL_MUST int bl_blob_stream_open(struct bl_registry_session *session, const char *repository,
                                const struct bl_oci_desc *blob, struct bl_blob_stream **out,
                                struct bl_err *err);
struct bl_blob_source bl_blob_of_stream(struct bl_blob_stream *stream);
void bl_blob_stream_close(struct bl_blob_stream *stream); /* takes NULL; ends its thread */

#endif
