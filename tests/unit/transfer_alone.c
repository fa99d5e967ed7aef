/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer_alone.h"

#include "tests/unit/client_open.h"

#include <string.h>

void hear(void *arg, struct bl_transfer *transfer, struct bl_err *err)
{
	struct heard *heard = arg;

	heard->times++;
	heard->err = *err;
	heard->bytes = transfer->bytes;
	heard->crc = transfer->crc;
	memcpy(heard->etag, transfer->result_etag, sizeof(heard->etag));
}

int open_bucket(struct bl_aws **aws, struct bl_s3 **s3, struct bl_err *err)
{
	const struct bl_s3_options bucket = { .bucket = "bucket" };

	return open_client(aws, err) || bl_s3_open(*aws, &bucket, s3, err) ? -1 : 0;
}

int transfer_alone(struct bl_s3 *s3, unsigned at_once, struct bl_transfer *transfer,
                   struct heard *heard, struct bl_err *err)
{
	const struct bl_transfer_options options = { .part_bytes = PART_BYTES, .at_once = at_once };
	struct bl_transfers *all;
	int rc;

	*heard = (struct heard){ 0 };
	transfer->done = hear;
	transfer->arg = heard;
	if (bl_transfers_open(s3, &options, &all, err))
		return -1;
	rc = bl_transfer_start(all, transfer, err);
	while (!rc && !heard->times)
		rc = bl_transfers_step(all, -1, err);
	bl_transfers_close(all);
	if (rc || !heard->err.code)
		return rc;
	*err = heard->err;
	return -1;
}
