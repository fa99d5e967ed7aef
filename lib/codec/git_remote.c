/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/git_remote.h"

#include "base/str.h"
#include "codec/git.h"
#include "codec/hash.h"

#include <string.h>

/* The parts of "scheme://user@host:port/path", or of "user@host:path" (then scheme_len is 0). */
struct parts {
	size_t scheme_len; /* with "://" */
	const char *user;  /* begins the authority */
	size_t user_len;   /* with '@'; 0: none */
	const char *host;
	size_t host_len;
	const char *path; /* behind the port */
};

/* Within the authority; the last '@' ends the user, as curl and git read it. */
static void split_authority(struct parts *parts, const char *from, size_t len)
{
	size_t at = len;

	while (at > 0 && from[at - 1] != '@')
		at--;
	parts->user = from;
	parts->user_len = at;
	parts->host = from + at;
	if (*parts->host == '[') /* an IPv6 address has colons of its own */
		parts->host_len = strcspn(parts->host, "]/") + 1;
	else
		parts->host_len = strcspn(parts->host, ":/");
	if (parts->host_len > len - at)
		parts->host_len = len - at;
}

static bool split(const char *url, struct parts *parts)
{
	const char *scheme_end = strstr(url, "://");
	size_t len, before_slash = strcspn(url, "/");

	*parts = (struct parts){ 0 };
	if (scheme_end && scheme_end < url + before_slash) {
		parts->scheme_len = (size_t)(scheme_end - url) + 3;
		url += parts->scheme_len;
		len = strcspn(url, "/");
		split_authority(parts, url, len);
		parts->path = url + len;
		return parts->host_len > 0;
	}
	len = strcspn(url, ":");
	if (!url[len] || len > before_slash) /* a path of this machine */
		return false;
	split_authority(parts, url, len);
	parts->path = url + len + 1;
	return parts->host_len > 0;
}

void bl_remote_add_clean(struct bl_buf *out, const char *url)
{
	bool web = bl_str_starts(url, "http://") || bl_str_starts(url, "https://");
	struct parts parts;
	size_t keep = 0;

	if (!split(url, &parts) || !parts.scheme_len || !parts.user_len) {
		bl_buf_adds(out, url);
		return;
	}
	bl_buf_add(out, url, parts.scheme_len);
	if (!web)
		keep = strcspn(parts.user, ":@");
	if (keep) {
		bl_buf_add(out, parts.user, keep);
		bl_buf_addc(out, '@');
	}
	bl_buf_adds(out, parts.host);
}

bool bl_remote_add_name(struct bl_buf *out, const char *url)
{
	struct parts parts;
	size_t len;

	if (!split(url, &parts) || bl_str_starts(url, "file://"))
		return false;
	parts.path += strspn(parts.path, "/");
	len = strlen(parts.path);
	while (len && parts.path[len - 1] == '/')
		len--;
	if (len > 4 && !memcmp(parts.path + len - 4, ".git", 4))
		len -= 4;
	if (!len)
		return false;
	for (size_t i = 0; i < parts.host_len; i++) {
		char c = parts.host[i];

		bl_buf_addc(out, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
	}
	bl_buf_addc(out, '/');
	bl_buf_add(out, parts.path, len);
	return true;
}

int bl_git_repo_key(const struct bl_git *git, const char *path, char key[17], struct bl_err *err)
{
	BL_AUTO(bl_buf) name = BL_BUF(8192);
	char hex[BL_SHA256_HEX];

	if (!bl_remote_add_name(&name, git->remote))
		bl_buf_adds(&name, git->found ? git->root : path);
	if (bl_buf_check(&name, "repository key", err) ||
	    bl_sha256_of(bl_buf_text(&name), name.len, hex, err))
		return -1;
	memcpy(key, hex, 16);
	key[16] = '\0';
	return 0;
}
