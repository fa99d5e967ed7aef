/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "codec/xml.h"

#include <stdio.h>

#define ABORT_MS 10000

static int prepare(struct bl_transfer_state *state, struct bl_leg *leg, enum bl_leg_kind kind,
                   const char *method, const char *operation, struct bl_err *err)
{
	struct bl_call call = { .deadline_mono_ms = state->transfer->call.deadline_mono_ms };

	leg->kind = kind;
	leg->request.arg = leg;
	return bl_s3_object_request(state->all->s3, method, operation, state->key, &call,
	                            &leg->request, err);
}

static void add_sum(struct bl_leg *leg)
{
	bl_aws_header(&leg->request,
	              leg->all->s3->sum == BL_S3_SHA256 ? "x-amz-checksum-sha256"
	                                                : "x-amz-checksum-crc64nvme",
	              leg->sum);
	if (leg->hash[0]) /* known anyhow: let it be signed */
		leg->request.payload_hash = leg->hash;
}

/* The body is the leg's range of the file, its checksum in the head. */
static int add_range(struct bl_leg *leg, uint64_t offset, uint64_t len, struct bl_err *err)
{
	leg->offset = offset;
	leg->len = len;
	leg->request.size = len;
	leg->request.read = bl_leg_read;
	leg->request.restart = bl_leg_restart;
	if (bl_leg_sum(leg, err))
		return -1;
	add_sum(leg);
	return 0;
}

static int put_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	if (prepare(state, leg, BL_LEG_PUT, "PUT", "PutObject", err) ||
	    add_range(leg, 0, state->size, err) ||
	    (!state->size && bl_upload_unchanged(state, err))) /* else with the last byte */
		return -1;
	if (state->transfer->create)
		bl_aws_header(&leg->request, "if-none-match", "*");
	return 0;
}

static int create_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	bool sha = state->all->s3->sum == BL_S3_SHA256;

	BL_FAILPOINT("s3.upload.before_create");
	if (prepare(state, leg, BL_LEG_CREATE, "POST", "CreateMultipartUpload", err))
		return -1;
	bl_aws_query(&leg->request, "uploads", NULL);
	bl_aws_header(&leg->request, "x-amz-checksum-algorithm", sha ? "SHA256" : "CRC64NVME");
	bl_aws_header(&leg->request, "x-amz-checksum-type", sha ? "COMPOSITE" : "FULL_OBJECT");
	return 0;
}

static int part_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	uint64_t offset = state->next_part * state->part_bytes, left = state->size - offset;

	leg->part = state->next_part;
	BL_FAILPOINT("s3.upload.part");
	if (prepare(state, leg, BL_LEG_PART, "PUT", "UploadPart", err) ||
	    add_range(leg, offset, left < state->part_bytes ? left : state->part_bytes, err))
		return -1;
	snprintf(leg->text, sizeof(leg->text), "%u", leg->part + 1);
	bl_aws_query(&leg->request, "partNumber", leg->text);
	bl_aws_query(&leg->request, "uploadId", state->upload_id);
	state->next_part++;
	return 0;
}

static int complete_body(const struct bl_transfer_state *state, struct bl_buf *body,
                         struct bl_err *err)
{
	const char *sum = state->all->s3->sum == BL_S3_SHA256 ? "SHA256" : "CRC64NVME";

	bl_buf_adds(body, "<CompleteMultipartUpload "
	                  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (unsigned i = 0; i < state->n_parts; i++) {
		bl_buf_adds(body, "<Part><ETag>");
		bl_xml_add_text(body, state->parts[i].etag);
		bl_buf_addf(body,
		            "</ETag><Checksum%s>%s</Checksum%s><PartNumber>%u</PartNumber></Part>",
		            sum, state->parts[i].sum, sum, i + 1);
	}
	bl_buf_adds(body, "</CompleteMultipartUpload>");
	return bl_buf_check(body, "list of parts", err);
}

static int complete_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	if (bl_upload_unchanged(state, err) ||
	    prepare(state, leg, BL_LEG_COMPLETE, "POST", "CompleteMultipartUpload", err) ||
	    complete_body(state, &leg->body, err))
		return -1;
	bl_aws_query(&leg->request, "uploadId", state->upload_id);
	leg->request.bytes = leg->body.data;
	leg->request.size = leg->body.len;
	leg->request.payload_hash = NULL; /* small: signed */
	leg->request.body_may_fail = true;
	if (state->all->s3->sum == BL_S3_CRC64) {
		bl_s3_add_crc(&leg->request, state->transfer->crc);
		bl_aws_header(&leg->request, "x-amz-checksum-type", "FULL_OBJECT");
	}
	snprintf(leg->text, sizeof(leg->text), "%ju", (uintmax_t)state->size);
	bl_aws_header(&leg->request, "x-amz-mp-object-size", leg->text);
	if (state->transfer->create)
		bl_aws_header(&leg->request, "if-none-match", "*");
	BL_FAILPOINT("s3.upload.before_complete");
	return 0;
}

static int end_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	bool abort = state->phase == BL_PHASE_ABORT;

	if (abort) {
		state->aborts++;
		BL_FAILPOINT("s3.upload.before_abort");
	}
	if (prepare(state, leg, abort ? BL_LEG_ABORT : BL_LEG_LIST, abort ? "DELETE" : "GET",
	            abort ? "AbortMultipartUpload" : "ListParts", err))
		return -1;
	bl_aws_query(&leg->request, "uploadId", state->upload_id);
	/* the transfer's own deadline may be what failed */
	leg->request.call.deadline_mono_ms = bl_mono_ms() + ABORT_MS;
	return 0;
}

int bl_upload_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	int rc;

	switch (state->phase) {
	case BL_PHASE_PUT:
		rc = put_leg(state, leg, err);
		break;
	case BL_PHASE_CREATE:
		rc = create_leg(state, leg, err);
		break;
	case BL_PHASE_SEND:
		rc = part_leg(state, leg, err);
		break;
	case BL_PHASE_COMPLETE:
		rc = complete_leg(state, leg, err);
		break;
	case BL_PHASE_CHECK:
		rc = prepare(state, leg, BL_LEG_CHECK, "HEAD", "HeadObject", err);
		bl_aws_header(&leg->request, "x-amz-checksum-mode", "ENABLED");
		break;
	default:
		rc = end_leg(state, leg, err);
	}
	return rc ? bl_s3_failed(state->all->s3, "upload", state->key, NULL, err) : 0;
}
