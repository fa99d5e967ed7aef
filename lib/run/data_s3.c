/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/data_s3_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bl_data_is_remote(const char *uri)
{
	return bl_str_starts(uri, "s3://") || bl_str_starts(uri, "run://");
}

/* --- What was found --------------------------------------------------------------------------- */

void bl_data_objects_done(struct bl_data_objects *objects)
{
	free(objects->items);
	bl_buf_done(&objects->texts);
	*objects = (struct bl_data_objects){ 0 };
}

static int make_room(struct bl_data_objects *objects, struct bl_err *err)
{
	size_t cap = objects->cap ? objects->cap * 2 : 64;
	struct bl_data_object *items;

	if (objects->n == BL_DATA_OBJECTS_MAX) {
		bl_fail(err, BL_EDATA, "over %u objects", BL_DATA_OBJECTS_MAX);
		return bl_next(err, "name a smaller prefix, or put small files into tar archives");
	}
	if (objects->n < objects->cap)
		return 0;
	items = realloc(objects->items, cap * sizeof(*items));
	if (!items)
		return bl_fail(err, BL_ENOMEM, "list the data: out of memory");
	objects->items = items;
	objects->cap = cap;
	return 0;
}

int bl_data_objects_add(struct bl_data_objects *objects, const char *name, const char *key,
                        const char *etag, uint64_t size, bool cold, struct bl_err *err)
{
	size_t at = objects->texts.len;

	if (make_room(objects, err))
		return -1;
	if (__builtin_add_overflow(objects->bytes, size, &objects->bytes))
		return bl_fail(err, BL_ECORRUPT, "the sizes add up to no number");
	bl_buf_add(&objects->texts, name, strlen(name) + 1);
	bl_buf_add(&objects->texts, key, strlen(key) + 1);
	bl_buf_add(&objects->texts, etag, strlen(etag) + 1);
	if (bl_buf_check(&objects->texts, "list of the data", err))
		return -1;
	objects->items[objects->n++] = (struct bl_data_object){ at, size, cold };
	return 0;
}

const char *bl_data_object_name(const struct bl_data_objects *objects, size_t i)
{
	return objects->texts.data + objects->items[i].at;
}

const char *bl_data_object_key(const struct bl_data_objects *objects, size_t i)
{
	const char *name = bl_data_object_name(objects, i);

	return name + strlen(name) + 1;
}

const char *bl_data_object_etag(const struct bl_data_objects *objects, size_t i)
{
	const char *key = bl_data_object_key(objects, i);

	return key + strlen(key) + 1;
}

/* --- The check -------------------------------------------------------------------------------- */

static void free_sha(struct bl_sha256 **sha)
{
	bl_sha256_free(*sha);
}

static int digest(const struct bl_data_channel *channel, const struct bl_data_objects *objects,
                  char hex[BL_SHA256_HEX], struct bl_err *err)
{
	__attribute__((cleanup(free_sha))) struct bl_sha256 *sha = NULL;

	if (bl_sha256_new(&sha, err))
		return -1;
	for (size_t i = 0; i < objects->n; i++)
		if (bl_data_digest_add(sha, channel, bl_data_object_name(objects, i),
		                       objects->items[i].size, bl_data_object_etag(objects, i),
		                       err))
			return -1;
	return bl_sha256_hex(sha, hex, err);
}

/* The bucket that the channel, or the store of its run, lies in; NULL: a directory. */
static int open_bucket(struct bl_aws *aws, const char *uri, struct bl_s3 **out,
                       char key[BL_KEY_MAX + 1], struct bl_err *err)
{
	char bucket[64];
	const struct bl_s3_options options = { .bucket = bucket };

	if (!bl_str_starts(uri, "s3://"))
		return 0;
	if (bl_s3_uri(uri, bucket, key, err))
		return -1;
	if (!aws)
		return bl_fail(err, BL_EBUG, "%s without AWS", uri);
	return bl_s3_open(aws, &options, out, err);
}

struct checking {
	struct bl_aws *aws;
	const struct bl_data_channel *channel;
	struct bl_data_source source;
	struct bl_data_objects objects;
	struct bl_data_place place;
};

static int list_run(struct checking *checking, struct bl_store *store, struct bl_err *err)
{
	char key[BL_KEY_MAX + 1];

	if (!store)
		return bl_fail(err, BL_EINPUT, "'%s' without a store", checking->channel->uri);
	checking->source.store = store;
	if (bl_data_run_list(store, checking->channel, &checking->objects, &checking->place, err))
		return -1;
	/* many at once where that is possible; without AWS the store itself serves */
	if (!checking->aws || !bl_str_starts(bl_store_uri(store), "s3://"))
		return 0;
	return open_bucket(checking->aws, bl_store_uri(store), &checking->source.s3, key, err) ||
	                       bl_s3_region(checking->source.s3, NULL, checking->place.region,
	                                    sizeof(checking->place.region), err)
	               ? -1
	               : 0;
}

static int list_bucket(struct checking *checking, struct bl_err *err)
{
	const char *uri = checking->channel->uri;
	char key[BL_KEY_MAX + 1] = "";

	if (open_bucket(checking->aws, uri, &checking->source.s3, key, err))
		return -1;
	checking->source.etags = true;
	if ((size_t)snprintf(checking->place.uri, sizeof(checking->place.uri), "%s", uri) >=
	    sizeof(checking->place.uri))
		return bl_fail(err, BL_EINPUT, "'%.100s...' is too long", uri);
	return bl_data_s3_list(checking->source.s3, key, checking->channel, &checking->objects,
	                       &checking->place, err);
}

static int check(struct checking *checking, struct bl_store *store, bl_data_progress *progress,
                 void *arg, struct bl_data_found *found, struct bl_err *err)
{
	const struct bl_data_channel *channel = checking->channel;
	struct bl_data_place *place = &checking->place;

	if (bl_str_starts(channel->uri, "run://") ? list_run(checking, store, err)
	                                          : list_bucket(checking, err))
		return -1;
	place->other_region = checking->aws && place->region[0] &&
	                      strcmp(place->region, bl_aws_region(checking->aws)) != 0;
	found->files = checking->objects.n;
	found->bytes = checking->objects.bytes;
	if (bl_data_objects_read(&checking->source, channel, &checking->objects, progress, arg,
	                         found, err))
		return -1;
	return digest(channel, &checking->objects, found->digest, err);
}

int bl_data_s3_check(struct bl_aws *aws, struct bl_store *store,
                     const struct bl_data_channel *channel, bl_data_progress *progress, void *arg,
                     struct bl_data_found *out, struct bl_data_place *place, struct bl_err *err)
{
	struct checking checking = { .aws = aws, .channel = channel, .objects = BL_DATA_OBJECTS };
	struct bl_data_found found = { 0 };
	int rc = check(&checking, store, progress, arg, &found, err);

	bl_data_objects_done(&checking.objects);
	bl_s3_close(checking.source.s3);
	if (rc && err->code == BL_ENOENT)
		bl_recode(err, BL_EDATA); /* no such bucket, run or checkpoint */
	if (rc)
		return bl_wrap(err, "data channel '%s'", channel->name);
	*out = found;
	*place = checking.place;
	return 0;
}
