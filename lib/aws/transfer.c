/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PART_BYTES ((uint64_t)8 << 20)
#define AT_ONCE 16
#define MOST_AT_ONCE 1024
#define BUFFER_KEPT_BYTES 8192
#define CLOSE_MS 10000 /* for ending the uploads that are under way */

/* --- Legs ------------------------------------------------------------------------------------ */

static void keep_or_free(struct bl_buf *buf)
{
	bl_buf_reset(buf);
	if (buf->cap > BUFFER_KEPT_BYTES)
		bl_buf_done(buf);
}

/* Keeps the buffers of the request, so that the next one needs no allocation. */
static void free_leg(struct bl_leg *leg)
{
	if (leg->under_way)
		bl_aws_cancel(leg->all->s3->aws, leg);
	leg->under_way = false;
	leg->state->legs--;
	leg->all->n_legs--;
	leg->state = NULL;
	bl_buf_done(&leg->body);
	keep_or_free(&leg->request.path);
	keep_or_free(&leg->request.headers);
	keep_or_free(&leg->reply.http.head);
	keep_or_free(&leg->reply.http.body);
}

static void leg_done(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct bl_leg *leg = arg;

	(void)reply;
	leg->under_way = false;
	leg->err = *err;
	leg->next = NULL;
	*leg->all->ended_end = leg;
	leg->all->ended_end = &leg->next;
}

static void use_again(struct bl_buf *fresh, const struct bl_buf *old)
{
	fresh->data = old->data;
	fresh->cap = old->cap;
}

static struct bl_leg *take_leg(struct bl_transfer_state *state)
{
	struct bl_transfers *all = state->all;
	struct bl_leg *leg = all->legs;
	struct bl_leg fresh = { .all = all,
		                .state = state,
		                .body = BL_BUF((size_t)8 << 20),
		                .request = BL_AWS_REQUEST };

	while (leg->state)
		leg++; /* n_legs < at_once: there is one */
	fresh.kept = leg->kept;
	use_again(&fresh.request.path, &leg->request.path);
	use_again(&fresh.request.headers, &leg->request.headers);
	fresh.reply.http.head = leg->reply.http.head;
	fresh.reply.http.body = leg->reply.http.body;
	*leg = fresh;
	all->n_legs++;
	state->legs++;
	return leg;
}

static int send_leg(struct bl_transfer_state *state, struct bl_leg *leg, struct bl_err *err)
{
	int rc = state->transfer->upload ? bl_upload_leg(state, leg, err)
	                                 : bl_download_leg(state, leg, err);

	if (rc || bl_aws_start(state->all->s3->aws, &leg->request, &leg->reply, leg_done, leg, err))
		return -1;
	leg->under_way = true;
	return 0;
}

static void start_leg(struct bl_transfer_state *state)
{
	struct bl_leg *leg = take_leg(state);
	struct bl_err err = { 0 };

	if (!send_leg(state, leg, &err))
		return;
	free_leg(leg);
	bl_transfer_fail(state, &err);
}

int bl_leg_repeat(struct bl_leg *leg, struct bl_err *err)
{
	bl_aws_reply_done(&leg->reply);
	leg->reply = (struct bl_aws_reply){ 0 };
	bl_err_clear(&leg->err);
	leg->tries++;
	if (bl_aws_start(leg->all->s3->aws, &leg->request, &leg->reply, leg_done, leg, err))
		return -1;
	leg->under_way = true;
	return 0;
}

static void forget_ended(struct bl_transfer_state *state)
{
	struct bl_leg **link = &state->all->ended;

	while (*link) {
		if ((*link)->state == state)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
	state->all->ended_end = link;
}

void bl_transfer_drop_legs(struct bl_transfer_state *state)
{
	struct bl_transfers *all = state->all;

	forget_ended(state);
	for (unsigned i = 0; state->legs && i < all->at_once; i++)
		if (all->legs[i].state == state) {
			bl_transfer_unmoved(&all->legs[i]);
			free_leg(&all->legs[i]);
		}
}

/* --- States ---------------------------------------------------------------------------------- */

static bool wants(const struct bl_transfer_state *state)
{
	return state->transfer->upload ? bl_upload_wants(state) : bl_download_wants(state);
}

void bl_transfer_fail(struct bl_transfer_state *state, const struct bl_err *err)
{
	bool ending = state->phase == BL_PHASE_ABORT || state->phase == BL_PHASE_LIST;

	bl_transfer_drop_legs(state);
	if (!state->err.code)
		state->err = *err;
	state->again = false;
	if (state->upload_id && !ending)
		state->phase = BL_PHASE_ABORT;
	else
		bl_transfer_end(state);
}

void bl_transfer_end(struct bl_transfer_state *state)
{
	state->phase = BL_PHASE_END;
	state->all->over = true;
}

/* Fills the slots, each transfer in its turn. */
static void pump(struct bl_transfers *all)
{
	struct bl_transfer_state *state = all->turn;

	for (size_t idle = 0; state && all->n_legs < all->at_once && idle < all->n_states;) {
		if (wants(state)) {
			start_leg(state);
			idle = 0;
		} else {
			idle++;
		}
		state = state->next;
	}
	all->turn = state;
}

static void settle_legs(struct bl_transfers *all)
{
	struct bl_leg *leg;

	while ((leg = all->ended)) {
		struct bl_transfer_state *state = leg->state;

		all->ended = leg->next;
		if (!all->ended)
			all->ended_end = &all->ended;
		if (state->transfer->upload)
			bl_upload_ended(state, leg);
		else
			bl_download_ended(state, leg);
		/* dropped with the others, or on its way again */
		if (leg->state && !leg->under_way)
			free_leg(leg);
	}
}

static void finish(struct bl_transfer_state *state)
{
	struct bl_transfer *transfer = state->transfer;
	struct bl_err err = state->err;

	if (!err.code) {
		transfer->bytes = state->size;
		memcpy(transfer->result_etag, state->etag, sizeof(state->etag));
	}
	transfer->state = NULL;
	bl_state_free(state);
	transfer->done(transfer->arg, transfer, &err);
}

/* done may start others, which come behind: each state is looked at once. */
static void finish_ended(struct bl_transfers *all)
{
	struct bl_transfer_state *state = all->turn;
	bool over = all->over;

	all->over = false;
	for (size_t n = over ? all->n_states : 0; state && n; n--) {
		struct bl_transfer_state *next = state->next;

		if (state->phase == BL_PHASE_END && !state->legs)
			finish(state);
		state = next;
	}
}

/* --- The public part ------------------------------------------------------------------------- */

int bl_transfers_open(struct bl_s3 *s3, const struct bl_transfer_options *options,
                      struct bl_transfers **out, struct bl_err *err)
{
	struct bl_transfers *all = calloc(1, sizeof(*all));
	unsigned at_once = options && options->at_once ? options->at_once : AT_ONCE;

	if (!all)
		return bl_fail(err, BL_ENOMEM, "transfers: out of memory");
	all->s3 = s3;
	all->part_bytes = options && options->part_bytes ? options->part_bytes : PART_BYTES;
	all->at_once = at_once > MOST_AT_ONCE ? MOST_AT_ONCE : at_once;
	all->ended_end = &all->ended;
	all->legs = calloc(all->at_once, sizeof(*all->legs));
	all->scratch = aligned_alloc(BL_PAGE_BYTES, BL_MIDDLE + BL_SCRATCH_BYTES + BL_MIDDLE);
	if (!all->legs || !all->scratch) {
		bl_transfers_close(all);
		return bl_fail(err, BL_ENOMEM, "transfers: out of memory");
	}
	*out = all;
	return 0;
}

/* S3 keeps the parts of an upload that nobody ends, and bills them. */
static void end_uploads(struct bl_transfers *all)
{
	int64_t until = bl_mono_ms() + CLOSE_MS;
	struct bl_transfer_state *state = all->turn;
	struct bl_err err = { BL_ECANCELLED, "", "" };

	for (size_t n = all->n_states; state && n; n--, state = state->next) {
		state->again = false;
		if (state->phase != BL_PHASE_ABORT && state->phase != BL_PHASE_LIST)
			bl_transfer_fail(state, &err);
	}
	while (all->n_states && bl_mono_ms() < until) {
		struct bl_err unsaid = { 0 };
		size_t ended = 0;

		state = all->turn;
		for (size_t n = all->n_states; state && n; n--, state = state->next)
			ended += state->phase == BL_PHASE_END;
		pump(all);
		if (ended == all->n_states || bl_aws_step(all->s3->aws, 100, &unsaid))
			return;
		settle_legs(all);
	}
}

void bl_transfers_close(struct bl_transfers *all)
{
	if (!all)
		return;
	if (all->n_states)
		end_uploads(all);
	while (all->turn) {
		struct bl_transfer_state *state = all->turn;

		state->transfer->state = NULL;
		bl_state_free(state);
	}
	bl_state_free_spare(all);
	for (unsigned i = 0; all->legs && i < all->at_once; i++) {
		bl_aws_request_done(&all->legs[i].request);
		bl_aws_reply_done(&all->legs[i].reply);
		free(all->legs[i].kept);
	}
	free(all->legs);
	free(all->scratch);
	free(all);
}

int bl_transfer_start(struct bl_transfers *all, struct bl_transfer *transfer, struct bl_err *err)
{
	struct bl_transfer_state *state;

	if (transfer->etag && strlen(transfer->etag) >= BL_ETAG_SIZE)
		return bl_fail(err, BL_EINPUT, "an etag of %zu bytes", strlen(transfer->etag));
	state = bl_state_new(all, transfer);
	if (!state)
		return bl_fail(err, BL_ENOMEM, "transfer: out of memory");
	transfer->state = state;
	transfer->crc = transfer->bytes = 0;
	transfer->result_etag[0] = '\0';
	if (transfer->upload)
		bl_upload_begin(state);
	else
		bl_download_begin(state);
	pump(all);
	return 0;
}

int bl_transfers_step(struct bl_transfers *all, int timeout_ms, struct bl_err *err)
{
	/* another's step on the same client may have ended some: that must not wait */
	if (bl_aws_step(all->s3->aws, all->ended || all->over ? 0 : timeout_ms, err))
		return -1;
	settle_legs(all);
	pump(all);
	finish_ended(all);
	return 0;
}

size_t bl_transfers_under_way(const struct bl_transfers *all)
{
	return all->n_states;
}

bool bl_transfers_full(const struct bl_transfers *all)
{
	/* one that takes all slots must not keep the others from their turns */
	return all->n_legs >= all->at_once && all->n_states >= all->at_once;
}
