/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_FAILALLOC_H
#define BL_TESTS_FAILALLOC_H

#include "base/err.h"

/*
 * Runs `story` again and again, in a process of its own each time, with the
 * 1st, 2nd, ... Nth allocation failing: first each one alone, then each with all
 * later ones. Allocations of libraries (jansson, libyaml, libcrypto, libgit2)
 * count too. Ends when a pass needs no failing allocation.
 *
 * `story` calls public functions the way a caller does and returns what they
 * returned; err must hold BL_ENOMEM (or be clean on 0). A crash, a leak of the latch
 * (0 returned with err set), -1 without a code, or another code fails the test.
 * The count of passes is bounded by `max`.
 *
 * What is open beforehand is shared by all passes: a connection on which one of them ended within
 * its request would carry the next one's. Servers of such stories therefore close (CANNED_CLOSE).
 */
typedef int alloc_story(struct bl_err *err);

void each_allocation_fails(alloc_story *story, unsigned max);

#endif
