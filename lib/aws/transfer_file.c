/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#define STEP_MS 1000

struct waited {
	bool over;
	struct bl_err err;
};

static void over(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct waited *waited = arg;

	(void)transfer;
	waited->over = true;
	waited->err = *err;
}

static int move_one(struct bl_s3 *s3, struct bl_transfer *transfer, const struct waited *waited,
                    struct bl_err *err)
{
	struct bl_transfers *all;
	int rc;

	if (bl_transfers_open(s3, NULL, &all, err))
		return -1;
	rc = bl_transfer_start(all, transfer, err);
	while (!rc && !waited->over)
		rc = bl_transfers_step(all, STEP_MS, err);
	bl_transfers_close(all);
	if (!rc && waited->err.code) {
		*err = waited->err;
		return -1;
	}
	return rc;
}

int bl_s3_put_file(struct bl_s3 *s3, const struct bl_call *call, const char *key, int fd,
                   uint64_t size, uint64_t *crc, struct bl_err *err)
{
	struct waited waited = { 0 };
	struct bl_transfer transfer = {
		.upload = true, .key = key, .size = size, .fd = fd, .done = over, .arg = &waited
	};

	if (call)
		transfer.call = *call;
	if (move_one(s3, &transfer, &waited, err))
		return -1;
	*crc = transfer.crc;
	return 0;
}

int bl_s3_get_file(struct bl_s3 *s3, const struct bl_call *call, const char *key, int fd,
                   uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	struct waited waited = { 0 };
	struct bl_transfer transfer = {
		.key = key, .size = UINT64_MAX, .fd = fd, .done = over, .arg = &waited
	};

	if (call)
		transfer.call = *call;
	if (move_one(s3, &transfer, &waited, err))
		return -1;
	*size = transfer.bytes;
	*crc = transfer.crc;
	return 0;
}
