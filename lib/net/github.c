/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "codec/hash.h"
#include "net/github_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_API "https://api.github.com"
#define PATIENCE_MS 60000
#define TOKEN_MAX 8192
#define PER_PAGE 100
#define PAGES 100

/* --- Opening ---------------------------------------------------------------------------------- */

/* In [0,1]; without randomness the whole wait. */
static double chance(void)
{
	struct bl_err unsaid = { 0 };
	uint32_t lot;

	return bl_random(&lot, sizeof(lot), &unsaid) ? 1 : (double)lot / UINT32_MAX;
}

/* The option, else the variable; an empty variable is none. */
static const char *given(const char *option, const char *variable)
{
	const char *value = option ? option : getenv(variable);

	return value && (option || *value) ? value : NULL;
}

static int read_api(struct bl_github *github, const char *text, struct bl_err *err)
{
	BL_AUTO(bl_buf) origin = BL_BUF(sizeof(github->origin) - 1);
	struct bl_url *api = &github->api;
	size_t len;

	if (bl_url_parse(text, api, err) || (api->query[0] && bl_fail(err, BL_EINPUT, "a query")))
		return bl_wrap(err, "GITHUB_API_URL");
	for (len = strlen(api->path); len && api->path[len - 1] == '/'; len--)
		api->path[len - 1] = '\0';
	bl_buf_adds(&origin, api->tls ? "https://" : "http://");
	bl_url_add_authority(&origin, api);
	if (bl_buf_check(&origin, "GITHUB_API_URL", err))
		return -1;
	snprintf(github->origin, sizeof(github->origin), "%s", bl_buf_text(&origin));
	return 0;
}

static int read_repository(struct bl_github *github, const char *text, struct bl_err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	size_t owner, name;

	if (!text) {
		bl_fail(err, BL_EINPUT, "GitHub: no repository is named");
		return bl_next(err, "set GITHUB_REPOSITORY to owner/name");
	}
	owner = strspn(text, letters);
	name = text[owner] == '/' ? strspn(text + owner + 1, letters) : 0;
	if (!owner || !name || text[owner + 1 + name] || owner + name > 200 ||
	    !strncmp(text, "../", 3) || bl_str_ends(text, "/..") || bl_str_ends(text, "/.")) {
		bl_fail(err, BL_EINPUT, "GitHub: '%.100s' is no repository", text);
		return bl_next(err, "GITHUB_REPOSITORY is owner/name");
	}
	snprintf(github->repository, sizeof(github->repository), "%s", text);
	return 0;
}

static int read_token(struct bl_github *github, const char *text, struct bl_err *err)
{
	size_t len = text ? strlen(text) : 0;

	if (!text) {
		bl_fail(err, BL_EINPUT, "GitHub: no token");
		return bl_next(err, "set GITHUB_TOKEN: ${{ github.token }} in a workflow's env, "
		                    "`gh auth token` on a laptop");
	}
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 127)
			return bl_fail(err, BL_EINPUT,
			               "GitHub: the token holds a space or what is no ASCII");
	if (len > TOKEN_MAX)
		return bl_fail(err, BL_EINPUT, "GitHub: the token is over %d bytes", TOKEN_MAX);
	return bl_secret_set(&github->token, text, len, err);
}

static int set_up(struct bl_github *github, const struct bl_github_options *options,
                  struct bl_err *err)
{
	const struct bl_http_options http = { .allow_http = options->allow_http };
	const char *api = given(options->api_url, "GITHUB_API_URL");

	github->patience_ms = options->patience_ms ? options->patience_ms : PATIENCE_MS;
	github->wait = bl_github_wait;
	github->random = chance;
	return read_api(github, api ? api : DEFAULT_API, err) ||
	                       read_repository(github,
	                                       given(options->repository, "GITHUB_REPOSITORY"),
	                                       err) ||
	                       read_token(github, given(options->token, "GITHUB_TOKEN"), err) ||
	                       bl_http_open(&http, &github->http, err)
	               ? -1
	               : 0;
}

int bl_github_open(const struct bl_github_options *options, struct bl_github **out,
                   struct bl_err *err)
{
	static const struct bl_github_options defaults;
	struct bl_github *github = calloc(1, sizeof(*github));

	if (!github)
		return bl_fail(err, BL_ENOMEM, "GitHub: out of memory");
	if (set_up(github, options ? options : &defaults, err)) {
		bl_github_close(github);
		return -1;
	}
	*out = github;
	return 0;
}

void bl_github_close(struct bl_github *github)
{
	if (!github)
		return;
	bl_http_close(github->http);
	bl_secret_done(&github->token);
	free(github);
}

void bl_github_auto(struct bl_github **github)
{
	bl_github_close(*github);
	*github = NULL;
}

const char *bl_github_repository(const struct bl_github *github)
{
	return github->repository;
}

unsigned bl_github_requests(const struct bl_github *github)
{
	return github->requests;
}

/* --- Calling ---------------------------------------------------------------------------------- */

void bl_github_url(const struct bl_github *github, const char *path, struct bl_buf *out)
{
	bl_buf_adds(out, github->origin);
	bl_buf_adds(out, github->api.path);
	if (*path != '/')
		bl_buf_addf(out, "/repos/%s/", github->repository);
	bl_buf_adds(out, path);
}

int bl_github_parse(const struct bl_http_reply *reply, struct bl_value **out, struct bl_err *err)
{
	*out = NULL;
	if (!reply->body.len)
		return 0;
	return bl_json_parse(bl_buf_text(&reply->body), reply->body.len, "GitHub's reply", out,
	                     err);
}

int bl_github_do(struct bl_github *github, const struct bl_github_ask *ask, struct bl_value **out,
                 struct bl_err *err)
{
	BL_AUTO(bl_http_reply) reply = { 0 };

	if (ask->body && bl_buf_check(ask->body, "request", err))
		return -1;
	if (bl_github_ask(github, ask, &reply, err))
		return -1;
	return out ? bl_github_parse(&reply, out, err) : 0;
}

int bl_github_call(struct bl_github *github, const char *method, const char *path,
                   const struct bl_buf *body, struct bl_value **out, struct bl_err *err)
{
	const struct bl_github_ask ask = { .method = method, .path = path, .body = body };

	return bl_github_do(github, &ask, out, err);
}

/* --- Lists ------------------------------------------------------------------------------------ */

/* Some lists are a member beside their count: {"total_count": 1, "environments": [...]}. */
static const struct bl_value *list_in(const struct bl_value *doc)
{
	for (size_t i = 0; doc && doc->type == BL_MAP && i < doc->n; i++)
		if (doc->items[i]->type == BL_LIST)
			return doc->items[i];
	return doc && doc->type == BL_LIST ? doc : NULL;
}

/* target: "" after the last page. */
static int one_page(struct bl_github *github, char *target, size_t size, bl_github_fn *fn,
                    void *arg, struct bl_err *err)
{
	const struct bl_github_ask ask = { .method = "GET", .path = target };
	BL_AUTO(bl_http_reply) reply = { 0 };
	const struct bl_value *list;
	BL_VALUE doc = NULL;
	char link[8192];
	int rc = 0;

	if (bl_github_ask(github, &ask, &reply, err) || bl_github_parse(&reply, &doc, err))
		return -1;
	list = list_in(doc);
	if (!list)
		return bl_fail(err, BL_ECORRUPT, "GitHub: GET %s: no list came",
		               github->repository);
	for (size_t i = 0; i < list->n && !rc; i++)
		rc = fn(arg, list->items[i], err);
	if (rc)
		return rc;
	if (!bl_http_header(&reply, "link", link, sizeof(link)) ||
	    !bl_github_next_page(link, &github->api, target, size))
		*target = '\0';
	return 0;
}

/* What follows GITHUB_API_URL's own path: targets of links are whole. */
static int below_api(const struct bl_github *github, char *target, struct bl_err *err)
{
	size_t len = strlen(github->api.path);

	if (strncmp(target, github->api.path, len) != 0 || target[len] != '/')
		return bl_fail(err, BL_ECORRUPT, "GitHub: the next page is at %.80s", target);
	memmove(target, target + len, strlen(target + len) + 1);
	return 0;
}

int bl_github_pages(struct bl_github *github, const char *path, unsigned per_page, unsigned pages,
                    bl_github_fn *fn, void *arg, struct bl_err *err)
{
	char target[4096], more[32] = "";

	if (!strstr(path, "per_page="))
		snprintf(more, sizeof(more), "%cper_page=%u", strchr(path, '?') ? '&' : '?',
		         per_page);
	if ((size_t)snprintf(target, sizeof(target), "%s%s", path, more) >= sizeof(target))
		return bl_fail(err, BL_EINPUT, "GitHub: a path of over %zu bytes", sizeof(target));
	for (unsigned i = 0; i < pages; i++) {
		int rc = one_page(github, target, sizeof(target), fn, arg, err);

		if (rc || !*target)
			return rc;
		if (below_api(github, target, err))
			return -1;
	}
	return bl_fail(err, BL_ELIMIT, "GitHub: GET %.*s: over %u pages", (int)strcspn(path, "?"),
	               path, pages);
}

int bl_github_each(struct bl_github *github, const char *path, bl_github_fn *fn, void *arg,
                   struct bl_err *err)
{
	return bl_github_pages(github, path, PER_PAGE, PAGES, fn, arg, err);
}
