/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/s3_list.h"
#include "aws/s3_parts.h"

#include <stdlib.h>

/* A page under way. */
struct bl_s3_page {
	struct bl_s3 *s3;
	struct bl_s3_pages *pages;
	struct bl_aws_request request;
	struct bl_aws_reply reply;
};

static void free_page(struct bl_s3_page *page)
{
	if (!page)
		return;
	bl_aws_request_done(&page->request);
	bl_aws_reply_done(&page->reply);
	free(page);
}

static int take_page(const struct bl_s3_page *page, bool *last, struct bl_err *err)
{
	struct bl_s3_pages *pages = page->pages;
	BL_AUTO(listing) listing = LISTING;

	if (listing_read(&listing, bl_buf_text(&page->reply.http.body), page->reply.http.body.len,
	                 err) ||
	    listing_turn(pages, &listing, err))
		return bl_s3_failed(page->s3, "list", pages->prefix, NULL, err);
	*last = !listing.more;
	return listing_emit(&listing, pages->fn, pages->arg, err);
}

static void page_came(void *arg, struct bl_aws_reply *reply, struct bl_err *err)
{
	struct bl_s3_page *page = arg;
	struct bl_s3_pages *pages = page->pages;
	bool last = true;

	if (err->code)
		bl_s3_failed(page->s3, "list", pages->prefix, reply, err);
	else if (take_page(page, &last, err))
		last = true; /* fn has had enough, or err says why */
	pages->page = NULL;
	free_page(page);
	pages->done(pages->arg, last, err); /* may start the next, or free pages */
}

int bl_s3_page_start(struct bl_s3 *s3, struct bl_s3_pages *pages, struct bl_err *err)
{
	struct bl_s3_page *page = calloc(1, sizeof(*page));

	if (!page)
		return bl_fail(err, BL_ENOMEM, "list s3://%s: out of memory", s3->bucket);
	page->s3 = s3;
	page->pages = pages;
	page->request = BL_AWS_REQUEST;
	if (listing_request(s3, pages, NULL, &page->request, err) ||
	    bl_aws_start(s3->aws, &page->request, &page->reply, page_came, page, err)) {
		free_page(page);
		return -1;
	}
	pages->page = page;
	return 0;
}

void bl_s3_pages_done(struct bl_s3_pages *pages)
{
	if (!pages->page)
		return;
	bl_aws_cancel(pages->page->s3->aws, pages->page);
	free_page(pages->page);
	pages->page = NULL;
}
