/* SPDX-License-Identifier: Apache-2.0 */
/* What spot costs today. */
#include "aws/ec2_parts.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ITEM "DescribeSpotPriceHistoryResponse/spotPriceHistorySet/item"
#define LINUX "Linux/UNIX"
#define HOUR_MS 3600000

struct prices {
	struct bl_ec2_price *items;
	size_t n;
	struct bl_ec2_price item; /* under way */
};

static void prices_done(struct prices *prices)
{
	free(prices->items);
}

/* The history holds every change: the newest is today's. */
static int end_price(struct prices *prices, struct bl_err *err)
{
	struct bl_ec2_price *more, item = prices->item;

	prices->item = (struct bl_ec2_price){ .usd_hour = (double)NAN };
	if (isnan(item.usd_hour) || !item.type[0] || !item.zone[0])
		return 0;
	for (size_t i = 0; i < prices->n; i++) {
		struct bl_ec2_price *have = &prices->items[i];

		if (strcmp(have->type, item.type) != 0 || strcmp(have->zone, item.zone) != 0)
			continue;
		if (item.at_ms > have->at_ms)
			*have = item;
		return 0;
	}
	more = bl_ec2_room(prices->items, prices->n, sizeof(*more), err);
	if (!more)
		return -1;
	prices->items = more;
	more[prices->n++] = item;
	return 0;
}

static int on_price(void *arg, const char *path, const char *text, struct bl_err *err)
{
	struct prices *prices = arg;
	struct bl_ec2_price *item = &prices->item;
	const char *at = bl_ec2_below(path, ITEM);

	if (!at)
		return 0;
	if (!*at)
		return end_price(prices, err);
	if (!strcmp(at, "instanceType"))
		return bl_ec2_text(text, item->type, sizeof(item->type), err);
	if (!strcmp(at, "availabilityZone"))
		return bl_ec2_text(text, item->zone, sizeof(item->zone), err);
	if (!strcmp(at, "spotPrice"))
		item->usd_hour = bl_ec2_price(text);
	else if (!strcmp(at, "timestamp"))
		(void)bl_utc_parse(text, &item->at_ms);
	return 0;
}

int bl_ec2_spot_prices(struct bl_aws *aws, const char *const *types, size_t n,
                       struct bl_ec2_price **out, size_t *n_out, struct bl_err *err)
{
	__attribute__((cleanup(
		prices_done))) struct prices prices = { .item = { .usd_hour = (double)NAN } };
	BL_AUTO(bl_buf) text = BL_BUF(BL_EC2_FORM_MAX);
	struct bl_ec2_form form = { .out = &text };
	char since[BL_UTC_SIZE];

	/* what held at that time comes too, however old; an hour for clocks that differ */
	bl_utc_text(bl_wall_ms() - HOUR_MS, since);
	bl_ec2_begin(&form, "DescribeSpotPriceHistory");
	bl_ec2_add(&form, since, "StartTime");
	bl_ec2_add(&form, LINUX, "ProductDescription.1");
	bl_ec2_add_each(&form, "InstanceType", types, n);
	if (n && bl_ec2_pages(aws, "DescribeSpotPriceHistory", &text, on_price, &prices, err))
		return -1;
	*out = prices.items;
	*n_out = prices.n;
	prices.items = NULL;
	return 0;
}
