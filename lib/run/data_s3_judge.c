/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_s3_parts.h"

#define FIRST_BYTES ((size_t)1 << 20)
#define PIECE_BYTES ((size_t)4 << 20) /* of what is read to its end; 16 are under way */

int bl_data_judge_init(struct bl_data_judge *judge, enum bl_data_format format, bool to_the_end,
                       const char *name, uint64_t size, struct bl_data_found *found,
                       struct bl_err *err)
{
	*judge = (struct bl_data_judge){ .format = format,
		                         .to_the_end = to_the_end,
		                         .name = name,
		                         .size = size,
		                         .found = found };
	bl_data_lines_init(&judge->lines, name, found);
	if (format == BL_DATA_PARQUET)
		return bl_data_parquet_fits(name, size, err);
	if (format == BL_DATA_TAR && size < BL_TAR_BLOCK)
		return bl_data_tar_cut(name, 0, err);
	return 0;
}

void bl_data_judge_done(struct bl_data_judge *judge)
{
	bl_data_lines_done(&judge->lines);
}

static uint64_t end_of(const struct bl_data_judge *judge)
{
	return judge->to_the_end || judge->size < FIRST_BYTES ? judge->size : FIRST_BYTES;
}

bool bl_data_judge_wants(const struct bl_data_judge *judge, uint64_t *offset, size_t *len)
{
	uint64_t end = end_of(judge);

	switch (judge->format) {
	case BL_DATA_PARQUET:
		*offset = judge->step ? judge->size - BL_PARQUET_END_BYTES : 0;
		*len = judge->step ? BL_PARQUET_END_BYTES : BL_PARQUET_HEAD_BYTES;
		return judge->step < 2;
	case BL_DATA_JSONL:
	case BL_DATA_TAR:
		if (judge->at >= end)
			return false;
		*offset = judge->at;
		*len = end - judge->at < PIECE_BYTES ? (size_t)(end - judge->at) : PIECE_BYTES;
		return true;
	case BL_DATA_AUTO:
	case BL_DATA_FILES:
		break;
	}
	return false;
}

uint64_t bl_data_judge_bytes(const struct bl_data_judge *judge)
{
	switch (judge->format) {
	case BL_DATA_PARQUET:
		return BL_PARQUET_HEAD_BYTES + BL_PARQUET_END_BYTES;
	case BL_DATA_JSONL:
	case BL_DATA_TAR:
		return end_of(judge);
	case BL_DATA_AUTO:
	case BL_DATA_FILES:
		break;
	}
	return 0;
}

static int take_parquet(struct bl_data_judge *judge, const char *bytes, struct bl_err *err)
{
	const unsigned char *mark = (const unsigned char *)bytes;

	if (judge->step++)
		return bl_data_parquet_end(judge->name, judge->size, mark, err);
	return bl_data_parquet_head(judge->name, mark, err);
}

static int take_lines(struct bl_data_judge *judge, const char *bytes, size_t len,
                      struct bl_err *err)
{
	judge->at += len;
	if (bl_data_lines_piece(&judge->lines, bytes, len, err))
		return -1;
	/* the last line of an object that goes on is not whole: nobody can judge it */
	return judge->at == judge->size ? bl_data_lines_piece(&judge->lines, NULL, 0, err) : 0;
}

/* Headers only: what a member holds is not even asked for where it is past this piece. */
static int take_tar(struct bl_data_judge *judge, const char *bytes, size_t len, struct bl_err *err)
{
	const uint64_t from = judge->at;
	uint64_t next = from;

	while (next < judge->size && next - from <= len && len - (next - from) >= BL_TAR_BLOCK)
		if (bl_data_tar_block(judge->name, judge->size, next,
		                      (const unsigned char *)bytes + (next - from), &next,
		                      judge->found, err))
			return -1;
	if (next < judge->size && judge->size - next < BL_TAR_BLOCK)
		return bl_data_tar_cut(judge->name, next, err);
	/* a header that the first MiB cuts is not asked for again */
	judge->at = from + len == end_of(judge) && !judge->to_the_end ? judge->size : next;
	return 0;
}

int bl_data_judge_take(struct bl_data_judge *judge, const char *bytes, size_t len,
                       struct bl_err *err)
{
	if (judge->format == BL_DATA_PARQUET)
		return take_parquet(judge, bytes, err);
	if (judge->format == BL_DATA_TAR)
		return take_tar(judge, bytes, len, err);
	return take_lines(judge, bytes, len, err);
}
