/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_LAUNCH_MARKET_H
#define BL_RUN_LAUNCH_MARKET_H

#include "run/launch_pools.h"

/* What AWS says of types today: its answers, for the decisions of launch_types.h and
 * launch_pools.h. Zero-initialise. */
struct bl_market_answers {
	struct bl_ec2_offer *offers;
	size_t n_offers;
	struct bl_ec2_price *spot;
	size_t n_spot;
	struct bl_list_price list[BL_LAUNCH_TYPES_MAX];
	size_t n_list;
};
void bl_market_answers_done(struct bl_market_answers *answers);
struct bl_market_facts bl_market_facts_of(const struct bl_market_answers *answers);

/* DescribeInstanceTypes of the candidates. The caller frees *out. */
BL_MUST int bl_launch_ask_types(struct bl_aws *aws, const struct bl_candidates *candidates,
                                struct bl_ec2_type **out, size_t *n, struct bl_err *err);

/*
 * Offers by zone, spot prices and list prices of the types that fit. A price that cannot be had is
 * no failure: it stays unknown, and `notes` says why, one line each.
 */
BL_MUST int bl_launch_ask_market(struct bl_aws *aws, const struct bl_fits *fits,
                                 struct bl_market_answers *out, struct bl_buf *notes,
                                 struct bl_err *err);

#endif
