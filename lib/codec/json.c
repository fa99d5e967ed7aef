/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64

/*
 * jansson ignores that its token buffer could not grow: the closing quote may be the
 * byte that is lost, and what looks for it then runs over the buffer's end. So a failed allocation
 * never returns into jansson: the parse is left by longjmp, and all that it had is freed.
 */
struct block {
	struct block *next, *before; /* 16 bytes: what follows stays aligned */
};

static _Thread_local struct {
	struct block blocks; /* head of a ring */
	jmp_buf leave;
} parse;

static void *parse_malloc(size_t size)
{
	struct block *head = &parse.blocks, *block = NULL;

	if (size <= SIZE_MAX - sizeof(*block))
		block = malloc(sizeof(*block) + size);
	if (!block)
		longjmp(parse.leave, 1);
	*block = (struct block){ head->next, head };
	head->next->before = block;
	head->next = block;
	return block + 1;
}

static void parse_free(void *at)
{
	struct block *block = at;

	if (!block)
		return;
	block--;
	block->next->before = block->before;
	block->before->next = block->next;
	free(block);
}

static void set_up(void)
{
	json_set_alloc_funcs(parse_malloc, parse_free);
	json_object_seed(0); /* from /dev/urandom: keys chosen to collide must not */
}

/* -1: out of memory. *tree is NULL when `why` says what is wrong with the text. */
static int load(const char *bytes, size_t len, json_t **tree, json_error_t *why)
{
	parse.blocks = (struct block){ &parse.blocks, &parse.blocks };
	if (setjmp(parse.leave)) {
		while (parse.blocks.next != &parse.blocks)
			parse_free(parse.blocks.next + 1);
		return -1;
	}
	*tree = json_loadb(bytes, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, why);
	return 0;
}

static int no_memory(const char *what, struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "%s: out of memory", what);
}

/* Before jansson, which recurses to 2048 and takes a NUL for the end of the document. */
static int check_shape(const char *bytes, size_t len, const char *what, struct bl_err *err)
{
	int depth = 0, line = 1;
	size_t line_start = 0;
	bool in_text = false;

	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (c == '\n') {
			line++;
			line_start = i + 1;
		}
		if (in_text && c == '\\')
			i++;
		else if (c == '"')
			in_text = !in_text;
		else if (!in_text && (c == '[' || c == '{'))
			depth++;
		else if (!in_text && (c == ']' || c == '}'))
			depth--;
		if (c == '\0')
			return bl_fail(err, BL_ECORRUPT, "%s:%d:%zu: a NUL byte", what, line,
			               i - line_start + 1);
		if (depth > DEPTH_MAX)
			return bl_fail(err, BL_ECORRUPT, "%s:%d:%zu: nested deeper than %d", what,
			               line, i - line_start + 1, DEPTH_MAX);
	}
	return 0;
}

static int convert(const json_t *from, struct bl_value **out, struct bl_err *err);

static int convert_map(json_t *from, struct bl_value *to, struct bl_err *err)
{
	const char *key;
	json_t *member;

	json_object_foreach(from, key, member)
	{
		struct bl_value *value;

		if (convert(member, &value, err))
			return -1;
		value->key = strdup(key);
		if (!value->key) {
			bl_value_free(value);
			return bl_fail(err, BL_ENOMEM, "out of memory");
		}
		if (bl_value_append(to, value, err))
			return -1;
	}
	return 0;
}

static int convert_list(const json_t *from, struct bl_value *to, struct bl_err *err)
{
	for (size_t i = 0; i < json_array_size(from); i++) {
		struct bl_value *value;

		if (convert(json_array_get(from, i), &value, err) ||
		    bl_value_append(to, value, err))
			return -1;
	}
	return 0;
}

static int convert(const json_t *from, struct bl_value **out, struct bl_err *err)
{
	static const enum bl_type types[] = {
		[JSON_OBJECT] = BL_MAP,  [JSON_ARRAY] = BL_LIST, [JSON_STRING] = BL_STRING,
		[JSON_INTEGER] = BL_INT, [JSON_REAL] = BL_REAL,  [JSON_TRUE] = BL_BOOL,
		[JSON_FALSE] = BL_BOOL,  [JSON_NULL] = BL_NULL,
	};
	BL_VALUE value = bl_value_new(types[json_typeof(from)]);

	if (!value)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	value->boolean = json_is_true(from);
	value->integer = json_integer_value(from);
	value->real = json_number_value(from);
	if (value->type == BL_STRING)
		value->text = strdup(json_string_value(from));
	if (value->type == BL_STRING && !value->text)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	if (value->type == BL_MAP && convert_map((json_t *)(uintptr_t)from, value, err))
		return -1;
	if (value->type == BL_LIST && convert_list(from, value, err))
		return -1;
	*out = value;
	value = NULL;
	return 0;
}

static const char *reason(const json_error_t *why)
{
	enum json_error_code code = json_error_code(why);

	if (code == json_error_null_character || code == json_error_null_byte_in_key)
		return "text holds a NUL character";
	return why->text;
}

int bl_json_parse(const char *bytes, size_t len, const char *what, struct bl_value **out,
                  struct bl_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	json_error_t why = { 0 };
	struct bl_value *value = NULL;
	json_t *tree = NULL;
	int rc;

	pthread_once(&once, set_up);
	if (check_shape(bytes, len, what, err))
		return -1;
	if (load(bytes, len, &tree, &why))
		return no_memory(what, err);
	if (!tree)
		return bl_fail(err, BL_ECORRUPT, "%s:%d:%d: %s", what, why.line, why.column,
		               reason(&why));
	rc = convert(tree, &value, err);
	json_decref(tree);
	if (rc)
		return bl_wrap(err, "%s", what);
	*out = value;
	return 0;
}

int bl_json_document(const char *bytes, size_t len, const char *what, int schema,
                     struct bl_value **out, struct bl_err *err)
{
	BL_VALUE root = NULL;
	int64_t have = 0;

	if (bl_json_parse(bytes, len, what, &root, err))
		return -1;
	if (root->type != BL_MAP)
		return bl_fail(err, BL_ECORRUPT, "%s: expected map, found %s", what,
		               bl_type_name(root->type));
	if (bl_value_int(root, "schema", &have, err))
		return bl_wrap(err, "%s", what);
	if (have < 1)
		return bl_fail(err, BL_ECORRUPT, "%s: schema %lld does not exist", what,
		               (long long)have);
	if (have > schema) {
		bl_fail(err, BL_ECORRUPT, "%s: has schema %lld, and this program knows up to %d",
		        what, (long long)have, schema);
		return bl_next(err, "use a newer branchline");
	}
	*out = root;
	root = NULL;
	return 0;
}
