/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_REGISTRY_PARTS_H
#define BL_NET_REGISTRY_PARTS_H

#include "net/registry.h"

#include <pthread.h>

/*
 * What the parts of the registry share: registry.c opens, registry_request.c asks (authentication,
 * redirects, retries) by registry_exchange.c (one exchange, waits) and registry_where.c (where it
 * may send us), registry_error.c says what a refusal means, registry_challenge.c reads challenges,
 * registry_auth.c keeps logins, registry_token.c fetches tokens; registry_manifest.c and
 * registry_blob.c, registry_push.c uploads, registry_stream.c fetches ahead.
 */

/* One request, made again after a 401 with a new token and after what may pass. */
struct bl_registry_ask {
	const char *what;   /* for messages: "put manifest demo:tag" */
	const char *method; /* "GET" */
	const char *target; /* "/v2/...", or a whole URL (a Location of this registry) */
	const char *scope;  /* "repository:demo:pull,push"; may hold several, with spaces between */
	const char *headers; /* "name: value\n" lines; NULL */
	const void *bytes;   /* body, or */
	bl_http_read_fn *read;
	uint64_t size;
	bl_http_write_fn *write; /* NULL: to reply->body */
	void *arg;
	size_t reply_max; /* 0: 1 MiB */
	int stall_ms;     /* of silence; 0: 30,000 */
	bool once;        /* after a loss or a 5xx the caller knows better: BL_ERETRY at once */
	bool redirects; /* 301, 302, 303, 307, 308 of a GET are followed, at most five, to https or
	                     loopback; authorization goes to the registry's own host alone */
};

/*
 * 0: a whole reply of a status below 500 that is not 401 and not 429; it may be an error: see
 * bl_registry_refused(). -1: BL_ERETRY lost or 5xx to the last, BL_EDENIED 401 to the last, else as
 * bl_http_send(). reply zeroed by the caller; retries reset it.
 */
BL_MUST int bl_registry_request(struct bl_registry *registry, const struct bl_registry_ask *ask,
                                struct bl_http_reply *reply, struct bl_err *err);

/* --- registry_where.c: pure ------------------------------------------------------------------- */

/* Whether a URL, or a path, is this registry's own, where its authorization may go. */
bool bl_registry_owns(const struct bl_registry *registry, const char *url);
/* Whether it may send us there, with a login or without. BL_ECORRUPT: no URL; BL_EDENIED: plain
 * http over a network, or the metadata addresses. */
BL_MUST int bl_registry_may_go(const struct bl_registry *registry, const char *url,
                               struct bl_err *err);
/* A Location as a whole URL, appended to out; from: the URL that it was the answer to. */
BL_MUST int bl_registry_resolve(const char *from, const char *location, struct bl_buf *out,
                                struct bl_err *err);

/* --- registry_exchange.c ---------------------------------------------------------------------- */

/* One exchange, ended early by a stop flag (BL_ECANCELLED). */
BL_MUST int bl_registry_exchange(struct bl_registry *registry,
                                 const struct bl_http_request *request, struct bl_http_reply *reply,
                                 struct bl_err *err);
/* Waits so long, or until a stop flag ends it (BL_ECANCELLED). */
BL_MUST int bl_registry_sleep(const struct bl_registry *registry, int64_t ms, struct bl_err *err);
/*
 * Pure: milliseconds that a Retry-After (seconds or a date) asks for, 30,000 at most; 0: none.
 * date: the reply's own Date, or ""; now_wall_ms: our clock at that time.
 */
int64_t bl_registry_asked_wait(const char *retry_after, const char *date, int64_t now_wall_ms);
/* Pure: how long to wait after the failed-th failure, but not less than was asked for. */
int64_t bl_registry_wait(unsigned failed, int64_t asked_ms, double chance);

/* --- registry_error.c ------------------------------------------------------------------------- */

/* The registry's own words for a refusal: {"errors":[{"code":"NAME_UNKNOWN","message":"..."}]}. */
struct bl_registry_error {
	char code[64], message[256];
};
void bl_registry_error_read(const struct bl_http_reply *reply, struct bl_registry_error *out);
/* err from a reply that is one: status, code, message, next step; code BL_ENOENT for 404,
 * BL_EDENIED 401 403, BL_EEXIST for an immutable tag, BL_EINPUT other 4xx. Returns -1. */
int bl_registry_refused(const struct bl_registry *registry, const struct bl_registry_ask *ask,
                        const struct bl_http_reply *reply, struct bl_err *err);
/* The next step for one of its codes, "" none; ask may be NULL. */
void bl_registry_advise(const struct bl_registry *registry, const char *code,
                        const struct bl_registry_ask *ask, struct bl_err *err);

/* --- registry_challenge.c: pure --------------------------------------------------------------- */

enum bl_challenge_kind { BL_CHALLENGE_NONE, BL_CHALLENGE_BASIC, BL_CHALLENGE_BEARER };
struct bl_challenge {
	enum bl_challenge_kind kind;
	char realm[1024], service[256], scope[1024];
};
/* The first of WWW-Authenticate that we know; quoted strings, commas in them, any case. Several
 * headers of that name: joined by commas. */
void bl_challenge_parse(const char *header, struct bl_challenge *out);

/* --- registry_auth.c: the session's ----------------------------------------------------------- */

/* All that one request has in its headers: 64 KiB, as http allows. */
#define BL_AUTHORIZATION_MAX BL_HTTP_HEAD_MAX

/*
 * Adds the authorization line for a scope, if the registry has ever asked for one. refused_serial:
 * of the one that was refused, 0 none; *serial: of this one, 0 none.
 */
BL_MUST int bl_registry_authorize(struct bl_registry *registry, const char *scope,
                                  unsigned long refused_serial, struct bl_buf *headers,
                                  unsigned long *serial, struct bl_err *err);
/* A 401: what it asks for. BL_EDENIED: nothing that we know. */
BL_MUST int bl_registry_challenged(struct bl_registry *registry, const struct bl_http_reply *reply,
                                   struct bl_err *err);
/* BL_EDENIED, with how to log in; said: the registry's own words or "". Returns -1. */
int bl_registry_deny(struct bl_registry *registry, const char *said, struct bl_err *err);

#define BL_TOKENS_MAX 16
struct bl_registry_token {
	char scope[1024];
	struct bl_secret value;
	int64_t expires_mono_ms;
	unsigned long serial;
};

/* --- Below: the session's lock is held -------------------------------------------------------- */

/* As bl_registry_deny(). */
int bl_session_deny(const struct bl_registry_session *session, const char *said,
                    struct bl_err *err);
/* Asks who we are, if that is not known or it is asked again. */
BL_MUST int bl_session_login(struct bl_registry_session *session, bool again, struct bl_err *err);
/* "authorization: Basic ...\n"; nothing when anonymous. */
BL_MUST int bl_session_add_basic(const struct bl_registry_session *session, struct bl_buf *headers,
                                 struct bl_err *err);
/* A token for that scope that was not refused, from the session or its token service. */
BL_MUST int bl_session_token(struct bl_registry *registry, const char *scope,
                             unsigned long refused_serial, const struct bl_registry_token **out,
                             struct bl_err *err);

/* --- Shared state ----------------------------------------------------------------------------- */

struct bl_registry_session {
	struct bl_registry_options options;
	char registry[256];
	char base[300]; /* "https://host" */
	pthread_mutex_t lock;
	struct bl_challenge challenge; /* the last that came */
	unsigned long serial;          /* rises with every new login or token, which keep theirs */
	bool has_login;
	unsigned long login_serial;
	struct bl_login login;
	struct bl_registry_token tokens[BL_TOKENS_MAX];
	size_t n_tokens;
};

struct bl_registry {
	struct bl_registry_session *session;
	const atomic_bool *stop; /* of this one alone, beside the session's; NULL */
	struct bl_http *http;
	double (*random)(void); /* in [0,1]; tests put their own here */
};

#endif
