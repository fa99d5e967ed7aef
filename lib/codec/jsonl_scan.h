/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CODEC_JSONL_SCAN_H
#define BL_CODEC_JSONL_SCAN_H

/* The parts that jsonl.c and jsonl_members.c share. */

#include "codec/jsonl.h"

#define BL_SCAN_DEPTH_MAX 64

/*
 *   at      next byte; end: one past the last
 *   kinds   one bit for each open bracket, the innermost lowest: 1 a map, 0 a list
 *   depth   how many are open
 *   escaped the last string has a backslash
 *   reason  of the fault at `at`, once a function has returned false
 */
struct bl_scan {
	const char *at, *end, *start;
	uint64_t kinds;
	unsigned depth;
	bool lenient, escaped;
	const char *reason;
};

static inline bool bl_scan_fault(struct bl_scan *scan, const char *reason)
{
	scan->reason = scan->at == scan->end ? "the text ends too early" : reason;
	return false;
}

/* The byte at `at`, 0 at the end: no value begins with one and no token goes on with it. */
static inline char bl_scan_peek(const struct bl_scan *scan)
{
	return scan->at < scan->end ? *scan->at : '\0';
}

static inline void bl_scan_space(struct bl_scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
		scan->at++;
}

/* From one quote to past the other. */
bool bl_scan_string(struct bl_scan *scan);
/* A key and its colon: *key and *len are what is between the quotes. */
bool bl_scan_key(struct bl_scan *scan, const char **key, size_t *len);
/* A number, string or word; the byte at `at` is no bracket. */
bool bl_scan_scalar(struct bl_scan *scan);
/* Any one value. */
bool bl_scan_value(struct bl_scan *scan);
int bl_scan_failed(const struct bl_scan *scan, struct bl_json_fault *fault);

/* The double nearest to a number of JSON's grammar. */
double bl_scan_double(const char *text, size_t len);

#endif
