/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/data_s3_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASSES 16

/* Bytes by storage class: most of the data decides what is said of it. */
struct classes {
	struct {
		char name[32];
		uint64_t bytes;
	} of[CLASSES];
	size_t n;
};

struct listing_of {
	const struct bl_data_channel *channel;
	const char *prefix;
	struct bl_data_objects *out;
	struct classes classes;
	size_t left_out; /* by `include` */
};

/* S3 User Guide, "Understanding S3 Glacier storage classes"; GLACIER_IR is read at once. */
static bool is_cold(const char *storage_class)
{
	return !strcmp(storage_class, "GLACIER") || !strcmp(storage_class, "DEEP_ARCHIVE");
}

static void count_class(struct classes *classes, const struct bl_s3_object *object)
{
	const char *name = object->storage_class[0] ? object->storage_class : "STANDARD";
	size_t i = 0;

	while (i < classes->n && strcmp(classes->of[i].name, name) != 0)
		i++;
	if (i == CLASSES)
		return;
	if (i == classes->n) {
		snprintf(classes->of[i].name, sizeof(classes->of[i].name), "%s", name);
		classes->n++;
	}
	classes->of[i].bytes += object->size;
}

static void tell_class(const struct classes *classes, struct bl_data_place *place)
{
	size_t most = 0;

	for (size_t i = 1; i < classes->n; i++)
		if (classes->of[i].bytes > classes->of[most].bytes)
			most = i;
	if (classes->n)
		snprintf(place->storage_class, sizeof(place->storage_class), "%s",
		         classes->of[most].name);
}

static int add(struct listing_of *listing, const char *name, const char *key,
               const struct bl_s3_object *object, struct bl_err *err)
{
	if (!bl_data_is_included(listing->channel->include, name)) {
		listing->left_out++;
		return 0;
	}
	count_class(&listing->classes, object);
	return bl_data_objects_add(listing->out, name, key, object->etag, object->size,
	                           is_cold(object->storage_class), err);
}

static int visit(void *arg, const struct bl_s3_listed *item, struct bl_err *err)
{
	struct listing_of *listing = arg;

	/* consoles make these so that an empty folder is seen */
	if (item->is_prefix || (bl_str_ends(item->key, "/") && !item->object.size))
		return 0;
	return add(listing, item->key + strlen(listing->prefix), item->key, &item->object, err);
}

/* A key that is one object: the whole channel. */
static int look_for_one(struct bl_s3 *s3, const char *key, struct listing_of *listing,
                        struct bl_err *err)
{
	const char *slash = strrchr(key, '/');
	struct bl_s3_object object;

	if (!*key || bl_str_ends(key, "/"))
		return 0;
	if (!bl_s3_head(s3, NULL, key, &object, err))
		return add(listing, slash ? slash + 1 : key, key, &object, err);
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

static int nothing(const struct listing_of *listing, struct bl_err *err)
{
	if (listing->left_out) {
		bl_fail(err, BL_EDATA, "no object below '%s' matches `include`",
		        listing->channel->uri);
		return bl_next(err, "a glob's * stops at '/': write **/*.jsonl for all below");
	}
	bl_fail(err, BL_EDATA, "'%s' holds no object", listing->channel->uri);
	return bl_next(err, "look with: aws s3 ls %s", listing->channel->uri);
}

int bl_data_s3_list(struct bl_s3 *s3, const char *key, const struct bl_data_channel *channel,
                    struct bl_data_objects *out, struct bl_data_place *place, struct bl_err *err)
{
	BL_AUTO(bl_buf) prefix = BL_BUF(1026);
	struct listing_of listing = { .channel = channel, .out = out };

	bl_buf_adds(&prefix, key);
	if (*key && !bl_str_ends(key, "/"))
		bl_buf_addc(&prefix, '/');
	listing.prefix = bl_buf_text(&prefix);
	if (bl_buf_check(&prefix, "prefix", err) || look_for_one(s3, key, &listing, err))
		return -1;
	if (!out->n && bl_s3_list(s3, NULL, listing.prefix, NULL, 0, visit, &listing, err))
		return -1;
	if (!out->n)
		return nothing(&listing, err);
	tell_class(&listing.classes, place);
	return bl_s3_region(s3, NULL, place->region, sizeof(place->region), err);
}
