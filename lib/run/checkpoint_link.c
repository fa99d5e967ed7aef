/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* Length of the part at p, which ends at '/' or the text's end. */
static bool is_part(const char *p, size_t len, const char *part)
{
	return len == strlen(part) && !memcmp(p, part, len);
}

bool bl_link_is_safe(const char *path, const char *target)
{
	size_t above = 0, len;
	bool inside = false;

	for (const char *p = path; *p; p++)
		above += *p == '/';
	if (!*target || *target == '/' || bl_utf8_valid(target, strlen(target)) != strlen(target))
		return false;
	for (const char *p = target;; p += len + 1) {
		len = strcspn(p, "/");
		if (is_part(p, len, "..")) {
			/* behind a part that is a link itself ".." leads anywhere */
			if (inside || !above--)
				return false;
		} else if (len && !is_part(p, len, ".")) {
			inside = true;
		}
		if (!p[len])
			return true;
	}
}

/* The path that a safe link leads to; "" is the root of the tree. */
static int resolve(const struct bl_entry *entry, struct bl_buf *out, struct bl_err *err)
{
	const char *slash = strrchr(entry->path, '/');
	size_t len;

	if (slash)
		bl_buf_add(out, entry->path, (size_t)(slash - entry->path));
	for (const char *p = entry->link;; p += len + 1) {
		len = strcspn(p, "/");
		if (is_part(p, len, "..")) {
			const char *text = bl_buf_text(out), *last = strrchr(text, '/');

			out->len = last ? (size_t)(last - text) : 0;
			if (out->data)
				out->data[out->len] = '\0';
		} else if (len && !is_part(p, len, ".")) {
			if (out->len)
				bl_buf_addc(out, '/');
			bl_buf_add(out, p, len);
		}
		if (!p[len])
			return bl_buf_check(out, "link", err);
	}
}

/* A file or directory of the manifest, or something that another link of it may lead to. */
static bool is_reached(const struct bl_manifest *manifest, char *path)
{
	const struct bl_entry *entry;
	size_t len = strlen(path), i;

	if (!len)
		return true;
	i = bl_manifest_lower(manifest, path);
	/* "a-b" stands between "a" and "a/b" */
	for (; i < manifest->n && !strncmp(manifest->entries[i].path, path, len); i++)
		if (!manifest->entries[i].path[len] || manifest->entries[i].path[len] == '/')
			return true;
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		entry = bl_manifest_find(manifest, path);
		*slash = '/';
		if (entry && entry->link)
			return true;
	}
	return false;
}

static int dangles(const struct bl_manifest *manifest, const struct bl_entry *entry, bool *out,
                   struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(65536);

	bl_buf_adds(&path, "");
	if (resolve(entry, &path, err))
		return -1;
	*out = !is_reached(manifest, path.data);
	return 0;
}

/* Gives entry i the target that it had, or removes it. */
static int replace_or_drop(struct bl_manifest *manifest, size_t i, const struct bl_manifest *last,
                           struct bl_err *err)
{
	const struct bl_entry *was = bl_manifest_find(last, manifest->entries[i].path);
	struct bl_entry *entry = &manifest->entries[i];
	char *link;

	if (was && was->link && strcmp(was->link, entry->link) != 0) {
		link = strdup(was->link);
		if (!link)
			return bl_fail(err, BL_ENOMEM, "manifest: out of memory");
		free(entry->link);
		entry->link = link;
		return 0;
	}
	bl_entry_done(entry);
	manifest->n--;
	memmove(entry, entry + 1, (manifest->n - i) * sizeof(*entry));
	return 0;
}

int bl_links_settle(struct bl_manifest *manifest, const struct bl_manifest *last,
                    struct bl_err *err)
{
	/* each round removes or replaces at least one link, and each is replaced once at most */
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < manifest->n; i++) {
			bool bad = false;

			if (!manifest->entries[i].link)
				continue;
			if (dangles(manifest, &manifest->entries[i], &bad, err))
				return -1;
			if (!bad)
				continue;
			if (replace_or_drop(manifest, i, last, err))
				return -1;
			again = true;
		}
	}
	return 0;
}
