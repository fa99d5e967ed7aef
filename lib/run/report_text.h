/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_REPORT_TEXT_H
#define BL_RUN_REPORT_TEXT_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * One writer per medium. Each takes any bytes, shows at most max_chars characters
 * (then an ellipsis), and leaves nothing in them that the medium would act on. All: invalid UTF-8,
 * control and direction-changing characters become U+FFFD, line breaks and tabs a space.
 *
 *   md       inline Markdown on GitHub, table cells and <summary> too: no markup, link, mention,
 *            reference or emoji comes of it
 *   code     an inline code span; the same promise outside tables
 *   html     text and attribute values between double quotes
 *   term     a terminal
 *   mermaid  inside a quoted string of a chart
 */
void bl_text_md(struct bl_buf *buf, const char *text, size_t max_chars);
void bl_text_code(struct bl_buf *buf, const char *text, size_t max_chars);
void bl_text_html(struct bl_buf *buf, const char *text, size_t max_chars);
void bl_text_term(struct bl_buf *buf, const char *text, size_t max_chars);
void bl_text_mermaid(struct bl_buf *buf, const char *text, size_t max_chars);

/* One word for every shell and every medium, of at most 400 bytes: it may stand there as it is. */
bool bl_text_is_word(const char *text);

/* A fenced Markdown block of whole lines whose fence the text cannot close. */
void bl_text_fence(struct bl_buf *buf, const char *text);

/* Lines of a log for <pre>: as html, line breaks kept. */
void bl_text_pre(struct bl_buf *buf, const char *text);

/* Columns that text takes in a terminal: a character is one. */
size_t bl_text_columns(const char *text);

/*
 * Numbers for people: five significant digits, trimmed, "1.731", "0.0003", "12000", "1.2e-07";
 * NaN and infinities as words.
 */
struct bl_number {
	char text[32];
};
struct bl_number bl_number_text(double number);
void bl_number_add(struct bl_buf *buf, double number);
/* The distance between two shown numbers, no finer than they are: "0.042", unsigned. */
struct bl_number bl_number_distance(double from, double to);
/* At most `decimals` decimals, never an exponent, trimmed; finite only. */
void bl_number_add_fixed(struct bl_buf *buf, double number, int decimals);

#endif
