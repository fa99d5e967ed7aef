/* SPDX-License-Identifier: Apache-2.0 */
#include "actions/report/post.h"

#include "base/str.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* Seen by GitHub's filters, not by people; it is stripped where it came in. */
#define ZERO_WIDTH "\xe2\x80\x8b"
#define MARKER "<!-- branchline:"

/* Tags that a report of ours is made of, without attributes. */
static const char *const tags[] = { "<details>", "</details>", "<summary>", "</summary>",
	                            "<sub>",     "</sub>",     "<code>",    "</code>" };

static size_t tag_len(const char *at)
{
	for (size_t i = 0; i < BL_COUNT(tags); i++)
		if (bl_str_starts(at, tags[i]))
			return strlen(tags[i]);
	return 0;
}

static bool is_hidden(const char *at)
{
	/* U+200B..U+200F, U+202A..U+202E, U+2060..U+2069, U+FEFF: what hides or reorders */
	const unsigned char *p = (const unsigned char *)at;

	if (p[0] == 0xe2 && p[1] == 0x80)
		return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae);
	if (p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa0 && p[2] <= 0xa9;
	return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
}

/* "#12", but not a chart's "#2563eb". */
static bool is_reference(const char *at)
{
	size_t digits = strspn(at + 1, "0123456789");

	return *at == '#' && digits && !isalnum((unsigned char)at[1 + digits]);
}

/* How a character is written so that nothing comes of it; returns how many bytes it took. */
static size_t add_one(const char *at, struct bl_buf *out)
{
	size_t len;

	if (is_hidden(at))
		return 3;
	len = bl_utf8_sequence(at, strnlen(at, 4));
	len = len ? len : 1;
	if (*at == '<') {
		len = tag_len(at);
		if (len)
			bl_buf_add(out, at, len);
		else
			bl_buf_adds(out, "&lt;");
		return len ? len : 1;
	}
	if ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t')
		return 1;
	bl_buf_add(out, at, len);
	/* a mention, a reference, an image, an address */
	if (*at == '@' || is_reference(at) || (*at == '!' && at[1] == '[') ||
	    (*at == ':' && at[1] == '/') ||
	    (*at == ']' && (at[1] == '(' || at[1] == '[' || at[1] == ':')) ||
	    (tolower((unsigned char)*at) == 'w' && at[1] == '.') ||
	    (toupper((unsigned char)*at) == 'H' && at[1] == '-' && isdigit((unsigned char)at[2])))
		bl_buf_adds(out, ZERO_WIDTH);
	return len;
}

void post_clean(const char *text, struct bl_buf *out)
{
	if (bl_str_starts(text, MARKER)) /* ours is put there */
		text += strcspn(text, "\n");
	text += strspn(text, "\n");
	while (*text)
		text += add_one(text, out);
}
