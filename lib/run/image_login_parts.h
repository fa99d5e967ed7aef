/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LOGIN_PARTS_H
#define BL_RUN_IMAGE_LOGIN_PARTS_H

#include "run/image_login.h"

/* What image_login*.c share, and what the tests look into. */

#define LOGIN_HUB "docker.io"
#define LOGIN_HUB_OLD "https://index.docker.io/v1/" /* what docker itself calls it */
#define LOGIN_FILE_MAX ((size_t)1 << 20)
#define LOGIN_HELPER_MS 30000
#define LOGIN_HELPER_MAX ((size_t)64 << 10) /* of its output */

/*
 * image_login_helper.c: asks docker-credential-NAME for a registry as docker calls it. found false:
 * it knows none. BL_EINPUT: there is no such program, or its answer is no login; BL_EDENIED: it
 * failed, with what it said; BL_ETIMEOUT after deadline_ms; BL_ELIMIT.
 */
BL_MUST int login_ask_helper(const char *name, const char *registry, int deadline_ms,
                             struct bl_login *out, bool *found, struct bl_err *err);

/* image_login_config.c: of letters, digits, '.', '_' and '-'. */
bool login_is_helper(const char *name);

/* The same: overwrites every text of a document, for those among them that are secrets. */
void login_wipe(struct bl_value *value);

/* user and password ("<token>" as user: an identity token) into a login; found false without a user
 * or password. BL_EINPUT: the user is too long. */
BL_MUST int login_set(struct bl_login *login, const char *user, const char *password, size_t len,
                      bool *found, struct bl_err *err);

#endif
