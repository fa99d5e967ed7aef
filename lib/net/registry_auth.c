/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "net/registry_parts.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX ((size_t)64 << 10)
#define TOKEN_LIFE_S 60 /* where the service does not say: its specification's */
#define TOKEN_SPARE_MS 10000

/* --- Challenges ------------------------------------------------------------------------------- */

/* One value, quoted or not, into out; where it ends. */
static const char *take_value(const char *at, char *out, size_t size)
{
	bool quoted = *at == '"';
	size_t n = 0;

	for (at += quoted; *at && (quoted ? *at != '"' : !strchr(", \t", *at)); at++) {
		if (quoted && *at == '\\' && at[1])
			at++;
		if (n + 1 < size)
			out[n++] = *at;
		else
			n = 0, size = 1; /* does not fit: none */
	}
	out[n] = '\0';
	return quoted && *at ? at + 1 : at;
}

static void take_parameter(const char *name, size_t len, const char **at, struct bl_challenge *out)
{
	char ignored[1];

	if (len == 5 && !strncasecmp(name, "realm", len))
		*at = take_value(*at, out->realm, sizeof(out->realm));
	else if (len == 7 && !strncasecmp(name, "service", len))
		*at = take_value(*at, out->service, sizeof(out->service));
	else if (len == 5 && !strncasecmp(name, "scope", len))
		*at = take_value(*at, out->scope, sizeof(out->scope));
	else
		*at = take_value(*at, ignored, sizeof(ignored));
}

void bl_challenge_parse(const char *header, struct bl_challenge *out)
{
	enum bl_challenge_kind now = BL_CHALLENGE_NONE;
	struct bl_challenge found = { 0 };

	for (const char *at = header; *at;) {
		size_t len;

		at += strspn(at, " \t,");
		len = strcspn(at, " \t,=");
		if (at[len] == '=') {
			const char *value = at + len + 1;

			if (now != BL_CHALLENGE_NONE && now == found.kind)
				take_parameter(at, len, &value, &found);
			else
				take_parameter("", 0, &value, &found);
			at = value;
			continue;
		}
		/* a scheme begins: the first that we know is taken */
		now = len == 6 && !strncasecmp(at, "Bearer", len)  ? BL_CHALLENGE_BEARER
		      : len == 5 && !strncasecmp(at, "Basic", len) ? BL_CHALLENGE_BASIC
		                                                   : BL_CHALLENGE_NONE;
		if (found.kind != BL_CHALLENGE_NONE)
			break;
		found.kind = now;
		at += len;
	}
	if (found.kind == BL_CHALLENGE_BEARER && !found.realm[0])
		found.kind = BL_CHALLENGE_NONE;
	*out = found;
}

/* --- Tokens: all below with the session's lock held --------------------------------------------- */

static int ask_login(struct bl_registry_session *session, bool again, struct bl_err *err)
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
	return 0;
}

static void add_basic(const struct bl_login *login, struct bl_buf *headers)
{
	BL_SECRET_BUF pair = BL_BUF(TOKEN_MAX);

	if (!login->user[0])
		return;
	if (!bl_buf_room(&pair, strlen(login->user) + login->password.len + 2))
		return;
	bl_buf_addf(&pair, "%s:%s", login->user, bl_secret_text(&login->password));
	bl_buf_adds(headers, "authorization: Basic ");
	bl_base64_add(headers, bl_buf_text(&pair), pair.len);
	bl_buf_addc(headers, '\n');
}

static void add_query(struct bl_buf *url, const char *name, const char *value, size_t len)
{
	bl_buf_addf(url, "%s=", name);
	bl_uri_add(url, value, len);
}

/* Each of several scopes is a parameter of its own. */
static void add_scopes(struct bl_buf *to, const char *scope)
{
	while (*scope) {
		size_t len = strcspn(scope, " ");

		if (len) {
			bl_buf_addc(to, '&');
			add_query(to, "scope", scope, len);
		}
		scope += len + (scope[len] == ' ');
	}
}

static int send_for_token(struct bl_registry *registry, const char *scope,
                          struct bl_http_reply *reply, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	const struct bl_challenge *challenge = &session->challenge;
	const struct bl_login *login = &session->login;
	BL_AUTO(bl_buf) url = BL_BUF(8192);
	BL_SECRET_BUF headers = BL_BUF(TOKEN_MAX), form = BL_BUF(TOKEN_MAX);
	struct bl_http_request request = { .method = "GET", .reply_max = TOKEN_MAX };

	bl_buf_adds(&url, challenge->realm);
	if (login->is_identity_token) {
		bl_buf_adds(&form, "grant_type=refresh_token&client_id=branchline&");
		add_query(&form, "service", challenge->service, strlen(challenge->service));
		add_scopes(&form, scope);
		bl_buf_addc(&form, '&');
		add_query(&form, "refresh_token", bl_secret_text(&login->password),
		          login->password.len);
		bl_buf_adds(&headers, "content-type: application/x-www-form-urlencoded\n");
		request.method = "POST";
		request.bytes = bl_buf_text(&form);
		request.size = form.len;
	} else {
		bl_buf_addc(&url, strchr(challenge->realm, '?') ? '&' : '?');
		add_query(&url, "service", challenge->service, strlen(challenge->service));
		add_scopes(&url, scope);
		add_basic(login, &headers);
	}
	if (bl_buf_check(&url, "token's URL", err) || bl_buf_check(&headers, "login", err) ||
	    bl_buf_check(&form, "login", err))
		return -1;
	request.url = bl_buf_text(&url);
	request.headers = bl_buf_text(&headers);
	if (session->options.counts)
		session->options.counts->auth_requests++;
	return bl_registry_exchange(registry, &request, reply, err);
}

static int keep_token(struct bl_registry_session *session, const char *scope,
                      const struct bl_value *doc, struct bl_err *err)
{
	const char *text = bl_value_text_or(doc, "token", "");
	int64_t life_s = bl_value_int_or(doc, "expires_in", TOKEN_LIFE_S);
	struct bl_registry_token *slot = NULL;

	if (!*text)
		text = bl_value_text_or(doc, "access_token", "");
	if (!*text)
		return bl_fail(err, BL_ECORRUPT, "the token service's reply has no token");
	if (life_s < TOKEN_LIFE_S)
		life_s = TOKEN_LIFE_S;
	for (size_t i = 0; i < session->n_tokens && !slot; i++)
		if (!strcmp(session->tokens[i].scope, scope))
			slot = &session->tokens[i];
	if (!slot)
		slot = session->n_tokens < BL_TOKENS_MAX ? &session->tokens[session->n_tokens++]
		                                         : &session->tokens[0];
	snprintf(slot->scope, sizeof(slot->scope), "%s", scope);
	slot->expires_mono_ms = bl_mono_ms() + life_s * 1000;
	return bl_secret_set(&slot->value, text, strlen(text), err);
}

static int read_token(struct bl_registry_session *session, const char *scope,
                      struct bl_http_reply *reply, struct bl_err *err)
{
	BL_VALUE doc = NULL;
	int rc = bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "token", &doc, err);

	if (!rc)
		rc = keep_token(session, scope, doc, err);
	if (reply->body.data)
		bl_wipe(reply->body.data, reply->body.cap);
	return rc;
}

static int deny(const struct bl_registry_session *session, struct bl_err *err)
{
	bl_fail(err, BL_EDENIED, "registry %s: %s", session->registry,
	        session->login.user[0] || session->login.is_identity_token ? "it refuses our login"
	                                                                   : "it wants a login");
	return bl_next(err,
	               "`docker login %s` (or podman, skopeo login) writes one; for ECR the "
	               "role needs ecr:GetAuthorizationToken and the push permissions",
	               session->registry);
}

/* The service may refuse a login that has expired: then it is asked for once again. */
static int fetch_token(struct bl_registry *registry, const char *scope, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;

	for (int again = 0; again < 2; again++) {
		BL_AUTO(bl_http_reply) reply = { 0 };

		if (ask_login(session, again, err))
			return -1;
		if (send_for_token(registry, scope, &reply, err))
			return bl_wrap(err, "registry %s: its token service", session->registry);
		if (reply.status / 100 == 2)
			return read_token(session, scope, &reply, err);
		if (reply.status != 401 && reply.status != 403)
			return bl_fail(err, BL_ERETRY, "registry %s: its token service: HTTP %d",
			               session->registry, reply.status);
	}
	return deny(session, err);
}

static const struct bl_registry_token *find_token(const struct bl_registry_session *session,
                                                  const char *scope)
{
	for (size_t i = 0; i < session->n_tokens; i++)
		if (!strcmp(session->tokens[i].scope, scope) &&
		    session->tokens[i].expires_mono_ms - TOKEN_SPARE_MS > bl_mono_ms())
			return &session->tokens[i];
	return NULL;
}

static int add_bearer(struct bl_registry *registry, const char *scope, bool refused,
                      struct bl_buf *headers, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	const struct bl_registry_token *token = refused ? NULL : find_token(session, scope);

	if (!token) {
		if (fetch_token(registry, scope, err))
			return -1;
		session->serial++;
		token = find_token(session, scope);
	}
	if (!token)
		return bl_fail(err, BL_EBUG, "a token that is there and is not");
	bl_buf_adds(headers, "authorization: Bearer ");
	bl_buf_adds(headers, bl_secret_text(&token->value));
	bl_buf_addc(headers, '\n');
	return 0;
}

int bl_registry_authorize(struct bl_registry *registry, const char *scope,
                          unsigned long refused_serial, struct bl_buf *headers,
                          unsigned long *serial, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	bool refused;
	int rc = 0;

	pthread_mutex_lock(&session->lock);
	/* another thread may have got a new one since */
	refused = refused_serial && refused_serial == session->serial;
	if (session->challenge.kind == BL_CHALLENGE_BASIC) {
		if (refused || !session->has_login) {
			rc = ask_login(session, refused, err);
			session->serial++;
		}
		if (!rc)
			add_basic(&session->login, headers);
	} else if (session->challenge.kind == BL_CHALLENGE_BEARER) {
		rc = add_bearer(registry, scope && *scope ? scope : session->challenge.scope,
		                refused, headers, err);
	}
	*serial = session->serial;
	pthread_mutex_unlock(&session->lock);
	return rc;
}

void bl_registry_challenged(struct bl_registry *registry, const char *header)
{
	struct bl_challenge challenge;

	bl_challenge_parse(header, &challenge);
	pthread_mutex_lock(&registry->session->lock);
	if (challenge.kind != BL_CHALLENGE_NONE)
		registry->session->challenge = challenge;
	pthread_mutex_unlock(&registry->session->lock);
}

int bl_registry_deny(struct bl_registry *registry, struct bl_err *err)
{
	pthread_mutex_lock(&registry->session->lock);
	deny(registry->session, err);
	pthread_mutex_unlock(&registry->session->lock);
	return -1;
}
