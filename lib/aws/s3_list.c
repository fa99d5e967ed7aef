/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_list.h"

#include "aws/s3_parts.h"
#include "base/str.h"
#include "codec/xml.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 100000 /* of 1,000 keys each */

void listing_done(struct listing *listing)
{
	for (size_t i = 0; i < BL_COUNT(listing->side); i++) {
		bl_buf_done(&listing->side[i].items);
		bl_buf_done(&listing->side[i].keys);
	}
}

/* With encoding-type=url S3 writes names as a form does: '+' is a space. */
static int decode(const char *text, struct bl_buf *keys, size_t *at, struct bl_err *err)
{
	char key[3 * 1024 + 1];
	size_t len = strlen(text);

	if (len >= sizeof(key))
		return bl_fail(err, BL_ECORRUPT, "a listed key is over 1024 bytes");
	for (size_t i = 0; i <= len; i++)
		key[i] = text[i] == '+' ? ' ' : text[i];
	if (bl_uri_decode(key) < 0)
		return bl_fail(err, BL_ECORRUPT, "a listed key is not URL-encoded: '%.60s'", text);
	*at = keys->len;
	bl_buf_add(keys, key, strlen(key) + 1);
	return 0;
}

static int add_item(struct listing *listing, struct listing_side *side, struct bl_err *err)
{
	if (decode(listing->name, &side->keys, &listing->item.key_at, err))
		return -1;
	bl_buf_add(&side->items, &listing->item, sizeof(listing->item));
	side->n++;
	listing->item = (struct listing_item){ 0 };
	listing->name[0] = '\0';
	return 0;
}

static int set_text(char *to, size_t size, const char *text, const char *what, struct bl_err *err)
{
	if (strlen(text) >= size)
		return bl_fail(err, BL_ECORRUPT, "%s is over %zu bytes", what, size - 1);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int contents(struct listing *listing, const char *name, const char *text, struct bl_err *err)
{
	struct bl_s3_object *object = &listing->item.object;

	if (!strcmp(name, "Key"))
		return set_text(listing->name, sizeof(listing->name), text, "a listed key", err);
	if (!strcmp(name, "Size")) {
		listing->item.sized = true;
		return bl_str_u64(text, 0, UINT64_MAX - 1, &object->size, err);
	}
	if (!strcmp(name, "ETag"))
		return set_text(object->etag, sizeof(object->etag), text, "a listed etag", err);
	if (!strcmp(name, "LastModified"))
		object->modified_wall_ms = bl_s3_time(text);
	if (!strcmp(name, "StorageClass"))
		return set_text(object->storage_class, sizeof(object->storage_class), text,
		                "a storage class", err);
	return 0;
}

/* A list that ends in silence would make --delete believe that the rest is gone. */
static int truth(const char *text, bool *out, struct bl_err *err)
{
	*out = !strcmp(text, "true");
	if (!*out && strcmp(text, "false") != 0)
		return bl_fail(err, BL_ECORRUPT, "IsTruncated is neither true nor false");
	return 0;
}

static int on_element(void *arg, const char *path, const char *text, struct bl_err *err)
{
	static const char root[] = "ListBucketResult/";
	struct listing *listing = arg;

	if (!strcmp(path, "ListBucketResult")) {
		listing->whole = true;
		return 0;
	}
	if (!bl_str_starts(path, root))
		return 0;
	path += sizeof(root) - 1;
	if (bl_str_starts(path, "Contents/"))
		return contents(listing, path + strlen("Contents/"), text, err);
	if (!strcmp(path, "Contents")) {
		if (!listing->item.sized)
			return bl_fail(err, BL_ECORRUPT, "a listed key has no size");
		return add_item(listing, &listing->side[LISTED_KEYS], err);
	}
	if (!strcmp(path, "CommonPrefixes/Prefix"))
		return set_text(listing->name, sizeof(listing->name), text, "a prefix", err) ||
		                       add_item(listing, &listing->side[LISTED_PREFIXES], err)
		               ? -1
		               : 0;
	if (!strcmp(path, "IsTruncated"))
		return truth(text, &listing->more, err);
	if (!strcmp(path, "NextContinuationToken"))
		return set_text(listing->token, sizeof(listing->token), text, "a list's token",
		                err);
	return 0;
}

int listing_read(struct listing *listing, const char *bytes, size_t len, struct bl_err *err)
{
	if (bl_xml_read(bytes, len, "the list", on_element, listing, err))
		return -1;
	for (size_t i = 0; i < BL_COUNT(listing->side); i++) {
		if (bl_buf_check(&listing->side[i].keys, "listed keys", err) ||
		    bl_buf_check(&listing->side[i].items, "listed keys", err))
			return -1;
	}
	if (!listing->whole)
		return bl_fail(err, BL_ECORRUPT, "the reply is no ListBucketResult");
	if (!listing->more && listing->token[0])
		return bl_fail(err, BL_ECORRUPT, "the list names a token, but not that it goes on");
	if (listing->more && !listing->token[0])
		return bl_fail(err, BL_ECORRUPT, "the list goes on but names no token");
	return 0;
}

/* The key that comes next on this side; NULL when none is left. */
static const char *peek(const struct listing_side *side, const struct listing_item **item)
{
	if (side->next == side->n)
		return NULL;
	*item = (const struct listing_item *)(const void *)side->items.data + side->next;
	return side->keys.data + (*item)->key_at;
}

/* Keys and prefixes come apart, each in order: merged here. */
int listing_emit(struct listing *listing, bl_s3_list_fn *fn, void *arg, struct bl_err *err)
{
	const char *last = "";

	for (;;) {
		const struct listing_item *file = NULL, *fold = NULL;
		const char *key = peek(&listing->side[LISTED_KEYS], &file);
		const char *prefix = peek(&listing->side[LISTED_PREFIXES], &fold);
		struct bl_s3_listed item = { 0 };
		int stop;

		item.is_prefix = !key || (prefix && strcmp(prefix, key) < 0);
		item.key = item.is_prefix ? prefix : key;
		if (!item.key)
			return 0;
		if (!item.is_prefix)
			item.object = file->object;
		listing->side[item.is_prefix ? LISTED_PREFIXES : LISTED_KEYS].next++;
		/* who merges two lists, or deletes what one lacks, must be able to rely on it */
		if (strcmp(item.key, last) <= 0)
			return bl_fail(err, BL_ECORRUPT, "'%.60s' is listed out of order",
			               item.key);
		last = item.key;
		stop = fn(arg, &item, err);
		if (stop)
			return stop;
	}
}

int listing_turn(struct bl_s3_pages *pages, const struct listing *listing, struct bl_err *err)
{
	if (!listing->more) {
		pages->token[0] = '\0';
		return 0;
	}
	if (!strcmp(listing->token, pages->token))
		return bl_fail(err, BL_ECORRUPT, "the list repeats a token: it would never end");
	if (++pages->n >= PAGES_MAX)
		return bl_fail(err, BL_ELIMIT, "the list has over %d pages", PAGES_MAX);
	memcpy(pages->token, listing->token, sizeof(pages->token));
	return 0;
}

int listing_request(struct bl_s3 *s3, const struct bl_s3_pages *pages, const struct bl_call *call,
                    struct bl_aws_request *request, struct bl_err *err)
{
	if (bl_s3_object_request(s3, "GET", "ListObjectsV2", NULL, call, request, err))
		return -1;
	bl_aws_query(request, "list-type", "2");
	bl_aws_query(request, "encoding-type", "url");
	bl_aws_query(request, "prefix", pages->prefix);
	if (pages->delimiter)
		bl_aws_query(request, "delimiter", "/");
	if (pages->token[0])
		bl_aws_query(request, "continuation-token", pages->token);
	else if (pages->start_after && pages->start_after[0])
		bl_aws_query(request, "start-after", pages->start_after);
	return 0;
}

/* One page, waited for; its items go out when it is whole, so that fn may call S3 itself. */
static int one_page(struct bl_s3 *s3, struct bl_s3_pages *pages, const struct bl_call *call,
                    bool *more, struct bl_err *err)
{
	BL_AUTO(listing) listing = LISTING;
	int stop;

	{
		BL_AUTO(bl_aws_request) request = BL_AWS_REQUEST;
		BL_AUTO(bl_aws_reply) reply = { 0 };

		if (listing_request(s3, pages, call, &request, err))
			return -1;
		if (bl_aws_send(s3->aws, &request, &reply, err) ||
		    listing_read(&listing, bl_buf_text(&reply.http.body), reply.http.body.len, err))
			return bl_s3_failed(s3, "list", pages->prefix, &reply, err);
	}
	*more = listing.more;
	if (listing_turn(pages, &listing, err))
		return bl_s3_failed(s3, "list", pages->prefix, NULL, err);
	stop = listing_emit(&listing, pages->fn, pages->arg, err);
	return stop;
}

int bl_s3_list(struct bl_s3 *s3, const struct bl_call *call, const char *prefix,
               const char *start_after, char delimiter, bl_s3_list_fn *fn, void *arg,
               struct bl_err *err)
{
	struct bl_s3_pages pages = { .prefix = prefix,
		                     .start_after = start_after,
		                     .delimiter = delimiter,
		                     .fn = fn,
		                     .arg = arg };
	bool more = true;

	if (delimiter && delimiter != '/')
		return bl_fail(err, BL_EBUG, "list %s: delimiter 0x%02x", prefix,
		               (unsigned char)delimiter);
	while (more) {
		int stop = one_page(s3, &pages, call, &more, err);

		if (stop)
			return stop;
	}
	return 0;
}
