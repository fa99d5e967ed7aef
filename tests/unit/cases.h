/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_CASES_H
#define BL_TESTS_CASES_H

#include "base/buf.h"

/*
 * Runs every directory tests/unit/data/MODULE/CASE: `play` turns the bytes of its file
 * `input` into text, which must equal its file `expect`. Each case that differs is shown; none at
 * all fails. Tests run in the root of the repository.
 */
typedef void case_player(const char *input, size_t len, struct bl_buf *out);

void each_case(const char *module, case_player *play);

/* "error CODE: text" and, when there is one, "next: ..." below it. */
void show_error(struct bl_buf *out, const struct bl_err *err);

#endif
