/* SPDX-License-Identifier: Apache-2.0 */
/* A URL that is taken can be written again and means the same; what is encoded comes back. */
#include "net/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void write_again(const struct bl_url *url)
{
	BL_AUTO(bl_buf) text = BL_BUF(1 << 16);
	struct bl_url again;
	struct bl_err err = { 0 };

	bl_buf_adds(&text, url->tls ? "https://" : "http://");
	bl_url_add_authority(&text, url);
	bl_buf_adds(&text, url->path);
	if (url->query[0])
		bl_buf_addf(&text, "?%s", url->query);
	must(!bl_url_parse(bl_buf_text(&text), &again, &err));
	must(again.tls == url->tls && again.port == url->port);
	must(again.port_given == url->port_given);
	must(!strcmp(again.host, url->host));
	must(!strcmp(again.path, url->path));
	must(!strcmp(again.query, url->query));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BL_AUTO(bl_buf) encoded = BL_BUF(1 << 20);
	char *text = calloc(1, size + 1);
	struct bl_url url;
	struct bl_err err = { 0 };

	must(text);
	memcpy(text, data, size);
	if (!bl_url_parse(text, &url, &err)) {
		must(url.host[0] && url.path[0] == '/' && url.port && url.port <= 65535);
		write_again(&url);
	} else {
		must(err.code == BL_EINPUT && err.next[0]);
	}
	size_t len = strlen(text);
	bl_uri_add_path(&encoded, text, len);
	if (len) {
		must(bl_uri_decode(encoded.data) == (int)len);
		must(!memcmp(encoded.data, text, len + 1));
	}
	int n = bl_uri_decode(text);
	must(n < 0 ? !memcmp(text, data, len) : strlen(text) == (size_t)n);
	free(text);
	return 0;
}
