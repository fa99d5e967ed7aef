/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DATA_S3_H
#define BL_RUN_DATA_S3_H

#include "aws/client.h"
#include "run/data.h"
#include "run/store.h"

/*
 * Data channels that are not files here, before money is spent on a machine that reads them:
 *
 *   s3://bucket/prefix/              all objects below it; without the '/' also one object of
 *   s3://bucket/key                  just that key
 *   run://RUN/outputs                the winning attempt's artefacts; RUN as people write it, of
 *   run://RUN/checkpoints/newest     the store; checkpoints also by their N-SEQ
 *   run://RUN/checkpoints/best       by the run's primary metric
 *
 * "/BELOW" behind a run:// names what lies below: run://q7xk/outputs/model.
 */
bool bl_data_is_remote(const char *uri); /* one of these, else a path or file:// */

#define BL_DATA_URI_SIZE 1200

/* Where it lies. */
struct bl_data_place {
	/* for run.json: exactly this data, "run://20261124T080301Z-1a2b3c4d-q7xk/checkpoints/2-
	 * 000017"; an S3 URI as it was given */
	char uri[BL_DATA_URI_SIZE];
	char region[32];        /* of the bucket; "" in a directory */
	char storage_class[32]; /* of most bytes: "STANDARD", "INTELLIGENT_TIERING"; "" unknown */
	bool other_region;      /* than aws's: reading it costs money */
};

/*
 * Lists a channel and judges it as channel->depth says:
 *
 *   FIRST   the first MiB of every object against its format, Parquet also by its end
 *   FULL    JSON lines and tar archives to their end; Parquet and other files as FIRST
 *   EXISTS, OFF   the list alone
 *
 * out->digest is over key (below the URI), size, ETag (of a run its CRC64NVME) and version, which
 * the list has: whoever lists it later can compare. records and longest_line are of what was read.
 * store may be NULL where uri is s3://, aws where it is run:// in a directory. progress may be
 * NULL: of the bytes that are to be read.
 *
 * BL_EDATA: nothing there, no file, an object that must be restored first (Glacier), the first bad
 * record by key, line, column and reason. BL_EINPUT: no such URI. BL_EDENIED, BL_ERETRY.
 */
BL_MUST int bl_data_s3_check(struct bl_aws *aws, struct bl_store *store,
                             const struct bl_data_channel *channel, bl_data_progress *progress,
                             void *arg, struct bl_data_found *out, struct bl_data_place *place,
                             struct bl_err *err);

#endif
