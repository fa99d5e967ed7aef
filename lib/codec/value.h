/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_VALUE_H
#define BL_CODEC_VALUE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * One value type for JSON and YAML documents. A tree owned by its root: free the
 * root, all nodes and texts go with it. Read it with the getters below; write
 * documents with struct bl_json (codec/json.h).
 */
enum bl_type { BL_NULL, BL_BOOL, BL_INT, BL_REAL, BL_STRING, BL_LIST, BL_MAP };

struct bl_value {
	enum bl_type type;
	int line, column; /* of the value in its YAML source, from 1; 0 when unknown (JSON) */
	int key_line, key_column; /* of its key, when it is a map's member read from YAML */
	char *key;                /* UTF-8, NULL unless a map's member */
	bool boolean;
	int64_t integer;
	double real; /* set for BL_INT too */
	char *text; /* of a BL_STRING; of other YAML scalars as written; UTF-8, no NUL; else NULL */
	struct bl_value **items; /* n children of a list or map, in source order */
	size_t n;
};

struct bl_value *bl_value_new(enum bl_type type); /* NULL: out of memory */
void bl_value_free(struct bl_value *value);       /* takes NULL */

/* cleanup attribute: BL_VALUE v = NULL; */
void bl_value_auto(struct bl_value **value);
#define BL_VALUE __attribute__((cleanup(bl_value_auto))) struct bl_value *

/* A deep copy, positions and keys too. */
BL_MUST int bl_value_copy(const struct bl_value *from, struct bl_value **out, struct bl_err *err);

BL_MUST int bl_value_string(const char *text, struct bl_value **out, struct bl_err *err);

/* Adds or replaces a member; takes `member` over also on failure. key is copied. */
BL_MUST int bl_value_set(struct bl_value *map, const char *key, struct bl_value *member,
                         struct bl_err *err);
/*
 * Appends to a list; takes `item` over also on failure, and takes NULL as out of memory. Parsers
 * append to a map, too: the item then has its key, which they know to be new.
 */
BL_MUST int bl_value_append(struct bl_value *list, struct bl_value *item, struct bl_err *err);
/* Removes a member; absent is fine. */
void bl_value_remove(struct bl_value *map, const char *key);

/* The member, or NULL: not there, or `map` is NULL or no map. */
const struct bl_value *bl_value_get(const struct bl_value *map, const char *key);
/* By dotted path, "owner.pid". */
const struct bl_value *bl_value_path(const struct bl_value *root, const char *path);

/* Keys in any order; numbers by value, since 3.0 is stored as 3; NaN equals NaN. */
bool bl_value_equal(const struct bl_value *a, const struct bl_value *b);

/*
 * Typed reading of a document of ours. `path` is dotted. BL_ECORRUPT names the path and what
 * was expected. Text stays the tree's. The _or forms give `fallback` when it is absent,
 * null or of another type (a whole number is a real, too).
 */
BL_MUST int bl_value_text(const struct bl_value *root, const char *path, const char **out,
                          struct bl_err *err);
BL_MUST int bl_value_int(const struct bl_value *root, const char *path, int64_t *out,
                         struct bl_err *err);
const char *bl_value_text_or(const struct bl_value *root, const char *path, const char *fallback);
int64_t bl_value_int_or(const struct bl_value *root, const char *path, int64_t fallback);
double bl_value_real_or(const struct bl_value *root, const char *path, double fallback);
bool bl_value_bool_or(const struct bl_value *root, const char *path, bool fallback);

const char *bl_type_name(enum bl_type type); /* "map", "list", "text", "whole number", ... */

#endif
