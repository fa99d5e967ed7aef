/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_SCRATCH_H
#define BL_TESTS_SCRATCH_H

#include "run/store.h"

/*
 * A directory of its own per test, with an empty store in it: cmocka set-up and tear-down.
 * *state is the open store; scratch_dir() the directory, the working directory of the
 * test, "store" the store in it.
 */
int scratch_store(void **state);
int scratch_done(void **state);
const char *scratch_dir(void);

#endif
