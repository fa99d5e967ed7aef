/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint_parts.h"

#include "base/str.h"
#include "codec/hash.h"
#include "codec/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bl_entry_done(struct bl_entry *entry)
{
	free(entry->path);
	free(entry->link);
	free(entry->key);
	*entry = (struct bl_entry){ 0 };
}

void bl_manifest_done(struct bl_manifest *manifest)
{
	for (size_t i = 0; i < manifest->n; i++)
		bl_entry_done(&manifest->entries[i]);
	free(manifest->entries);
	*manifest = BL_MANIFEST;
}

int bl_manifest_add(struct bl_manifest *manifest, const char *path, struct bl_entry **entry,
                    struct bl_err *err)
{
	/* grown at each power of two: n alone tells of the room */
	bool is_full = !(manifest->n & (manifest->n - 1));
	struct bl_entry *entries = manifest->entries;
	char *copy = strdup(path);

	if (copy && is_full)
		entries = realloc(entries, (manifest->n ? manifest->n * 2 : 1) * sizeof(*entries));
	if (!copy || !entries) {
		free(copy);
		return bl_fail(err, BL_ENOMEM, "manifest: out of memory");
	}
	manifest->entries = entries;
	*entry = &entries[manifest->n++];
	**entry = (struct bl_entry){ .path = copy };
	return 0;
}

int bl_manifest_copy(struct bl_manifest *manifest, const struct bl_entry *from, struct bl_err *err)
{
	struct bl_entry *entry;

	if (bl_manifest_add(manifest, from->path, &entry, err))
		return -1;
	entry->size = from->size;
	entry->crc = from->crc;
	entry->mtime_ns = from->mtime_ns;
	entry->ctime_ns = from->ctime_ns;
	entry->inode = from->inode;
	if (from->link && !(entry->link = strdup(from->link)))
		return bl_fail(err, BL_ENOMEM, "manifest: out of memory");
	if (from->key && !(entry->key = strdup(from->key)))
		return bl_fail(err, BL_ENOMEM, "manifest: out of memory");
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct bl_entry *)a)->path, ((const struct bl_entry *)b)->path);
}

void bl_manifest_sort(struct bl_manifest *manifest)
{
	if (manifest->n)
		qsort(manifest->entries, manifest->n, sizeof(*manifest->entries), by_path);
}

size_t bl_manifest_lower(const struct bl_manifest *manifest, const char *path)
{
	size_t low = 0, high = manifest->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(manifest->entries[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct bl_entry *bl_manifest_find(const struct bl_manifest *manifest, const char *path)
{
	size_t i = bl_manifest_lower(manifest, path);

	if (i == manifest->n || strcmp(manifest->entries[i].path, path) != 0)
		return NULL;
	return &manifest->entries[i];
}

void bl_manifest_write(const struct bl_manifest *manifest, const char *run, struct bl_buf *out)
{
	struct bl_json json = BL_JSON(out);
	char crc[BL_CRC64_TEXT];

	bl_json_begin(&json, 1);
	bl_json_text(&json, "run", run);
	bl_json_int(&json, "attempt", manifest->attempt);
	bl_json_int(&json, "seq", manifest->seq);
	bl_json_int(&json, "at_ms", manifest->at_ms);
	if (isfinite(manifest->step))
		bl_json_real(&json, "step", manifest->step);
	if (manifest->primary[0] && isfinite(manifest->primary_value)) {
		bl_json_map(&json, "primary");
		bl_json_text(&json, "name", manifest->primary);
		bl_json_real(&json, "value", manifest->primary_value);
		bl_json_end_map(&json);
	}
	bl_json_list(&json, "entries");
	for (size_t i = 0; i < manifest->n; i++) {
		const struct bl_entry *entry = &manifest->entries[i];

		bl_json_map(&json, NULL);
		bl_json_text(&json, "path", entry->path);
		if (entry->link) {
			bl_json_text(&json, "link", entry->link);
		} else {
			bl_crc64nvme_text(entry->crc, crc);
			bl_json_int(&json, "size", (int64_t)entry->size);
			bl_json_text(&json, "crc64nvme", crc);
			bl_json_int(&json, "mtime_ms", entry->mtime_ns / 1000000);
			bl_json_text(&json, "key", entry->key);
		}
		bl_json_end_map(&json);
	}
	bl_json_end_list(&json);
	bl_json_end_map(&json);
}

/* A path that stays below its directory: no empty part, no "." and no "..". */
static bool is_contained(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!len || (len == 1 && path[0] == '.') || (len == 2 && !memcmp(path, "..", 2)))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

static int read_file_entry(const struct bl_value *map, const char *prefix, struct bl_entry *entry,
                           struct bl_err *err)
{
	const char *key, *crc;
	int64_t size;

	if (bl_value_int(map, "size", &size, err) || bl_value_text(map, "crc64nvme", &crc, err) ||
	    bl_value_text(map, "key", &key, err) || bl_crc64nvme_parse(crc, &entry->crc, err))
		return -1;
	if (size < 0)
		return bl_fail(err, BL_ECORRUPT, "a negative size");
	if (!bl_str_starts(key, prefix))
		return bl_fail(err, BL_ECORRUPT, "its object '%s' lies outside %s", key, prefix);
	entry->size = (uint64_t)size;
	entry->mtime_ns = bl_value_int_or(map, "mtime_ms", 0) * 1000000;
	entry->key = strdup(key);
	return entry->key ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
}

static int read_entry(const struct bl_value *map, const char *prefix, struct bl_manifest *out,
                      struct bl_err *err)
{
	const char *link = bl_value_text_or(map, "link", NULL), *path;
	struct bl_entry *entry;

	if (bl_value_text(map, "path", &path, err))
		return -1;
	if (!is_contained(path))
		return bl_fail(err, BL_ECORRUPT, "'%s' leads outside the checkpoint", path);
	if (bl_manifest_add(out, path, &entry, err))
		return -1;
	if (!link)
		return read_file_entry(map, prefix, entry, err) ? bl_wrap(err, "'%s'", path) : 0;
	entry->link = strdup(link);
	return entry->link ? 0 : bl_fail(err, BL_ENOMEM, "out of memory");
}

static int read_entries(const struct bl_value *root, const char *prefix, struct bl_manifest *out,
                        struct bl_err *err)
{
	const struct bl_value *list = bl_value_get(root, "entries");

	if (!list || list->type != BL_LIST)
		return bl_fail(err, BL_ECORRUPT, "'entries' is not a list");
	for (size_t i = 0; i < list->n; i++)
		if (read_entry(list->items[i], prefix, out, err))
			return -1;
	bl_manifest_sort(out);
	for (size_t i = 1; i < out->n; i++)
		if (!by_path(&out->entries[i - 1], &out->entries[i]))
			return bl_fail(err, BL_ECORRUPT, "'%s' twice", out->entries[i].path);
	return 0;
}

static int read_head(const struct bl_value *root, const char *run, struct bl_manifest *out,
                     struct bl_err *err)
{
	int64_t attempt, seq;
	const char *name;

	if (bl_value_text(root, "run", &name, err) ||
	    bl_value_int(root, "attempt", &attempt, err) || bl_value_int(root, "seq", &seq, err) ||
	    bl_value_int(root, "at_ms", &out->at_ms, err))
		return -1;
	if (strcmp(name, run) != 0)
		return bl_fail(err, BL_ECORRUPT, "it is of run '%.40s'", name);
	if (attempt < 1 || attempt > BL_ATTEMPTS_MAX || seq < 0 || seq > UINT32_MAX)
		return bl_fail(err, BL_ECORRUPT, "its attempt or seq is out of range");
	out->attempt = (unsigned)attempt;
	out->seq = (unsigned)seq;
	out->step = bl_value_real_or(root, "step", (double)NAN);
	out->primary_value = bl_value_real_or(root, "primary.value", (double)NAN);
	snprintf(out->primary, sizeof(out->primary), "%s",
	         bl_value_text_or(root, "primary.name", ""));
	return 0;
}

int bl_manifest_parse(const char *bytes, size_t len, const char *what, const char *run,
                      const char *prefix, struct bl_manifest *out, struct bl_err *err)
{
	BL_AUTO(bl_manifest) got = BL_MANIFEST;
	BL_VALUE root = NULL;

	if (bl_json_document(bytes, len, what, 1, &root, err))
		return -1;
	if (read_head(root, run, &got, err) || read_entries(root, prefix, &got, err))
		return bl_wrap(err, "%s", what);
	*out = got;
	got = BL_MANIFEST;
	return 0;
}
