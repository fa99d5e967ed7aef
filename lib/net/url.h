/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_NET_URL_H
#define BL_NET_URL_H

#include "base/buf.h"

#include <stdbool.h>

/* An absolute http or https URL in parts; a fragment or user:password is refused. */
struct bl_url {
	bool tls;
	char host[256];   /* lower case, IPv6 without brackets */
	unsigned port;    /* 80 or 443 by default */
	bool port_given;  /* and not the scheme's own */
	char path[4096];  /* as written, "/" at least: an S3 key of 1,024 bytes, each as %XX */
	char query[4096]; /* as written, without '?', "" none */
};
/* BL_EINPUT says what is wrong; the message holds no query. */
BL_MUST int bl_url_parse(const char *text, struct bl_url *out, struct bl_err *err);

/* "host" or "host:port" as in a Host header; IPv6 in brackets. */
void bl_url_add_authority(struct bl_buf *buf, const struct bl_url *url);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ (RFC 3986, what SigV4 wants). */
void bl_uri_add(struct bl_buf *buf, const char *text, size_t len);
/* The same, keeping '/'. */
void bl_uri_add_path(struct bl_buf *buf, const char *text, size_t len);
/* Decodes %XX in place; '+' stays. Returns the length; -1, and nothing is changed, when a '%' lacks
 * its digits or gives NUL. */
int bl_uri_decode(char *text);

/* 127.0.0.0/8, ::1, localhost. */
bool bl_host_is_loopback(const char *host);
/* 169.254.169.254, 169.254.170.2, 169.254.170.23, fd00:ec2::254, fd00:ec2::23. */
bool bl_host_is_metadata(const char *host);

#endif
