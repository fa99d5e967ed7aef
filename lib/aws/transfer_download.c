/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include "base/failpoint.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_RESTARTS 1
#define MOST_PARTS 1000000                 /* memory: 8 bytes each */
#define ALLOCATE_BYTES ((uint64_t)1 << 20) /* below, one more call costs more than it gives */

/* --- Beginning ------------------------------------------------------------------------------- */

static void fail(struct bl_transfer_state *state, const struct bl_aws_reply *reply,
                 const struct bl_err *cause)
{
	struct bl_err err = *cause;

	bl_s3_failed(state->all->s3, "download", state->key, reply, &err);
	bl_transfer_fail(state, &err);
}

static unsigned count_parts(const struct bl_transfer_state *state)
{
	return (unsigned)((state->size + state->part_bytes - 1) / state->part_bytes);
}

/* Once the size is known: the room on disk, and what each part gave. */
static int make_room(struct bl_transfer_state *state, struct bl_err *err)
{
	uint64_t size = state->size;

	if (size / MOST_PARTS >= state->part_bytes)
		return bl_fail(err, BL_ELIMIT, "%ju bytes in parts of %ju are too many parts",
		               (uintmax_t)size, (uintmax_t)state->part_bytes);
	state->n_parts = count_parts(state);
	if (size > ALLOCATE_BYTES && bl_fs_allocate(state->transfer->fd, size, err))
		return -1;
	free(state->crcs);
	state->crcs = NULL;
	if (state->phase == BL_PHASE_GET)
		return 0;
	state->crcs = calloc(state->n_parts, sizeof(*state->crcs));
	return state->crcs ? 0 : bl_fail(err, BL_ENOMEM, "parts: out of memory");
}

void bl_download_begin(struct bl_transfer_state *state)
{
	const struct bl_transfer *transfer = state->transfer;
	bool first = !state->restarts;
	struct bl_err err = { 0 };

	state->moved = 0;
	state->next_part = state->parts_done = 0;
	state->head_begun = state->head_done = state->has_crc = state->nothing = false;
	state->part_bytes = state->all->part_bytes;
	/* another object than was listed lies there by now: ask anew */
	state->size = first ? transfer->size : UINT64_MAX;
	snprintf(state->etag, sizeof(state->etag), "%s",
	         first && transfer->etag ? transfer->etag : "");
	if (state->size != UINT64_MAX && state->size <= state->part_bytes) {
		state->phase = BL_PHASE_GET;
	} else if (state->size == UINT64_MAX || !state->etag[0]) {
		state->phase = BL_PHASE_LEARN;
		state->n_parts = 1;
		return;
	} else {
		state->phase = BL_PHASE_RECEIVE;
	}
	if (make_room(state, &err))
		fail(state, NULL, &err);
}

bool bl_download_wants(const struct bl_transfer_state *state)
{
	switch (state->phase) {
	case BL_PHASE_GET:
		return !state->legs;
	case BL_PHASE_LEARN:
	case BL_PHASE_RECEIVE:
		return state->next_part < state->n_parts || !state->head_begun;
	default:
		return false;
	}
}

/* --- Requests -------------------------------------------------------------------------------- */

static int prepare(struct bl_transfer_state *state, struct bl_leg *leg, enum bl_leg_kind kind,
                   const char *method, struct bl_err *err)
{
	struct bl_call call = { .deadline_mono_ms = state->transfer->call.deadline_mono_ms };

	leg->kind = kind;
	leg->request.arg = leg;
	if (bl_s3_object_request(state->all->s3, method,
	                         kind == BL_LEG_HEAD ? "HeadObject" : "GetObject", state->key,
	                         &call, &leg->request, err))
		return -1;
	if (kind != BL_LEG_RANGE)
		bl_aws_header(&leg->request, "x-amz-checksum-mode", "ENABLED");
	if (state->etag[0])
		bl_aws_header(&leg->request, "if-match", state->etag);
	return 0;
}

static void take_body(struct bl_leg *leg, uint64_t offset, uint64_t len)
{
	leg->offset = offset;
	leg->len = len;
	leg->request.write = bl_leg_write;
	leg->request.restart = bl_leg_restart;
}

static int range_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	uint64_t offset = state->next_part * state->part_bytes, left = state->size - offset;
	uint64_t len = left < state->part_bytes ? left : state->part_bytes;

	leg->part = state->next_part;
	BL_FAILPOINT("s3.download.part");
	if (prepare(state, leg, BL_LEG_RANGE, "GET", err))
		return -1;
	snprintf(leg->text, sizeof(leg->text), "bytes=%ju-%ju", (uintmax_t)offset,
	         (uintmax_t)(offset + len - 1));
	bl_aws_header(&leg->request, "range", leg->text);
	take_body(leg, offset, len);
	state->next_part++;
	return 0;
}

static int start_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	if (state->phase == BL_PHASE_GET) {
		take_body(leg, 0, state->size);
		BL_FAILPOINT("s3.download.part");
		return prepare(state, leg, BL_LEG_GET, "GET", err);
	}
	/* what S3 has the checksum of is the whole: a ranged reply carries none */
	if (!state->head_begun) {
		state->head_begun = true;
		return prepare(state, leg, BL_LEG_HEAD, "HEAD", err);
	}
	return range_leg(state, leg, err);
}

int bl_download_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	if (!start_leg(state, leg, err))
		return 0;
	return bl_s3_failed(state->all->s3, "download", state->key, NULL, err);
}

/* --- Replies --------------------------------------------------------------------------------- */

/* Once more from the beginning; then the cause is the end. */
static void restart(struct bl_transfer_state *state, const struct bl_err *cause)
{
	if (state->restarts >= MOST_RESTARTS) {
		fail(state, NULL, cause);
		return;
	}
	state->restarts++;
	bl_transfer_drop_legs(state);
	bl_download_begin(state);
}

static void object_changed(struct bl_transfer_state *state)
{
	struct bl_err err = { 0 };

	bl_fail(&err, BL_ECORRUPT, "the object changed while it was read, twice");
	bl_next(&err, "repeat when nobody writes to it any more");
	restart(state, &err);
}

/* The file has exactly the object's bytes: an object seen before may have been longer. */
static int trim(struct bl_transfer_state *state, struct bl_err *err)
{
	struct stat st;

	if (fstat(state->transfer->fd, &st) || ((uint64_t)st.st_size != state->size &&
	                                        ftruncate(state->transfer->fd, (off_t)state->size)))
		return bl_fail_errno(err, errno, "end the file at %ju bytes",
		                     (uintmax_t)state->size);
	return 0;
}

static void finish(struct bl_transfer_state *state, uint64_t crc)
{
	struct bl_err err = { 0 };

	BL_FAILPOINT("s3.download.before_verify");
	if (state->has_crc && state->head_crc != crc) {
		char ours[BL_CRC64_TEXT], theirs[BL_CRC64_TEXT];

		bl_crc64nvme_text(crc, ours);
		bl_crc64nvme_text(state->head_crc, theirs);
		bl_fail(&err, BL_ECORRUPT, "what came has the CRC64NVME %s, S3 stored %s", ours,
		        theirs);
		restart(state, &err);
		return;
	}
	if (bl_download_check_sha(state, &err)) {
		restart(state, &err);
		return;
	}
	if (trim(state, &err)) {
		fail(state, NULL, &err);
		return;
	}
	state->transfer->crc = crc;
	bl_transfer_end(state);
}

/* What can be said about any reply of a download. */
static bool reply_failed(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (!leg->err.code)
		return false;
	if (leg->reply.http.status == 412 || leg->reply.http.status == 416)
		object_changed(state);
	else if (leg->err.code == BL_ECORRUPT)
		restart(state, &leg->err);
	else
		fail(state, &leg->reply, &leg->err);
	return true;
}

/* Of parts ("...-3") they cannot be compared. */
static void keep_sums(struct bl_transfer_state *state, const struct bl_leg *leg,
                      const struct bl_s3_object *object)
{
	char *text = state->sha_text;

	state->has_crc = object->has_crc;
	state->head_crc = object->crc;
	if (object->has_crc ||
	    !bl_http_header(&leg->reply.http, "x-amz-checksum-sha256", text,
	                    sizeof(state->sha_text)) ||
	    strchr(text, '-'))
		text[0] = '\0';
}

/* A full disk may show with the last bytes. */
static bool body_failed(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (reply_failed(state, leg))
		return true;
	if (!bl_leg_flush(leg, &leg->err))
		return false;
	fail(state, NULL, &leg->err);
	return true;
}

static void get_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_s3_object object;

	if (body_failed(state, leg))
		return;
	if (!bl_s3_reply_object(&leg->reply.http, &object, &leg->err) && leg->at != state->size)
		bl_fail(&leg->err, BL_ECORRUPT, "it has %ju bytes, %ju were expected",
		        (uintmax_t)object.size, (uintmax_t)state->size);
	if (leg->err.code) {
		restart(state, &leg->err);
		return;
	}
	keep_sums(state, leg, &object);
	memcpy(state->etag, object.etag, sizeof(state->etag));
	finish(state, leg->crc);
}

/* The first reply tells what lies there; all others must be of the same. */
static int learn(struct bl_transfer_state *state, const struct bl_s3_object *object,
                 struct bl_err *err)
{
	if (state->phase != BL_PHASE_LEARN || state->etag[0])
		return 0;
	memcpy(state->etag, object->etag, sizeof(state->etag));
	state->size = object->size;
	if (!object->size) { /* S3 answers a range of nothing by 416 */
		state->n_parts = state->next_part;
		return 0;
	}
	if (make_room(state, err))
		return -1;
	state->phase = BL_PHASE_RECEIVE;
	return 0;
}

static bool is_other(const struct bl_transfer_state *state, const struct bl_s3_object *object)
{
	return object->size != state->size || strcmp(object->etag, state->etag) != 0;
}

static void finish_parts(struct bl_transfer_state *state)
{
	if (!state->head_done || state->parts_done < state->n_parts)
		return;
	finish(state, !state->size ? 0 : bl_transfer_joined(state));
}

static void head_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_s3_object object;
	struct bl_err err = { 0 };

	if (reply_failed(state, leg))
		return;
	if (bl_s3_reply_object(&leg->reply.http, &object, &err) || learn(state, &object, &err)) {
		fail(state, NULL, &err);
		return;
	}
	if (is_other(state, &object) || (state->nothing && object.size)) {
		object_changed(state);
		return;
	}
	state->head_done = true;
	keep_sums(state, leg, &object);
	finish_parts(state);
}

/* "bytes 0-8388607/1073741824" must be what was asked for. */
static int check_range(const struct bl_transfer_state *state, const struct bl_leg *leg,
                       struct bl_err *err)
{
	char range[96], want[96];
	uint64_t left = state->size - leg->offset, len = left < leg->len ? left : leg->len;

	if (!bl_http_header(&leg->reply.http, "content-range", range, sizeof(range)))
		range[0] = '\0';
	snprintf(want, sizeof(want), "bytes %ju-%ju/%ju", (uintmax_t)leg->offset,
	         (uintmax_t)(leg->offset + len - 1), (uintmax_t)state->size);
	if (leg->reply.http.status != 206 || strcmp(range, want) != 0)
		return bl_fail(err, BL_ECORRUPT, "HTTP %d '%s' came where '%s' was asked for",
		               leg->reply.http.status, range, want);
	if (leg->at != len)
		return bl_fail(err, BL_ECORRUPT, "%ju bytes of '%s' came", (uintmax_t)leg->at,
		               want);
	return 0;
}

static void range_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	struct bl_s3_object object;

	if (leg->reply.http.status == 416 && state->phase == BL_PHASE_LEARN) {
		state->nothing = true; /* the HEAD has to say so, too */
		state->parts_done++;
		if (state->head_done)
			finish_parts(state);
		return;
	}
	if (body_failed(state, leg))
		return;
	if (bl_s3_reply_object(&leg->reply.http, &object, &leg->err) ||
	    learn(state, &object, &leg->err)) {
		fail(state, NULL, &leg->err);
		return;
	}
	if (is_other(state, &object)) {
		object_changed(state);
		return;
	}
	if (check_range(state, leg, &leg->err)) {
		restart(state, &leg->err);
		return;
	}
	state->crcs[leg->part] = leg->crc;
	state->parts_done++;
	finish_parts(state);
}

void bl_download_ended(struct bl_transfer_state *state, struct bl_leg *leg)
{
	if (leg->kind == BL_LEG_GET)
		get_ended(state, leg);
	else if (leg->kind == BL_LEG_HEAD)
		head_ended(state, leg);
	else
		range_ended(state, leg);
}
