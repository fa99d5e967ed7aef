/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/profile_parts.h"

#include <stdlib.h>
#include <string.h>

/*
 * Lines are read as AWS's own tools read them: one that is indented deeper than the setting before
 * it goes on with that; below a setting without a value it is a nested setting.
 */
struct parser {
	struct bl_profiles *profiles;
	enum profile_file file;
	const char *path;
	unsigned line;
	bool in_section, in_setting;
	size_t indent;      /* of the setting's line */
	const char *parent; /* the setting without a value that nested ones may follow; else NULL */
	char *value, *value_end; /* of the setting, else; where more of it goes */
};

/* The line itself may hold a secret. */
static int refuse(const struct parser *parser, const char *why, const char *next,
                  struct bl_err *err)
{
	bl_fail(err, BL_EINPUT, "%s:%u: %s", parser->path, parser->line, why);
	return bl_next(err, "%s", next);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* Cuts blanks at both ends of [from, to), ends it with a NUL. Bytes up to *to may be written. */
static char *trim(char *from, char *to)
{
	while (from < to && is_blank(*from))
		from++;
	while (to > from && is_blank(to[-1]))
		to--;
	*to = '\0';
	return from;
}

static int grow(void **items, size_t size, size_t n, size_t *cap, struct bl_err *err)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *grown;

	if (n < *cap)
		return 0;
	grown = realloc(*items, more * size);
	if (!grown)
		return bl_fail(err, BL_ENOMEM, "profiles: out of memory");
	*items = grown;
	*cap = more;
	return 0;
}

static int add_setting(struct parser *parser, const char *parent, const char *key, char *value,
                       struct bl_err *err)
{
	struct bl_profiles *profiles = parser->profiles;
	void *items = profiles->settings;

	if (grow(&items, sizeof(*profiles->settings), profiles->n_settings, &profiles->cap_settings,
	         err))
		return -1;
	profiles->settings = items;
	profiles->settings[profiles->n_settings++] = (struct profile_setting){
		.section = profiles->n_sections - 1,
		.parent = parent,
		.key = key,
		.value = value,
	};
	return 0;
}

/* The next word, its quotes removed in place; NULL: no more, or a quote without its end. */
static char *next_word(char **at)
{
	char *from = *at, *to, *word, quote = '\0';

	while (is_blank(*from))
		from++;
	if (!*from)
		return NULL;
	word = to = from;
	for (; *from && (quote || !is_blank(*from)); from++) {
		if (quote ? *from == quote : *from == '"' || *from == '\'')
			quote = quote ? '\0' : *from;
		else
			*to++ = *from;
	}
	*at = *from ? from + 1 : from;
	*to = '\0';
	return quote ? NULL : word;
}

/* "profile NAME" and its like; all else is somebody else's section. */
static void name_config_section(char *header, struct profile_section *section)
{
	static const struct {
		const char *word;
		enum profile_kind kind;
	} kinds[] = {
		{ "profile", PROFILE_PROFILE },
		{ "services", PROFILE_SERVICES },
		{ "sso-session", PROFILE_SSO_SESSION },
	};
	char *at = header, *word = next_word(&at), *name = word ? next_word(&at) : NULL;

	if (word && !name && !strcmp(word, "default") && !*at) {
		section->kind = PROFILE_PROFILE;
		section->bare_default = true;
		section->name = word;
		return;
	}
	if (!name || next_word(&at))
		return;
	for (size_t i = 0; i < BL_COUNT(kinds); i++)
		if (!strcmp(word, kinds[i].word)) {
			section->kind = kinds[i].kind;
			section->name = name;
		}
}

/* The ']' that ends a header: outside quotes, or else the last. */
static char *header_end(char *from)
{
	char quote = '\0';

	for (char *at = from; *at; at++) {
		if (*at == ']' && !quote)
			return at;
		if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? '\0' : *at;
	}
	return strrchr(from, ']');
}

static int begin_section(struct parser *parser, char *from, struct bl_err *err)
{
	struct bl_profiles *profiles = parser->profiles;
	struct profile_section section = { .file = parser->file, .name = "" };
	char *end = header_end(from + 1);
	void *items = profiles->sections;

	if (!end)
		return refuse(parser, "a section's name without ']'", "write it as [profile NAME]",
		              err);
	if (grow(&items, sizeof(section), profiles->n_sections, &profiles->cap_sections, err))
		return -1;
	profiles->sections = items;
	from = trim(from + 1, end);
	if (parser->file == PROFILE_CONFIG) {
		name_config_section(from, &section);
	} else {
		section.kind = PROFILE_PROFILE;
		section.name = from;
	}
	if (section.kind == PROFILE_PROFILE && !section.bare_default &&
	    parser->file == PROFILE_CONFIG && !strcmp(section.name, "default"))
		profiles->has_profile_default = true;
	profiles->sections[profiles->n_sections++] = section;
	parser->in_section = true;
	parser->in_setting = false;
	return 0;
}

/* "value  # comment": a '#' after a blank ends it. */
static char *without_comment(char *from, char *to)
{
	for (char *at = from; at < to; at++)
		if (*at == '#' && is_blank(at[-1]))
			return at;
	return to;
}

static int read_setting(struct parser *parser, char *from, char *to, const char *parent,
                        struct bl_err *err)
{
	size_t len = strcspn(from, parent ? "=" : "=:");
	char *end, *value;

	if (!len || from + len >= to)
		return refuse(parser, "neither [SECTION] nor KEY = VALUE",
		              "write settings as KEY = VALUE, below a line [profile NAME]", err);
	end = without_comment(from + len + 1, to);
	value = trim(from + len + 1, end);
	from = trim(from, from + len);
	if (!parent) {
		parser->in_setting = true;
		parser->parent = *value ? NULL : from;
		parser->value = value;
		parser->value_end = value + strlen(value);
	}
	return add_setting(parser, parent, from, value, err);
}

/* One more line of a value: moved to its end, which lies before it in the same bytes. */
static void continue_value(struct parser *parser, char *from, char *to)
{
	char *text = trim(from, without_comment(from + 1, to));
	size_t len = strlen(text);

	*parser->value_end++ = '\n';
	memmove(parser->value_end, text, len + 1);
	parser->value_end += len;
}

/* [from, to): one line without its end; *to may be written. */
static int read_line(struct parser *parser, char *from, char *to, struct bl_err *err)
{
	char *text = trim(from, to);
	size_t indent = (size_t)(text - from);

	to = text + strlen(text);
	if (text == to || *text == '#' || *text == ';')
		return 0;
	if (parser->in_setting && indent > parser->indent) {
		if (parser->parent)
			return read_setting(parser, text, to, parser->parent, err);
		continue_value(parser, text, to);
		return 0;
	}
	parser->indent = indent;
	if (*text == '[')
		return begin_section(parser, text, err);
	if (!parser->in_section)
		return refuse(parser, "a setting before any section",
		              parser->file == PROFILE_SHARED ? "begin with [default]"
		                                             : "begin with [profile NAME]",
		              err);
	return read_setting(parser, text, to, NULL, err);
}

int profile_parse(struct bl_profiles *profiles, enum profile_file file, const char *path,
                  struct bl_err *err)
{
	struct bl_buf *text = &profiles->files[file];
	struct parser parser = { .profiles = profiles, .file = file, .path = path, .line = 1 };
	char *at = text->data, *end = at + text->len;

	if (!text->len)
		return 0;
	if (memchr(at, '\0', text->len))
		return bl_fail(err, BL_EINPUT, "%s: holds a NUL byte, so it is no text", path);
	if (!strncmp(at, "\xef\xbb\xbf", 3))
		at += 3;
	for (; at < end; parser.line++) {
		char *eol = memchr(at, '\n', (size_t)(end - at));

		if (!eol)
			eol = end;
		if ((size_t)(eol - at) > PROFILE_LINE_MAX)
			return refuse(&parser, "longer than 64 KiB", "break the line", err);
		if (read_line(&parser, at, eol, err))
			return -1;
		at = eol + 1;
	}
	return 0;
}
