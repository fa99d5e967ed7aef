/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/pricing.h"

#include "aws/json_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct bl_aws_service service = { "pricing", "AWSPriceListService." };

/* --- The reply: products as texts of JSON ----------------------------------------------------- */

/* One dimension of a term: 0 when it is of another unit, or no price. */
static double dimension_usd(const struct bl_value *dimension)
{
	const char *text = bl_value_text_or(dimension, "pricePerUnit.USD", "");
	char *end;
	double usd = strtod(text, &end);

	if (strcmp(bl_value_text_or(dimension, "unit", ""), "Hrs") != 0)
		return 0;
	return *text && !*end && isfinite(usd) ? usd : 0;
}

static double highest(double a, double b)
{
	return a > b ? a : b;
}

static double product_usd(const struct bl_value *product)
{
	const struct bl_value *terms = bl_value_path(product, "terms.OnDemand");
	double usd = 0;

	for (size_t i = 0; terms && i < terms->n; i++) {
		const struct bl_value *dimensions =
			bl_value_get(terms->items[i], "priceDimensions");

		for (size_t j = 0; dimensions && j < dimensions->n; j++)
			usd = highest(usd, dimension_usd(dimensions->items[j]));
	}
	return usd;
}

int bl_price_read(const char *bytes, size_t len, double *usd, struct bl_err *err)
{
	const struct bl_value *list;
	BL_VALUE root = NULL;
	double got = 0;

	if (bl_json_parse(bytes, len, "GetProducts", &root, err))
		return -1;
	list = bl_value_get(root, "PriceList");
	if (!list || list->type != BL_LIST)
		return bl_fail(err, BL_ECORRUPT, "pricing GetProducts: a reply without PriceList");
	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->items[i]->text;
		BL_VALUE product = NULL;

		if (!text)
			return bl_fail(err, BL_ECORRUPT,
			               "pricing GetProducts: item %zu of PriceList is no text", i);
		if (bl_json_parse(text, strlen(text), "product of GetProducts", &product, err))
			return -1;
		got = highest(got, product_usd(product));
	}
	if (!(got > 0))
		return bl_fail(err, BL_ENOENT, "the price list has no price in USD");
	*usd = got;
	return 0;
}

/* --- The request ------------------------------------------------------------------------------ */

static void write_request(const char *region, const char *type, struct bl_buf *out)
{
	const struct {
		const char *field, *value;
	} filters[] = {
		{ "regionCode", region },
		{ "instanceType", type },
		{ "operatingSystem", "Linux" },
		{ "tenancy", "Shared" },
		{ "preInstalledSw", "NA" },
		{ "capacitystatus", "Used" }, /* not what reserved capacity costs while unused */
		{ "marketoption", "OnDemand" },
	};
	struct bl_json json = BL_JSON(out);

	bl_json_map(&json, NULL);
	bl_json_text(&json, "ServiceCode", "AmazonEC2");
	bl_json_text(&json, "FormatVersion", "aws_v1");
	bl_json_list(&json, "Filters");
	for (size_t i = 0; i < BL_COUNT(filters); i++) {
		bl_json_map(&json, NULL);
		bl_json_text(&json, "Type", "TERM_MATCH");
		bl_json_text(&json, "Field", filters[i].field);
		bl_json_text(&json, "Value", filters[i].value);
		bl_json_end_map(&json);
	}
	bl_json_end_list(&json);
	bl_json_int(&json, "MaxResults", 20);
	bl_json_end_map(&json);
}

int bl_price_on_demand(struct bl_aws *aws, const char *type, double *usd_hour, struct bl_err *err)
{
	BL_AUTO(bl_aws_reply) reply = { 0 };
	BL_AUTO(bl_buf) body = BL_BUF(4096);

	write_request(bl_aws_region(aws), type, &body);
	if (bl_aws_json(aws, &service, NULL, "GetProducts", &body, &reply, err) ||
	    bl_price_read(bl_buf_text(&reply.http.body), reply.http.body.len, usd_hour, err))
		return bl_wrap(err, "list price of %s in %s", type, bl_aws_region(aws));
	return 0;
}
