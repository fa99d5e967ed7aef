/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_ignore.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 4096
#define PATTERN_MAX 1024

struct rule {
	bool takes_back, dirs_only;
	bool tied; /* to the root; else it fits a name in any directory */
	size_t at; /* of its pattern in text */
};

struct bl_ignore {
	struct rule *rules;
	size_t n;
	struct bl_buf text; /* patterns as written, each ended by a NUL */
};

void bl_ignore_free(struct bl_ignore *ignore)
{
	if (!ignore)
		return;
	free(ignore->rules);
	bl_buf_done(&ignore->text);
	free(ignore);
}

static void ignore_auto(struct bl_ignore **ignore)
{
	bl_ignore_free(*ignore);
}
#define IGNORE __attribute__((cleanup(ignore_auto))) struct bl_ignore *

/* --- Reading ---------------------------------------------------------------------------------- */

/* Blanks at the end do not count unless they are escaped. */
static size_t trimmed(const char *line, size_t len)
{
	size_t end = 0;

	if (len && line[len - 1] == '\r')
		len--;
	for (size_t i = 0; i < len; i++) {
		bool escapes = line[i] == '\\' && i + 1 < len;

		i += escapes;
		if (escapes || line[i] != ' ')
			end = i + 1;
	}
	return end;
}

/* "/" and "!" alone are patterns that fit nothing. */
static void add_rule(struct bl_ignore *ignore, const char *line, size_t len)
{
	struct rule rule = { .at = ignore->text.len, .takes_back = *line == '!' };

	line += rule.takes_back;
	len -= rule.takes_back;
	rule.dirs_only = len && line[len - 1] == '/';
	len -= rule.dirs_only;
	rule.tied = len && memchr(line, '/', len);
	if (len && *line == '/') {
		line++;
		len--;
	}
	bl_buf_add(&ignore->text, line, len);
	bl_buf_addc(&ignore->text, '\0');
	ignore->rules[ignore->n++] = rule;
}

static int read_line(struct bl_ignore *ignore, const char *line, size_t len, const char *file,
                     size_t number, struct bl_err *err)
{
	if (memchr(line, '\0', len))
		return bl_fail(err, BL_EINPUT, "%s:%zu: a NUL byte: this is no text", file, number);
	len = trimmed(line, len);
	if (!len || *line == '#')
		return 0;
	if (len > PATTERN_MAX)
		return bl_fail(err, BL_EINPUT, "%s:%zu: a pattern of over %d bytes", file, number,
		               PATTERN_MAX);
	if (ignore->n == RULES_MAX)
		return bl_fail(err, BL_EINPUT, "%s:%zu: over %d patterns", file, number, RULES_MAX);
	add_rule(ignore, line, len);
	return 0;
}

static size_t count_lines(const char *bytes, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += bytes[i] == '\n';
	return n < RULES_MAX ? n : RULES_MAX;
}

int bl_ignore_parse(const char *bytes, size_t len, const char *file, struct bl_ignore **out,
                    struct bl_err *err)
{
	IGNORE ignore = calloc(1, sizeof(*ignore));
	size_t at = len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;

	if (!ignore)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", file);
	ignore->text = BL_BUF(len + 1);
	ignore->rules = calloc(count_lines(bytes, len), sizeof(*ignore->rules));
	if (!ignore->rules)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", file);
	for (size_t number = 1; at < len; number++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;

		if (read_line(ignore, bytes + at, n, file, number, err))
			return -1;
		at += n + 1;
	}
	if (bl_buf_check(&ignore->text, file, err))
		return -1;
	*out = ignore;
	ignore = NULL;
	return 0;
}

/* --- Matching --------------------------------------------------------------------------------- */

/* "[:digit:]" within a class; *pattern moves past it, to the end when the name is unknown. */
static bool is_named(const char **pattern, int c, bool *hit)
{
	static const struct {
		const char *name;
		int (*holds)(int c);
	} names[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank },
		{ "cntrl", iscntrl }, { "digit", isdigit }, { "graph", isgraph },
		{ "lower", islower }, { "print", isprint }, { "punct", ispunct },
		{ "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};
	const char *name = *pattern + 2, *end = strchr(name, ']');

	if (!end || end == name || end[-1] != ':')
		return false;
	*pattern += strlen(*pattern);
	for (size_t i = 0; i < BL_COUNT(names); i++) {
		size_t n = strlen(names[i].name);

		if (n != (size_t)(end - 1 - name) || memcmp(names[i].name, name, n))
			continue;
		*hit = *hit || names[i].holds(c);
		*pattern = end + 1;
	}
	return true;
}

/* One character of a class; 0 at the end of the pattern. */
static int class_char(const char **pattern)
{
	if (**pattern == '\\')
		++*pattern;
	return **pattern ? (unsigned char)*(*pattern)++ : 0;
}

/* One [...]; *pattern moves past it. An unclosed one fits nothing. */
static bool class_fits(const char **pattern, int c)
{
	const char *p = *pattern + 1, *first;
	bool negate = *p == '!' || *p == '^', hit = false;

	first = p += negate;
	while (*p && (*p != ']' || p == first)) {
		int low, high;

		if (p[0] == '[' && p[1] == ':' && is_named(&p, c, &hit))
			continue;
		low = high = class_char(&p);
		if (p[0] == '-' && p[1] && p[1] != ']') {
			p++;
			high = class_char(&p);
		}
		hit = hit || (c >= low && c <= high);
	}
	if (!*p)
		return false;
	*pattern = p + 1;
	return hit != negate;
}

/* What stands for one byte; *pattern moves past it. */
static bool byte_fits(const char **pattern, char c)
{
	if (**pattern == '[')
		return class_fits(pattern, (unsigned char)c);
	if (**pattern == '?') {
		++*pattern;
		return true;
	}
	if (**pattern == '\\')
		++*pattern;
	return **pattern && *(*pattern)++ == c;
}

/* An escaped '/' is one as well. */
static bool is_end(const char *pattern)
{
	pattern += *pattern == '\\' && pattern[1] == '/';
	return !*pattern || *pattern == '/';
}

static const char *past_slash(const char *pattern)
{
	return pattern + (*pattern == '\\') + 1;
}

/* A pattern up to its '/' or its end against a name; *pattern moves there. Only the last star is
 * gone back to: what an earlier one took is the least it could, so time is no more than n * m. */
static bool name_fits(const char **pattern, const char *name, size_t len)
{
	const char *p = *pattern, *star = NULL;
	size_t at = 0, from = 0;

	while (at < len || !is_end(p)) {
		if (*p == '*') {
			star = ++p;
			from = at;
		} else if (at < len && !is_end(p) && byte_fits(&p, name[at])) {
			at++;
		} else if (star && from < len) {
			p = star;
			at = ++from;
		} else {
			return false;
		}
	}
	*pattern = p;
	return true;
}

/* Past a "**" that stands alone between slashes; NULL when there is none. */
static const char *past_deep(const char *pattern)
{
	size_t n = strspn(pattern, "*");

	return n > 1 && is_end(pattern + n) ? pattern + n : NULL;
}

/* The same for a path: "**" is for its parts what a star is for a name's bytes. */
static bool path_fits(const char *pattern, const char *path)
{
	const char *deep = NULL, *from = NULL, *after;

	for (;;) {
		size_t len = strcspn(path, "/");

		after = past_deep(pattern);
		if (after && !*after)
			return true;
		if (after) {
			deep = pattern = past_slash(after);
			from = path;
			continue;
		}
		if (name_fits(&pattern, path, len)) {
			path += len;
			if (!*pattern && !*path)
				return true;
			if (*pattern && *path) {
				pattern = past_slash(pattern);
				path++;
				continue;
			}
		}
		from = from ? strchr(from, '/') : NULL;
		if (!from)
			return false;
		path = ++from;
		pattern = deep;
	}
}

static bool rule_fits(const struct bl_ignore *ignore, const struct rule *rule, const char *path,
                      const char *name)
{
	const char *pattern = ignore->text.data + rule->at;

	if (rule->tied)
		return path_fits(pattern, path);
	return name_fits(&pattern, name, strlen(name));
}

bool bl_ignore_matches(const struct bl_ignore *ignore, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = ignore ? ignore->n : 0; i > 0; i--) {
		const struct rule *rule = &ignore->rules[i - 1];

		if ((is_dir || !rule->dirs_only) && rule_fits(ignore, rule, path, name))
			return !rule->takes_back;
	}
	return false;
}
