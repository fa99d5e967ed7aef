/* SPDX-License-Identifier: Apache-2.0 */
#include "run/sticky.h"

#include "base/clock.h"
#include "base/str.h"
#include "codec/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t)4 << 20)
#define MARKER_MAX 512
#define CREATE_TRIES 3
#define END_ROOM 400 /* of what closes a text that was cut */

/* --- Pure ------------------------------------------------------------------------------------- */

void bl_sticky_marker(const char *key, struct bl_buf *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._/-";

	bl_buf_adds(out, "<!-- branchline:report v1 key=");
	for (; *key; key++) {
		if (strchr(plain, *key))
			bl_buf_addc(out, *key);
		else
			bl_buf_addf(out, "%%%02X", (unsigned)(unsigned char)*key);
	}
	bl_buf_adds(out, " -->");
}

bool bl_sticky_due(const struct bl_sticky *sticky, const char sha256[65], bool final,
                   int64_t now_mono_ms)
{
	if (!strcmp(sticky->sha256, sha256))
		return false;
	return final || !sticky->written_mono_ms ||
	       now_mono_ms - sticky->written_mono_ms >= BL_STICKY_EVERY_MS;
}

/* What is open at the end of a text: a fence, some <details>. */
struct open_parts {
	char mark; /* of the fence; '\0': none */
	size_t run, details;
};

static void look_at_line(struct open_parts *open, const char *line, size_t len)
{
	size_t indent = 0, run = 0;

	while (indent < len && indent < 3 && line[indent] == ' ')
		indent++;
	line += indent;
	len -= indent;
	while (len && run < len && line[run] == line[0] && (*line == '`' || *line == '~'))
		run++;
	if (open->mark) {
		if (run >= open->run && *line == open->mark && run == len)
			open->mark = '\0';
		return;
	}
	if (run >= 3) {
		open->mark = *line;
		open->run = run;
	}
	for (const char *p = line; (p = memmem(p, len - (size_t)(p - line), "<", 1)); p++) {
		size_t left = len - (size_t)(p - line);

		if (left >= 8 && !strncasecmp(p, "<details", 8))
			open->details++;
		if (left >= 9 && !strncasecmp(p, "</details", 9) && open->details)
			open->details--;
	}
}

/* At a line's end, with what is open closed. */
static void cut_into(struct bl_buf *out, const char *text, size_t max)
{
	struct open_parts open = { 0 };
	size_t at = 0, len = max > END_ROOM ? max - END_ROOM : 0;

	while (text[at]) {
		size_t line = strcspn(text + at, "\n");

		if (at + line >= len)
			break;
		look_at_line(&open, text + at, line);
		at += line + (text[at + line] == '\n');
	}
	if (!at) /* one long line */
		at = bl_utf8_valid(text, len);
	bl_buf_add(out, text, at);
	if (open.mark) {
		bl_buf_addc(out, '\n');
		for (size_t i = 0; i < open.run && i < END_ROOM / 4; i++)
			bl_buf_addc(out, open.mark);
	}
	for (size_t i = 0; i < open.details && i < 8; i++)
		bl_buf_adds(out, "\n</details>");
	bl_buf_adds(out, "\n\nTruncated: the job's summary has all of it.\n");
}

/* --- Acting ----------------------------------------------------------------------------------- */

struct put {
	struct bl_github *github;
	struct bl_sticky *sticky;
	const char *marker, *text; /* text: marker and all */
	struct bl_buf shorter;     /* the text, cut, after it was refused */
};

/* A text that GitHub counts as too long is tried once more, by half. */
static bool cut_after(struct put *put, struct bl_err *err)
{
	if (err->code != BL_EINPUT || put->shorter.len || strlen(put->text) < END_ROOM * 2)
		return false;
	cut_into(&put->shorter, put->text, strlen(put->text) / 2);
	if (put->shorter.failed)
		return false;
	bl_err_clear(err);
	put->text = bl_buf_text(&put->shorter);
	return true;
}

static int edit(struct put *put, struct bl_err *err)
{
	for (;;) {
		if (!bl_github_comment_edit(put->github, put->sticky->id, put->text, err))
			return 0;
		if (!cut_after(put, err))
			return -1;
	}
}

/* 0: found, or *id is 0. */
static int find(struct put *put, int64_t *id, struct bl_err *err)
{
	*id = 0;
	if (!bl_github_comment_find(put->github, put->sticky->number, put->marker, id, NULL, err))
		return 0;
	if (err->code != BL_ENOENT)
		return -1;
	bl_err_clear(err);
	return 0;
}

/* Somebody else may have made one at the same time: the lowest stays. */
static int settle(struct put *put, struct bl_err *err)
{
	int64_t lowest, mine = put->sticky->id;

	if (find(put, &lowest, err))
		return -1;
	if (!lowest || lowest >= mine)
		return 0;
	put->sticky->id = lowest;
	return bl_github_comment_delete(put->github, mine, err) || edit(put, err) ? -1 : 0;
}

/* A create whose reply was lost may have been done: looked for before the next. */
static int create(struct put *put, struct bl_err *err)
{
	struct bl_sticky *sticky = put->sticky;

	for (unsigned tries = 0;;) {
		if (!bl_github_comment_create(put->github, sticky->number, put->text, &sticky->id,
		                              err))
			return settle(put, err);
		if (cut_after(put, err))
			continue;
		if (err->code != BL_ERETRY || ++tries >= CREATE_TRIES)
			return -1;
		bl_err_clear(err);
		if (find(put, &sticky->id, err))
			return -1;
		if (sticky->id)
			return edit(put, err);
	}
}

static int write_it(struct put *put, struct bl_err *err)
{
	struct bl_sticky *sticky = put->sticky;

	if (sticky->id) {
		if (!edit(put, err))
			return 0;
		if (err->code != BL_ENOENT)
			return -1;
		bl_err_clear(err); /* somebody deleted it */
	}
	if (find(put, &sticky->id, err))
		return -1;
	return sticky->id ? edit(put, err) : create(put, err);
}

int bl_sticky_put(struct bl_github *github, struct bl_sticky *sticky, const char *text, bool final,
                  bool *wrote, struct bl_err *err)
{
	BL_AUTO(bl_buf) marker = BL_BUF(MARKER_MAX);
	BL_AUTO(bl_buf) body = BL_BUF(BODY_MAX);
	BL_AUTO(bl_buf) fits = BL_BUF(BL_GITHUB_COMMENT_MAX);
	struct put put = { github, sticky, NULL, NULL, BL_BUF(BL_GITHUB_COMMENT_MAX) };
	char sha256[BL_SHA256_HEX];
	int rc;

	bl_sticky_marker(sticky->key, &marker);
	bl_buf_adds(&body, bl_buf_text(&marker));
	bl_buf_addf(&body, "\n%s", text);
	if (bl_buf_check(&marker, "marker", err) || bl_buf_check(&body, "comment", err) ||
	    bl_sha256_of(body.data, body.len, sha256, err))
		return -1;
	if (wrote)
		*wrote = false;
	if (!bl_sticky_due(sticky, sha256, final, bl_mono_ms()))
		return 0;
	put.marker = bl_buf_text(&marker);
	put.text = bl_buf_text(&body);
	if (body.len > BL_GITHUB_COMMENT_MAX) {
		cut_into(&fits, put.text, BL_GITHUB_COMMENT_MAX);
		put.text = bl_buf_text(&fits);
	}
	rc = bl_buf_check(&fits, "comment", err) || write_it(&put, err);
	bl_buf_done(&put.shorter);
	if (rc)
		return bl_wrap(err, "comment on #%" PRId64, sticky->number);
	memcpy(sticky->sha256, sha256, sizeof(sticky->sha256));
	sticky->written_mono_ms = bl_mono_ms();
	if (wrote)
		*wrote = true;
	return 0;
}
