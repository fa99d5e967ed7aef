/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_ignore.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 4096
#define PATTERN_MAX 1024

struct rule {
	bool takes_back, dirs_only;
	size_t at; /* of its glob in text */
};

struct bl_ignore {
	struct rule *rules;
	size_t n;
	struct bl_buf text; /* globs, each ended by a NUL, for the whole path */
};

void bl_ignore_free(struct bl_ignore *ignore)
{
	if (!ignore)
		return;
	free(ignore->rules);
	bl_buf_done(&ignore->text);
	free(ignore);
}

/* Blanks at the end do not count unless the last is escaped. */
static size_t trimmed(const char *line, size_t len)
{
	if (len && line[len - 1] == '\r')
		len--;
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t') &&
	       !(len > 1 && line[len - 2] == '\\'))
		len--;
	return len;
}

/* A pattern without a '/' but at its end fits in any directory. */
static void add_glob(struct bl_buf *text, const char *pattern, size_t len)
{
	bool tied = memchr(pattern, '/', len) != NULL;

	if (*pattern == '/') {
		pattern++;
		len--;
	}
	bl_buf_adds(text, tied ? "" : "**/");
	for (size_t i = 0; i < len; i++) {
		bool escaped = pattern[i] == '\\' && i + 1 < len;

		i += escaped;
		/* the matcher has no escapes, but classes of one */
		if (escaped && strchr("*?[", pattern[i]))
			bl_buf_addf(text, "[%c]", pattern[i]);
		else
			bl_buf_addc(text, pattern[i]);
	}
	bl_buf_addc(text, '\0');
}

static int add_rule(struct bl_ignore *ignore, const char *line, size_t len, const char *file,
                    size_t number, struct bl_err *err)
{
	struct rule rule = { .at = ignore->text.len };

	len = trimmed(line, len);
	if (!len || *line == '#')
		return 0;
	if (*line == '!') {
		rule.takes_back = true;
		line++;
		len--;
	}
	rule.dirs_only = len && line[len - 1] == '/';
	len -= rule.dirs_only;
	if (!len || (len == 1 && *line == '/'))
		return 0;
	if (len > PATTERN_MAX || ignore->n >= RULES_MAX || memchr(line, '\0', len))
		return bl_fail(err, BL_EINPUT, "%s:%zu: %s", file, number,
		               len > PATTERN_MAX ? "a pattern of over 1,024 bytes"
		                                 : "over 4,096 patterns, or no text");
	add_glob(&ignore->text, line, len);
	ignore->rules[ignore->n++] = rule;
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
	struct bl_ignore *ignore = calloc(1, sizeof(*ignore));
	size_t number = 1;

	if (!ignore)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", file);
	ignore->text = BL_BUF(3 * len + 8 * (size_t)RULES_MAX);
	ignore->rules = calloc(count_lines(bytes, len), sizeof(*ignore->rules));
	if (!ignore->rules) {
		bl_ignore_free(ignore);
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", file);
	}
	for (size_t at = 0; at < len; number++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;

		if (add_rule(ignore, bytes + at, n, file, number, err)) {
			bl_ignore_free(ignore);
			return -1;
		}
		at += n + 1;
	}
	if (bl_buf_check(&ignore->text, file, err)) {
		bl_ignore_free(ignore);
		return -1;
	}
	*out = ignore;
	return 0;
}

bool bl_ignore_matches(const struct bl_ignore *ignore, const char *path, bool is_dir)
{
	for (size_t i = ignore ? ignore->n : 0; i > 0; i--) {
		const struct rule *rule = &ignore->rules[i - 1];

		if (rule->dirs_only && !is_dir)
			continue;
		if (bl_str_glob(ignore->text.data + rule->at, path))
			return !rule->takes_back;
	}
	return false;
}
