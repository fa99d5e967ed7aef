/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/github_parts.h"

#include <stdio.h>
#include <string.h>

#define FIRST_WAIT_MS 250
#define LONGEST_WAIT_MS 5000
#define WRITE_EVERY_MS 1000 /* GitHub's "Best practices for using the REST API" */
#define LIMIT_WAIT_MS 60000 /* the same: "wait for at least one minute" */
#define LIMIT_LEAST_MS 1000
#define LIMIT_MOST_S 86400

/* --- Link ------------------------------------------------------------------------------------- */

/* Past one parameter of a link: up to ';', ',' or the end, quoted strings whole. */
static const char *skip_parameter(const char *p)
{
	bool quoted = false;

	for (; *p && (quoted || (*p != ';' && *p != ',')); p++)
		if (*p == '"')
			quoted = !quoted;
	return p;
}

/* Whether a parameter is rel="next"; several relations are parted by spaces. */
static bool is_next(const char *parameter, const char *end)
{
	static const char rel[] = "rel=";
	const char *p = parameter + strspn(parameter, " \t");

	if (end - p < (ptrdiff_t)strlen(rel) || strncasecmp(p, rel, strlen(rel)) != 0)
		return false;
	for (p += strlen(rel); p < end;) {
		size_t len = strcspn(p, "\" \t;,");

		if (len == strlen("next") && p + len <= end && !strncasecmp(p, "next", len))
			return true;
		p += len ? len : 1;
	}
	return false;
}

static bool take_target(const char *from, size_t len, const struct bl_url *api, char *target,
                        size_t size)
{
	struct bl_err unread = { 0 };
	struct bl_url url;
	char text[4096];

	if (len >= sizeof(text))
		return false;
	memcpy(text, from, len);
	text[len] = '\0';
	if (bl_url_parse(text, &url, &unread) || url.tls != api->tls || url.port != api->port ||
	    strcmp(url.host, api->host) != 0)
		return false;
	return (size_t)snprintf(target, size, "%s%s%s", url.path, url.query[0] ? "?" : "",
	                        url.query) < size;
}

bool bl_github_next_page(const char *link, const struct bl_url *api, char *target, size_t size)
{
	while ((link = strchr(link, '<'))) {
		const char *from = link + 1, *to = strchr(from, '>'), *p;
		bool found = false;

		if (!to)
			return false;
		for (p = to + 1; *p && *p != ',';) {
			const char *end = skip_parameter(p + (*p == ';'));

			found = found || is_next(p + (*p == ';'), end);
			p = end;
		}
		if (found)
			return take_target(from, (size_t)(to - from), api, target, size);
		link = p;
	}
	return false;
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Its own clock, where it says it. */
static int64_t now_there(const struct bl_http_reply *reply)
{
	int64_t now_ms = reply->date_wall_ms;
	char date[64];

	if (bl_http_header(reply, "date", date, sizeof(date)))
		bl_http_date(date, &now_ms);
	return now_ms;
}

static int64_t until(const struct bl_http_reply *reply, int64_t wall_ms)
{
	int64_t ms = wall_ms - now_there(reply);

	return ms > LIMIT_MOST_S * 1000 ? LIMIT_MOST_S * 1000 : ms;
}

/* Seconds or a date. */
static bool retry_after(const struct bl_http_reply *reply, int64_t *wait_ms)
{
	struct bl_err unread = { 0 };
	char text[64];
	int64_t at_ms;
	uint64_t s;

	if (!bl_http_header(reply, "retry-after", text, sizeof(text)))
		return false;
	if (*text && !text[strspn(text, "0123456789")]) {
		if (bl_str_u64(text, 0, LIMIT_MOST_S, &s, &unread))
			s = LIMIT_MOST_S;
		*wait_ms = (int64_t)s * 1000;
		return true;
	}
	if (!bl_http_date(text, &at_ms))
		return false;
	*wait_ms = until(reply, at_ms);
	return true;
}

static bool nothing_remains(const struct bl_http_reply *reply, int64_t *wait_ms)
{
	struct bl_err unread = { 0 };
	char left[32], reset[32];
	uint64_t at_s;

	if (!bl_http_header(reply, "x-ratelimit-remaining", left, sizeof(left)) ||
	    strcmp(left, "0") != 0)
		return false;
	*wait_ms = LIMIT_WAIT_MS;
	if (bl_http_header(reply, "x-ratelimit-reset", reset, sizeof(reset)) &&
	    !bl_str_u64(reset, 0, INT64_MAX / 2000, &at_s, &unread))
		*wait_ms = until(reply, (int64_t)at_s * 1000);
	return true;
}

bool bl_github_limited(const struct bl_http_reply *reply, const char *message, int64_t *wait_ms)
{
	bool says_so = strcasestr(message, "rate limit") || strcasestr(message, "abuse detection");

	if (reply->status != 403 && reply->status != 429)
		return false;
	if (!retry_after(reply, wait_ms) && !nothing_remains(reply, wait_ms)) {
		if (reply->status == 403 && !says_so)
			return false;
		*wait_ms = LIMIT_WAIT_MS;
	}
	if (*wait_ms < LIMIT_LEAST_MS)
		*wait_ms = LIMIT_LEAST_MS;
	return true;
}

/* --- Repeats ---------------------------------------------------------------------------------- */

int64_t bl_github_backoff(unsigned failed, double chance)
{
	int64_t ms = FIRST_WAIT_MS;

	while (failed-- > 1 && ms < LONGEST_WAIT_MS)
		ms *= 2;
	if (ms > LONGEST_WAIT_MS)
		ms = LONGEST_WAIT_MS;
	return ms / 2 + (int64_t)((double)ms / 2 * chance);
}

bool bl_github_may_repeat(const struct bl_github_ask *ask, bool sent)
{
	return !sent || ask->repeatable || strcmp(ask->method, "POST") != 0;
}

int64_t bl_github_spacing(bool wrote, int64_t wrote_mono_ms, int64_t now_mono_ms)
{
	int64_t ms = wrote_mono_ms + WRITE_EVERY_MS - now_mono_ms;

	return wrote && ms > 0 ? ms : 0;
}
