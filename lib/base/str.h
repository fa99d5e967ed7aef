/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_BASE_STR_H
#define BL_BASE_STR_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Edits (insert, delete, replace, swap neighbours) between two words; over 64 bytes: SIZE_MAX. */
size_t bl_str_distance(const char *a, const char *b);

/*
 * The nearest of words[n] to word, or NULL when none is close enough to be meant: more than
 * a third of the word and one letter, or all of it, would have to change.
 */
const char *bl_str_nearest(const char *word, const char *const *words, size_t n);

/* Decimal digits only, min..max. BL_EINPUT says what was there and what is allowed. */
BL_MUST int bl_str_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out,
                       struct bl_err *err);

/* "90s" "30m" "6h" "2d" "500ms" or "1h30m" to milliseconds, 0..10 years. A bare number is refused,
 * "0" is not. */
BL_MUST int bl_str_duration(const char *text, int64_t *ms, struct bl_err *err);

/* "10s", "2GiB", "512MiB", "1MB", "100" to bytes. */
BL_MUST int bl_str_size(const char *text, uint64_t *bytes, struct bl_err *err);

/* For people: "41 min", "2 h 5 min", "12.3 s", "0.8 s"; "1.2 GiB", "310 B". */
void bl_str_add_duration(struct bl_buf *buf, int64_t ms);
void bl_str_add_bytes(struct bl_buf *buf, uint64_t bytes);

bool bl_str_starts(const char *text, const char *prefix);
bool bl_str_ends(const char *text, const char *suffix);

/* A whole commit's or tree's id: 40 hexadecimal digits in lower case. */
bool bl_str_is_sha(const char *text);

/* Length in bytes of the well-formed UTF-8 sequence at p (RFC 3629), 0 when there is none. */
size_t bl_utf8_sequence(const char *p, size_t len);

/* Bytes from p that are well-formed UTF-8. */
size_t bl_utf8_valid(const char *p, size_t len);

/* Appends text as UTF-8: each bad byte becomes U+FFFD. Returns how many were replaced. */
size_t bl_utf8_add(struct bl_buf *buf, const char *p, size_t len);

/* Removes ANSI escape sequences (CSI, OSC, charsets, two-byte) in place; returns the new length. */
size_t bl_str_strip_ansi(char *p, size_t len);

/* A glob over a '/'-separated path: `*` and `?` stop at '/', `**` does not, [a-z] is a class. */
bool bl_str_glob(const char *pattern, const char *path);

/* Random text from [a-z2-7], n characters and a NUL. -1 when the system has no randomness. */
BL_MUST int bl_str_random(char *out, size_t n, struct bl_err *err);

#endif
