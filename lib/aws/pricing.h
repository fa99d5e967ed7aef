/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_PRICING_H
#define BL_AWS_PRICING_H

#include "aws/client.h"

/*
 * The price list (Pricing GetProducts), USD. region: whose prices; NULL: the client's. BL_ENOENT:
 * the list has no such price; BL_ECORRUPT.
 */

/* An hour of an instance on demand: Linux, shared tenancy. */
BL_MUST int bl_price_on_demand(struct bl_aws *aws, const char *region, const char *type,
                               double *usd_hour, struct bl_err *err);
/* A GB-month of a volume's storage: "gp3". */
BL_MUST int bl_price_volume(struct bl_aws *aws, const char *region, const char *volume,
                            double *usd_gb_month, struct bl_err *err);

/* Pure: the highest USD price of `unit` ("Hrs", "GB-Mo") on demand in GetProducts' reply. BL_ENOENT
 * when it has none above 0. */
BL_MUST int bl_price_read(const char *bytes, size_t len, const char *unit, double *usd,
                          struct bl_err *err);

#endif
