/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_LOGIN_HELPER_H
#define BL_TESTS_LOGIN_HELPER_H

/*
 * A program docker-credential-NAME, first in PATH, in the test's folder (folder.h), which the
 * script knows as $HELPER_DIR.
 */
void put_helper(const char *name, const char *script);

/* A line of a script: what a helper answers. */
#define ANSWER(user, secret)                                                                       \
	"echo '{\"ServerURL\":\"s\",\"Username\":\"" user "\",\"Secret\":\"" secret "\"}'\n"

#endif
