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
	const char *reason; /* static: "a string is not closed", "invalid UTF-8", ... */
};

/* 0: one JSON value and nothing after it (white space around allowed). -1: fault says where. Depth
 * <= 64. */
BL_MUST int bl_json_check(const char *text, size_t len, struct bl_json_fault *fault);

/*
 * The members of one flat view of an object, dotted for nested objects ("eval.loss").
 *
 *   key, key_len     raw bytes between the quotes when it has no escapes, else decoded into scratch
 * (cut at 256 bytes) kind             BL_SCALAR_* number           numbers; NaN and Infinity (bare
 * words that Python writes, accepted when `lenient`), also texts "NaN", "Infinity", "-Infinity"
 *   text, text_len   raw bytes of a string value between its quotes (escapes not decoded)
 * Lists are skipped. A non-zero return of the callback stops the scan and is returned.
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
 * Returns 0 after a whole object, -1 with fault when text is not one JSON object, else
 * what the callback returned. The callback may see members before a fault is found.
 */
BL_MUST int bl_json_members(const char *text, size_t len, bool lenient, bl_member_fn *fn, void *arg,
                            struct bl_json_fault *fault);

#endif
