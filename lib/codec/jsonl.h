/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_JSONL_H
#define BL_CODEC_JSONL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A strict JSON scanner (RFC 8259 and UTF-8) that allocates nothing: for data files and
 * metric streams, where building a tree per line would cost more than the work.
 */
struct bl_json_fault {
	size_t offset;      /* of the first bad byte within the text */
	const char *reason; /* static: "invalid UTF-8", "a comma or a closing bracket is missing" */
};

/*
 * 0: one JSON value and nothing after it but white space. -1: fault says what and where.
 * Depth <= 64. An escape that is half of a surrogate pair is a fault.
 */
BL_MUST int bl_json_check(const char *text, size_t len, struct bl_json_fault *fault);

/*
 * A scalar in an object, or in an object within it: then under a dotted key, "eval.loss".
 *
 *   key, key_len    UTF-8, escapes decoded, cut at 256 bytes; valid during the callback
 *   kind            the texts "NaN", "Infinity" and "-Infinity" are numbers
 *   number          of numbers, rounded to the nearest double
 *   text, text_len  the value as written: a string's raw bytes between its quotes, escapes kept
 */
enum bl_scalar {
	BL_SCALAR_NUMBER,
	BL_SCALAR_TEXT,
	BL_SCALAR_TRUE,
	BL_SCALAR_FALSE,
	BL_SCALAR_NULL
};

struct bl_member {
	const char *key;
	size_t key_len;
	enum bl_scalar kind;
	double number;
	const char *text;
	size_t text_len;
};

typedef int bl_member_fn(void *arg, const struct bl_member *member);

/*
 * Calls fn for each scalar of the one object in text; lists are skipped. lenient: the bare words
 * NaN, Infinity and -Infinity, which Python writes, are numbers. Returns 0 after a whole object,
 * -1 with fault->reason when text is not one, else what the callback returned (it stops the
 * scan; then fault->reason is NULL). The callback may see members before a fault is found.
 */
BL_MUST int bl_json_members(const char *text, size_t len, bool lenient, bl_member_fn *fn, void *arg,
                            struct bl_json_fault *fault);

typedef int bl_item_fn(void *arg, const char *item, size_t len);

/*
 * Calls fn for each item of the list that the object in text has as its member `name`, with the
 * item's own bytes ("log_history" of trainer_state.json); returns as bl_json_members(). 0 without
 * a call when there is no such list.
 */
BL_MUST int bl_json_items(const char *text, size_t len, const char *name, bool lenient,
                          bl_item_fn *fn, void *arg, struct bl_json_fault *fault);

#endif
