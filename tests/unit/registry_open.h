/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TESTS_REGISTRY_OPEN_H
#define BL_TESTS_REGISTRY_OPEN_H

#include "net/registry_parts.h"

#include "tests/unit/canned.h"

/* A registry that is a scripted server, opened. Between its attempts nothing waits. */
struct opened {
	struct canned *server;
	struct bl_registry_session *session;
	struct bl_registry *registry;
	struct bl_registry_counts counts;
	atomic_bool stop;
	/* what it is told of us, one after another, the last for ever; user NULL: nobody */
	struct {
		const char *user, *password;
		bool is_identity_token;
	} logins[3];
	unsigned n_logins, n_asked, n_again;
};

/* opened: zeroed but for logins. */
void registry_open(struct opened *opened, const struct canned_reply *replies, size_t n);
/* As if the session were of that registry. */
void registry_rename(struct opened *opened, const char *name);
void registry_close(struct opened *opened);

/* `Www-Authenticate: Bearer realm="http://.../token",service="s"` and an end of line; valid until
 * the fourth next call. */
const char *bearer_of(const struct canned *token_service);

/* Value of a header of the i-th request, "" when it is not there. */
const char *sent_header(const struct canned *server, size_t i, const char *name);

/* The request went to that method and target. */
void assert_request(const struct canned *server, size_t i, const char *start);

/* The manifest demo:t, got and put as DOC. */
int registry_get(struct opened *opened, struct bl_err *err);
int registry_put(struct opened *opened, struct bl_err *err);

#define DOC "{\"schemaVersion\":2}"
#define DOC_DIGEST "sha256:bafebd36189ad3688b7b3915ea55d461e0bfcfbdde11e54b0a123999fb6be50f"
#define OTHER_DIGEST "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

#endif
