/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/base64.h"
#include "net/registry_parts.h"

#include <stdio.h>
#include <string.h>

#define HUB "docker.io"
#define PULL_RIGHTS "ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer"
#define PUSH_RIGHTS                                                                                \
	"ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, ecr:UploadLayerPart, "          \
	"ecr:CompleteLayerUpload and ecr:PutImage"

/* --- The lock is held ------------------------------------------------------------------------- */

int bl_session_deny(const struct bl_registry_session *session, const char *said, struct bl_err *err)
{
	const struct bl_login *login = &session->login;
	bool is_known = login->user[0] || login->is_identity_token;
	struct bl_ecr_name ecr;

	bl_fail(err, BL_EDENIED, "%s%s%s", is_known ? "it refuses our login" : "it wants a login",
	        *said ? ": " : "", said);
	if (bl_image_ref_ecr(session->registry, &ecr))
		return bl_next(err,
		               "allow the role of account %s " PULL_RIGHTS "; to push also "
		               "" PUSH_RIGHTS,
		               ecr.account);
	if (!strcmp(session->registry, HUB))
		return bl_next(err, "`docker login`; Docker Hub also answers so where there is no "
		                    "such repository");
	return bl_next(err,
	               "`docker login %s` (or podman's or skopeo's) stores a login that may "
	               "do this",
	               session->registry);
}

int bl_session_login(struct bl_registry_session *session, bool again, struct bl_err *err)
{
	BL_AUTO(bl_login) login = { 0 };

	if (session->has_login && !again)
		return 0;
	if (session->options.login && session->options.login(session->options.login_arg,
	                                                     session->registry, again, &login, err))
		return -1;
	bl_login_done(&session->login);
	session->login = login;
	login = (struct bl_login){ 0 };
	session->has_login = true;
	session->login_serial = ++session->serial;
	return 0;
}

int bl_session_add_basic(const struct bl_registry_session *session, struct bl_buf *headers,
                         struct bl_err *err)
{
	static const char name[] = "authorization: Basic ";
	const struct bl_login *login = &session->login;
	BL_SECRET_BUF pair = BL_BUF(BL_AUTHORIZATION_MAX);
	size_t len = strlen(login->user) + 1 + login->password.len;

	if (!login->user[0])
		return 0;
	/* all room at once, here and below: no copy of a secret stays behind */
	if (!bl_buf_room(headers, sizeof(name) + (len + 2) / 3 * 4 + 1))
		return bl_buf_check(headers, "login", err);
	if (!bl_buf_room(&pair, len))
		return bl_buf_check(&pair, "login", err);
	bl_buf_adds(&pair, login->user);
	bl_buf_addc(&pair, ':');
	bl_buf_add(&pair, bl_secret_text(&login->password), login->password.len);
	bl_buf_adds(headers, name);
	bl_base64_add(headers, bl_buf_text(&pair), pair.len);
	bl_buf_addc(headers, '\n');
	return bl_buf_check(headers, "login", err);
}

/* --- It is taken ------------------------------------------------------------------------------ */

static int add_bearer(struct bl_registry *registry, const char *scope, unsigned long refused,
                      struct bl_buf *headers, unsigned long *serial, struct bl_err *err)
{
	static const char name[] = "authorization: Bearer ";
	const struct bl_registry_token *token;

	if (bl_session_token(registry, scope, refused, &token, err))
		return -1;
	*serial = token->serial;
	if (!bl_buf_room(headers, sizeof(name) + token->value.len + 1))
		return bl_buf_check(headers, "headers", err);
	bl_buf_adds(headers, name);
	bl_buf_add(headers, bl_secret_text(&token->value), token->value.len);
	bl_buf_addc(headers, '\n');
	return bl_buf_check(headers, "headers", err);
}

static int add_login(struct bl_registry_session *session, unsigned long refused,
                     struct bl_buf *headers, unsigned long *serial, struct bl_err *err)
{
	/* another thread may have asked for a new one since */
	if (bl_session_login(session, refused && refused == session->login_serial, err))
		return -1;
	*serial = session->login_serial;
	return bl_session_add_basic(session, headers, err);
}

int bl_registry_authorize(struct bl_registry *registry, const char *scope,
                          unsigned long refused_serial, struct bl_buf *headers,
                          unsigned long *serial, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	int rc = 0;

	*serial = 0;
	pthread_mutex_lock(&session->lock);
	if (session->challenge.kind == BL_CHALLENGE_BASIC)
		rc = add_login(session, refused_serial, headers, serial, err);
	else if (session->challenge.kind == BL_CHALLENGE_BEARER)
		rc = add_bearer(registry, scope && *scope ? scope : session->challenge.scope,
		                refused_serial, headers, serial, err);
	pthread_mutex_unlock(&session->lock);
	return rc;
}

/* All headers of that name, joined. */
static void join_challenges(const struct bl_http_reply *reply, struct bl_buf *out)
{
	static const char name[] = "www-authenticate:";

	for (const char *line = bl_buf_text(&reply->head); *line;) {
		size_t len = strcspn(line, "\n");

		if (bl_str_starts(line, name)) {
			bl_buf_adds(out, out->len ? ", " : "");
			bl_buf_add(out, line + sizeof(name) - 1, len - (sizeof(name) - 1));
		}
		line += len + (line[len] == '\n');
	}
}

int bl_registry_challenged(struct bl_registry *registry, const struct bl_http_reply *reply,
                           struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	BL_AUTO(bl_buf) header = BL_BUF(BL_HTTP_HEAD_MAX);
	struct bl_challenge challenge;
	int rc = 0;

	join_challenges(reply, &header);
	if (bl_buf_check(&header, "challenge", err))
		return -1;
	bl_challenge_parse(bl_buf_text(&header), &challenge);
	pthread_mutex_lock(&session->lock);
	if (challenge.kind != BL_CHALLENGE_NONE)
		session->challenge = challenge;
	else if (session->challenge.kind == BL_CHALLENGE_NONE)
		rc = bl_session_deny(session, "it says in no way known here how", err);
	pthread_mutex_unlock(&session->lock);
	return rc;
}

int bl_registry_deny(struct bl_registry *registry, const char *said, struct bl_err *err)
{
	pthread_mutex_lock(&registry->session->lock);
	bl_session_deny(registry->session, said, err);
	pthread_mutex_unlock(&registry->session->lock);
	return -1;
}
