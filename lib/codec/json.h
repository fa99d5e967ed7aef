/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_JSON_H
#define BL_CODEC_JSON_H

#include "codec/value.h"

/*
 * Reads one JSON document (RFC 8259; jansson with seeded hash): duplicate keys,
 * NUL in text, trailing bytes and nesting over 64 are refused. BL_ECORRUPT names `what`, line and
 * column.
 */
BL_MUST int bl_json_parse(const char *bytes, size_t len, const char *what, struct bl_value **out,
                          struct bl_err *err);

/*
 * A document that we stored: bl_json_parse(), a map, and "schema" at most `schema`
 * (BL_ECORRUPT with the next step "use a newer branchline" when higher).
 */
BL_MUST int bl_json_document(const char *bytes, size_t len, const char *what, int schema,
                             struct bl_value **out, struct bl_err *err);

/*
 * Writes JSON into a buffer whose latch tells of failure: one bl_buf_check() after
 * the last call. key is NULL inside lists and for the root. Text that is not UTF-8
 * gets U+FFFD. Reals are written shortest that reads back the same; NaN and infinities
 * as the texts "NaN", "Infinity", "-Infinity". Compact by default; `indent` 2 breaks lines.
 */
struct bl_json {
	struct bl_buf *buf;
	int depth, indent;
	bool comma;
};
#define BL_JSON(buffer) ((struct bl_json){ .buf = (buffer) })

void bl_json_map(struct bl_json *json, const char *key);
void bl_json_list(struct bl_json *json, const char *key);
void bl_json_end_map(struct bl_json *json);
void bl_json_end_list(struct bl_json *json);
void bl_json_text(struct bl_json *json, const char *key, const char *text); /* NULL: null */
/* Any bytes: what is not UTF-8, and NUL, becomes U+FFFD. */
void bl_json_bytes(struct bl_json *json, const char *key, const char *bytes, size_t len);
void bl_json_int(struct bl_json *json, const char *key, int64_t number);
void bl_json_real(struct bl_json *json, const char *key, double number);
void bl_json_real_or_null(struct bl_json *json, const char *key, double number); /* NaN: null */
void bl_json_bool(struct bl_json *json, const char *key, bool boolean);
void bl_json_null(struct bl_json *json, const char *key);
void bl_json_value(struct bl_json *json, const char *key, const struct bl_value *value);
/* Begins a stored document: {"schema":1 */
void bl_json_begin(struct bl_json *json, int schema);

/* Shortest decimal form that reads back as `number`: "0.0001", "3", "1e-07". */
void bl_json_add_real(struct bl_buf *buf, double number);

#endif
