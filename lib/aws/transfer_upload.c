/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include "base/failpoint.h"
#include "codec/xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARTS 10000 /* S3 User Guide, "Amazon S3 multipart upload limits" */
#define PART_STEP ((uint64_t)1 << 20)
#define MOST_ABORTS 3
#define MOST_REPEATS 2
#define MOST_RESTARTS 2

/* --- Beginning ------------------------------------------------------------------------------- */

static int look_at_file(struct bl_transfer_state *state, struct bl_err *err)
{
	if (fstat(state->transfer->fd, &state->before))
		return bl_fail_errno(err, errno, "stat");
	if (!S_ISREG(state->before.st_mode))
		return bl_fail(err, BL_EINPUT, "not a regular file");
	if ((uint64_t)state->before.st_size < state->size)
		return bl_upload_unchanged(state, err); /* says so */
	return 0;
}

static int plan(struct bl_transfer_state *state, struct bl_err *err)
{
	uint64_t part = state->all->part_bytes, size = state->size;

	if (size / MOST_PARTS >= part)
		part = (size / MOST_PARTS / PART_STEP + 1) * PART_STEP;
	state->part_bytes = part;
	state->phase = size > part ? BL_PHASE_CREATE : BL_PHASE_PUT;
	if (state->phase == BL_PHASE_PUT)
		return 0;
	state->n_parts = (unsigned)((size + part - 1) / part);
	if (!state->parts) { /* else those of the upload that is begun again */
		state->parts = calloc(state->n_parts, sizeof(*state->parts));
		state->crcs = calloc(state->n_parts, sizeof(*state->crcs));
	}
	if (!state->parts || !state->crcs)
		return bl_fail(err, BL_ENOMEM, "parts: out of memory");
	return 0;
}

void bl_upload_begin(struct bl_transfer_state *state)
{
	struct bl_err err = { 0 };

	state->size = state->transfer->size;
	state->moved = 0;
	state->next_part = state->parts_done = state->aborts = 0;
	state->again = false;
	/* only the first look counts: it began with that file */
	if ((!state->restarts && look_at_file(state, &err)) || plan(state, &err)) {
		bl_s3_failed(state->all->s3, "upload", state->key, NULL, &err);
		bl_transfer_fail(state, &err);
	}
}

bool bl_upload_wants(const struct bl_transfer_state *state)
{
	switch (state->phase) {
	case BL_PHASE_SEND:
		return state->next_part < state->n_parts;
	case BL_PHASE_END:
		return false;
	default:
		return !state->legs;
	}
}

/* --- Replies --------------------------------------------------------------------------------- */

struct wanted {
	const char *path;
	char *text;
	size_t size;
};

static int keep_text(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct wanted *wanted = arg;

	if (strcmp(path, wanted->path) != 0)
		return 0;
	if (strlen(text) >= wanted->size)
		return bl_fail(err, BL_ECORRUPT, "%s: over %zu bytes", path, wanted->size - 1);
	memcpy(wanted->text, text, strlen(text) + 1);
	return 0;
}

static int xml_text(const struct bl_http_reply *reply, const char *path, char *text, size_t size,
                    struct bl_err *err)
{
	struct wanted wanted = { path, text, size };

	text[0] = '\0';
	return bl_xml_read(bl_buf_text(&reply->body), reply->body.len, "the reply of S3", keep_text,
	                   &wanted, err);
}

static bool says(const struct bl_leg *leg, const char *code)
{
	return !strcmp(leg->reply.code, code);
}

static void fail_with(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_err err = leg->err;

	bl_s3_failed(state->all->s3, "upload", state->key, &leg->reply, &err);
	bl_transfer_fail(state, &err);
}

static void forget_upload(struct bl_transfer_state *state)
{
	free(state->upload_id);
	state->upload_id = NULL;
}

/* From the beginning, when S3 asks for it; a limited number of times. */
static void restart(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (state->restarts >= MOST_RESTARTS) {
		fail_with(state, leg);
		return;
	}
	state->restarts++;
	bl_transfer_drop_legs(state);
	if (!state->upload_id) {
		bl_upload_begin(state);
		return;
	}
	state->again = true;
	state->phase = BL_PHASE_ABORT;
}

/*
 * S3 got other bytes than it was told of, but those that we read were the ones: the way spoilt
 * them. Bytes that changed in the file never leave whole (bl_leg_read).
 */
static bool spoilt_on_the_way(const struct bl_leg *leg)
{
	return says(leg, "BadDigest") || says(leg, "InvalidDigest") ||
	       says(leg, "XAmzContentSHA256Mismatch") || says(leg, "XAmzContentChecksumMismatch");
}

/* What S3 says that it stored; a server that does not say is not asked. */
static int compare_sum(struct bl_leg *leg, struct bl_err *err)
{
	char named[sizeof(leg->sum)];
	const char *header = leg->all->s3->sum == BL_S3_SHA256 ? "x-amz-checksum-sha256"
	                                                       : "x-amz-checksum-crc64nvme";

	if (!bl_http_header(&leg->reply.http, header, named, sizeof(named)) ||
	    !strcmp(named, leg->sum))
		return 0;
	return bl_fail(err, BL_ECORRUPT, "%s sent, S3 stored %s: %s", leg->sum, named, header);
}

/* Whether the leg is on its way again, or its failure was said. */
static bool sending_failed(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_err err = { 0 };
	bool spoilt = leg->err.code ? spoilt_on_the_way(leg) : compare_sum(leg, &leg->err) != 0;

	if (!leg->err.code)
		return false;
	if (spoilt && leg->tries < MOST_REPEATS) {
		if (!bl_leg_repeat(leg, &err))
			return true;
		leg->err = err;
	} else if (spoilt) {
		bl_recode(&leg->err, BL_ECORRUPT);
	}
	fail_with(state, leg);
	return true;
}

static void put_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_err err = { 0 };

	if (says(leg, "ConditionalRequestConflict")) {
		restart(state, leg);
		return;
	}
	if (sending_failed(state, leg))
		return;
	state->transfer->crc = leg->announced;
	if (bl_s3_reply_etag(&leg->reply.http, state->etag, &err)) {
		bl_transfer_fail(state, &err);
		return;
	}
	bl_transfer_end(state);
}

static int keep_upload_id(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	char id[1024];

	if (xml_text(&leg->reply.http, "InitiateMultipartUploadResult/UploadId", id, sizeof(id),
	             err))
		return -1;
	if (!id[0])
		return bl_fail(err, BL_ECORRUPT, "CreateMultipartUpload: no upload id came");
	state->upload_id = strdup(id);
	return state->upload_id ? 0 : bl_fail(err, BL_ENOMEM, "upload id: out of memory");
}

static void create_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (leg->err.code || keep_upload_id(state, leg, &leg->err)) {
		fail_with(state, leg);
		return;
	}
	BL_FAILPOINT("s3.upload.after_create");
	state->phase = BL_PHASE_SEND;
}

static void part_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_part *part = &state->parts[leg->part];
	char etag[BL_ETAG_SIZE];

	if (says(leg, "NoSuchUpload")) { /* somebody ended it */
		forget_upload(state);
		restart(state, leg);
		return;
	}
	if (sending_failed(state, leg))
		return;
	if (!bl_s3_reply_etag(&leg->reply.http, etag, &leg->err) &&
	    (!etag[0] || strlen(etag) >= sizeof(part->etag)))
		bl_fail(&leg->err, BL_ECORRUPT, "UploadPart: %s etag came",
		        etag[0] ? "too long an" : "no");
	if (leg->err.code) {
		fail_with(state, leg);
		return;
	}
	memcpy(part->etag, etag, strlen(etag) + 1);
	memcpy(part->sum, leg->sum, sizeof(part->sum));
	state->crcs[leg->part] = leg->announced;
	if (++state->parts_done < state->n_parts)
		return;
	state->transfer->crc = bl_transfer_joined(state);
	state->phase = BL_PHASE_COMPLETE;
}

static int check_completed(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	char sum[64], ours[BL_CRC64_TEXT];

	if (xml_text(&leg->reply.http, "CompleteMultipartUploadResult/ETag", state->etag,
	             sizeof(state->etag), err) ||
	    xml_text(&leg->reply.http, "CompleteMultipartUploadResult/ChecksumCRC64NVME", sum,
	             sizeof(sum), err))
		return -1;
	bl_crc64nvme_text(state->transfer->crc, ours);
	if (sum[0] && strcmp(sum, ours) != 0)
		return bl_fail(err, BL_ECORRUPT, "CRC64NVME %s sent, S3 stored %s", ours, sum);
	return 0;
}

static void complete_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (says(leg, "ConditionalRequestConflict")) {
		restart(state, leg);
		return;
	}
	if (says(leg, "NoSuchUpload")) {
		/* ended by somebody, or completed by us and the reply was lost */
		forget_upload(state);
		state->phase = BL_PHASE_CHECK;
		return;
	}
	if (leg->err.code) {
		fail_with(state, leg);
		return;
	}
	BL_FAILPOINT("s3.upload.after_complete");
	forget_upload(state); /* it is an object now */
	if (check_completed(state, leg, &leg->err)) {
		restart(state, leg);
		return;
	}
	bl_transfer_end(state);
}

static void check_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_s3_object found;
	struct bl_err unsaid = { 0 };

	if (!leg->err.code && !bl_s3_reply_object(&leg->reply.http, &found, &unsaid) &&
	    found.size == state->size && found.has_crc && found.crc == state->transfer->crc) {
		memcpy(state->etag, found.etag, sizeof(state->etag));
		bl_transfer_end(state);
		return;
	}
	if (!leg->err.code)
		bl_fail(&leg->err, BL_ERETRY, "the upload was ended while it was under way");
	restart(state, leg);
}

/* Gone, or as far as we can do anything about it: what stays, the next clean-up finds. */
static void upload_gone(struct bl_transfer_state *state)
{
	forget_upload(state);
	if (state->again)
		bl_upload_begin(state);
	else
		bl_transfer_end(state);
}

/* A part that was under way may be stored after the abort: again until none is left. */
static void end_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	bool gone = says(leg, "NoSuchUpload") || leg->reply.http.status == 404;

	if (leg->kind == BL_LEG_ABORT && !gone && !leg->err.code)
		state->phase = BL_PHASE_LIST;
	else if (leg->kind == BL_LEG_LIST && !leg->err.code && state->aborts < MOST_ABORTS)
		state->phase = BL_PHASE_ABORT;
	else
		upload_gone(state);
}

void bl_upload_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	static void (*const ended[])(struct bl_transfer_state *, struct bl_leg *) = {
		[BL_LEG_PUT] = put_ended,     [BL_LEG_CREATE] = create_ended,
		[BL_LEG_PART] = part_ended,   [BL_LEG_COMPLETE] = complete_ended,
		[BL_LEG_CHECK] = check_ended, [BL_LEG_ABORT] = end_ended,
		[BL_LEG_LIST] = end_ended,
	};

	ended[leg->kind](state, leg);
}
