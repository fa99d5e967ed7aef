/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_TRANSFER_ALONE_H
#define BL_TESTS_TRANSFER_ALONE_H

#include "aws/transfer.h"

/* Bodies and a head of replies. */
#define UPLOAD_ID                                                                                  \
	"<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>"
#define COMPLETED                                                                                  \
	"<CompleteMultipartUploadResult><ETag>\"whole-3\"</ETag></CompleteMultipartUploadResult>"
#define NO_UPLOAD "<Error><Code>NoSuchUpload</Code><Message>m</Message></Error>"
#define ETAG "ETag: \"e\"\r\n"

/* What is transferred, in parts of four bytes. */
#define TEXT "0123456789"
#define TEXT_BYTES ((uint64_t)10)
#define PART_BYTES 4

/* What became of a transfer; hear() is its `done`, with this as `arg`. */
struct heard {
	unsigned times;
	struct bl_err err;
	uint64_t bytes, crc;
	char etag[BL_ETAG_SIZE];
};

void hear(void *arg, struct bl_transfer *transfer, struct bl_err *err);

/* The bucket "bucket" of the endpoint that the environment names. */
int open_bucket(struct bl_aws **aws, struct bl_s3 **s3, struct bl_err *err);
/* One transfer, to its end; a failure that was heard is returned, too. */
int transfer_alone(struct bl_s3 *s3, unsigned at_once, struct bl_transfer *transfer,
                   struct heard *heard, struct bl_err *err);

#endif
