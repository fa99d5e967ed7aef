/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_STORE_CONTRACT_H
#define BL_TESTS_STORE_CONTRACT_H

/*
 * What every store must do, run on any of them: `fresh` is a cmocka set-up that puts an
 * open, writable, empty struct bl_store * into *state, `gone` its tear-down. Returns
 * how many tests failed.
 */
int run_store_contract(const char *name, int (*fresh)(void **state), int (*gone)(void **state));

#endif
