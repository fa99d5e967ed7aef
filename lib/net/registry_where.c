/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "net/registry_parts.h"
#include "net/url.h"

#include <string.h>

static bool is_same(const struct bl_url *a, const struct bl_url *b)
{
	return a->tls == b->tls && a->port == b->port && !strcmp(a->host, b->host);
}

bool bl_registry_owns(const struct bl_registry *registry, const char *url)
{
	struct bl_err ignored = { 0 };
	struct bl_url own, other;

	if (*url == '/' && url[1] != '/')
		return true;
	return !bl_url_parse(registry->session->base, &own, &ignored) &&
	       !bl_url_parse(url, &other, &ignored) && is_same(&own, &other);
}

/*
 * Where a registry may send us: to https; to plain http only from plain http, which is this machine
 * or what --allow-http was said for, and never to the metadata addresses.
 */
int bl_registry_may_go(const struct bl_registry *registry, const char *url, struct bl_err *err)
{
	struct bl_err bad = { 0 };
	struct bl_url to;

	if (bl_url_parse(url, &to, &bad))
		return bl_fail(err, BL_ECORRUPT, "it sends us to a bad %s", bad.text);
	if (bl_host_is_metadata(to.host))
		return bl_fail(err, BL_EDENIED, "it sends us to %s, where we do not go", to.host);
	if (to.tls)
		return 0;
	if (registry->session->options.allow_http ||
	    (bl_host_is_loopback(to.host) && bl_str_starts(registry->session->base, "http:")))
		return 0;
	bl_fail(err, BL_EDENIED, "it sends us to %s by plain http", to.host);
	return bl_next(err, "have it say https there, or use --allow-http where the network is "
	                    "yours");
}

/* "https://host:port" of a URL. */
static size_t origin_length(const char *url)
{
	const char *at = strstr(url, "://");

	return at ? (size_t)(at - url) + 3 + strcspn(at + 3, "/?#") : 0;
}

int bl_registry_resolve(const char *from, const char *location, struct bl_buf *out,
                        struct bl_err *err)
{
	size_t path = strcspn(from, "?#");

	if (bl_str_starts(location, "//")) {
		bl_buf_add(out, from, strcspn(from, ":") + 1);
	} else if (*location == '/') {
		bl_buf_add(out, from, origin_length(from));
	} else if (*location == '?') {
		bl_buf_add(out, from, path);
	} else if (!strstr(location, "://")) {
		while (path > origin_length(from) && from[path - 1] != '/')
			path--;
		bl_buf_add(out, from, path);
		if (path == origin_length(from))
			bl_buf_addc(out, '/');
	}
	bl_buf_add(out, location, strcspn(location, "#"));
	return bl_buf_check(out, "location", err);
}
