/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include <string.h>

/* Parquet: "PAR1" ("PARE": encrypted footer) at both ends, the footer's length before the last. */
#define PARQUET_END_BYTES 8u
#define TAR_BLOCK 512u
#define TAR_MEMBERS_MAX 100000000u

static bool is_parquet_mark(const unsigned char *p)
{
	return !memcmp(p, "PAR1", 4) || !memcmp(p, "PARE", 4);
}

int bl_data_read_parquet(struct bl_data_reading *reading, struct bl_err *err)
{
	unsigned char head[4], end[PARQUET_END_BYTES];
	uint64_t footer;

	if (reading->size < 4 + PARQUET_END_BYTES)
		return bl_fail(err, BL_EDATA, "%s: %llu bytes are too few for a Parquet file",
		               reading->name, (unsigned long long)reading->size);
	if (bl_fs_pread(reading->fd, head, sizeof(head), 0, err) ||
	    bl_fs_pread(reading->fd, end, sizeof(end), reading->size - sizeof(end), err))
		return bl_wrap(err, "%s", reading->name);
	if (!is_parquet_mark(head))
		return bl_fail(err, BL_EDATA, "%s: does not begin as a Parquet file",
		               reading->name);
	footer = (uint64_t)end[0] | (uint64_t)end[1] << 8 | (uint64_t)end[2] << 16 |
	         (uint64_t)end[3] << 24;
	if (!is_parquet_mark(end + 4) || footer > reading->size - 4 - PARQUET_END_BYTES) {
		bl_fail(err, BL_EDATA, "%s: does not end as a Parquet file", reading->name);
		return bl_next(err, "it was cut while it was written or copied: make it anew");
	}
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

static int fail_tar(const struct bl_data_reading *reading, uint64_t at, const char *why,
                    struct bl_err *err)
{
	return bl_fail(err, BL_EDATA, "%s: %s at byte %llu", reading->name, why,
	               (unsigned long long)at);
}

/* From header to header; what is between them is not looked at. */
static int walk_tar(struct bl_data_reading *reading, struct bl_err *err)
{
	unsigned char block[TAR_BLOCK];
	uint64_t at = 0, size;

	for (unsigned i = 0; i < TAR_MEMBERS_MAX && at < reading->size; i++) {
		if (reading->size - at < TAR_BLOCK)
			return fail_tar(reading, at, "the archive is cut", err);
		if (bl_fs_pread(reading->fd, block, TAR_BLOCK, at, err))
			return bl_wrap(err, "%s", reading->name);
		if (is_zero(block))
			return at ? 0 : fail_tar(reading, at, "the archive has no member", err);
		if (!bl_tar_header_holds(block) || !bl_tar_number(block + 124, 12, &size))
			return fail_tar(reading, at, "no tar header", err);
		at += TAR_BLOCK;
		if (size > reading->size - at)
			return fail_tar(reading, at, "the archive is cut in a member", err);
		at += (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
		/* a regular file, not a directory, a link or a header that describes the next */
		reading->found->records += block[156] == '0' || !block[156];
	}
	/* at may be behind the end: some writers leave out the last padding */
	return reading->size ? 0 : fail_tar(reading, 0, "the archive is empty", err);
}

int bl_data_read_tar(struct bl_data_reading *reading, struct bl_err *err)
{
	if (walk_tar(reading, err))
		return -1;
	return bl_data_read(reading, NULL, NULL, err);
}
