/* SPDX-License-Identifier: Apache-2.0 */
/* Values that hold members: lists, maps, data channels. */
#include "base/str.h"
#include "run/config_parts.h"
#include "run/gate.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 1000

/* What a member is checked against; name is "env.DEBUG" for messages. */
struct member {
	const struct bl_config_key *key;
	const struct bl_config_source *source;
	char name[BL_CONFIG_NAME + 80];
};

typedef int member_fn(const struct member *member, const struct bl_value *given,
                      struct bl_value **out, struct bl_err *err);

static int must_be_text(const struct member *member, const struct bl_value *given, bool line,
                        struct bl_err *err)
{
	const char *name = member->name;
	char found[128];

	if (!given->text || given->type == BL_NULL)
		return bl_config_fault(member->source, given, name, err, "expected text, found %s",
		                       bl_config_found(given, found));
	if (line && (!*given->text || strpbrk(given->text, "\n\r")))
		return bl_config_fault(member->source, given, name, err,
		                       "expected one line of text, not empty");
	return 0;
}

static int any_text(const struct member *member, const struct bl_value *given,
                    struct bl_value **out, struct bl_err *err)
{
	if (must_be_text(member, given, false, err))
		return -1;
	return bl_config_text_like(given, given->text, out, err);
}

static int line_of_text(const struct member *member, const struct bl_value *given,
                        struct bl_value **out, struct bl_err *err)
{
	if (must_be_text(member, given, true, err))
		return -1;
	return bl_config_text_like(given, given->text, out, err);
}

static int one_word(const struct member *member, const struct bl_value *given,
                    struct bl_value **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) allowed = BL_BUF(1024);
	char found[128];

	if (given->text && bl_config_is_word(member->key->words, given->text))
		return bl_config_text_like(given, given->text, out, err);
	bl_config_add_words(&allowed, member->key->words);
	if (bl_buf_check(&allowed, member->name, err))
		return -1;
	return bl_config_fault(member->source, given, member->name, err, "expected %s, found %s",
	                       bl_buf_text(&allowed), bl_config_found(given, found));
}

/* Kept as it was written: the report reads it again. */
static int condition(const struct member *member, const struct bl_value *given,
                     struct bl_value **out, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct bl_gate gate;
	char found[128];

	if (!given->text || given->type == BL_NULL)
		return bl_config_fault(member->source, given, member->name, err,
		                       "expected a condition like eval_loss > 2.5, found %s",
		                       bl_config_found(given, found));
	if (bl_gate_parse(given->text, &gate, &why)) {
		bl_config_fault(member->source, given, member->name, err, "%s", why.text);
		return bl_next(err, "write it like `eval_loss > 2.5` or `eval_loss > baseline * "
		                    "1.02`");
	}
	return bl_config_text_like(given, given->text, out, err);
}

static int plain_scalar(const struct member *member, const struct bl_value *given,
                        struct bl_value **out, struct bl_err *err)
{
	bool number = given->type == BL_INT || given->type == BL_REAL;
	char found[128];

	if (given->type == BL_LIST || given->type == BL_MAP || given->type == BL_NULL)
		return bl_config_fault(member->source, given, member->name, err,
		                       "expected text, a number, true or false, found %s",
		                       bl_config_found(given, found));
	if (given->type == BL_STRING || (number && !isfinite(given->real)))
		return bl_config_text_like(given, given->text ? given->text : "nan", out, err);
	*out = bl_config_like(given, given->type);
	if (!*out)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	(*out)->boolean = given->boolean;
	(*out)->integer = given->integer;
	(*out)->real = given->real;
	return 0;
}

static int secret(const struct member *member, const struct bl_value *given, struct bl_value **out,
                  struct bl_err *err)
{
	if (must_be_text(member, given, true, err))
		return -1;
	if (strspn(given->text, "/#") || strstr(given->text, "..") || strchr(given->text, ' '))
		return bl_config_fault(member->source, given, member->name, err,
		                       "expected a secret's name, maybe with #json_key, below "
		                       "branchline/STACK/, found '%.64s'",
		                       given->text);
	return bl_config_text_like(given, given->text, out, err);
}

/* A number, or "2%" of the baseline */
static int noise(const struct member *member, const struct bl_value *given, struct bl_value **out,
                 struct bl_err *err)
{
	bool number = given->type == BL_INT || given->type == BL_REAL;
	char *end = NULL;
	double amount = number ? given->real : NAN;

	if (given->type == BL_STRING) {
		amount = strtod(given->text, &end);
		if (end == given->text || strcmp(end, "%") != 0)
			amount = NAN;
	}
	if (!isfinite(amount) || amount < 0)
		return bl_config_fault(member->source, given, member->name, err,
		                       "expected a number from 0, or per cent like 2%%");
	return plain_scalar(member, given, out, err);
}

/* --- Data channels ---------------------------------------------------------------------------- */

static const char *const channel_fields[] = { "uri", "format", "include", "version", "local" };
#define FORMATS "auto|jsonl|parquet|tar|files"

static bool is_uri(const char *uri)
{
	if (bl_str_starts(uri, "s3://"))
		return isalnum((unsigned char)uri[5]);
	if (bl_str_starts(uri, "file://"))
		return uri[7] != '\0';
	if (!bl_str_starts(uri, "run://") || uri[6] == '/')
		return false;
	return bl_str_ends(uri, "/outputs") || bl_str_ends(uri, "/checkpoints/newest") ||
	       bl_str_ends(uri, "/checkpoints/best");
}

static int channel_uri(const struct member *member, const struct bl_value *given,
                       struct bl_value **out, struct bl_err *err)
{
	if (must_be_text(member, given, true, err))
		return -1;
	if (!is_uri(given->text))
		return bl_config_fault(
			member->source, given, member->name, err,
			"'%.64s': expected s3://bucket/prefix, file:///path, a path, "
			"or run://RUN/outputs, run://RUN/checkpoints/newest or "
			"run://RUN/checkpoints/best",
			given->text);
	return bl_config_text_like(given, given->text, out, err);
}

static int channel_include(const struct member *member, const struct bl_value *given,
                           struct bl_value **out, struct bl_err *err)
{
	static const struct bl_config_key globs = { .name = "include", .type = BL_CONFIG_TEXTS };

	return bl_config_canonical_list(&globs, given, member->source, out, err);
}

static int channel_format(const struct member *member, const struct bl_value *given,
                          struct bl_value **out, struct bl_err *err)
{
	static const struct bl_config_key format = { .name = "format",
		                                     .type = BL_CONFIG_WORD,
		                                     .words = FORMATS };
	struct member as_word = *member;

	as_word.key = &format;
	return one_word(&as_word, given, out, err);
}

static int channel_field(const struct member *member, const struct bl_value *given,
                         struct bl_value **out, struct bl_err *err)
{
	const char *field = given->key;

	if (given->type == BL_NULL) { /* takes away what another source said */
		*out = bl_config_like(given, BL_NULL);
		return *out ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
	}
	if (!strcmp(field, "uri"))
		return channel_uri(member, given, out, err);
	if (!strcmp(field, "format"))
		return channel_format(member, given, out, err);
	if (!strcmp(field, "include"))
		return channel_include(member, given, out, err);
	return line_of_text(member, given, out, err);
}

static int known_field(const struct member *member, const struct bl_value *given,
                       struct bl_err *err)
{
	struct bl_value at = { .line = given->key_line, .column = given->key_column };
	const char *near = bl_str_nearest(given->key, channel_fields, BL_COUNT(channel_fields));

	for (size_t i = 0; i < BL_COUNT(channel_fields); i++)
		if (!strcmp(channel_fields[i], given->key))
			return 0;
	return bl_config_fault(member->source, &at, member->name, err,
	                       "unknown key; a channel has uri, format, include, version, "
	                       "local%s%s%s",
	                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int channel_map(const struct member *member, const struct bl_value *given,
                       struct bl_value *channel, struct bl_err *err)
{
	for (size_t i = 0; i < given->n; i++) {
		struct member field = *member;
		struct bl_value *value;

		snprintf(field.name, sizeof(field.name), "%.100s.%.32s", member->name,
		         given->items[i]->key);
		if (known_field(&field, given->items[i], err) ||
		    channel_field(&field, given->items[i], &value, err) ||
		    bl_value_set(channel, given->items[i]->key, value, err))
			return -1;
	}
	return 0;
}

/* A text with a scheme is a uri, else a path on this machine. */
static int channel(const struct member *member, const struct bl_value *given, struct bl_value **out,
                   struct bl_err *err)
{
	BL_VALUE value = bl_config_like(given, BL_MAP);
	struct bl_value *where = NULL;

	if (!value)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (given->type == BL_MAP) {
		if (channel_map(member, given, value, err))
			return -1;
	} else {
		bool uri = given->text && strstr(given->text, "://");

		if ((uri ? channel_uri : line_of_text)(member, given, &where, err) ||
		    bl_value_set(value, uri ? "uri" : "local", where, err))
			return -1;
	}
	*out = value;
	value = NULL;
	return 0;
}

/* --- Maps and lists --------------------------------------------------------------------------- */

static bool is_variable(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

	for (size_t i = 0; name[i]; i++)
		if (!strchr(letters, name[i]) && (!i || !isdigit((unsigned char)name[i])))
			return false;
	return *name;
}

static bool is_parameter(const char *name)
{
	for (size_t i = 0; name[i]; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == '=' || name[i] == 0x7f || i >= 256)
			return false;
	return *name && *name != '-';
}

static int member_name(const struct member *member, const struct bl_value *given,
                       struct bl_err *err)
{
	struct bl_value at = { .line = given->key_line, .column = given->key_column };
	const struct bl_config_source *source = member->source;

	switch (member->key->type) {
	case BL_CONFIG_ENV:
	case BL_CONFIG_SECRETS:
		if (!is_variable(given->key))
			return bl_config_fault(source, &at, member->name, err,
			                       "not the name of an environment variable");
		if (bl_str_starts(given->key, "BRANCHLINE_"))
			return bl_config_fault(source, &at, member->name, err,
			                       "names that begin with BRANCHLINE_ are set by "
			                       "Branchline itself");
		return 0;
	case BL_CONFIG_CHANNELS:
		if (bl_config_is_name(given->key))
			return 0;
		return bl_config_fault(source, &at, member->name, err,
		                       "a channel's name is 1 to 64 letters, digits, '_' and '-'");
	default:
		if (is_parameter(given->key))
			return 0;
		return bl_config_fault(source, &at, member->name, err,
		                       "a name has 1 to 256 characters, no white space, no '=', "
		                       "and does not begin with '-'");
	}
}

int bl_config_canonical_map(const struct bl_config_key *key, const struct bl_value *given,
                            const struct bl_config_source *source, struct bl_value **out,
                            struct bl_err *err)
{
	static member_fn *const by_type[] = {
		[BL_CONFIG_SCALARS] = plain_scalar, [BL_CONFIG_ENV] = any_text,
		[BL_CONFIG_SECRETS] = secret,       [BL_CONFIG_GOALS] = one_word,
		[BL_CONFIG_NOISE] = noise,          [BL_CONFIG_PATTERNS] = line_of_text,
		[BL_CONFIG_CHANNELS] = channel,
	};
	BL_VALUE map = bl_config_like(given, BL_MAP);
	struct member member = { .key = key, .source = source };
	char found[128];

	if (!map)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (given->type != BL_MAP && given->type != BL_NULL)
		return bl_config_fault(source, given, key->name, err, "expected a map, found %s",
		                       bl_config_found(given, found));
	if (given->n > MEMBERS_MAX)
		return bl_config_fault(source, given, key->name, err, "over %d members",
		                       MEMBERS_MAX);
	for (size_t i = 0; i < given->n; i++) {
		const struct bl_value *item = given->items[i];
		struct bl_value *value = NULL;

		snprintf(member.name, sizeof(member.name), "%s.%.64s", key->name, item->key);
		if (member_name(&member, item, err) ||
		    by_type[key->type](&member, item, &value, err) ||
		    bl_value_set(map, item->key, value, err))
			return -1;
	}
	*out = map;
	map = NULL;
	return 0;
}

int bl_config_canonical_list(const struct bl_config_key *key, const struct bl_value *given,
                             const struct bl_config_source *source, struct bl_value **out,
                             struct bl_err *err)
{
	member_fn *fn = key->type == BL_CONFIG_WORDS        ? one_word
	                : key->type == BL_CONFIG_CONDITIONS ? condition
	                : key->type == BL_CONFIG_COMMAND    ? any_text
	                                                    : line_of_text;
	BL_VALUE list = bl_config_like(given, BL_LIST);
	struct member member = { .key = key, .source = source };
	const struct bl_value *alone[] = { given };
	bool is_list = given->type == BL_LIST;
	char found[128];

	if (!list)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	snprintf(member.name, sizeof(member.name), "%s", key->name);
	if (given->type == BL_MAP || given->n > MEMBERS_MAX)
		return bl_config_fault(source, given, key->name, err,
		                       "expected a list of at most %d, found %s", MEMBERS_MAX,
		                       bl_config_found(given, found));
	for (size_t i = 0; i < (is_list ? given->n : 1); i++) {
		struct bl_value *item = NULL;

		if (fn(&member, is_list ? given->items[i] : alone[0], &item, err) ||
		    bl_value_append(list, item, err))
			return -1;
	}
	*out = list;
	list = NULL;
	return 0;
}
