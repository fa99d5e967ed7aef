/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/transfer_parts.h"

#include <stdlib.h>
#include <string.h>

/* Those that ended are used again: small objects come and go by the thousand. */

static struct bl_transfer_state *take_spare(struct bl_transfers *all)
{
	struct bl_transfer_state *state = all->spare;

	if (!state)
		return calloc(1, sizeof(*state));
	all->spare = state->next;
	*state = (struct bl_transfer_state){ 0 };
	return state;
}

static void give_back(struct bl_transfers *all, struct bl_transfer_state *state)
{
	state->next = all->spare;
	all->spare = state;
}

static void link_state(struct bl_transfer_state *state)
{
	struct bl_transfers *all = state->all;

	if (!all->turn) {
		state->next = state->prev = state;
		all->turn = state;
	} else { /* the last in the ring: all others come first */
		state->next = all->turn;
		state->prev = all->turn->prev;
		state->prev->next = state->next->prev = state;
	}
	all->n_states++;
}

static void unlink_state(struct bl_transfer_state *state)
{
	struct bl_transfers *all = state->all;

	if (all->turn == state)
		all->turn = state->next == state ? NULL : state->next;
	state->prev->next = state->next;
	state->next->prev = state->prev;
	all->n_states--;
}

struct bl_transfer_state *bl_state_new(struct bl_transfers *all, struct bl_transfer *transfer)
{
	struct bl_transfer_state *state = take_spare(all);

	if (state)
		state->key = strdup(transfer->key);
	if (!state || !state->key) {
		free(state);
		return NULL;
	}
	state->all = all;
	state->transfer = transfer;
	link_state(state);
	return state;
}

void bl_state_free(struct bl_transfer_state *state)
{
	bl_transfer_drop_legs(state);
	unlink_state(state);
	free(state->parts);
	free(state->crcs);
	free(state->upload_id);
	free(state->key);
	give_back(state->all, state);
}

void bl_state_free_spare(struct bl_transfers *all)
{
	struct bl_transfer_state *state;

	while ((state = all->spare)) {
		all->spare = state->next;
		free(state);
	}
}
