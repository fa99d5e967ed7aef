/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sync_parts.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_TEXT_MAX ((size_t)8 << 20)
#define PAGE_ITEMS_MAX ((size_t)100000)

struct sync_listed {
	size_t name, etag; /* where in the page's text */
	uint64_t size;
	int64_t modified_wall_ms;
};

static struct sync_page *filled(struct sync_pages *pages)
{
	return &pages->page[!pages->now];
}

static int make_room(struct sync_page *page, struct bl_err *err)
{
	size_t room = page->room ? page->room * 2 : 1024;
	struct sync_listed *grown;

	if (page->n < page->room)
		return 0;
	if (room > PAGE_ITEMS_MAX)
		return bl_fail(err, BL_ELIMIT, "a page of the list has over %zu keys", page->n);
	grown = realloc(page->items, room * sizeof(*grown));
	if (!grown)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	page->items = grown;
	page->room = room;
	return 0;
}

/* A list that is out of order would make us delete what both sides have. */
static int check_order(struct sync_pages *pages, const char *key, struct bl_err *err)
{
	size_t skip = strlen(pages->list.prefix), len = strlen(key);
	const char *name = key + skip;

	if (len < skip || len > SYNC_KEY_MAX || memcmp(key, pages->list.prefix, skip) != 0)
		return bl_fail(err, BL_ECORRUPT, "the list has a key outside its prefix");
	if (pages->started && strcmp(name, pages->newest) <= 0)
		return bl_fail(err, BL_ECORRUPT, "the list is not in the order of its keys");
	memcpy(pages->newest, name, len - skip + 1);
	pages->started = true;
	return 0;
}

static int take(void *arg, const struct bl_s3_listed *listed, struct bl_err *err)
{
	struct sync_pages *pages = arg;
	struct sync_page *page = filled(pages);
	struct sync_listed *item;

	if (listed->is_prefix)
		return 0;
	if (check_order(pages, listed->key, err) || make_room(page, err))
		return -1;
	item = &page->items[page->n++];
	item->name = page->text.len;
	bl_buf_adds(&page->text, listed->key + strlen(pages->list.prefix));
	bl_buf_addc(&page->text, '\0');
	item->etag = page->text.len;
	bl_buf_adds(&page->text, listed->object.etag);
	bl_buf_addc(&page->text, '\0');
	item->size = listed->object.size;
	item->modified_wall_ms = listed->object.modified_wall_ms;
	return bl_buf_check(&page->text, "a page of the list", err);
}

static void page_came(void *arg, bool last, struct bl_err *err)
{
	struct sync_pages *pages = arg;

	pages->under_way = false;
	pages->last = last;
	if (err->code)
		pages->err = *err;
}

void sync_pages_open(struct sync_pages *pages, struct bl_s3 *s3, const char *prefix)
{
	pages->s3 = s3;
	pages->list.prefix = prefix;
	pages->list.fn = take;
	pages->list.done = page_came;
	pages->list.arg = pages;
	for (size_t i = 0; i < BL_COUNT(pages->page); i++)
		pages->page[i].text = BL_BUF(PAGE_TEXT_MAX);
}

/* The page after the one that is read comes while that is worked on. */
static int ask_ahead(struct sync_pages *pages, struct bl_err *err)
{
	if (pages->under_way || pages->last || filled(pages)->n)
		return 0;
	if (bl_s3_page_start(pages->s3, &pages->list, err))
		return -1;
	pages->under_way = true;
	return 0;
}

static void turn(struct sync_pages *pages)
{
	struct sync_page *read = &pages->page[pages->now];

	read->n = 0;
	bl_buf_reset(&read->text);
	pages->now = !pages->now;
	pages->at = 0;
}

int sync_pages_next(struct sync_pages *pages, struct sync_item *item, enum sync_got *got,
                    struct bl_err *err)
{
	const struct sync_listed *listed;
	const struct sync_page *page;

	if (pages->err.code) {
		*err = pages->err;
		return -1;
	}
	if (pages->at == pages->page[pages->now].n && !pages->under_way)
		turn(pages);
	if (ask_ahead(pages, err))
		return -1;
	page = &pages->page[pages->now];
	if (pages->at == page->n) {
		*got = pages->under_way ? SYNC_WAIT : SYNC_END;
		return 0;
	}
	listed = &page->items[pages->at++];
	*item = (struct sync_item){
		.name = page->text.data + listed->name,
		.kind = SYNC_FILE,
		.side = { listed->size, listed->modified_wall_ms },
		.etag = page->text.data + listed->etag,
	};
	*got = SYNC_ITEM;
	return 0;
}

void sync_pages_done(struct sync_pages *pages)
{
	bl_s3_pages_done(&pages->list);
	for (size_t i = 0; i < BL_COUNT(pages->page); i++) {
		free(pages->page[i].items);
		bl_buf_done(&pages->page[i].text);
	}
}
