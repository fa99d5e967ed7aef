/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_IMAGE_LOGIN_H
#define BL_RUN_IMAGE_LOGIN_H

#include "aws/client.h"
#include "net/registry.h"

/*
 * Who we are for registries: ECR by AWS credentials (GetAuthorizationToken of that registry's
 * region); others by the first file that names them: REGISTRY_AUTH_FILE, DOCKER_CONFIG/config.json,
 * XDG_RUNTIME_DIR/containers/auth.json (where that is not set /run/containers/UID/auth.json),
 * XDG_CONFIG_HOME/containers/auth.json, ~/.config/containers/auth.json, ~/.docker/config.json. One
 * that is absent or empty is passed over.
 *
 * In a file: credHelpers for the registry, its entry in auths (user and password, or
 * identitytoken), credsStore; also by the repository's path, longest first, as containers' tools
 * do ("host/team/name", "host/team", "host"), and Docker Hub's old name
 * ("https://index.docker.io/v1/"). A helper is a program docker-credential-NAME of PATH: it gets
 * the registry on stdin, answers {"Username","Secret"} ("<token>": an identity token) in 30 s;
 * "not found" is no login.
 */
struct bl_logins;

/* Its texts stay the caller's until bl_logins_close(). */
struct bl_logins_options {
	struct bl_aws_options aws; /* for ECR; the client is opened at the first need */
	/* "host/team/name": what will be asked for, so that logins by path are found */
	const char *const *names;
	size_t n_names;
};
BL_MUST int bl_logins_open(const struct bl_logins_options *options, struct bl_logins **out,
                           struct bl_err *err);
void bl_logins_close(struct bl_logins *logins); /* takes NULL; wipes */

/*
 * A bl_login_fn; arg is struct bl_logins. Kept until `again`, or an ECR token's last 5 minutes.
 * From any thread. A file that cannot be read or understood is BL_EINPUT or BL_EDENIED, and named.
 */
int bl_logins_get(void *arg, const char *registry, bool again, struct bl_login *out,
                  struct bl_err *err);

/* The AWS client that ECR is asked with: not to be used while a session may ask for a login. */
BL_MUST int bl_logins_aws(struct bl_logins *logins, struct bl_aws **out, struct bl_err *err);

/*
 * Pure: what a docker configuration says of a registry ("host", or "host/team/name" for logins by
 * path). helper: "" or the NAME to ask. BL_EINPUT names the file and what is wrong in it, but no
 * secret. found false: nothing. out is zeroed by the caller.
 */
BL_MUST int bl_login_of_config(const char *bytes, size_t len, const char *file,
                               const char *registry, struct bl_login *out, char helper[128],
                               bool *found, struct bl_err *err);

#endif
