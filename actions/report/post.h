/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ACTIONS_REPORT_POST_H
#define BL_ACTIONS_REPORT_POST_H

#include "base/buf.h"

#include <stdint.h>

/*
 * The second half of a report in two workflows: the first has no rights (a fork's), and leaves its
 * Markdown as an artifact; the second, of workflow_run, may write and has only that file. Whatever
 * is in it was written by whoever opened the pull request.
 */
struct post_options {
	const char *path, *key;
	int64_t number; /* 0: the open pull request that the workflow_run's head belongs to */
};
#define POST_MAX ((size_t)256 << 10) /* bytes of the file */

/*
 * Posts it as a sticky comment. In a workflow_run the pull request's head must be the commit that
 * the first workflow ran for. BL_EINPUT: over POST_MAX bytes, no UTF-8, nobody to post to;
 * BL_EDENIED: it is another commit's.
 */
BL_MUST int post_report(const struct post_options *options, struct bl_err *err);

/*
 * Pure: the text made harmless. What a report of ours holds stays (tables, fences, details); a
 * marker of a sticky comment, HTML comments, other tags, images, mentions and references do not.
 */
void post_clean(const char *text, struct bl_buf *out);

#endif
