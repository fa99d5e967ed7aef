/* SPDX-License-Identifier: Apache-2.0 */
#include "run/complete_parts.h"

#include "base/str.h"
#include "codec/json.h"

#include <string.h>

/*
 * 8 bytes, little-endian: length of a JSON header; the header; the tensors. Each member of the
 * header names its tensor's data_offsets [begin, end) behind the header.
 */
#define HEADER_MAX_BYTES 100000000u /* the format's own limit */
#define LENGTH_BYTES 8u

static int end_of(const struct bl_value *tensor, uint64_t *end, struct bl_err *err)
{
	const struct bl_value *offsets = bl_value_get(tensor, "data_offsets");

	if (!offsets || offsets->type != BL_LIST || offsets->n != 2 ||
	    offsets->items[0]->type != BL_INT || offsets->items[1]->type != BL_INT ||
	    offsets->items[0]->integer < 0 ||
	    offsets->items[1]->integer < offsets->items[0]->integer)
		return bl_fail(err, BL_ECORRUPT, "tensor '%.64s' has no data_offsets", tensor->key);
	*end = (uint64_t)offsets->items[1]->integer;
	return 0;
}

int bl_safetensors_size(const char *header, size_t len, uint64_t *size, struct bl_err *err)
{
	BL_VALUE root = NULL;
	uint64_t most = 0, end = 0;

	if (bl_json_parse(header, len, "safetensors header", &root, err))
		return -1;
	if (root->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "the safetensors header is no map");
	for (size_t i = 0; i < root->n; i++) {
		if (!strcmp(root->items[i]->key, "__metadata__"))
			continue;
		if (end_of(root->items[i], &end, err))
			return -1;
		most = end > most ? end : most;
	}
	*size = LENGTH_BYTES + len + most;
	return 0;
}

static int judge_file(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err)
{
	uint64_t size = tree->nodes[i].stamp.size, header = 0, wanted;
	BL_AUTO(bl_buf) text = BL_BUF(HEADER_MAX_BYTES);
	unsigned char length[LENGTH_BYTES];
	BL_FD fd = -1;
	char *to;

	*out = BL_WHOLE_NO;
	if (size < LENGTH_BYTES)
		return 0;
	if (bl_tree_open(tree, i, &fd, err) || bl_fs_pread(fd, length, LENGTH_BYTES, 0, err))
		return -1;
	for (unsigned k = LENGTH_BYTES; k-- > 0;)
		header = header << 8 | length[k];
	if (header > HEADER_MAX_BYTES || header > size - LENGTH_BYTES)
		return 0;
	to = bl_buf_room(&text, (size_t)header);
	if (!to)
		return bl_buf_check(&text, "safetensors header", err);
	if (bl_fs_pread(fd, to, (size_t)header, LENGTH_BYTES, err) ||
	    bl_safetensors_size(to, (size_t)header, &wanted, err))
		return -1;
	*out = wanted == size ? BL_WHOLE_YES : BL_WHOLE_NO;
	return 0;
}

int bl_whole_safetensors(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                         struct bl_err *err)
{
	*out = BL_WHOLE_FOREIGN;
	if (!bl_str_ends(tree->nodes[i].path, ".safetensors") || !judge_file(tree, i, out, err))
		return 0;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err); /* unreadable, vanished, or no header at all */
	*out = BL_WHOLE_NO;
	return 0;
}
