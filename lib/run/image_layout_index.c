/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/fs.h"
#include "codec/json.h"
#include "run/image_layout_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define LOCK_MS 30000
#define LOCK_STEP_MS 20

/* --- index.json, pure ------------------------------------------------------------------------- */

static const char *name_of(const struct bl_value *entry)
{
	const struct bl_value *name =
		bl_value_get(bl_value_get(entry, "annotations"), BL_LAYOUT_NAME);

	return name && name->type == BL_STRING ? name->text : "";
}

static int read_entry(const struct bl_value *entry, struct bl_oci_desc *out, struct bl_err *err)
{
	const char *type, *digest;
	int64_t size;

	if (bl_value_text(entry, "mediaType", &type, err) ||
	    bl_value_text(entry, "digest", &digest, err) || bl_value_int(entry, "size", &size, err))
		return bl_wrap(err, BL_LAYOUT_INDEX);
	if (!bl_digest_valid(digest) || size < 0 || strlen(type) >= sizeof(out->media_type))
		return bl_fail(err, BL_ECORRUPT, BL_LAYOUT_INDEX ": '%.80s' is no manifest of ours",
		               digest);
	*out = (struct bl_oci_desc){ .size = (uint64_t)size };
	memcpy(out->media_type, type, strlen(type) + 1);
	memcpy(out->digest, digest, strlen(digest) + 1);
	return 0;
}

static const struct bl_value *entries_of(const struct bl_value *index)
{
	const struct bl_value *list = bl_value_get(index, "manifests");

	return list && list->type == BL_LIST ? list : NULL;
}

/* Names to choose from, as many as fit. */
static void add_names(const struct bl_value *list, struct bl_buf *out)
{
	for (size_t i = 0; list && i < list->n; i++) {
		const char *name = name_of(list->items[i]);

		if (*name && out->len + strlen(name) + 2 < out->max)
			bl_buf_addf(out, "%s%s", out->len ? ", " : "", name);
	}
}

static int fail_to_choose(const struct bl_value *list, const char *name, struct bl_err *err)
{
	BL_AUTO(bl_buf) names = BL_BUF(200);
	size_t n = list ? list->n : 0;

	add_names(list, &names);
	if (!n)
		return bl_fail(err, BL_ENOENT, "the OCI layout holds no image yet");
	if (*name)
		bl_fail(err, BL_ENOENT, "the OCI layout holds no '%.140s'", name);
	else
		bl_fail(err, BL_EINPUT, "the OCI layout holds %zu images", n);
	if (names.len)
		return bl_next(err, "write oci:DIR:TAG with one of %s", bl_buf_text(&names));
	return bl_next(err, "name it by its digest");
}

int bl_layout_index_find(const struct bl_value *index, const char *name, struct bl_oci_desc *out,
                         struct bl_err *err)
{
	const struct bl_value *list = entries_of(index);
	struct bl_oci_desc found = { 0 }, next;

	for (size_t i = 0; list && i < list->n; i++) {
		if (*name && strcmp(name, name_of(list->items[i])) != 0)
			continue;
		if (read_entry(list->items[i], &next, err))
			return -1;
		if (*name) {
			*out = next;
			return 0;
		}
		/* one image of several names is the only one all the same */
		if (found.digest[0] && strcmp(found.digest, next.digest) != 0)
			return fail_to_choose(list, name, err);
		found = next;
	}
	if (!found.digest[0])
		return fail_to_choose(list, name, err);
	*out = found;
	return 0;
}

static bool is_digest_of(const struct bl_value *entry, const char *digest)
{
	return !strcmp(bl_value_text_or(entry, "digest", ""), digest);
}

/* Whether an entry gives way: it had the name, or is the same without one. */
static bool gives_way(const struct bl_value *entry, const struct bl_oci_desc *desc,
                      const char *name)
{
	const char *has = name_of(entry);

	return (*name && !strcmp(has, name)) || (!*has && is_digest_of(entry, desc->digest));
}

/* Without a name, nothing is added where the image is named already. */
static bool is_known(const struct bl_value *list, const struct bl_oci_desc *desc)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (is_digest_of(list->items[i], desc->digest))
			return true;
	return false;
}

static void write_entry(struct bl_json *json, const struct bl_oci_desc *desc, const char *name)
{
	bl_json_map(json, NULL);
	bl_json_text(json, "mediaType", desc->media_type);
	bl_json_text(json, "digest", desc->digest);
	bl_json_int(json, "size", (int64_t)desc->size);
	if (*name) {
		bl_json_map(json, "annotations");
		bl_json_text(json, BL_LAYOUT_NAME, name);
		bl_json_end_map(json);
	}
	bl_json_end_map(json);
}

int bl_layout_index_change(const struct bl_value *old, const struct bl_oci_desc *desc,
                           const char *name, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_value *list = entries_of(old);
	bool add = *name || !is_known(list, desc);
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	bl_json_int(&json, "schemaVersion", 2);
	bl_json_text(&json, "mediaType", BL_OCI_INDEX);
	bl_json_list(&json, "manifests");
	for (size_t i = 0; list && i < list->n; i++)
		if (!add || !gives_way(list->items[i], desc, name))
			bl_json_value(&json, NULL, list->items[i]);
	if (add)
		write_entry(&json, desc, name);
	bl_json_end_list(&json);
	for (size_t i = 0; old && i < old->n; i++) /* what we do not know stays */
		if (strcmp(old->items[i]->key, "schemaVersion") != 0 &&
		    strcmp(old->items[i]->key, "mediaType") != 0 &&
		    strcmp(old->items[i]->key, "manifests") != 0)
			bl_json_value(&json, old->items[i]->key, old->items[i]);
	bl_json_end_map(&json);
	return bl_buf_check(out, BL_LAYOUT_INDEX, err);
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* NULL: there is none yet, its maker is about to write it. */
static int read_index(int fd, struct bl_value **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_OCI_DOC_MAX);
	struct bl_value *index;

	if (bl_fs_read(fd, BL_LAYOUT_INDEX, &bytes, err)) {
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
		*out = NULL;
		return 0;
	}
	if (bl_json_parse(bl_buf_text(&bytes), bytes.len, BL_LAYOUT_INDEX, &index, err))
		return -1;
	if (index->type != BL_MAP || (bl_value_get(index, "manifests") && !entries_of(index))) {
		bl_value_free(index);
		return bl_fail(err, BL_ECORRUPT, BL_LAYOUT_INDEX " is no image index");
	}
	*out = index;
	return 0;
}

/* Appends the manifest; it has this digest, and when size is given, this size. */
static int read_manifest(int fd, const char *digest, struct bl_buf *body, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_OCI_DOC_MAX);
	char path[BL_LAYOUT_PATH_SIZE], got[BL_DIGEST_SIZE];

	if (bl_layout_blob_path(digest, path, err) || bl_fs_read(fd, path, &bytes, err) ||
	    bl_digest_of(bl_buf_text(&bytes), bytes.len, got, err))
		return -1;
	if (strcmp(got, digest) != 0) {
		bl_fail(err, BL_ECORRUPT, "'%s' is damaged: its bytes are %s", path, got);
		return bl_next(err, "remove that file and push again");
	}
	bl_buf_add(body, bl_buf_text(&bytes), bytes.len);
	return bl_buf_check(body, "manifest", err);
}

/* Of one that is named by its digest, and perhaps by an index within, not by index.json. */
static int describe(int fd, const char *digest, struct bl_oci_desc *out, struct bl_err *err)
{
	BL_AUTO(bl_buf) body = BL_BUF(BL_OCI_DOC_MAX);
	BL_VALUE doc = NULL;
	const char *type;

	if (read_manifest(fd, digest, &body, err) ||
	    bl_json_parse(bl_buf_text(&body), body.len, digest, &doc, err))
		return -1;
	type = bl_value_text_or(doc, "mediaType",
	                        bl_value_get(doc, "manifests") ? BL_OCI_INDEX : BL_OCI_MANIFEST);
	*out = (struct bl_oci_desc){ .size = body.len };
	snprintf(out->media_type, sizeof(out->media_type), "%s", type);
	snprintf(out->digest, sizeof(out->digest), "%s", digest);
	return 0;
}

int bl_layout_head_manifest(int fd, const char *reference, struct bl_oci_desc *desc,
                            struct bl_err *err)
{
	BL_VALUE index = NULL;

	if (bl_digest_valid(reference))
		return describe(fd, reference, desc, err);
	if (read_index(fd, &index, err))
		return -1;
	return bl_layout_index_find(index, reference, desc, err);
}

int bl_layout_get_manifest(int fd, const char *reference, struct bl_buf *body,
                           struct bl_oci_desc *desc, struct bl_err *err)
{
	struct bl_oci_desc found;
	size_t before = body->len;

	if (bl_layout_head_manifest(fd, reference, &found, err) ||
	    read_manifest(fd, found.digest, body, err))
		return -1;
	if (body->len - before != found.size) {
		bl_fail(err, BL_ECORRUPT, BL_LAYOUT_INDEX ": %s has %zu bytes, not %" PRIu64,
		        found.digest, body->len - before, found.size);
		body->len = before;
		body->data[before] = '\0';
		return -1;
	}
	*desc = found;
	return 0;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Closing the descriptor gives it back. Writers hold it for milliseconds. */
static int take_lock(int fd, int *out, struct bl_err *err)
{
	BL_FD lock = -1;
	int64_t until = bl_mono_ms() + LOCK_MS;

	if (bl_fs_open_beneath(fd, BL_LAYOUT_FILE, O_RDONLY, 0, &lock, err))
		return -1;
	while (flock(lock, LOCK_EX | LOCK_NB)) {
		struct timespec step = { 0, LOCK_STEP_MS * 1000000 };

		if (errno != EWOULDBLOCK && errno != EINTR)
			return bl_fail_errno(err, errno, "lock " BL_LAYOUT_FILE);
		if (bl_mono_ms() >= until)
			return bl_fail(err, BL_EBUSY, BL_LAYOUT_FILE " is locked since %d s",
			               LOCK_MS / 1000);
		nanosleep(&step, NULL);
	}
	*out = bl_fd_take(&lock);
	return 0;
}

static int change_index(int fd, const struct bl_oci_desc *desc, const char *name,
                        struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(BL_OCI_DOC_MAX);
	BL_VALUE index = NULL;
	BL_FD lock = -1;

	if (take_lock(fd, &lock, err) || read_index(fd, &index, err) ||
	    bl_layout_index_change(index, desc, name, &bytes, err))
		return -1;
	return bl_fs_replace(fd, BL_LAYOUT_INDEX, bl_buf_text(&bytes), bytes.len, 0644, err);
}

int bl_layout_put_manifest(int fd, const char *reference, const void *bytes,
                           const struct bl_oci_desc *desc, struct bl_err *err)
{
	char path[BL_LAYOUT_PATH_SIZE], digest[BL_DIGEST_SIZE];
	bool is_digest = bl_digest_valid(reference);

	if (bl_layout_blob_path(desc->digest, path, err) ||
	    bl_digest_of(bytes, (size_t)desc->size, digest, err))
		return -1;
	if (strcmp(digest, desc->digest) != 0 || (is_digest && strcmp(digest, reference) != 0))
		return bl_fail(err, BL_EBUG, "put manifest %.140s: its bytes are %s", reference,
		               digest);
	if (bl_fs_replace(fd, path, bytes, (size_t)desc->size, 0644, err) ||
	    change_index(fd, desc, is_digest ? "" : reference, err))
		return bl_wrap(err, "put manifest %.140s", reference);
	return 0;
}
