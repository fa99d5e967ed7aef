/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/failpoint.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Why no store can hold an object of this name, or NULL. */
static const char *why_refused(const char *prefix, const char *path)
{
	if (strlen(prefix) + strlen(path) > BL_KEY_MAX)
		return "the path is too long";
	if (bl_utf8_valid(path, strlen(path)) != strlen(path))
		return "the name is not UTF-8";
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "the name holds a control character";
	return NULL;
}

static void say_bad(char *bad, const char *path, const char *why)
{
	BL_AUTO(bl_buf) text = BL_BUF(65536);

	bl_utf8_add(&text, path, strnlen(path, 120));
	snprintf(bad, BL_BAD_SIZE, "'%s': %s", bl_buf_text(&text), why);
}

void bl_upload_failed(struct bl_upload *upload, const struct bl_err *err)
{
	if (err->code == BL_ERETRY || err->code == BL_ETIMEOUT)
		upload->out_of_reach = true;
}

/*
 * An orphan costs space only, and the next prune finds it. Where the store is out of reach it
 * stays: each try would wait long, and a manifest whose reply was lost may name it.
 */
static void delete_quietly(const struct bl_upload *upload, const char *key)
{
	struct bl_err ignored = { 0 };

	if (upload->out_of_reach)
		return;
	(void)!bl_store_delete(upload->store, NULL, key, &ignored);
}

void bl_upload_undo(const struct bl_upload *upload, const struct bl_manifest *manifest, size_t from)
{
	for (size_t i = from; i < manifest->n; i++)
		if (manifest->entries[i].key &&
		    bl_str_starts(manifest->entries[i].key, upload->prefix.text))
			delete_quietly(upload, manifest->entries[i].key);
}

static void cut_back(struct bl_manifest *manifest, size_t to)
{
	while (manifest->n > to)
		bl_entry_done(&manifest->entries[--manifest->n]);
}

/* Whether what is open or lies there is still what the rules judged. */
static enum bl_uploaded compare(const struct stat *st, const struct bl_stamp *judged)
{
	struct bl_stamp now;

	if (!st->st_nlink)
		return BL_UPLOAD_GONE;
	bl_stamp_of(st, &now);
	return bl_stamp_equal(&now, judged) ? BL_UPLOADED : BL_UPLOAD_LOST;
}

static int compare_open(int fd, const struct bl_node *node, enum bl_uploaded *how,
                        struct bl_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return bl_fail_errno(err, errno, "stat '%s'", node->path);
	*how = compare(&st, &node->stamp);
	return 0;
}

/* What a failure about the source means for this snapshot; -1 for all others. */
static int explain(struct bl_err *err, enum bl_code code, enum bl_uploaded meaning,
                   enum bl_uploaded *how)
{
	if (err->code != code)
		return -1;
	bl_err_clear(err);
	*how = meaning;
	return 0;
}

static int put_object(struct bl_upload *upload, int fd, const struct bl_node *node, const char *key,
                      uint64_t *crc, struct bl_err *err)
{
	int fault = BL_FAULT("checkpoint.object.before");

	if (fault)
		return bl_fail_errno(err, fault, "write %s", key);
	if (bl_store_put_file(upload->store, upload->call, key, fd, node->stamp.size, crc, err)) {
		bl_upload_failed(upload, err);
		return -1;
	}
	BL_FAILPOINT("checkpoint.object.after");
	return 0;
}

static int upload_open(struct bl_upload *upload, int fd, const struct bl_node *node,
                       const char *key, uint64_t *crc, enum bl_uploaded *how, struct bl_err *err)
{
	if (compare_open(fd, node, how, err))
		return -1;
	if (*how != BL_UPLOADED)
		return 0;
	upload->began = true;
	if (put_object(upload, fd, node, key, crc, err)) {
		delete_quietly(upload, key);
		/* shorter than it was; or the name clashes with the store's own */
		if (!explain(err, BL_ECORRUPT, BL_UPLOAD_LOST, how))
			return 0;
		return explain(err, BL_EINPUT, BL_UPLOAD_REFUSED, how);
	}
	if (compare_open(fd, node, how, err))
		return -1;
	if (*how != BL_UPLOADED)
		delete_quietly(upload, key);
	return 0;
}

/* Takes key over on success only. */
static int add_file(const struct bl_node *node, struct bl_buf *key, uint64_t crc,
                    struct bl_manifest *next, struct bl_err *err)
{
	struct bl_entry *entry;

	if (bl_manifest_add(next, node->path, &entry, err))
		return -1;
	entry->size = node->stamp.size;
	entry->crc = crc;
	entry->mtime_ns = node->stamp.mtime_ns;
	entry->ctime_ns = node->stamp.ctime_ns;
	entry->inode = node->stamp.inode;
	entry->key = bl_buf_take(key);
	return 0;
}

static int upload_file(struct bl_upload *upload, size_t i, struct bl_manifest *next,
                       enum bl_uploaded *how, struct bl_err *err)
{
	const struct bl_node *node = &upload->tree->nodes[i];
	BL_AUTO(bl_buf) key = BL_BUF(BL_KEY_MAX);
	uint64_t crc = 0;
	BL_FD fd = -1;

	bl_buf_adds(&key, upload->prefix.text);
	bl_buf_adds(&key, node->path);
	if (bl_buf_check(&key, "object key", err))
		return -1;
	if (bl_tree_open(upload->tree, i, &fd, err))
		return explain(err, BL_ENOENT, BL_UPLOAD_GONE, how);
	if (upload_open(upload, fd, node, key.data, &crc, how, err))
		return -1;
	if (*how != BL_UPLOADED)
		return 0;
	if (add_file(node, &key, crc, next, err)) {
		delete_quietly(upload, key.data);
		return -1;
	}
	upload->new_files++;
	upload->new_bytes += node->stamp.size;
	return 0;
}

static int add_link(const struct bl_upload *upload, size_t i, struct bl_manifest *next,
                    enum bl_uploaded *how, char *bad, struct bl_err *err)
{
	const struct bl_node *node = &upload->tree->nodes[i];
	struct bl_entry *entry;

	if (!node->target || !bl_link_is_safe(node->path, node->target)) {
		say_bad(bad, node->path, "the link leads outside the checkpoint");
		*how = BL_UPLOAD_REFUSED;
		return 0;
	}
	if (bl_manifest_add(next, node->path, &entry, err))
		return -1;
	entry->link = strdup(node->target);
	return entry->link ? 0 : bl_fail(err, BL_ENOMEM, "manifest: out of memory");
}

static int add_node(struct bl_upload *upload, size_t i, struct bl_manifest *next,
                    enum bl_uploaded *how, char *bad, struct bl_err *err)
{
	const struct bl_node *node = &upload->tree->nodes[i];
	const struct bl_entry *same = bl_node_unchanged(node, upload->last);
	const char *why = why_refused(upload->prefix.text, node->path);

	if (node->kind != BL_NODE_FILE && node->kind != BL_NODE_LINK)
		return 0;
	if (why) {
		say_bad(bad, node->path, why);
		*how = BL_UPLOAD_REFUSED;
		return 0;
	}
	if (node->kind == BL_NODE_LINK)
		return add_link(upload, i, next, how, bad, err);
	if (same)
		return bl_manifest_copy(next, same, err);
	if (upload_file(upload, i, next, how, err))
		return -1;
	if (*how != BL_UPLOADED)
		say_bad(bad, node->path,
		        *how == BL_UPLOAD_REFUSED ? "the store cannot hold this name"
		                                  : "it changes while it is read");
	return 0;
}

/* The first file of a directory may have changed while the last one was uploaded; or one came. */
static enum bl_uploaded look_again(const struct bl_upload *upload, const struct bl_piece *piece)
{
	for (size_t i = piece->first; i < piece->end; i++) {
		const struct bl_node *node = &upload->tree->nodes[i];
		enum bl_uploaded how;
		struct stat st;

		if (node->kind != BL_NODE_FILE && node->kind != BL_NODE_DIR)
			continue;
		if (fstatat(upload->tree->root, node->path, &st,
		            AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
			return BL_UPLOAD_GONE;
		how = compare(&st, &node->stamp);
		if (how != BL_UPLOADED)
			return how;
	}
	return BL_UPLOADED;
}

int bl_piece_upload(struct bl_upload *upload, const struct bl_piece *piece,
                    struct bl_manifest *next, enum bl_uploaded *how, char *bad, struct bl_err *err)
{
	struct bl_upload before = *upload;
	enum bl_uploaded got = BL_UPLOADED;
	size_t from = next->n;
	int rc = 0;

	for (size_t i = piece->first; !rc && got == BL_UPLOADED && i < piece->end; i++)
		rc = add_node(upload, i, next, &got, bad, err);
	if (!rc && got == BL_UPLOADED && piece->end - piece->first > 1 &&
	    upload->new_files > before.new_files) {
		got = look_again(upload, piece);
		if (got != BL_UPLOADED)
			say_bad(bad, upload->tree->nodes[piece->first].path,
			        "it changes while it is read");
	}
	if (rc || got != BL_UPLOADED) {
		bl_upload_undo(upload, next, from);
		cut_back(next, from);
		upload->new_files = before.new_files;
		upload->new_bytes = before.new_bytes;
	}
	*how = got;
	return rc;
}
