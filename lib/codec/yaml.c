/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml.h"

#include "codec/yaml_scalar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 32
#define NODES_MAX 10000
#define TAG_PREFIX "tag:yaml.org,2002:"

/* An open list or map; key is what came last in a map, until its value comes; a list has none. */
struct frame {
	struct bl_value *value;
	char *key;
	int key_line, key_column;
};

struct anchor {
	char *name;
	struct bl_value *value;
};

struct tree {
	const char *file, *bytes;
	size_t len;
	struct bl_value *root;
	struct frame stack[DEPTH_MAX];
	size_t depth, nodes;
	struct anchor *anchors;
	size_t n_anchors;
};

static void tree_done(struct tree *tree)
{
	for (size_t i = 0; i < tree->depth; i++)
		free(tree->stack[i].key);
	for (size_t i = 0; i < tree->n_anchors; i++)
		free(tree->anchors[i].name);
	free(tree->anchors);
	bl_value_free(tree->root);
}

static int no_memory(const struct tree *tree, struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "%s: out of memory", tree->file);
}

BL_PRINTF(4)
static int fail_at(const struct tree *tree, yaml_mark_t at, struct bl_err *err, const char *fmt,
                   ...)
{
	char what[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return bl_fail(err, BL_EINPUT, "%s:%zu:%zu: %s", tree->file, at.line + 1, at.column + 1,
	               what);
}

static int count_nodes(struct tree *tree, size_t n, yaml_mark_t at, struct bl_err *err)
{
	tree->nodes += n;
	if (tree->nodes > NODES_MAX)
		return fail_at(tree, at, err, "more than %d values", NODES_MAX);
	return 0;
}

static size_t nodes_below(const struct bl_value *value)
{
	size_t n = 1;

	for (size_t i = 0; i < value->n; i++)
		n += nodes_below(value->items[i]);
	return n;
}

static bool wants_key(const struct tree *tree)
{
	return tree->depth && tree->stack[tree->depth - 1].value->type == BL_MAP &&
	       !tree->stack[tree->depth - 1].key;
}

static int take_key(struct tree *tree, const char *text, yaml_mark_t at, struct bl_err *err)
{
	struct frame *top = &tree->stack[tree->depth - 1];
	const struct bl_value *before = bl_value_get(top->value, text);

	if (before)
		return fail_at(tree, at, err, "key '%.64s' is there twice, first in line %d", text,
		               before->key_line);
	top->key = strdup(text);
	if (!top->key)
		return no_memory(tree, err);
	top->key_line = (int)at.line + 1;
	top->key_column = (int)at.column + 1;
	return 0;
}

/* Hangs value where it belongs; takes it over also on failure. */
static int place(struct tree *tree, struct bl_value *value, struct bl_err *err)
{
	struct frame *top = tree->depth ? &tree->stack[tree->depth - 1] : NULL;

	if (!top) {
		tree->root = value;
		return 0;
	}
	free(value->key); /* the copy for an alias has its anchor's */
	value->key = top->key;
	value->key_line = top->key_line;
	value->key_column = top->key_column;
	top->key = NULL;
	return bl_value_append(top->value, value, err);
}

static int remember(struct tree *tree, const yaml_char_t *name, struct bl_value *value,
                    struct bl_err *err)
{
	struct anchor *more;

	if (!name)
		return 0;
	more = reallocarray(tree->anchors, tree->n_anchors + 1, sizeof(*more));
	if (!more)
		return no_memory(tree, err);
	tree->anchors = more;
	more[tree->n_anchors].value = value;
	more[tree->n_anchors].name = strdup((const char *)name);
	if (!more[tree->n_anchors].name)
		return no_memory(tree, err);
	tree->n_anchors++;
	return 0;
}

static int unknown_tag(const struct tree *tree, const yaml_char_t *tag, yaml_mark_t at,
                       struct bl_err *err)
{
	fail_at(tree, at, err, "unknown tag '%.64s'", (const char *)tag);
	return bl_next(err, "leave the tag out");
}

static int on_scalar(struct tree *tree, const yaml_event_t *event, struct bl_err *err)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	const char *why = NULL;
	yaml_mark_t at = event->start_mark;
	bool plain = event->data.scalar.plain_implicit;
	struct bl_value *value;

	if (strlen(text) != event->data.scalar.length)
		return fail_at(tree, at, err, "text holds a NUL character");
	if (wants_key(tree))
		return take_key(tree, text, at, err);
	if (count_nodes(tree, 1, at, err))
		return -1;
	if (tag && strcmp(tag, "!") != 0 && strcmp(tag, TAG_PREFIX "str") != 0)
		return unknown_tag(tree, event->data.scalar.tag, at, err);
	value = bl_value_new(BL_STRING);
	if (!value || !(value->text = strdup(text))) {
		bl_value_free(value);
		return no_memory(tree, err);
	}
	value->line = (int)at.line + 1;
	value->column = (int)at.column + 1;
	if (plain && !tag && bl_yaml_resolve(value, &why)) {
		bl_value_free(value);
		fail_at(tree, at, err, "%.64s %s", text, why);
		return bl_next(err, "quote it to make it text");
	}
	if (place(tree, value, err))
		return -1;
	return remember(tree, event->data.scalar.anchor, value, err);
}

static int on_start(struct tree *tree, enum bl_type type, const yaml_char_t *tag,
                    const yaml_char_t *anchor, yaml_mark_t at, struct bl_err *err)
{
	const char *own_tag = type == BL_MAP ? TAG_PREFIX "map" : TAG_PREFIX "seq";
	struct bl_value *value;

	if (wants_key(tree))
		return fail_at(tree, at, err, "a key must be plain text, not a %s",
		               bl_type_name(type));
	if (tree->depth == DEPTH_MAX)
		return fail_at(tree, at, err, "nested deeper than %d", DEPTH_MAX);
	if (tag && strcmp((const char *)tag, own_tag) != 0)
		return unknown_tag(tree, tag, at, err);
	if (count_nodes(tree, 1, at, err))
		return -1;
	value = bl_value_new(type);
	if (!value)
		return no_memory(tree, err);
	value->line = (int)at.line + 1;
	value->column = (int)at.column + 1;
	if (place(tree, value, err) || remember(tree, anchor, value, err))
		return -1;
	tree->stack[tree->depth++] = (struct frame){ .value = value };
	return 0;
}

static int on_alias(struct tree *tree, const yaml_event_t *event, struct bl_err *err)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct bl_value *from = NULL;
	struct bl_value *copy;
	yaml_mark_t at = event->start_mark;

	if (wants_key(tree))
		return fail_at(tree, at, err, "a key must be plain text, not an alias");
	for (size_t i = tree->n_anchors; i-- > 0 && !from;)
		if (!strcmp(tree->anchors[i].name, name))
			from = tree->anchors[i].value;
	if (!from)
		return fail_at(tree, at, err, "no anchor '%.64s' before this alias", name);
	for (size_t i = 0; i < tree->depth; i++)
		if (tree->stack[i].value == from)
			return fail_at(tree, at, err, "alias '%.64s' is inside its own anchor",
			               name);
	if (count_nodes(tree, nodes_below(from), at, err) || bl_value_copy(from, &copy, err))
		return -1;
	return place(tree, copy, err);
}

static int on_event(struct tree *tree, const yaml_event_t *event, struct bl_err *err)
{
	yaml_mark_t at = event->start_mark;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(tree, event, err);
	case YAML_ALIAS_EVENT:
		return on_alias(tree, event, err);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(tree, BL_LIST, event->data.sequence_start.tag,
		                event->data.sequence_start.anchor, at, err);
	case YAML_MAPPING_START_EVENT:
		return on_start(tree, BL_MAP, event->data.mapping_start.tag,
		                event->data.mapping_start.anchor, at, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		tree->depth--;
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (tree->root)
			return fail_at(tree, at, err, "a second document begins here");
		return 0;
	default:
		return 0;
	}
}

/* The reader has no mark for bytes that are no text, only their offset. */
static yaml_mark_t mark_of(const struct tree *tree, size_t offset)
{
	yaml_mark_t at = { 0 };

	for (size_t i = 0; i < offset && i < tree->len; i++) {
		at.column++;
		if (tree->bytes[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return at;
}

static int parser_failed(const struct tree *tree, const yaml_parser_t *parser, struct bl_err *err)
{
	const char *why = parser->problem ? parser->problem : "not YAML";

	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(tree, err);
	if (parser->error == YAML_READER_ERROR)
		return fail_at(tree, mark_of(tree, parser->problem_offset), err, "%s", why);
	fail_at(tree, parser->problem_mark, err, "%s%s%s", why, parser->context ? " " : "",
	        parser->context ? parser->context : "");
	if (strstr(why, "cannot start any token"))
		bl_next(err, "indent with spaces, and quote text that begins with @ ` or %%");
	return -1;
}

static int read_events(struct tree *tree, yaml_parser_t *parser, struct bl_err *err)
{
	for (;;) {
		yaml_event_t event;
		int rc;

		if (!yaml_parser_parse(parser, &event))
			return parser_failed(tree, parser, err);
		yaml_event_type_t type = event.type;
		rc = on_event(tree, &event, err);
		yaml_event_delete(&event);
		if (rc)
			return -1;
		if (type == YAML_STREAM_END_EVENT)
			return 0;
	}
}

static bool is_empty(const struct bl_value *root)
{
	return root && root->type == BL_NULL && !*root->text;
}

int bl_yaml_parse(const char *bytes, size_t len, const char *file, struct bl_value **out,
                  struct bl_err *err)
{
	struct tree tree = { .file = file, .bytes = bytes, .len = len };
	yaml_parser_t parser;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return no_memory(&tree, err);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
	rc = read_events(&tree, &parser, err);
	yaml_parser_delete(&parser);
	if (!rc && is_empty(tree.root)) {
		bl_value_free(tree.root);
		tree.root = NULL;
	}
	if (!rc && !tree.root && !(tree.root = bl_value_new(BL_MAP)))
		rc = no_memory(&tree, err);
	if (!rc) {
		*out = tree.root;
		tree.root = NULL;
	}
	tree_done(&tree);
	return rc;
}
