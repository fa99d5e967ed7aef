/* SPDX-License-Identifier: Apache-2.0 */
#include "run/compute_parts.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MAX_BYTES ((size_t)1 << 20)

void bl_try_done(struct bl_try *try)
{
	bl_value_free(try->doc);
	free(try->pools);
	free(try->asked);
	free(try->tags);
	*try = (struct bl_try){ 0 };
}

void bl_try_request(const struct bl_try *try, struct bl_ec2_fleet_request *out)
{
	*out = (struct bl_ec2_fleet_request){
		.client_token = try->token,
		.template_id = try->template_id,
		.template_version = try->template_version,
		.spot = try->spot,
		.pools = try->asked,
		.n_pools = try->n_pools,
		.tags = try->tags,
		.n_tags = try->n_tags,
	};
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void add_price(struct bl_json *json, const char *key, double usd)
{
	if (!isnan(usd))
		bl_json_real(json, key, usd);
}

static void write_pools(struct bl_json *json, const struct bl_purchase *purchase)
{
	bl_json_list(json, "pools");
	for (size_t i = 0; i < purchase->n_pools; i++) {
		bl_json_map(json, NULL);
		bl_json_text(json, "type", purchase->pools[i].type);
		bl_json_text(json, "subnet", purchase->pools[i].subnet);
		bl_json_text(json, "zone", purchase->pools[i].zone);
		add_price(json, "usd_hour", purchase->pools[i].usd_hour);
		add_price(json, "on_demand_usd_hour", purchase->pools[i].on_demand_usd_hour);
		bl_json_end_map(json);
	}
	bl_json_end_list(json);
}

static int write_try(const char *stack, const struct bl_start *what, unsigned number,
                     size_t purchase, struct bl_buf *out, struct bl_err *err)
{
	const struct bl_purchase *how = &what->purchases[purchase];
	struct bl_json json = BL_JSON(out);
	BL_AUTO(bl_buf) text = BL_BUF(TRY_MAX_BYTES / 2);
	struct bl_compute_tags tags;
	char token[65];

	if (bl_compute_token(what->run, what->attempt, number, how, token, err) ||
	    bl_compute_try_text(stack, what, purchase, number, &text, err))
		return -1;
	bl_compute_tags(stack, what, how->spot, &tags);
	bl_json_begin(&json, 1);
	bl_json_int(&json, "attempt", what->attempt);
	bl_json_int(&json, "try", number);
	bl_json_text(&json, "operation", "CreateFleet");
	bl_json_text(&json, "token", token);
	bl_json_text(&json, "market", how->spot ? "spot" : "on-demand");
	bl_json_map(&json, "template");
	bl_json_text(&json, "id", how->template_id);
	bl_json_int(&json, "version", how->template_version);
	bl_json_end_map(&json);
	write_pools(&json, how);
	bl_json_map(&json, "tags");
	for (size_t i = 0; i < tags.n; i++)
		bl_json_text(&json, tags.items[i].key, tags.items[i].value);
	bl_json_end_map(&json);
	add_price(&json, "disk_usd_hour", what->disk_usd_hour);
	bl_json_int(&json, "deadline_ms", what->deadline_ms);
	bl_json_int(&json, "created_ms", bl_wall_ms());
	bl_json_text(&json, "request", bl_buf_text(&text)); /* for people: the letter of it */
	bl_json_end_map(&json);
	return bl_buf_check(out, "try", err);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int take_text(const struct bl_value *map, const char *key, char *out, size_t size,
                     struct bl_err *err)
{
	const char *text;

	if (bl_value_text(map, key, &text, err))
		return -1;
	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s is over %zu bytes", key, size - 1);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int take_pools(const struct bl_value *list, struct bl_try *try, struct bl_err *err)
{
	size_t n = list && list->type == BL_LIST ? list->n : 0;

	if (!n)
		return bl_fail(err, BL_ECORRUPT, "it has no pools");
	try->pools = calloc(n, sizeof(*try->pools));
	try->asked = calloc(n, sizeof(*try->asked));
	if (!try->pools || !try->asked)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct bl_purchase_pool *pool = &try->pools[i];
		const struct bl_value *map = list->items[i];

		if (take_text(map, "type", pool->type, sizeof(pool->type), err) ||
		    take_text(map, "subnet", pool->subnet, sizeof(pool->subnet), err) ||
		    take_text(map, "zone", pool->zone, sizeof(pool->zone), err))
			return -1;
		pool->usd_hour = bl_value_real_or(map, "usd_hour", (double)NAN);
		pool->on_demand_usd_hour = bl_value_real_or(map, "on_demand_usd_hour", (double)NAN);
		try->asked[i] = (struct bl_ec2_pool){ pool->type, pool->subnet };
	}
	try->n_pools = n;
	return 0;
}

static int take_tags(const struct bl_value *map, struct bl_try *try, struct bl_err *err)
{
	size_t n = map && map->type == BL_MAP ? map->n : 0;

	if (!n)
		return bl_fail(err, BL_ECORRUPT, "it has no tags");
	try->tags = calloc(n, sizeof(*try->tags));
	if (!try->tags)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		if (map->items[i]->type != BL_STRING)
			return bl_fail(err, BL_ECORRUPT, "tag %s is no text", map->items[i]->key);
		try->tags[i] = (struct bl_ec2_tag){ map->items[i]->key, map->items[i]->text };
	}
	try->n_tags = n;
	return 0;
}

static int decode(struct bl_try *try, unsigned number, struct bl_err *err)
{
	const struct bl_value *doc = try->doc;
	const char *market;
	int64_t said;

	if (bl_value_int(doc, "try", &said, err) || bl_value_text(doc, "token", &try->token, err) ||
	    bl_value_text(doc, "market", &market, err) ||
	    bl_value_text(doc, "template.id", &try->template_id, err) ||
	    bl_value_int(doc, "template.version", &try->template_version, err) ||
	    bl_value_int(doc, "deadline_ms", &try->deadline_ms, err) ||
	    take_pools(bl_value_get(doc, "pools"), try, err) ||
	    take_tags(bl_value_get(doc, "tags"), try, err))
		return -1;
	if (said != number)
		return bl_fail(err, BL_ECORRUPT, "it says try %" PRId64, said);
	try->number = number;
	try->spot = !strcmp(market, "spot");
	try->created_ms = bl_value_int_or(doc, "created_ms", 0);
	try->disk_usd_hour = bl_value_real_or(doc, "disk_usd_hour", (double)NAN);
	return 0;
}

static int parse(const char *bytes, size_t len, const char *key, unsigned number,
                 struct bl_try *out, struct bl_err *err)
{
	BL_AUTO(bl_try) got = { 0 };

	if (bl_json_document(bytes, len, key, 1, &got.doc, err))
		return -1;
	if (decode(&got, number, err))
		return bl_wrap(err, "%s", key);
	*out = got;
	got = (struct bl_try){ 0 };
	return 0;
}

int bl_try_read(struct bl_store *store, const char *run, unsigned attempt, unsigned number,
                struct bl_try *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(run, BL_KEY_TRY, attempt, number);
	BL_AUTO(bl_buf) bytes = BL_BUF(TRY_MAX_BYTES);

	if (bl_store_get(store, NULL, key.text, &bytes, err))
		return -1;
	return parse(bl_buf_text(&bytes), bytes.len, key.text, number, out, err);
}

int bl_try_store(const char *stack, const struct bl_start *what, unsigned number, size_t purchase,
                 struct bl_try *out, struct bl_err *err)
{
	struct bl_key key = bl_key_run(what->run->id, BL_KEY_TRY, what->attempt, number);
	BL_AUTO(bl_buf) doc = BL_BUF(TRY_MAX_BYTES);

	if (write_try(stack, what, number, purchase, &doc, err))
		return -1;
	if (!bl_store_put_if_absent(what->store, NULL, key.text, doc.data, doc.len, err))
		return parse(bl_buf_text(&doc), doc.len, key.text, number, out, err);
	if (err->code != BL_EEXIST)
		return -1;
	bl_err_clear(err); /* another launcher's, or our own: it is what is sent */
	return bl_try_read(what->store, what->run->id, what->attempt, number, out, err);
}

/* --- Which there are -------------------------------------------------------------------------- */

struct newest {
	size_t skip; /* length of "runs/RUN/attempts/NNN.try-" */
	unsigned number;
};

static int note_key(void *arg, const struct bl_listed *item, struct bl_err *err)
{
	struct newest *newest = arg;
	const char *name = item->key + newest->skip;
	unsigned n = 0;

	(void)err;
	for (size_t i = 0; i < 3; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (unsigned)(name[i] - '0');
	}
	if (!strcmp(name + 3, ".json") && n > newest->number)
		newest->number = n;
	return 0;
}

int bl_try_newest(struct bl_store *store, const char *run, unsigned attempt, unsigned *out,
                  struct bl_err *err)
{
	struct bl_key prefix = bl_key_run(run, "attempts/%03u.try-", attempt);
	struct newest newest = { .skip = strlen(prefix.text) };

	if (bl_store_list(store, NULL, prefix.text, NULL, 0, note_key, &newest, err))
		return -1;
	*out = newest.number;
	return 0;
}
