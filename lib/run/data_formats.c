/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include <string.h>

/* Parquet: "PAR1" ("PARE": encrypted footer) at both ends, the footer's length before the last. */
#define TAR_BLOCK BL_TAR_BLOCK
#define TAR_MEMBERS_MAX 100000000u

static bool is_parquet_mark(const unsigned char *p)
{
	return !memcmp(p, "PAR1", 4) || !memcmp(p, "PARE", 4);
}

int bl_data_parquet_fits(const char *name, uint64_t size, struct bl_err *err)
{
	if (size < BL_PARQUET_HEAD_BYTES + BL_PARQUET_END_BYTES)
		return bl_fail(err, BL_EDATA, "%s: %llu bytes are too few for a Parquet file", name,
		               (unsigned long long)size);
	return 0;
}

int bl_data_parquet_head(const char *name, const unsigned char *head, struct bl_err *err)
{
	if (!is_parquet_mark(head))
		return bl_fail(err, BL_EDATA, "%s: does not begin as a Parquet file", name);
	return 0;
}

int bl_data_parquet_end(const char *name, uint64_t size, const unsigned char *end,
                        struct bl_err *err)
{
	uint64_t footer = (uint64_t)end[0] | (uint64_t)end[1] << 8 | (uint64_t)end[2] << 16 |
	                  (uint64_t)end[3] << 24;

	if (is_parquet_mark(end + 4) &&
	    footer <= size - BL_PARQUET_HEAD_BYTES - BL_PARQUET_END_BYTES)
		return 0;
	bl_fail(err, BL_EDATA, "%s: does not end as a Parquet file", name);
	return bl_next(err, "it was cut while it was written or copied: make it anew");
}

int bl_data_read_parquet(struct bl_data_reading *reading, struct bl_err *err)
{
	unsigned char head[BL_PARQUET_HEAD_BYTES], end[BL_PARQUET_END_BYTES];

	if (bl_data_parquet_fits(reading->name, reading->size, err))
		return -1;
	if (bl_fs_pread(reading->fd, head, sizeof(head), 0, err) ||
	    bl_fs_pread(reading->fd, end, sizeof(end), reading->size - sizeof(end), err))
		return bl_wrap(err, "%s", reading->name);
	if (bl_data_parquet_head(reading->name, head, err) ||
	    bl_data_parquet_end(reading->name, reading->size, end, err))
		return -1;
	return bl_data_read(reading, NULL, NULL, err);
}

bool bl_tar_number(const unsigned char *field, size_t len, uint64_t *out)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] & 0x80) { /* base 256, GNU and star */
		value = field[0] & 0x7f;
		for (i = 1; i < len; i++) {
			if (value >> 55)
				return false;
			value = value << 8 | field[i];
		}
		*out = value;
		return true;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	*out = value;
	return i == len || field[i] == ' ' || !field[i];
}

bool bl_tar_header_holds(const unsigned char *header)
{
	uint64_t want, sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : header[i];
	return bl_tar_number(header + 148, 8, &want) && sum == want;
}

static bool is_zero(const unsigned char *block)
{
	return !block[0] && !memcmp(block, block + 1, TAR_BLOCK - 1);
}

static int fail_tar(const char *name, uint64_t at, const char *why, struct bl_err *err)
{
	return bl_fail(err, BL_EDATA, "%s: %s at byte %llu", name, why, (unsigned long long)at);
}

int bl_data_tar_cut(const char *name, uint64_t at, struct bl_err *err)
{
	return fail_tar(name, at, at ? "the archive is cut" : "the archive is empty", err);
}

int bl_data_tar_block(const char *name, uint64_t size, uint64_t at, const unsigned char *block,
                      uint64_t *next, struct bl_data_found *found, struct bl_err *err)
{
	uint64_t member;

	*next = size;
	if (is_zero(block))
		return at ? 0 : fail_tar(name, at, "the archive has no member", err);
	if (!bl_tar_header_holds(block) || !bl_tar_number(block + 124, 12, &member))
		return fail_tar(name, at, "no tar header", err);
	at += TAR_BLOCK;
	if (member > size - at)
		return fail_tar(name, at, "the archive is cut in a member", err);
	/* it may be behind the end: some writers leave out the last padding */
	*next = at + (member + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	/* a regular file, not a directory, a link or a header that describes the next */
	found->records += block[156] == '0' || !block[156];
	return 0;
}

/* From header to header; what is between them is not looked at. */
static int walk_tar(struct bl_data_reading *reading, struct bl_err *err)
{
	unsigned char block[TAR_BLOCK];
	uint64_t at = 0;

	if (!reading->size)
		return bl_data_tar_cut(reading->name, 0, err);
	for (unsigned i = 0; i < TAR_MEMBERS_MAX && at < reading->size; i++) {
		if (reading->size - at < TAR_BLOCK)
			return fail_tar(reading->name, at, "the archive is cut", err);
		if (bl_fs_pread(reading->fd, block, TAR_BLOCK, at, err))
			return bl_wrap(err, "%s", reading->name);
		if (bl_data_tar_block(reading->name, reading->size, at, block, &at, reading->found,
		                      err))
			return -1;
	}
	return 0;
}

int bl_data_read_tar(struct bl_data_reading *reading, struct bl_err *err)
{
	if (walk_tar(reading, err))
		return -1;
	return bl_data_read(reading, NULL, NULL, err);
}
