/* SPDX-License-Identifier: Apache-2.0 */
#include "run/image_build_parts.h"

#include <stdlib.h>
#include <string.h>

#define RULES_MAX 4096
#define PATTERN_MAX 512

/*
 * A pattern becomes one symbol per state of a machine that runs over the path once: no pattern can
 * make it slow. It is matched against every directory above the path by accepting before each '/'.
 */
enum symbol {
	SYM_CHAR,   /* itself */
	SYM_ANY,    /* '?': one, not '/' */
	SYM_STAR,   /* '*': any number, not '/' */
	SYM_CLASS,  /* '[...]' */
	SYM_DEEP,   /* before SYM_DEEPER: "**" as "(.*" and '/' ")?" may be nothing at all */
	SYM_DEEPER, /* anything, and on at a '/' */
	SYM_ALL,    /* "**" at the end: anything */
};

struct state {
	enum symbol symbol;
	char c;
	unsigned short from, to; /* of a class, in the pattern's text */
};

struct rule {
	bool takes_back;
	size_t first, n; /* of its states */
	size_t text;
};

struct build_ignore {
	struct rule *rules;
	size_t n, n_states;
	struct state *states;
	struct bl_buf text; /* patterns, each ended by a NUL */
};

void build_ignore_free(struct build_ignore *ignore)
{
	if (!ignore)
		return;
	free(ignore->rules);
	free(ignore->states);
	bl_buf_done(&ignore->text);
	free(ignore);
}

void build_ignore_auto(struct build_ignore **ignore)
{
	build_ignore_free(*ignore);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void put_state(struct build_ignore *ignore, enum symbol symbol, char c, size_t from,
                      size_t to)
{
	ignore->states[ignore->n_states++] = (struct state){
		.symbol = symbol, .c = c, .from = (unsigned short)from, .to = (unsigned short)to
	};
}

/* Where the class that begins at i ends, its ']'; 0: nowhere. */
static size_t class_end(const char *p, size_t i)
{
	size_t at = i + 1 + (p[i + 1] == '^');

	for (bool first = true; p[at]; at++, first = false) {
		if (p[at] == ']' && !first)
			return at;
		if (p[at] == '\\' && p[at + 1])
			at++;
	}
	return 0;
}

static int add_states(struct build_ignore *ignore, const char *p, const char *file, unsigned line,
                      struct bl_err *err)
{
	size_t i = 0;

	/* BuildKit takes "**.pyc" for any end of a path, where all that follows is plain */
	if (p[0] == '*' && p[1] == '*' && p[2] && p[2] != '/' && !strpbrk(p + 2, "*?[]\\")) {
		put_state(ignore, SYM_ALL, 0, 0, 0);
		i = 2;
	}
	for (; p[i]; i++) {
		size_t end;

		if (p[i] == '*' && p[i + 1] == '*') {
			i++;
			if (p[i + 1] == '/')
				i++;
			if (!p[i + 1]) {
				put_state(ignore, SYM_ALL, 0, 0, 0);
				continue;
			}
			put_state(ignore, SYM_DEEP, 0, 0, 0);
			put_state(ignore, SYM_DEEPER, 0, 0, 0);
		} else if (p[i] == '*') {
			put_state(ignore, SYM_STAR, 0, 0, 0);
		} else if (p[i] == '?') {
			put_state(ignore, SYM_ANY, 0, 0, 0);
		} else if (p[i] == '[') {
			end = class_end(p, i);
			if (!end)
				return bl_fail(err, BL_EINPUT, "%s:%u: a '[' without its ']'", file,
				               line);
			put_state(ignore, SYM_CLASS, 0, i + 1, end);
			i = end;
		} else {
			i += p[i] == '\\' && p[i + 1];
			put_state(ignore, SYM_CHAR, p[i], 0, 0);
		}
	}
	return 0;
}

/*
 * As Go's filepath.Clean does: without ".", double and last '/', and without a leading one. A ".."
 * that leads out of the context stays, and so matches nothing; from '/' there is no way out.
 */
static void clean(const char *pattern, size_t len, char out[PATTERN_MAX + 1])
{
	bool is_rooted = len && *pattern == '/';
	size_t n = 0, outside = 0; /* outside: bytes of ".." that stay */

	for (size_t i = 0; i < len;) {
		size_t part = 0;

		while (i + part < len && pattern[i + part] != '/')
			part++;
		if (part == 2 && !memcmp(pattern + i, "..", 2) && (n > outside || is_rooted)) {
			while (n > outside && out[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (part && !(part == 1 && pattern[i] == '.')) {
			if (n)
				out[n++] = '/';
			memcpy(out + n, pattern + i, part);
			n += part;
			if (part == 2 && !memcmp(pattern + i, "..", 2))
				outside = n;
		}
		i += part + 1;
	}
	out[n] = '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void trim(const char **line, size_t *len)
{
	while (*len && is_blank((*line)[*len - 1]))
		--*len;
	for (; *len && is_blank(**line); --*len)
		++*line;
}

static int add_rule(struct build_ignore *ignore, const char *line, size_t len, const char *file,
                    unsigned number, struct bl_err *err)
{
	struct rule rule = { .first = ignore->n_states, .text = ignore->text.len };
	char pattern[PATTERN_MAX + 1];

	if (len && *line == '#') /* before blanks are dropped: " #" is a pattern */
		return 0;
	trim(&line, &len);
	if (len && *line == '!') {
		rule.takes_back = true;
		line++;
		len--;
		trim(&line, &len);
	}
	if (!len)
		return 0;
	if (len > PATTERN_MAX || ignore->n >= RULES_MAX || memchr(line, '\0', len))
		return bl_fail(err, BL_EINPUT, "%s:%u: %s", file, number,
		               len > PATTERN_MAX ? "a pattern of over 512 bytes"
		                                 : "over 4,096 patterns, or no text");
	clean(line, len, pattern);
	if (!*pattern)
		return 0; /* "." leaves nothing out */
	if (add_states(ignore, pattern, file, number, err))
		return -1;
	rule.n = ignore->n_states - rule.first;
	bl_buf_add(&ignore->text, pattern, strlen(pattern) + 1);
	ignore->rules[ignore->n++] = rule;
	return 0;
}

static int read_rules(struct build_ignore *ignore, const char *bytes, size_t len, const char *file,
                      struct bl_err *err)
{
	size_t at = len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;

	for (unsigned number = 1; at < len; number++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;

		if (add_rule(ignore, bytes + at, n, file, number, err))
			return -1;
		at += n + 1;
	}
	return bl_buf_check(&ignore->text, file, err);
}

int build_ignore_parse(const char *bytes, size_t len, const char *file, struct build_ignore **out,
                       struct bl_err *err)
{
	BUILD_IGNORE ignore = calloc(1, sizeof(*ignore));
	size_t rules = len / 2 + 2; /* a byte and a line's end each */

	if (ignore) {
		ignore->text = BL_BUF(2 * len + 2);
		ignore->rules = calloc(rules < RULES_MAX ? rules : RULES_MAX, sizeof(struct rule));
		/* at most two for a byte: "**" is two */
		ignore->states = calloc(len + 2, sizeof(struct state));
	}
	if (!ignore || !ignore->rules || !ignore->states)
		return bl_fail(err, BL_ENOMEM, "%s: out of memory", file);
	if (read_rules(ignore, bytes, len, file, err))
		return -1;
	*out = ignore;
	ignore = NULL;
	return 0;
}

/* --- Matching --------------------------------------------------------------------------------- */

static char class_char(const char *p, size_t *i)
{
	*i += p[*i] == '\\';
	return p[*i];
}

static bool in_class(const char *p, const struct state *state, char c)
{
	size_t i = state->from;
	bool negated = p[i] == '^', found = false;

	for (i += negated; i < state->to; i++) {
		unsigned char low = (unsigned char)class_char(p, &i), high = low;

		if (p[i + 1] == '-' && i + 2 < state->to) {
			i += 2;
			high = (unsigned char)class_char(p, &i);
		}
		found = found || ((unsigned char)c >= low && (unsigned char)c <= high);
	}
	return found != negated;
}

struct machine {
	const struct state *states;
	size_t n;
	const char *text;
	bool now[PATTERN_MAX + 3], then[PATTERN_MAX + 3];
};

/* States that are reached without a character. */
static void enter(const struct machine *machine, bool *set, size_t i)
{
	for (; !set[i]; i++) {
		set[i] = true;
		if (i == machine->n)
			return;
		if (machine->states[i].symbol == SYM_DEEP)
			set[i + 1] = true; /* SYM_DEEPER: not to be left yet */
		if (machine->states[i].symbol == SYM_DEEP)
			i++;
		else if (machine->states[i].symbol != SYM_STAR &&
		         machine->states[i].symbol != SYM_ALL)
			return;
	}
}

static void step(struct machine *machine, size_t i, char c)
{
	const struct state *state = &machine->states[i];
	bool is_slash = c == '/';

	switch (state->symbol) {
	case SYM_CHAR:
		if (state->c == c)
			enter(machine, machine->then, i + 1);
		break;
	case SYM_ANY:
		if (!is_slash)
			enter(machine, machine->then, i + 1);
		break;
	case SYM_CLASS:
		if (in_class(machine->text, state, c))
			enter(machine, machine->then, i + 1);
		break;
	case SYM_STAR:
		if (!is_slash)
			enter(machine, machine->then, i);
		break;
	case SYM_ALL:
		enter(machine, machine->then, i);
		break;
	case SYM_DEEP:
		break;
	case SYM_DEEPER:
		machine->then[i] = true;
		if (is_slash)
			enter(machine, machine->then, i + 1);
		break;
	}
}

/* The path, or a directory above it. */
static bool rule_matches(const struct build_ignore *ignore, const struct rule *rule,
                         const char *path)
{
	struct machine machine = { .states = ignore->states + rule->first,
		                   .n = rule->n,
		                   .text = ignore->text.data + rule->text };

	enter(&machine, machine.now, 0);
	for (const char *p = path;; p++) {
		if ((!*p || *p == '/') && p > path && machine.now[machine.n])
			return true;
		if (!*p)
			return false;
		memset(machine.then, 0, machine.n + 1);
		for (size_t i = 0; i < machine.n; i++)
			if (machine.now[i])
				step(&machine, i, *p);
		memcpy(machine.now, machine.then, machine.n + 1);
	}
}

bool build_ignore_matches(const struct build_ignore *ignore, const char *path)
{
	for (size_t i = ignore ? ignore->n : 0; i > 0; i--)
		if (rule_matches(ignore, &ignore->rules[i - 1], path))
			return !ignore->rules[i - 1].takes_back;
	return false;
}
