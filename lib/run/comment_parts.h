/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMMENT_PARTS_H
#define BL_RUN_COMMENT_PARTS_H

#include "run/comment.h"

/* What the files that write the comment share; they alone include this. */

#define HEADING_CHARS 160u /* a longer message is told whole below it */

/* The text, never NULL. */
static inline const char *comment_text(const char *text)
{
	return text ? text : "";
}

static inline bool comment_is_over(const struct bl_comment *comment)
{
	return comment->state == BL_COMMENT_FAILED || comment->state == BL_COMMENT_CANCELLED;
}

/* One line with icon: the verdict, and where the run stands. */
void comment_heading(const struct bl_comment *comment, struct bl_buf *out);

/* "step 400/1000 (40 %), loss 1.84, ETA 25 min, $0.31 so far", each where it is known. */
void comment_progress(const struct bl_comment *comment, struct bl_buf *out);

#endif
