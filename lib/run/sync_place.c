/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "run/sync_parts.h"

#include <string.h>

static int parse_s3(struct sync_place *place, const char *word, struct bl_err *err)
{
	size_t len;

	if (bl_s3_uri(word, place->bucket, place->prefix, err))
		return -1;
	len = strlen(place->prefix);
	if (len && place->prefix[len - 1] != '/') {
		place->prefix[len] = '/';
		place->prefix[len + 1] = '\0';
	}
	return 0;
}

int sync_place_parse(struct sync_place *place, const char *word, struct bl_err *err)
{
	place->word = word;
	place->root = -1;
	place->below = BL_BUF((size_t)64 << 10);
	if (!*word)
		return bl_fail(err, BL_EINPUT, "an empty name");
	if (bl_str_starts(word, "s3://"))
		return parse_s3(place, word, err);
	if (strstr(word, "://")) {
		bl_fail(err, BL_EINPUT, "'%.200s' is neither s3://bucket[/prefix] nor a directory",
		        word);
		return bl_next(err, "a directory whose name looks so is written ./%.100s", word);
	}
	return 0;
}

static bool is_s3(const struct sync_place *place)
{
	return place->bucket[0];
}

int sync_places_check(const struct sync_place *src, const struct sync_place *dst,
                      struct bl_err *err)
{
	if (!is_s3(src) && !is_s3(dst)) {
		bl_fail(err, BL_EINPUT, "neither '%.100s' nor '%.100s' is in S3", src->word,
		        dst->word);
		return bl_next(err, "write one of them as s3://bucket/prefix; "
		                    "between directories use rsync -a");
	}
	if (!is_s3(src) || !is_s3(dst) || strcmp(src->bucket, dst->bucket) != 0)
		return 0;
	if (bl_str_starts(src->prefix, dst->prefix) || bl_str_starts(dst->prefix, src->prefix)) {
		bl_fail(err, BL_EINPUT, "'%.100s' and '%.100s' lie within each other", src->word,
		        dst->word);
		return bl_next(err, "name two prefixes of which neither begins with the other");
	}
	return 0;
}

static int next(struct sync_place *place, enum sync_got *got, struct bl_err *err)
{
	if (place->s3)
		return sync_pages_next(&place->pages, &place->item, got, err);
	if (place->root < 0) {
		*got = SYNC_END;
		return 0;
	}
	return sync_walk_next(&place->walk, &place->item, got, err);
}

int sync_place_peek(struct sync_place *place, enum sync_got *got, struct bl_err *err)
{
	if (!place->has_item && !place->ended) {
		if (next(place, got, err)) /* a failed list names its bucket and prefix */
			return place->s3 ? -1 : bl_wrap(err, "list %s", place->word);
		place->has_item = *got == SYNC_ITEM;
		place->ended = *got == SYNC_END;
		return 0;
	}
	*got = place->has_item ? SYNC_ITEM : SYNC_END;
	return 0;
}

void sync_place_done(struct sync_place *place)
{
	if (place->s3)
		sync_pages_done(&place->pages);
	else
		sync_walk_done(&place->walk);
	bl_s3_close(place->s3);
	bl_fd_done(&place->root);
	bl_buf_done(&place->below);
}
