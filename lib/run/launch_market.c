/* SPDX-License-Identifier: Apache-2.0 */
#include "run/launch_market.h"

#include "aws/pricing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_market_answers_done(struct bl_market_answers *answers)
{
	free(answers->offers);
	free(answers->spot);
	*answers = (struct bl_market_answers){ 0 };
}

struct bl_market_facts bl_market_facts_of(const struct bl_market_answers *answers)
{
	return (struct bl_market_facts){ answers->offers, answers->n_offers, answers->spot,
		                         answers->n_spot, answers->list,     answers->n_list };
}

/* Each name once, in order. */
static size_t add_name(const char **names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return n;
	names[n] = name;
	return n + 1;
}

int bl_launch_ask_types(struct bl_aws *aws, const struct bl_candidates *candidates,
                        struct bl_ec2_type **out, size_t *n, struct bl_err *err)
{
	const char *names[BL_LAUNCH_TYPES_MAX] = { NULL };
	size_t n_names = 0;

	for (size_t i = 0; i < candidates->n; i++)
		n_names = add_name(names, n_names, candidates->items[i].type);
	return bl_ec2_types(aws, names, n_names, out, n, err);
}

/* What went wrong beside the way is a line of `notes`. */
static void note(struct bl_buf *notes, const char *what, struct bl_err *failed)
{
	bl_buf_addf(notes, "%s: %s\n", what, failed->text);
	bl_err_clear(failed);
}

/* One that is denied is denied for all types: asked once. */
static void ask_list_prices(struct bl_aws *aws, const char *const *names, size_t n,
                            struct bl_market_answers *out, struct bl_buf *notes)
{
	struct bl_err failed = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct bl_list_price *price = &out->list[out->n_list];

		snprintf(price->type, sizeof(price->type), "%s", names[i]);
		if (!bl_price_on_demand(aws, names[i], &price->usd_hour, &failed)) {
			out->n_list++;
			continue;
		}
		bool is_final = failed.code != BL_ENOENT;

		note(notes, "list price", &failed);
		if (is_final)
			return;
	}
}

int bl_launch_ask_market(struct bl_aws *aws, const struct bl_fits *fits,
                         struct bl_market_answers *out, struct bl_buf *notes, struct bl_err *err)
{
	const char *names[BL_LAUNCH_TYPES_MAX] = { NULL };
	struct bl_err failed = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < fits->n; i++)
		n = add_name(names, n, fits->items[i].type.name);
	if (bl_ec2_offers(aws, names, n, &out->offers, &out->n_offers, err))
		return -1;
	if (bl_ec2_spot_prices(aws, names, n, &out->spot, &out->n_spot, &failed))
		note(notes, "spot prices", &failed);
	ask_list_prices(aws, names, n, out, notes);
	return 0;
}
