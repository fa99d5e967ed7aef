/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "codec/hash.h"

#include <errno.h>
#include <stdlib.h>

/*
 * A host that was killed leaves no memory of what it published, only the manifest. Its entries
 * have no change time and no inode, so a file is the one that was published when size,
 * modification time and CRC agree.
 */
#define CHUNK_BYTES ((size_t)1 << 20)

static void free_chunk(char **chunk)
{
	free(*chunk);
}

static int crc_of(int fd, uint64_t size, uint64_t *out, struct bl_err *err)
{
	__attribute__((cleanup(free_chunk))) char *chunk = malloc(CHUNK_BYTES);
	uint64_t crc = 0;

	if (!chunk)
		return bl_fail(err, BL_ENOMEM, "read the checkpoints: out of memory");
	for (uint64_t done = 0; done < size;) {
		size_t n = size - done < CHUNK_BYTES ? (size_t)(size - done) : CHUNK_BYTES;

		if (bl_fs_pread(fd, chunk, n, done, err))
			return -1;
		crc = bl_crc64nvme(crc, chunk, n);
		done += n;
	}
	*out = crc;
	return 0;
}

/* Nothing but want of memory is a failure: a file that cannot be read is just not the same. */
static int recognise(const struct bl_tree *tree, size_t i, struct bl_entry *entry,
                     struct bl_err *err)
{
	const struct bl_stamp *stamp = &tree->nodes[i].stamp;
	struct bl_stamp after;
	struct stat st;
	BL_FD fd = -1;
	uint64_t crc = 0;

	if (bl_tree_open(tree, i, &fd, err) || crc_of(fd, stamp->size, &crc, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
		return 0;
	}
	if (crc != entry->crc || fstat(fd, &st))
		return 0;
	bl_stamp_of(&st, &after);
	if (!bl_stamp_equal(&after, stamp))
		return 0;
	entry->mtime_ns = stamp->mtime_ns;
	entry->ctime_ns = stamp->ctime_ns;
	entry->inode = stamp->inode;
	return 0;
}

static int recognise_all(const struct bl_tree *tree, struct bl_manifest *manifest,
                         struct bl_err *err)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct bl_node *node = &tree->nodes[i];
		size_t at = bl_manifest_lower(manifest, node->path);
		struct bl_entry *entry = &manifest->entries[at];

		if (node->kind != BL_NODE_FILE || bl_manifest_find(manifest, node->path) != entry)
			continue;
		if (entry->key && entry->size == node->stamp.size &&
		    entry->mtime_ns / 1000000 == node->stamp.mtime_ns / 1000000 &&
		    recognise(tree, i, entry, err))
			return -1;
	}
	return 0;
}

static void free_ids(struct bl_checkpoint_id **ids)
{
	free(*ids);
}

int bl_last_learn(const struct bl_learning *what, unsigned *seq, struct bl_manifest *last,
                  bool *found, struct bl_err *err)
{
	__attribute__((cleanup(free_ids))) struct bl_checkpoint_id *ids = NULL;
	BL_AUTO(bl_manifest) manifest = BL_MANIFEST;
	bool has = false;
	size_t n = 0;

	if (bl_checkpoint_list(what->store, what->call, what->run, &ids, &n, what->attempt, seq,
	                       err))
		return -1;
	for (size_t i = 0; !has && i < n; i++) {
		struct bl_key key =
			bl_key_run(what->run, BL_KEY_MANIFEST, ids[i].attempt, ids[i].seq);

		if (ids[i].attempt != what->attempt)
			continue;
		has = !bl_manifest_read(what->store, key.text, &manifest, err);
		if (!has && err->code != BL_ECORRUPT && err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err);
	}
	*found = has;
	if (!has)
		return 0;
	if (manifest.n && recognise_all(what->tree, &manifest, err))
		return -1;
	bl_manifest_done(last);
	*last = manifest;
	manifest = BL_MANIFEST;
	return 0;
}
