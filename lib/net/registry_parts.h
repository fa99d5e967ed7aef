/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_REGISTRY_PARTS_H
#define BL_NET_REGISTRY_PARTS_H

#include "net/registry.h"

#include <pthread.h>

/*
 * What the parts of the registry share: registry.c opens, registry_request.c asks (authentication,
 * retries, errors), registry_auth.c reads challenges and fetches tokens, registry_manifest.c and
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

/* Whether a URL is this registry's own, where its authorization may go. */
bool bl_registry_owns(const struct bl_registry *registry, const char *url);
/* Pure: how long to wait after the failed-th failure; retry_after "" or what the reply says. */
int64_t bl_registry_wait(unsigned failed, const char *retry_after, double chance);

/* The registry's own words for a refusal: {"errors":[{"code":"NAME_UNKNOWN","message":"..."}]}. */
struct bl_registry_error {
	char code[64], message[256];
};
void bl_registry_error_read(const struct bl_http_reply *reply, struct bl_registry_error *out);
/* err from a reply that is one: status, code, message, next step; code BL_ENOENT for 404, BL_EDENIED
 * 401 403, BL_EEXIST for an immutable tag, BL_EINPUT other 4xx. Returns -1. */
int bl_registry_refused(const struct bl_registry *registry, const struct bl_registry_ask *ask,
                        const struct bl_http_reply *reply, struct bl_err *err);

/* --- registry_auth.c: pure ---------------------------------------------------------------------- */

enum bl_challenge_kind { BL_CHALLENGE_NONE, BL_CHALLENGE_BASIC, BL_CHALLENGE_BEARER };
struct bl_challenge {
	enum bl_challenge_kind kind;
	char realm[1024], service[256], scope[1024];
};
/* The first of WWW-Authenticate that we know; quoted strings, commas in them, any case. */
void bl_challenge_parse(const char *header, struct bl_challenge *out);

/* --- registry_auth.c: the session's ------------------------------------------------------------- */

/*
 * Adds the authorization line for a scope, if the registry has ever asked for one. refused_serial:
 * of the one that was refused, 0 none; *serial: of this one.
 */
BL_MUST int bl_registry_authorize(struct bl_registry *registry, const char *scope,
                                  unsigned long refused_serial, struct bl_buf *headers,
                                  unsigned long *serial, struct bl_err *err);
/* A 401's WWW-Authenticate. */
void bl_registry_challenged(struct bl_registry *registry, const char *header);
/* BL_EDENIED, with how to log in. Returns -1. */
int bl_registry_deny(struct bl_registry *registry, struct bl_err *err);

/* registry_request.c: one exchange, ended early by a stop flag (BL_ECANCELLED). */
BL_MUST int bl_registry_exchange(struct bl_registry *registry,
                                 const struct bl_http_request *request, struct bl_http_reply *reply,
                                 struct bl_err *err);

/* Waits so long, or until a stop flag ends it (BL_ECANCELLED). */
BL_MUST int bl_registry_sleep(const struct bl_registry *registry, int64_t ms, struct bl_err *err);

/* --- Shared state ------------------------------------------------------------------------------- */

#define BL_TOKENS_MAX 16
struct bl_registry_token {
	char scope[1024];
	struct bl_secret value;
	int64_t expires_mono_ms;
};

struct bl_registry_session {
	struct bl_registry_options options;
	char registry[256];
	char base[300]; /* "https://host" */
	pthread_mutex_t lock;
	struct bl_challenge challenge; /* the last that came */
	unsigned long serial;          /* rises with every new login or token */
	bool has_login;
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
