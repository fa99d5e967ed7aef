/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_unreserved(char c)
{
	return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int bad(struct bl_err *err, const char *why)
{
	bl_fail(err, BL_EINPUT, "URL: %s", why);
	return bl_next(err, "write it as https://HOST[:PORT][/PATH][?QUERY]");
}

/* Copies text[len] to `to`, in lower case. */
static void copy_lower(char *to, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
	to[len] = '\0';
}

static int take_name(const char *text, size_t len, struct bl_url *url, struct bl_err *err)
{
	if (!len)
		return bad(err, "no host");
	if (len >= sizeof(url->host))
		return bad(err, "its host is too long");
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '.' && text[i] != '_')
			return bad(err, "a character that no host has");
		if (text[i] == '.' && (!i || text[i - 1] == '.'))
			return bad(err, "a host with an empty label");
	}
	copy_lower(url->host, text, len);
	return 0;
}

static int take_ipv6(const char *text, size_t len, struct bl_url *url, struct bl_err *err)
{
	struct in6_addr address;

	if (len >= sizeof(url->host))
		return bad(err, "its host is too long");
	copy_lower(url->host, text, len);
	if (inet_pton(AF_INET6, url->host, &address) != 1)
		return bad(err, "what is in brackets is no IPv6 address");
	return 0;
}

static int take_port(const char *text, size_t len, struct bl_url *url, struct bl_err *err)
{
	unsigned own = url->tls ? 443 : 80, port = 0;

	if (!len || len > 5)
		return bad(err, "its port is not within 1 to 65535");
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return bad(err, "its port is not a number");
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	if (!port || port > 65535)
		return bad(err, "its port is not within 1 to 65535");
	url->port = port;
	url->port_given = port != own;
	return 0;
}

static int take_authority(const char *text, size_t len, struct bl_url *url, struct bl_err *err)
{
	const char *end = text + len, *host_end = memchr(text, ':', len);

	if (memchr(text, '@', len))
		return bad(err, "it holds a user or password, which would be sent in clear");
	url->port = url->tls ? 443 : 80;
	if (text[0] == '[') {
		host_end = memchr(text, ']', len);
		if (!host_end)
			return bad(err, "a bracket without its other half");
		if (take_ipv6(text + 1, (size_t)(host_end - text) - 1, url, err))
			return -1;
		host_end++;
		if (host_end < end && *host_end != ':')
			return bad(err, "text between an address and its port");
	} else {
		host_end = host_end ? host_end : end;
		if (take_name(text, (size_t)(host_end - text), url, err))
			return -1;
	}
	if (host_end == end)
		return 0;
	return take_port(host_end + 1, (size_t)(end - host_end) - 1, url, err);
}

static int take_target(const char *text, struct bl_url *url, struct bl_err *err)
{
	size_t path_len = strcspn(text, "?");
	const char *query = text[path_len] ? text + path_len + 1 : "";
	size_t query_len = strlen(query);

	if (path_len >= sizeof(url->path))
		return bad(err, "its path is too long");
	if (query_len >= sizeof(url->query))
		return bad(err, "its query is too long");
	memcpy(url->path, text, path_len);
	url->path[path_len] = '\0';
	if (!path_len)
		memcpy(url->path, "/", 2);
	memcpy(url->query, query, query_len + 1);
	return 0;
}

int bl_url_parse(const char *text, struct bl_url *out, struct bl_err *err)
{
	struct bl_url url = { 0 };
	const char *rest;

	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p == 0x7f || (*p & 0x80))
			return bad(err,
			           "a blank, control or non-ASCII character; encode it as %XX");
	if (strchr(text, '#'))
		return bad(err,
		           "a fragment ('#') is not sent to a server; as part of a name it is %23");
	if (!strncasecmp(text, "https://", 8))
		url.tls = true;
	else if (strncasecmp(text, "http://", 7) != 0)
		return bad(err, "neither https:// nor http://");
	rest = text + (url.tls ? 8 : 7);
	size_t authority_len = strcspn(rest, "/?");
	if (take_authority(rest, authority_len, &url, err) ||
	    take_target(rest + authority_len, &url, err))
		return -1;
	*out = url;
	return 0;
}

void bl_url_add_authority(struct bl_buf *buf, const struct bl_url *url)
{
	bool is_ipv6 = strchr(url->host, ':');

	if (is_ipv6)
		bl_buf_addf(buf, "[%s]", url->host);
	else
		bl_buf_adds(buf, url->host);
	if (url->port_given)
		bl_buf_addf(buf, ":%u", url->port);
}

static void add_encoded(struct bl_buf *buf, const char *text, size_t len, char kept)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_unreserved(text[i]) || (kept && text[i] == kept))
			continue;
		char triple[3] = { '%', digits[c >> 4], digits[c & 15] };
		bl_buf_add(buf, text + start, i - start);
		bl_buf_add(buf, triple, 3);
		start = i + 1;
	}
	bl_buf_add(buf, text + start, len - start);
}

void bl_uri_add(struct bl_buf *buf, const char *text, size_t len)
{
	add_encoded(buf, text, len, '\0');
}

void bl_uri_add_path(struct bl_buf *buf, const char *text, size_t len)
{
	add_encoded(buf, text, len, '/');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int bl_uri_decode(char *text)
{
	char *to = text;

	/* judged before it is changed: a bad text stays as it was */
	for (const char *p = text; *p; p++)
		if (*p == '%' &&
		    (hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0 || (p[1] == '0' && p[2] == '0')))
			return -1;
	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		*to++ = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
		p += 2;
	}
	*to = '\0';
	return (int)(to - text);
}

bool bl_host_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (!strcasecmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool bl_host_is_metadata(const char *host)
{
	static const char *const v4_texts[] = { "169.254.169.254", "169.254.170.2",
		                                "169.254.170.23" };
	static const char *const v6_texts[] = { "fd00:ec2::254", "fd00:ec2::23" };
	struct in6_addr v6, known;

	for (size_t i = 0; i < BL_COUNT(v4_texts); i++)
		if (!strcmp(host, v4_texts[i]))
			return true;
	if (inet_pton(AF_INET6, host, &v6) != 1)
		return false;
	for (size_t i = 0; i < BL_COUNT(v6_texts); i++)
		if (inet_pton(AF_INET6, v6_texts[i], &known) == 1 &&
		    !memcmp(&v6, &known, sizeof(v6)))
			return true;
	return false;
}
