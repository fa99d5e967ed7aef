/* SPDX-License-Identifier: Apache-2.0 */
/* One value: is it what its key allows, and what does it look like in canonical form. */
#include "base/str.h"
#include "run/config_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int bl_config_fault(const struct bl_config_source *source, const struct bl_value *at,
                    const char *name, struct bl_err *err, const char *fmt, ...)
{
	char what[320];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (source->file && at && at->line)
		return bl_fail(err, BL_EINPUT, "%.128s:%d:%d: %s: %s", source->file, at->line,
		               at->column, name, what);
	if (source->file)
		return bl_fail(err, BL_EINPUT, "%.128s: %s: %s", source->file, name, what);
	/* the flag's name says the key already, unless it is about a member */
	if (!bl_config_find(name))
		return bl_fail(err, BL_EINPUT, "%s: %s: %s", source->name, name, what);
	return bl_fail(err, BL_EINPUT, "%s: %s", source->name, what);
}

struct bl_value *bl_config_like(const struct bl_value *from, enum bl_type type)
{
	struct bl_value *value = bl_value_new(type);

	if (!value)
		return NULL;
	value->line = from->line;
	value->column = from->column;
	value->key_line = from->key_line;
	value->key_column = from->key_column;
	return value;
}

int bl_config_text_like(const struct bl_value *from, const char *text, struct bl_value **out,
                        struct bl_err *err)
{
	struct bl_value *value;

	if (bl_value_string(text, &value, err))
		return -1;
	value->line = from->line;
	value->column = from->column;
	value->key_line = from->key_line;
	value->key_column = from->key_column;
	*out = value;
	return 0;
}

bool bl_config_is_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; len && *p; p += strspn(p, "|")) {
		size_t n = strcspn(p, "|");

		if (n == len && !strncmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

bool bl_config_is_name(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                          "0123456789_-");

	return len >= 1 && len <= 64 && !text[len];
}

const char *bl_config_found(const struct bl_value *given, char text[128])
{
	if (given->type == BL_NULL)
		snprintf(text, 128, "nothing");
	else if (given->type == BL_STRING)
		snprintf(text, 128, "text '%.64s'", given->text);
	else if (given->text)
		snprintf(text, 128, "'%.64s'", given->text);
	else
		snprintf(text, 128, "a %s", bl_type_name(given->type));
	return text;
}

static int wrong(const struct bl_config_key *key, const struct bl_value *given,
                 const struct bl_config_source *source, struct bl_err *err)
{
	BL_AUTO(bl_buf) allowed = BL_BUF(4096);
	char found[128];

	bl_config_allowed(key, &allowed);
	if (bl_buf_check(&allowed, key->name, err))
		return -1;
	return bl_config_fault(source, given, key->name, err, "expected %s, found %s",
	                       bl_buf_text(&allowed), bl_config_found(given, found));
}

static bool in_range(const struct bl_config_key *key, double number)
{
	return (key->min == 0 && key->max == 0) || (number >= key->min && number <= key->max);
}

static int number(const struct bl_config_key *key, const struct bl_value *given,
                  const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	bool whole = given->type == BL_INT, real = whole || given->type == BL_REAL;

	if (!(key->type == BL_CONFIG_REAL ? real : whole) || !isfinite(given->real) ||
	    !in_range(key, given->real))
		return wrong(key, given, source, err);
	*out = bl_config_like(given, key->type == BL_CONFIG_REAL ? BL_REAL : BL_INT);
	if (!*out)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	(*out)->integer = given->integer;
	(*out)->real = given->real;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* One whole number and the largest unit that divides: "6h", "100s", "2GiB". */
static void in_units(uint64_t amount, const struct unit *units, size_t n, char text[32])
{
	size_t i = 0;

	while (i + 1 < n && (!amount || amount % units[i].factor))
		i++;
	snprintf(text, 32, "%" PRIu64 "%s", amount / units[i].factor, units[i].name);
}

static int duration(const struct bl_config_key *key, const struct bl_value *given,
                    const struct bl_config_source *source, struct bl_value **out,
                    struct bl_err *err)
{
	static const struct unit units[] = {
		{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	};
	struct bl_err why = { 0 };
	char text[32];
	int64_t ms;

	if (!given->text)
		return wrong(key, given, source, err);
	if (bl_str_duration(given->text, &ms, &why))
		return bl_config_fault(source, given, key->name, err, "%s", why.text);
	if (!in_range(key, (double)ms))
		return wrong(key, given, source, err);
	/* zero is divided by every unit: seconds read best */
	in_units((uint64_t)ms, units, ms ? BL_COUNT(units) : BL_COUNT(units) - 1, text);
	return bl_config_text_like(given, text, out, err);
}

static int size(const struct bl_config_key *key, const struct bl_value *given,
                const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	static const struct unit units[] = {
		{ "TiB", 1099511627776 }, { "TB", 1000000000000 }, { "GiB", 1073741824 },
		{ "GB", 1000000000 },     { "MiB", 1048576 },      { "MB", 1000000 },
		{ "KiB", 1024 },          { "KB", 1000 },          { "B", 1 },
	};
	struct bl_err why = { 0 };
	char text[32];
	uint64_t bytes;

	if (!given->text)
		return wrong(key, given, source, err);
	if (bl_str_size(given->text, &bytes, &why))
		return bl_config_fault(source, given, key->name, err, "%s", why.text);
	if (!in_range(key, (double)bytes))
		return wrong(key, given, source, err);
	in_units(bytes, units, BL_COUNT(units), text);
	return bl_config_text_like(given, text, out, err);
}

static int word(const struct bl_config_key *key, const struct bl_value *given,
                const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (!given->text || !bl_config_is_word(key->words, given->text))
		return wrong(key, given, source, err);
	return bl_config_text_like(given, given->text, out, err);
}

/* Numbers and booleans are text as they were written: `env: {DEBUG: 1}`. */
static int text(const struct bl_config_key *key, const struct bl_value *given,
                const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (!given->text)
		return wrong(key, given, source, err);
	if (!*given->text || strpbrk(given->text, "\n\r"))
		return bl_config_fault(source, given, key->name, err,
		                       "expected one line of text, not empty");
	return bl_config_text_like(given, given->text, out, err);
}

static bool climbs(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
			return true;
	}
	return false;
}

static int path(const struct bl_config_key *key, const struct bl_value *given,
                const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (text(key, given, source, out, err))
		return -1;
	if (*(*out)->text != '/' && !climbs((*out)->text))
		return 0;
	bl_value_auto(out);
	return bl_config_fault(source, given, key->name, err,
	                       "'%.64s' is outside this file's directory: give a relative path "
	                       "without '..'",
	                       given->text);
}

static int boolean(const struct bl_config_key *key, const struct bl_value *given,
                   const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (given->type != BL_BOOL)
		return wrong(key, given, source, err);
	*out = bl_config_like(given, BL_BOOL);
	if (!*out)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	(*out)->boolean = given->boolean;
	return 0;
}

static int version(const struct bl_config_key *key, const struct bl_value *given,
                   const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (given->type == BL_INT && given->integer > 1) {
		bl_config_fault(source, given, key->name, err,
		                "version %" PRId64 " is newer than this program reads (1)",
		                given->integer);
		return bl_next(err, "use a newer branchline");
	}
	return number(key, given, source, out, err);
}

static int command(const struct bl_config_key *key, const struct bl_value *given,
                   const struct bl_config_source *source, struct bl_value **out, struct bl_err *err)
{
	if (given->type == BL_LIST) {
		if (!given->n)
			return bl_config_fault(source, given, key->name, err, "the list is empty");
		return bl_config_canonical_list(key, given, source, out, err);
	}
	if (given->type != BL_STRING)
		return wrong(key, given, source, err);
	if (!given->text[strspn(given->text, " \t\r\n")])
		return bl_config_fault(source, given, key->name, err, "the text is empty");
	return bl_config_text_like(given, given->text, out, err);
}

typedef int canonical_fn(const struct bl_config_key *key, const struct bl_value *given,
                         const struct bl_config_source *source, struct bl_value **out,
                         struct bl_err *err);

int bl_config_canonical(const struct bl_config_key *key, const struct bl_value *given,
                        const struct bl_config_source *source, struct bl_value **out,
                        struct bl_err *err)
{
	static canonical_fn *const by_type[] = {
		[BL_CONFIG_VERSION] = version,   [BL_CONFIG_TEXT] = text,
		[BL_CONFIG_PATH] = path,         [BL_CONFIG_BOOL] = boolean,
		[BL_CONFIG_INT] = number,        [BL_CONFIG_REAL] = number,
		[BL_CONFIG_DURATION] = duration, [BL_CONFIG_SIZE] = size,
		[BL_CONFIG_WORD] = word,         [BL_CONFIG_SWITCH] = word,
		[BL_CONFIG_COMMAND] = command,
	};
	canonical_fn *fn = key->type < BL_COUNT(by_type) ? by_type[key->type] : NULL;

	if (given->type == BL_NULL && !bl_config_is_map(key->type)) {
		bl_config_fault(source, given, key->name, err, "has no value");
		return bl_next(err, "give it one or remove the line");
	}
	if (fn)
		return fn(key, given, source, out, err);
	if (bl_config_is_map(key->type))
		return bl_config_canonical_map(key, given, source, out, err);
	return bl_config_canonical_list(key, given, source, out, err);
}
