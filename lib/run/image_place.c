/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_place.h"

#include "base/fs.h"
#include "base/str.h"
#include "run/image_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LAYOUT "oci:"

/* What the clones of a place have in common; the last one closes it. */
struct shared {
	atomic_uint users;
	struct bl_registry_session *session;
};

struct bl_place {
	struct bl_image_ref ref;
	struct shared *shared;        /* of a registry; NULL: a layout */
	struct bl_registry *registry; /* this thread's */
	int fd;                       /* of a layout; else -1 */
};

/* --- Opening ---------------------------------------------------------------------------------- */

void bl_place_close(struct bl_place *place)
{
	if (!place)
		return;
	bl_registry_close(place->registry);
	if (place->shared && atomic_fetch_sub(&place->shared->users, 1) == 1) {
		bl_registry_session_close(place->shared->session);
		free(place->shared);
	}
	bl_fd_done(&place->fd);
	free(place);
}

void bl_place_auto(struct bl_place **place)
{
	bl_place_close(*place);
}

static int refuse_layout(const char *text, const char *why, struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "'%.200s': %s", text, why);
	return bl_next(err, "write oci:DIR, oci:DIR:TAG or oci:DIR@sha256:..., DIR up to %zu bytes",
	               sizeof(((struct bl_image_ref *)0)->repository) - 1);
}

/* What follows the last ':' or "@sha256:" is a tag or digest, unless it goes on with a '/'. */
static int parse_layout(const char *text, struct bl_image_ref *ref, struct bl_err *err)
{
	const char *dir = text + strlen(LAYOUT), *end = dir + strlen(dir);
	const char *colon = strrchr(dir, ':'), *at = strrchr(dir, '@');

	if (colon && at && at < colon && bl_str_starts(at, "@sha256:") && !strchr(at, '/')) {
		if (!bl_digest_valid(at + 1))
			return refuse_layout(text, "its digest is no sha256", err);
		memcpy(ref->digest, at + 1, sizeof(ref->digest));
		end = at;
	} else if (colon && !strchr(colon, '/')) {
		if (!bl_image_tag_valid(colon + 1))
			return refuse_layout(text, "its tag is none", err);
		snprintf(ref->tag, sizeof(ref->tag), "%s", colon + 1);
		end = colon;
	}
	if (end == dir)
		return refuse_layout(text, "no directory", err);
	if ((size_t)(end - dir) >= sizeof(ref->repository))
		return refuse_layout(text, "the directory's name is too long", err);
	memcpy(ref->repository, dir, (size_t)(end - dir));
	return 0;
}

static int open_session(const struct bl_place_options *options, struct bl_place *place,
                        struct bl_err *err)
{
	const struct bl_registry_options how = {
		.registry = place->ref.registry,
		.login = options->login,
		.login_arg = options->login_arg,
		.allow_http = options->allow_http,
		.counts = options->counts,
		.stop = options->stop,
	};

	if (options->near && options->near->shared &&
	    !strcmp(options->near->ref.registry, place->ref.registry)) {
		place->shared = options->near->shared;
		atomic_fetch_add(&place->shared->users, 1);
		return bl_registry_open(place->shared->session, &place->registry, err);
	}
	place->shared = calloc(1, sizeof(*place->shared));
	if (!place->shared)
		return bl_fail(err, BL_ENOMEM, "registry: out of memory");
	atomic_store(&place->shared->users, 1);
	if (bl_registry_session_open(&how, &place->shared->session, err))
		return -1;
	return bl_registry_open(place->shared->session, &place->registry, err);
}

static struct bl_place *new_place(struct bl_err *err)
{
	struct bl_place *place = calloc(1, sizeof(*place));

	if (place)
		place->fd = -1;
	else
		bl_fail(err, BL_ENOMEM, "image: out of memory");
	return place;
}

int bl_place_open(const char *text, const struct bl_place_options *options, struct bl_place **out,
                  struct bl_image_ref *ref, struct bl_err *err)
{
	BL_PLACE place = new_place(err);

	if (!place)
		return -1;
	if (bl_str_starts(text, LAYOUT)) {
		if (parse_layout(text, &place->ref, err) ||
		    bl_layout_open(place->ref.repository, options->create, &place->fd, err))
			return -1;
	} else if (bl_image_ref_parse(text, &place->ref, err) ||
	           open_session(options, place, err)) {
		return -1;
	}
	*ref = place->ref;
	*out = place;
	place = NULL;
	return 0;
}

int bl_place_clone(struct bl_place *place, struct bl_place **out, struct bl_err *err)
{
	BL_PLACE clone = new_place(err);

	if (!clone)
		return -1;
	clone->ref = place->ref;
	if (place->shared) {
		clone->shared = place->shared;
		atomic_fetch_add(&clone->shared->users, 1);
		if (bl_registry_open(clone->shared->session, &clone->registry, err))
			return -1;
	} else {
		clone->fd = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
		if (clone->fd < 0)
			return bl_fail_errno(err, errno, "image: duplicate a directory");
	}
	*out = clone;
	clone = NULL;
	return 0;
}

/* --- Which it is ------------------------------------------------------------------------------ */

bool bl_place_is_registry(const struct bl_place *place)
{
	return place->shared != NULL;
}

void bl_place_ref(const struct bl_place *place, struct bl_image_ref *ref)
{
	*ref = place->ref;
	ref->tag[0] = ref->digest[0] = '\0';
}

void bl_place_add_name(const struct bl_place *place, struct bl_buf *out)
{
	if (place->shared)
		bl_buf_addf(out, "%s/%s", place->ref.registry, place->ref.repository);
	else
		bl_buf_addf(out, LAYOUT "%s", place->ref.repository);
}

static bool same_registry(const struct bl_place *a, const struct bl_place *b)
{
	return a->shared && b->shared && !strcmp(a->ref.registry, b->ref.registry);
}

bool bl_place_same(const struct bl_place *from, const struct bl_place *to)
{
	struct stat a, b;

	if (from->shared || to->shared)
		return same_registry(from, to) && !strcmp(from->ref.repository, to->ref.repository);
	return !fstat(from->fd, &a) && !fstat(to->fd, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

const char *bl_place_mount_from(const struct bl_place *from, const struct bl_place *to)
{
	return same_registry(from, to) && strcmp(from->ref.repository, to->ref.repository) != 0
	               ? from->ref.repository
	               : NULL;
}

/* --- Both kinds ------------------------------------------------------------------------------- */

int bl_place_get_manifest(struct bl_place *place, const char *reference, struct bl_buf *body,
                          struct bl_oci_desc *desc, struct bl_err *err)
{
	return place->shared ? bl_registry_get_manifest(place->registry, place->ref.repository,
	                                                reference, body, desc, err)
	                     : bl_layout_get_manifest(place->fd, reference, body, desc, err);
}

int bl_place_head_manifest(struct bl_place *place, const char *reference, struct bl_oci_desc *desc,
                           struct bl_err *err)
{
	return place->shared ? bl_registry_head_manifest(place->registry, place->ref.repository,
	                                                 reference, desc, err)
	                     : bl_layout_head_manifest(place->fd, reference, desc, err);
}

int bl_place_put_manifest(struct bl_place *place, const char *reference, const void *bytes,
                          const struct bl_oci_desc *desc, struct bl_err *err)
{
	return place->shared ? bl_registry_put_manifest(place->registry, place->ref.repository,
	                                                reference, bytes, desc, err)
	                     : bl_layout_put_manifest(place->fd, reference, bytes, desc, err);
}

int bl_place_has_blob(struct bl_place *place, const struct bl_oci_desc *blob, bool *has,
                      struct bl_err *err)
{
	return place->shared ? bl_registry_has_blob(place->registry, place->ref.repository, blob,
	                                            has, err)
	                     : bl_layout_has_blob(place->fd, blob, has, err);
}

int bl_place_put_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                      const struct bl_blob_source *source, struct bl_push *push, struct bl_err *err)
{
	return place->shared ? bl_registry_put_blob(place->registry, place->ref.repository, blob,
	                                            source, push, err)
	                     : bl_layout_put_blob(place->fd, blob, source, push, err);
}

static int get_layout_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                           struct bl_buf *body, struct bl_err *err)
{
	char digest[BL_DIGEST_SIZE], *to;
	BL_FD fd = -1;

	if (blob->size > BL_OCI_DOC_MAX)
		return bl_fail(err, BL_ELIMIT, "blob %s: over %zu bytes", blob->digest,
		               BL_OCI_DOC_MAX);
	if (bl_layout_open_blob(place->fd, blob, &fd, err))
		return -1;
	to = bl_buf_room(body, (size_t)blob->size);
	if (!to)
		return bl_buf_check(body, "blob", err);
	if (bl_fs_pread(fd, to, (size_t)blob->size, 0, err) ||
	    bl_digest_of(to, (size_t)blob->size, digest, err))
		return -1;
	if (strcmp(digest, blob->digest) != 0)
		return bl_fail(err, BL_ECORRUPT, "blob %s: its bytes are %s", blob->digest, digest);
	bl_buf_grew(body, (size_t)blob->size);
	return 0;
}

int bl_place_get_blob(struct bl_place *place, const struct bl_oci_desc *blob, struct bl_buf *body,
                      struct bl_err *err)
{
	return place->shared ? bl_registry_get_blob(place->registry, place->ref.repository, blob,
	                                            body, err)
	                     : get_layout_blob(place, blob, body, err);
}

int bl_place_open_blob(struct bl_place *place, const struct bl_oci_desc *blob,
                       struct bl_place_blob *out, struct bl_err *err)
{
	if (!place->shared) {
		if (bl_layout_open_blob(place->fd, blob, &out->fd, err))
			return -1;
		out->source = bl_blob_of_fd(&out->fd);
		return 0;
	}
	if (bl_blob_stream_open(place->shared->session, place->ref.repository, blob, &out->stream,
	                        err))
		return -1;
	out->source = bl_blob_of_stream(out->stream);
	return 0;
}

void bl_place_blob_done(struct bl_place_blob *blob)
{
	bl_blob_stream_close(blob->stream);
	bl_fd_done(&blob->fd);
	*blob = BL_PLACE_BLOB;
}
