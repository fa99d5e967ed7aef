/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AWS_FETCH_H
#define BL_AWS_FETCH_H

#include "net/http.h"

/*
 * Small documents with secrets in them, from those who are not services of AWS: GitHub's issuer,
 * the SSO portal, a container's credential address, the instance's metadata.
 */
struct bl_fetch {
	const char *what;              /* for messages: "GitHub's issuer" */
	const char *method;            /* NULL: GET */
	const char *url;               /* never in a message */
	const char *headers;           /* as in struct bl_http_request */
	unsigned attempts;             /* 0: 3 */
	int connect_ms, first_byte_ms; /* 0: as in struct bl_http_request */
	int deadline_ms;               /* of all attempts; 0: 20 s */
	bool no_proxy;
};

struct bl_fetched {
	struct bl_http_reply http; /* body up to 64 KiB */
};
void bl_fetched_done(struct bl_fetched *fetched); /* wipes; takes a zeroed one */

/*
 * 0 when a reply came that asking again would not change: its status may be any. Lost and 5xx
 * replies and 429 are repeated. BL_ERETRY: they were so to the last; fetched->http.status is then
 * the last one's, 0 when none came. Other codes as of bl_http_send(). fetched zeroed by the
 * caller.
 */
BL_MUST int bl_fetch(struct bl_http *http, const struct bl_fetch *fetch, struct bl_fetched *fetched,
                     struct bl_err *err);

#endif
