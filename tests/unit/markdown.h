/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_MARKDOWN_H
#define BL_TESTS_MARKDOWN_H

#include <stddef.h>

/*
 * What must hold of every text that we put on a pull request, whatever went into it. Fails the test
 * and shows the text where one does not:
 *
 *   no fence is left open, <details> are balanced and hold no tag but our own
 *   no '@' or '#' stands where GitHub would make a mention or a reference of it
 *   no HTML comment, no heading but the first line
 *   at most 25 lines are visible while the details are folded
 */
void check_markdown(const char *text);

/* Texts that somebody might put into a title, a branch, a log or a metric's name. */
extern const char *const hostile_texts[];
extern const size_t n_hostile_texts;

#endif
