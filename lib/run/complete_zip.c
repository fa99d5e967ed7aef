/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/*
 * torch.save, Lightning, numpy.savez and Keras write zip archives: their end record comes last.
 * Spec: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16.
 */
enum {
	END_BYTES = 22,
	LOCATOR_BYTES = 20,
	END64_BYTES = 56,
};

static uint64_t little(const unsigned char *p, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | p[bytes];
	return value;
}

struct end_record {
	uint64_t at; /* where it begins: behind the central directory */
	uint64_t n_members, directory_bytes, directory_at;
};

/* The 64-bit record, which stands before its locator, which stands before the end record. */
static bool read_end64(const unsigned char *end, size_t before, struct end_record *out)
{
	const unsigned char *locator = end - LOCATOR_BYTES, *end64 = locator - END64_BYTES;

	if (before < LOCATOR_BYTES + END64_BYTES || memcmp(locator, "PK\6\7", 4) != 0 ||
	    memcmp(end64, "PK\6\6", 4) != 0)
		return false;
	out->at -= LOCATOR_BYTES + END64_BYTES;
	out->n_members = little(end64 + 32, 8);
	out->directory_bytes = little(end64 + 40, 8);
	out->directory_at = little(end64 + 48, 8);
	return little(locator + 8, 8) == out->at;
}

static bool read_end(const unsigned char *tail, size_t tail_len, size_t at, uint64_t size,
                     struct end_record *out)
{
	const unsigned char *end = tail + at;

	*out = (struct end_record){
		.at = size - (tail_len - at),
		.n_members = little(end + 10, 2),
		.directory_bytes = little(end + 12, 4),
		.directory_at = little(end + 16, 4),
	};
	if (out->n_members == 0xffff || out->directory_bytes == 0xffffffff ||
	    out->directory_at == 0xffffffff)
		return read_end64(end, at, out);
	/* PyTorch writes the 64-bit record always, also where it is not needed */
	if (at >= LOCATOR_BYTES && !memcmp(end - LOCATOR_BYTES, "PK\6\7", 4))
		return read_end64(end, at, out);
	return true;
}

bool bl_zip_ends_well(const unsigned char *tail, size_t tail_len, uint64_t size,
                      uint64_t *directory_at, uint64_t *n_members)
{
	struct end_record end;

	if (tail_len < END_BYTES || tail_len > size)
		return false;
	for (size_t at = tail_len - END_BYTES;; at--) {
		uint64_t sum;

		if (!memcmp(tail + at, "PK\5\6", 4) &&
		    little(tail + at + 20, 2) == tail_len - at - END_BYTES &&
		    read_end(tail, tail_len, at, size, &end) &&
		    !__builtin_add_overflow(end.directory_at, end.directory_bytes, &sum) &&
		    sum == end.at) {
			*directory_at = end.directory_at;
			*n_members = end.n_members;
			return true;
		}
		if (!at)
			return false;
	}
}

/* Shards of DCP hold archives one behind the other: only their .metadata can tell. */
static bool may_be_zip(const struct bl_node *node)
{
	return !bl_str_ends(node->path, ".distcp");
}

/* No file of torch.save is empty: one that is was opened and never written. */
static bool is_torch_name(const char *path)
{
	return bl_str_ends(path, ".pt") || bl_str_ends(path, ".pth") || bl_str_ends(path, ".ckpt");
}

static void free_tail(unsigned char **tail)
{
	free(*tail);
}

static int judge_end(int fd, uint64_t size, enum bl_whole *out, struct bl_err *err)
{
	size_t len = size < BL_ZIP_TAIL_MAX ? (size_t)size : BL_ZIP_TAIL_MAX;
	__attribute__((cleanup(free_tail))) unsigned char *tail = malloc(len);
	uint64_t directory_at, n_members;
	unsigned char first[4];

	if (!tail)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	*out = BL_WHOLE_NO;
	if (bl_fs_pread(fd, tail, len, size - len, err))
		return -1;
	if (!bl_zip_ends_well(tail, len, size, &directory_at, &n_members))
		return 0;
	if (n_members) {
		if (bl_fs_pread(fd, first, sizeof(first), directory_at, err))
			return -1;
		if (memcmp(first, "PK\1\2", sizeof(first)) != 0)
			return 0;
	}
	*out = BL_WHOLE_YES;
	return 0;
}

/* "PK" and then as much of the magic as is there; an archive without members has only its end. */
static bool begins_as_zip(const unsigned char *head, size_t len)
{
	if (len < 2 || memcmp(head, "PK", 2) != 0)
		return false;
	return len < 4 || !memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4) ||
	       !memcmp(head, "PK\6\6", 4);
}

static int judge_file(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	const struct bl_node *node = &tree->nodes[i];
	size_t len = node->stamp.size < 4 ? (size_t)node->stamp.size : 4;
	unsigned char head[4] = { 0 };
	BL_FD fd = -1;

	if (bl_tree_open(tree, i, &fd, err) || bl_fs_pread(fd, head, len, 0, err))
		return -1;
	*out = BL_WHOLE_FOREIGN;
	if (!begins_as_zip(head, len))
		return 0;
	return judge_end(fd, node->stamp.size, out, err);
}

int bl_whole_zip(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	const struct bl_node *node = &tree->nodes[i];

	*out = BL_WHOLE_FOREIGN;
	if (!may_be_zip(node))
		return 0;
	if (!node->stamp.size) {
		*out = is_torch_name(node->path) ? BL_WHOLE_NO : BL_WHOLE_FOREIGN;
		return 0;
	}
	if (!judge_file(tree, i, out, err))
		return 0;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err); /* vanished or shrank under our hands */
	*out = BL_WHOLE_NO;
	return 0;
}
