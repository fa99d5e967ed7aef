/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/image_ref.h"
#include "net/url.h"
#include "run/image_build_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 512
#define STAGES_MAX 64
#define ARGS_MAX 64
#define DOCS_MAX 8

/* "<<EOF": the lines up to one that is `end` are an instruction's input, not instructions. */
struct heredoc {
	char end[64];
	bool tabs; /* "<<-EOF": before it there may be tabs */
};

struct reading {
	build_from_fn *each;
	void *arg;
	bool begun; /* past the first FROM: an ARG is a stage's own now */
	struct bl_buf stages[STAGES_MAX], names[ARGS_MAX], values[ARGS_MAX];
	size_t n_stages, n_args;
	struct heredoc docs[DOCS_MAX]; /* of the last instruction */
	size_t doc, n_docs;            /* doc: the one that is being read */
};

static void reading_done(struct reading *reading)
{
	for (size_t i = 0; i < reading->n_stages; i++)
		bl_buf_done(&reading->stages[i]);
	for (size_t i = 0; i < reading->n_args; i++) {
		bl_buf_done(&reading->names[i]);
		bl_buf_done(&reading->values[i]);
	}
}

/* The next word of a line, without its quotes. */
static bool next_word(const char **at, char word[WORD_MAX])
{
	size_t n = 0;
	char quote = 0;

	*at += strspn(*at, " \t");
	if (!**at)
		return false;
	for (; **at && (quote || !strchr(" \t", **at)); ++*at) {
		if (quote ? **at == quote : **at == '"' || **at == '\'')
			quote = quote ? 0 : **at;
		else if (n + 1 < WORD_MAX)
			word[n++] = **at;
	}
	word[n] = '\0';
	return true;
}

/* --- Arguments -------------------------------------------------------------------------------- */

static int add_arg(struct reading *reading, const char *word, struct bl_err *err)
{
	const char *equals = strchr(word, '=');
	size_t i = reading->n_args;

	if (!equals || i >= ARGS_MAX)
		return 0; /* without a default: it stays unresolved */
	reading->names[i] = BL_BUF(WORD_MAX);
	reading->values[i] = BL_BUF(WORD_MAX);
	reading->n_args++;
	bl_buf_add(&reading->names[i], word, (size_t)(equals - word));
	bl_buf_adds(&reading->values[i], equals + 1);
	if (bl_buf_check(&reading->names[i], "ARG", err))
		return -1;
	return bl_buf_check(&reading->values[i], "ARG", err);
}

static const char *value_of(const struct reading *reading, const char *name, size_t len)
{
	for (size_t i = reading->n_args; i > 0; i--)
		if (reading->names[i - 1].len == len &&
		    !memcmp(bl_buf_text(&reading->names[i - 1]), name, len))
			return bl_buf_text(&reading->values[i - 1]);
	return NULL;
}

/* $NAME, ${NAME}, ${NAME:-default} and ${NAME-default}. */
static bool replace_args(const struct reading *reading, const char *word, struct bl_buf *out)
{
	bool all = true;

	for (const char *p = word; *p;) {
		bool braced = p[0] == '$' && p[1] == '{';
		const char *name = p + 1 + braced, *value, *end;
		size_t len = 0;

		while (*p == '$' && (isalnum((unsigned char)name[len]) || name[len] == '_'))
			len++;
		if (!len) {
			bl_buf_addc(out, *p++);
			continue;
		}
		value = value_of(reading, name, len);
		end = braced ? strchr(name, '}') : name + len;
		if (value)
			bl_buf_adds(out, value);
		else if (braced && end && (name[len] == '-' || !strncmp(name + len, ":-", 2)))
			bl_buf_add(out, name + len + 1 + (name[len] == ':'),
			           (size_t)(end - (name + len + 1 + (name[len] == ':'))));
		else
			all = false;
		p = end ? end + braced : p + strlen(p);
	}
	return all;
}

/* --- Instructions ----------------------------------------------------------------------------- */

static bool is_stage(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->n_stages; i++)
		if (!strcasecmp(bl_buf_text(&reading->stages[i]), name))
			return true;
	return false;
}

static int on_from(struct reading *reading, const char *rest, unsigned line, struct bl_err *err)
{
	BL_AUTO(bl_buf) image = BL_BUF(2 * WORD_MAX);
	char word[WORD_MAX] = "";
	bool all, known;

	reading->begun = true;
	while (next_word(&rest, word) && bl_str_starts(word, "--"))
		;
	all = replace_args(reading, word, &image);
	if (bl_buf_check(&image, "FROM", err))
		return -1;
	known = all && (!image.len || !strcmp(bl_buf_text(&image), "scratch") ||
	                is_stage(reading, bl_buf_text(&image)));
	if (!known && reading->each(reading->arg, all ? bl_buf_text(&image) : word, all, line, err))
		return -1;
	if (!next_word(&rest, word) || strcasecmp(word, "as") || !next_word(&rest, word) ||
	    reading->n_stages >= STAGES_MAX)
		return 0;
	reading->stages[reading->n_stages] = BL_BUF(WORD_MAX);
	bl_buf_adds(&reading->stages[reading->n_stages], word);
	return bl_buf_check(&reading->stages[reading->n_stages++], "FROM", err);
}

static int on_source(struct reading *reading, const char *from, unsigned line, struct bl_err *err)
{
	if (is_stage(reading, from) || strspn(from, "0123456789") == strlen(from))
		return 0;
	return reading->each(reading->arg, from, !strchr(from, '$'), line, err);
}

static int on_copy(struct reading *reading, const char *rest, unsigned line, struct bl_err *err)
{
	char word[WORD_MAX];

	while (next_word(&rest, word) && bl_str_starts(word, "--"))
		if (bl_str_starts(word, "--from="))
			return on_source(reading, word + strlen("--from="), line, err);
	return 0;
}

/* --mount=type=bind,from=IMAGE,target=/x */
static int on_run(struct reading *reading, const char *rest, unsigned line, struct bl_err *err)
{
	char word[WORD_MAX], *part, *more;

	while (next_word(&rest, word) && bl_str_starts(word, "--")) {
		more = bl_str_starts(word, "--mount=") ? word + strlen("--mount=") : NULL;
		while ((part = strsep(&more, ",")))
			if (bl_str_starts(part, "from=") &&
			    on_source(reading, part + strlen("from="), line, err))
				return -1;
	}
	return 0;
}

static void note_heredocs(struct reading *reading, const char *rest)
{
	char word[WORD_MAX];
	const char *raw;

	while (raw = rest + strspn(rest, " \t"), next_word(&rest, word)) {
		const char *name = word + strspn(word, "0123456789");
		struct heredoc *doc = &reading->docs[reading->n_docs];

		/* "<<<" is a shell's own, and what is quoted from its beginning is text */
		if (strchr("\"'", *raw) || !bl_str_starts(name, "<<"))
			continue;
		doc->tabs = name[2] == '-';
		name += 2 + doc->tabs;
		if (!*name || strchr(name, '<') || strlen(name) >= sizeof(doc->end) ||
		    reading->n_docs + 1 >= DOCS_MAX)
			continue;
		memcpy(doc->end, name, strlen(name) + 1);
		reading->n_docs++;
	}
}

/* Whether a line belongs to a heredoc, its last one included. */
static bool in_heredoc(struct reading *reading, const char *line, size_t len)
{
	const struct heredoc *doc = &reading->docs[reading->doc];

	if (reading->doc == reading->n_docs)
		return false;
	len -= len && line[len - 1] == '\r';
	for (; doc->tabs && len && *line == '\t'; len--)
		line++;
	if (len == strlen(doc->end) && !memcmp(line, doc->end, len) &&
	    ++reading->doc == reading->n_docs)
		reading->doc = reading->n_docs = 0;
	return true;
}

static int on_instruction(struct reading *reading, const char *text, unsigned line,
                          struct bl_err *err)
{
	char word[WORD_MAX];

	if (!next_word(&text, word))
		return 0;
	if (!strcasecmp(word, "RUN") || !strcasecmp(word, "COPY") || !strcasecmp(word, "ADD"))
		note_heredocs(reading, text);
	if (!strcasecmp(word, "RUN"))
		return on_run(reading, text, line, err);
	if (!strcasecmp(word, "FROM"))
		return on_from(reading, text, line, err);
	if (!strcasecmp(word, "COPY"))
		return on_copy(reading, text, line, err);
	if (!strcasecmp(word, "ARG") && !reading->begun)
		while (next_word(&text, word))
			if (add_arg(reading, word, err))
				return -1;
	return 0;
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* Of the parser directives at the top only this one changes how the rest is read. */
static char escape_of(const char *bytes, size_t len)
{
	const char *end = bytes + len;

	while (bytes < end && *bytes == '#') {
		const char *next = memchr(bytes, '\n', (size_t)(end - bytes));
		const char *p = bytes + 1;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (end - p > 7 && !strncasecmp(p, "escape=", 7))
			return p[7] == '`' ? '`' : '\\';
		if (!next)
			break;
		bytes = next + 1;
	}
	return '\\';
}

/* Adds one line without its end to text; whether the instruction goes on in the next. */
static bool add_line(struct bl_buf *text, const char *line, size_t len, char escape)
{
	const char *first = line;

	while (len && strchr(" \t\r", line[len - 1]) && line[len - 1])
		len--;
	while (first < line + len && (*first == ' ' || *first == '\t'))
		first++;
	/* comments and empty lines do not end an instruction that goes on */
	if (first == line + len || *first == '#')
		return text->len > 0;
	if (line[len - 1] != escape) {
		bl_buf_add(text, line, len);
		return false;
	}
	bl_buf_add(text, line, len - 1);
	bl_buf_addc(text, ' ');
	return true;
}

int build_each_from(const char *bytes, size_t len, build_from_fn *each, void *arg,
                    struct bl_err *err)
{
	__attribute__((cleanup(reading_done))) struct reading reading = { .each = each,
		                                                          .arg = arg };
	BL_AUTO(bl_buf) text = BL_BUF(BUILD_FILE_MAX);
	char escape = escape_of(bytes, len);
	unsigned began = 1;

	for (size_t at = 0, line = 1; at < len; line++) {
		const char *end = memchr(bytes + at, '\n', len - at);
		size_t n = end ? (size_t)(end - bytes) - at : len - at;
		bool more;

		if (in_heredoc(&reading, bytes + at, n)) {
			at += n + 1;
			continue;
		}
		if (!text.len)
			began = (unsigned)line;
		more = add_line(&text, bytes + at, n, escape) && end;
		at += n + 1;
		if (more && at < len)
			continue;
		if (bl_buf_check(&text, "Dockerfile", err) ||
		    on_instruction(&reading, bl_buf_text(&text), began, err))
			return -1;
		bl_buf_reset(&text);
	}
	return 0;
}

/* --- What is made of it ----------------------------------------------------------------------- */

/* registry: "host", "host:port" or "[address]:port". */
static bool is_loopback(const char *registry)
{
	bool is_v6 = *registry == '[';
	char host[sizeof((struct bl_image_ref){ 0 }.registry)];
	size_t len = strcspn(registry + is_v6, is_v6 ? "]" : ":");

	if (len >= sizeof(host))
		return false;
	memcpy(host, registry + is_v6, len);
	host[len] = '\0';
	return bl_host_is_loopback(host);
}

struct places {
	unsigned loopback, others;
};

static int count_place(void *arg, const char *image, bool resolved, unsigned line,
                       struct bl_err *err)
{
	struct places *places = arg;
	struct bl_image_ref ref;

	(void)line;
	if (resolved && !bl_image_ref_parse(image, &ref, err) && is_loopback(ref.registry))
		places->loopback++;
	else
		places->others++;
	if (err->code == BL_ENOMEM)
		return -1;
	bl_err_clear(err); /* a name that the builder will refuse */
	return 0;
}

int build_all_loopback(const char *bytes, size_t len, bool *out, struct bl_err *err)
{
	struct places places = { 0 };

	if (build_each_from(bytes, len, count_place, &places, err))
		return -1;
	*out = places.loopback && !places.others;
	return 0;
}

struct warning {
	struct bl_buf *to;
	const char *file;
};

static int warn_of(void *arg, const char *image, bool resolved, unsigned line, struct bl_err *err)
{
	const struct warning *warning = arg;

	(void)err;
	if (strstr(image, "@sha256:"))
		return 0;
	bl_buf_addf(warning->to, "%s%s:%u: %.256s is %s: when it moves, no new base is built",
	            warning->to->len ? "\n" : "", warning->file, line, image,
	            resolved ? "not pinned by digest" : "named by an argument without a default");
	return 0;
}

int build_warn_tags(const char *bytes, size_t len, const char *file, struct bl_buf *warn,
                    struct bl_err *err)
{
	struct warning warning = { .to = warn, .file = file };

	return build_each_from(bytes, len, warn_of, &warning, err);
}
