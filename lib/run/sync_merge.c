/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"
#include "base/str.h"
#include "run/sync_parts.h"

#include <stdlib.h>
#include <string.h>

#define PLANS_MAX 4096
#define PLAN_BYTES_MAX ((size_t)1 << 20)
#define DOOMED_MAX 1000 /* S3 API, DeleteObjects */
#define DOOMED_BYTES ((size_t)4 << 20)

static bool is_room(const struct sync *sync)
{
	return sync->n_plans < PLANS_MAX && sync->plan_bytes < PLAN_BYTES_MAX;
}

size_t sync_plan_bytes(const struct sync_plan *plan)
{
	return sizeof(*plan) + strlen(plan->name) + 1 + strlen(plan->etag) + 1;
}

static int add_plan(struct sync *sync, const struct sync_item *item, bool look, struct bl_err *err)
{
	size_t name_size = strlen(item->name) + 1, etag_size = strlen(item->etag) + 1;
	struct sync_plan *plan = calloc(1, sizeof(*plan) + name_size + etag_size);

	if (!plan)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	memcpy(plan->name, item->name, name_size);
	memcpy(plan->name + name_size, item->etag, etag_size);
	plan->etag = plan->name + name_size;
	plan->side = item->side;
	plan->look = look;
	if (sync->last_plan)
		sync->last_plan->next = plan;
	else
		sync->plans = plan;
	sync->last_plan = plan;
	sync->n_plans++;
	sync->plan_bytes += sync_plan_bytes(plan);
	sync->totals->known++;
	sync->totals->known_bytes += item->side.size;
	return 0;
}

static void refuse(struct sync *sync, const struct sync_item *item, const char *why)
{
	sync->totals->refused++;
	sync_say(sync, "refused", item->name, item->side.size, why);
}

static bool is_below(const struct sync_place *place, const char *name)
{
	return place->below.len && bl_str_starts(name, bl_buf_text(&place->below));
}

static int note_below(struct sync_place *place, const struct sync_item *item, struct bl_err *err)
{
	bl_buf_reset(&place->below);
	bl_buf_adds(&place->below, item->name);
	place->below_kind = item->kind;
	return bl_buf_check(&place->below, "name", err);
}

static bool tells_of_below(const struct sync_place *place)
{
	return place->item.kind == SYNC_BELOW || place->item.kind == SYNC_BLOCKED;
}

static bool is_excluded(const struct sync *sync, const char *name)
{
	return sync_is_excluded(name, sync->options->rules, sync->options->n_rules);
}

/* A directory that cannot be read costs what is below it, on whichever side. */
static int out_of_reach(struct sync *sync, struct sync_place *place, struct bl_err *err)
{
	const struct sync_item *item = &place->item;

	place->has_item = false;
	if (item->kind == SYNC_BLOCKED && !is_excluded(sync, item->name)) {
		struct bl_err why = { 0 };

		bl_fail(&why, BL_EDENIED, "%s", item->why);
		sync_failed(sync, item->name, &why);
	}
	return note_below(place, item, err);
}

/* NULL: it may go. */
static const char *why_not(struct sync *sync, const struct sync_item *item,
                           const struct sync_item *there)
{
	const char *why = NULL;

	if (sync->way == SYNC_DOWNLOAD) {
		why = sync_refuse_file(item->name);
		if (!why && sync_clashes(&sync->clash, item->name))
			why = "below what is an object itself: no directory can be there";
		if (!why && is_below(&sync->dst, item->name))
			why = sync->dst.below_kind == SYNC_BELOW
			              ? "below a link, which is not followed"
			              : "below a directory that cannot be read";
		if (!why && there && there->kind != SYNC_FILE)
			why = there->kind == SYNC_LINK ? "a link of that name is there"
			                               : "a special file of that name is there";
		return why;
	}
	return sync_refuse_key(item->name, strlen(sync->dst.prefix));
}

static bool is_skipped(const struct sync *sync, const struct sync_item *item)
{
	if (!*item->name)
		return true;
	return sync->way != SYNC_COPY && sync->src.s3 &&
	       sync_is_marker(item->name, item->side.size);
}

/* A name that SRC has; `there`: what DST has of it, or NULL. */
static int take_src(struct sync *sync, const struct sync_item *there, struct bl_err *err)
{
	const struct sync_item *item = &sync->src.item;
	const struct bl_sync_options *options = sync->options;
	const char *why;

	if (item->kind == SYNC_LINK || item->kind == SYNC_SPECIAL) {
		sync->totals->skipped++;
		sync_say(sync, "skipped", item->name, 0,
		         item->kind == SYNC_LINK ? "a link" : "a special file");
		return 0;
	}
	if (is_skipped(sync, item)) {
		sync->totals->skipped++;
		return 0;
	}
	why = why_not(sync, item, there);
	if (why) {
		refuse(sync, item, why);
		return 0;
	}
	switch (bl_sync_decide(&item->side, there ? &there->side : NULL, options)) {
	case BL_SYNC_MOVE:
		return add_plan(sync, item, false, err);
	case BL_SYNC_LOOK:
		return add_plan(sync, item, true, err);
	default:
		sync->totals->equal++;
		return 0;
	}
}

static void deleted(struct sync *sync, const char *name, uint64_t size)
{
	sync->totals->deleted++;
	sync_say(sync, "delete", name, size, NULL);
	if (!sync->options->dry_run)
		sync_manifest_add(&sync->manifest.lines,
		                  &(struct sync_done){ .act = "delete", .name = name, .etag = "" });
}

static int doom(struct sync *sync, const struct sync_item *item, struct bl_err *err)
{
	if (sync->options->dry_run) {
		deleted(sync, item->name, item->side.size);
		return 0;
	}
	if (!sync->dst.s3) {
		BL_FAILPOINT("sync.unlink.before");
		if (sync_files_remove(&sync->files, item->name, err))
			sync_failed(sync, item->name, err);
		else
			deleted(sync, item->name, item->side.size);
		return 0;
	}
	bl_buf_adds(&sync->doomed, sync->dst.prefix);
	bl_buf_add(&sync->doomed, item->name, strlen(item->name) + 1);
	sync->n_doomed++;
	return sync->n_doomed < DOOMED_MAX ? 0 : sync_flush_doomed(sync, err);
}

/* A name that only DST has. */
static int take_dst(struct sync *sync, struct bl_err *err)
{
	const struct sync_item *item = &sync->dst.item;

	if (bl_sync_decide(NULL, &item->side, sync->options) != BL_SYNC_DELETE ||
	    item->kind != SYNC_FILE || !*item->name || is_below(&sync->src, item->name))
		return 0;
	if (sync->way == SYNC_UPLOAD && sync_is_marker(item->name, item->side.size))
		return 0;
	if (sync->src.ended && !sync->src_has_files) {
		if (sync_explain_empty(sync, err))
			return -1;
		/* more likely a wrong name or a disk that is not mounted than a wish */
		bl_fail(err, BL_EINPUT, "%s holds nothing: --delete would empty %s", sync->src.word,
		        sync->dst.word);
		return bl_next(err, "look at SRC's name; to empty DST, remove it by other means");
	}
	return doom(sync, item, err);
}

static int take_one(struct sync *sync, struct bl_err *err)
{
	struct sync_place *src = &sync->src, *dst = &sync->dst;
	int order = !src->has_item   ? 1
	            : !dst->has_item ? -1
	                             : strcmp(src->item.name, dst->item.name);
	const char *name = order <= 0 ? src->item.name : dst->item.name;
	int result = 0;

	if (order <= 0 && tells_of_below(src))
		return out_of_reach(sync, src, err);
	if (order >= 0 && tells_of_below(dst))
		return out_of_reach(sync, dst, err);
	sync->totals->listed_src += order <= 0;
	if (order <= 0 && src->item.kind == SYNC_FILE &&
	    !sync_is_marker(src->item.name, src->item.side.size))
		sync->src_has_files = true;
	sync->totals->listed_dst += order >= 0;
	if (is_excluded(sync, name))
		sync->totals->excluded++;
	else
		result = order <= 0 ? take_src(sync, order ? NULL : &dst->item, err)
		                    : take_dst(sync, err);
	if (order <= 0)
		src->has_item = false;
	if (order >= 0)
		dst->has_item = false;
	return result;
}

bool sync_merged(const struct sync *sync)
{
	return sync->src.ended && sync->dst.ended;
}

int sync_merge(struct sync *sync, struct bl_err *err)
{
	while (is_room(sync) && !sync_merged(sync)) {
		enum sync_got src, dst;

		/* both are asked, so that both pages are under way */
		if (sync_place_peek(&sync->src, &src, err) ||
		    sync_place_peek(&sync->dst, &dst, err))
			return -1;
		if (src == SYNC_WAIT || dst == SYNC_WAIT)
			return 0;
		if (src == SYNC_END && dst == SYNC_END)
			break;
		if (take_one(sync, err))
			return -1;
	}
	sync->totals->all_listed = sync_merged(sync);
	return 0;
}

static bool is_plain(const char *key)
{
	for (; *key; key++) {
		if ((unsigned char)*key < 0x20)
			return false;
	}
	return true;
}

/* XML cannot say a control character: such a key has a request of its own. */
static int delete_keys(struct sync *sync, const char **keys, struct bl_err *err)
{
	const char *at = sync->doomed.data;
	size_t n = 0;

	for (size_t i = 0; i < sync->n_doomed; i++, at += strlen(at) + 1) {
		if (is_plain(at))
			keys[n++] = at;
		else if (bl_s3_delete(sync->dst.s3, NULL, at, err))
			return -1;
	}
	return n ? bl_s3_delete_many(sync->dst.s3, NULL, keys, n, err) : 0;
}

int sync_flush_doomed(struct sync *sync, struct bl_err *err)
{
	const char *keys[DOOMED_MAX], *at = sync->doomed.data;
	size_t skip = strlen(sync->dst.prefix);

	if (!sync->n_doomed)
		return 0;
	if (bl_buf_check(&sync->doomed, "keys to delete", err))
		return -1;
	BL_FAILPOINT("sync.delete.before");
	if (delete_keys(sync, keys, err)) {
		/* perhaps some are gone: those that are not come again at the next run */
		sync->totals->failed += sync->n_doomed - 1;
		sync_failed(sync, at + skip, err);
	} else {
		for (size_t i = 0; i < sync->n_doomed; i++, at += strlen(at) + 1)
			deleted(sync, at + skip, 0);
	}
	sync->n_doomed = 0;
	bl_buf_reset(&sync->doomed);
	return 0;
}
