/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STICKY_H
#define BL_RUN_STICKY_H

#include "net/github.h"

/*
 * The one comment per pull request and job (or group). Its first line is a marker; its author is
 * us. When two programs create one at once, the lowest id stays and the other's is deleted.
 */
#define BL_STICKY_KEY_SIZE 129
#define BL_STICKY_EVERY_MS 60000 /* between two edits that are not the last word */

struct bl_sticky {
	int64_t number;               /* pull request */
	char key[BL_STICKY_KEY_SIZE]; /* job or group */
	int64_t id;                   /* of the comment; 0: not known yet */
	char sha256[65];              /* of what was written last; "": nothing yet */
	int64_t written_mono_ms;      /* when; 0: never */
};

/* "<!-- branchline:report v1 key=KEY -->", without newline; other characters than [A-Za-z0-9._/-]
 * of the key are written as %XX. */
void bl_sticky_marker(const char *key, struct bl_buf *out);

/* Pure: whether an edit is due: the text is another, and the last one is BL_STICKY_EVERY_MS ago or
 * `final`. */
bool bl_sticky_due(const struct bl_sticky *sticky, const char sha256[65], bool final,
                   int64_t now_mono_ms);

/*
 * Creates or edits it, where bl_sticky_due(). text is without the marker. Where the comment was
 * deleted meanwhile another is looked for, then made. A text over GitHub's limit is cut at a line,
 * what is open there closed. wrote may be NULL. A failure is to be said and lived with: no run ends
 * by it; sticky->id is kept as far as it is known then.
 */
BL_MUST int bl_sticky_put(struct bl_github *github, struct bl_sticky *sticky, const char *text,
                          bool final, bool *wrote, struct bl_err *err);

#endif
