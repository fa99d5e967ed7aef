/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_PRICING_H
#define BL_AWS_PRICING_H

#include "aws/client.h"

/*
 * The price list (Pricing GetProducts), USD: an hour of an instance on demand, Linux, shared
 * tenancy, in the client's region. BL_ENOENT: the list has no such price; BL_ECORRUPT.
 */
BL_MUST int bl_price_on_demand(struct bl_aws *aws, const char *type, double *usd_hour,
                               struct bl_err *err);

/* Pure: the highest USD price of an hour on demand in GetProducts' reply. BL_ENOENT when it has
 * none above 0. */
BL_MUST int bl_price_read(const char *bytes, size_t len, double *usd, struct bl_err *err);

#endif
