/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "net/registry_parts.h"
#include "net/url.h"

#include <stdio.h>
#include <string.h>

/*
 * Tokens of a registry's token service, one per scope. The session's lock is held all the while:
 * whoever else wants one waits for it, and then has it too.
 */
#define SERVICE "its token service"
#define REPLY_MAX ((size_t)64 << 10)
#define LIFE_S 60 /* where the service does not say, and at least: its specification's */
#define LIFE_MAX_S 86400
#define SPARE_MS 10000 /* one that is about to end is fetched anew */

/* --- The request ------------------------------------------------------------------------------ */

static void add_query(struct bl_buf *to, const char *name, const char *value, size_t len)
{
	bl_buf_adds(to, name);
	bl_buf_addc(to, '=');
	bl_uri_add(to, value, len);
}

/* Each of several scopes is a parameter of its own. */
static void add_scopes(struct bl_buf *url, const char *scope)
{
	while (*scope) {
		size_t len = strcspn(scope, " ");

		if (len) {
			bl_buf_addc(url, '&');
			add_query(url, "scope", scope, len);
		}
		scope += len + (scope[len] == ' ');
	}
}

/* With an identity token: it goes into the body, where no log has it. */
static void add_form(struct bl_buf *form, const struct bl_registry_session *session,
                     const char *scope)
{
	const struct bl_secret *token = &session->login.password;
	const char *service = session->challenge.service;

	bl_buf_adds(form, "grant_type=refresh_token&client_id=branchline&");
	add_query(form, "service", service, strlen(service));
	if (*scope) {
		bl_buf_addc(form, '&');
		add_query(form, "scope", scope, strlen(scope));
	}
	bl_buf_addc(form, '&');
	add_query(form, "refresh_token", bl_secret_text(token), token->len);
}

static int add_target(struct bl_buf *url, const struct bl_registry_session *session,
                      const char *scope, struct bl_err *err)
{
	const struct bl_challenge *challenge = &session->challenge;

	bl_buf_adds(url, challenge->realm);
	if (session->login.is_identity_token)
		return bl_buf_check(url, "token's URL", err);
	bl_buf_addc(url, strchr(challenge->realm, '?') ? '&' : '?');
	add_query(url, "service", challenge->service, strlen(challenge->service));
	add_scopes(url, scope);
	return bl_buf_check(url, "token's URL", err);
}

static int send(struct bl_registry *registry, const char *scope, struct bl_http_reply *reply,
                struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	bool is_post = session->login.is_identity_token;
	BL_AUTO(bl_buf) url = BL_BUF(8192);
	BL_SECRET_BUF headers = BL_BUF(BL_AUTHORIZATION_MAX), form = BL_BUF(4 * REPLY_MAX);
	struct bl_http_request request = { .method = is_post ? "POST" : "GET",
		                           .reply_max = REPLY_MAX };

	if (bl_registry_may_go(registry, session->challenge.realm, err) ||
	    add_target(&url, session, scope, err))
		return -1;
	if (is_post) {
		/* all room at once: no copy of a secret stays behind */
		if (!bl_buf_room(&form, 3 * session->login.password.len + 8192))
			return bl_buf_check(&form, "login", err);
		add_form(&form, session, scope);
		bl_buf_adds(&headers, "content-type: application/x-www-form-urlencoded\n");
		request.bytes = bl_buf_text(&form);
		request.size = form.len;
	} else if (bl_session_add_basic(session, &headers, err)) {
		return -1;
	}
	if (bl_buf_check(&form, "login", err) || bl_buf_check(&headers, "login", err))
		return -1;
	request.url = bl_buf_text(&url);
	request.headers = bl_buf_text(&headers);
	if (session->options.counts)
		session->options.counts->auth_requests++;
	return bl_registry_exchange(registry, &request, reply, err);
}

/* --- What is kept ----------------------------------------------------------------------------- */

/* The right to push holds that to pull. */
static bool covers(const char *have, const char *want)
{
	size_t len = strlen(want);

	if (!strcmp(have, want))
		return true;
	return bl_str_ends(want, ":pull") && !strchr(want, ' ') && !strncmp(have, want, len) &&
	       !strcmp(have + len, ",push");
}

static const struct bl_registry_token *find(const struct bl_registry_session *session,
                                            const char *scope, unsigned long refused)
{
	for (size_t i = 0; i < session->n_tokens; i++) {
		const struct bl_registry_token *token = &session->tokens[i];

		if (covers(token->scope, scope) && token->serial != refused &&
		    token->expires_mono_ms - SPARE_MS > bl_mono_ms())
			return token;
	}
	return NULL;
}

/* The scope's own, a free one, or the one that ends first. */
static struct bl_registry_token *place_for(struct bl_registry_session *session, const char *scope)
{
	struct bl_registry_token *first = &session->tokens[0];

	for (size_t i = 0; i < session->n_tokens; i++) {
		if (!strcmp(session->tokens[i].scope, scope))
			return &session->tokens[i];
		if (session->tokens[i].expires_mono_ms < first->expires_mono_ms)
			first = &session->tokens[i];
	}
	return session->n_tokens < BL_TOKENS_MAX ? &session->tokens[session->n_tokens] : first;
}

/* It becomes part of a header: nothing that could end one. */
static bool is_token(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] < 127)
		n++;
	return n && !text[n];
}

static int keep(struct bl_registry_session *session, const char *scope, const struct bl_value *doc,
                const struct bl_registry_token **out, struct bl_err *err)
{
	struct bl_registry_token *token = place_for(session, scope);
	int64_t life_s = bl_value_int_or(doc, "expires_in", LIFE_S);
	const char *text = bl_value_text_or(doc, "token", "");

	if (!*text)
		text = bl_value_text_or(doc, "access_token", "");
	if (!is_token(text) || strlen(scope) >= sizeof(token->scope))
		return bl_fail(err, BL_ECORRUPT, SERVICE ": a reply without a token");
	if (life_s < LIFE_S)
		life_s = LIFE_S;
	if (life_s > LIFE_MAX_S)
		life_s = LIFE_MAX_S;
	if (bl_secret_set(&token->value, text, strlen(text), err))
		return -1;
	snprintf(token->scope, sizeof(token->scope), "%s", scope);
	token->expires_mono_ms = bl_mono_ms() + life_s * 1000;
	token->serial = ++session->serial;
	if (token == &session->tokens[session->n_tokens])
		session->n_tokens++;
	*out = token;
	return 0;
}

static int read_reply(struct bl_registry_session *session, const char *scope,
                      struct bl_http_reply *reply, const struct bl_registry_token **out,
                      struct bl_err *err)
{
	BL_VALUE doc = NULL;
	int rc = bl_json_parse(bl_buf_text(&reply->body), reply->body.len, SERVICE, &doc, err);

	if (!rc)
		rc = keep(session, scope, doc, out, err);
	for (size_t i = 0; doc && i < doc->n; i++)
		if (doc->items[i]->text)
			bl_wipe(doc->items[i]->text, strlen(doc->items[i]->text));
	if (reply->body.data)
		bl_wipe(reply->body.data, reply->body.cap);
	return rc;
}

/* --- Both ------------------------------------------------------------------------------------- */

/* What is no token and no refusal of the login. */
static int failed(const struct bl_registry_session *session, int status,
                  const struct bl_registry_error *said, struct bl_err *err)
{
	if (session->login.is_identity_token && (status == 404 || status == 405)) {
		bl_fail(err, BL_EDENIED, SERVICE ": HTTP %d: it takes no identity tokens", status);
		return bl_next(err, "log in to %s with a user and a password", session->registry);
	}
	return bl_fail(err, status == 429 || status >= 500 ? BL_ERETRY : BL_EDENIED,
	               SERVICE ": HTTP %d%s%s%s%s", status, said->code[0] ? " " : "", said->code,
	               said->message[0] ? ": " : "", said->message);
}

/* The service may refuse a login that has expired: then it is asked for once again. */
static int fetch(struct bl_registry *registry, const char *scope,
                 const struct bl_registry_token **out, struct bl_err *err)
{
	struct bl_registry_session *session = registry->session;
	struct bl_registry_error said = { 0 };

	for (int again = 0; again < 2; again++) {
		BL_AUTO(bl_http_reply) reply = { 0 };
		bool was_anonymous = !session->login.user[0] && !session->login.password.len;

		if (bl_session_login(session, again, err))
			return -1;
		if (again && was_anonymous && !session->login.user[0] &&
		    !session->login.password.len)
			break;
		if (send(registry, scope, &reply, err))
			return bl_wrap(err, SERVICE);
		if (reply.status / 100 == 2)
			return read_reply(session, scope, &reply, out, err);
		bl_registry_error_read(&reply, &said);
		if (reply.status != 401 && reply.status != 403 &&
		    (reply.status != 400 || !session->login.is_identity_token))
			return failed(session, reply.status, &said, err);
	}
	return bl_session_deny(session, said.message, err);
}

int bl_session_token(struct bl_registry *registry, const char *scope, unsigned long refused_serial,
                     const struct bl_registry_token **out, struct bl_err *err)
{
	const struct bl_registry_token *token = find(registry->session, scope, refused_serial);

	if (!token)
		return fetch(registry, scope, out, err);
	*out = token;
	return 0;
}
