/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store.h"

#include "base/str.h"
#include "run/store_dir.h"
#include "run/store_s3.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct bl_store {
	const struct bl_store_ops *ops;
	void *self;
	char *uri;
};

/* One part of a key, between slashes. */
static const char *bad_part(const char *part, size_t len)
{
	if (!len)
		return "a part of it is empty";
	if (part[0] == '.' && (len == 1 || (len == 2 && part[1] == '.')))
		return "a part of it is '.' or '..'";
	return NULL;
}

static const char *bad_text(const char *text, size_t len)
{
	if (len > BL_KEY_MAX)
		return "it is over 1024 bytes";
	if (bl_utf8_valid(text, len) != len)
		return "it is not UTF-8";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return "it holds a control character";
	}
	return NULL;
}

/* `open_end`: a prefix, whose last part may be empty or anything. */
static const char *bad_parts(const char *text, bool open_end)
{
	for (;;) {
		size_t len = strcspn(text, "/");
		const char *why;

		if (!text[len] && open_end)
			return NULL;
		why = bad_part(text, len);
		if (why || !text[len])
			return why;
		text += len + 1;
	}
}

const char *bl_store_bad_key(const char *key)
{
	const char *why = bad_text(key, strlen(key));

	return why ? why : bad_parts(key, false);
}

static int check_key(const char *key, struct bl_err *err)
{
	const char *why = bl_store_bad_key(key);

	if (why)
		return bl_fail(err, BL_EINPUT, "'%.64s' cannot be a store key: %s", key, why);
	return 0;
}

int bl_store_new(const struct bl_store_ops *ops, void *self, const char *uri, struct bl_store **out,
                 struct bl_err *err)
{
	struct bl_store *store = calloc(1, sizeof(*store));

	if (!store || !(store->uri = strdup(uri))) {
		free(store);
		return bl_fail(err, BL_ENOMEM, "open store: out of memory");
	}
	store->ops = ops;
	store->self = self;
	*out = store;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of file:///PATH, percent-decoded. */
static int file_uri_path(const char *uri, struct bl_buf *path, struct bl_err *err)
{
	const char *at = uri + strlen("file://");

	if (*at != '/') {
		bl_fail(err, BL_EINPUT, "store '%.200s': a file URI has three slashes", uri);
		return bl_next(err, "write file:///absolute/path, or just the path");
	}
	for (; *at; at++) {
		int high = *at == '%' ? hex_digit(at[1]) : -1;
		int low = high >= 0 ? hex_digit(at[2]) : -1;

		if (*at == '%' && (low < 0 || (!high && !low)))
			return bl_fail(err, BL_EINPUT, "store '%.200s': '%%' needs two hex digits",
			               uri);
		bl_buf_addc(path, *at == '%' ? (char)(high * 16 + low) : *at);
		at += *at == '%' ? 2 : 0;
	}
	return bl_buf_check(path, "store path", err);
}

int bl_store_open(const char *uri, enum bl_store_mode mode, struct bl_store **out,
                  struct bl_err *err)
{
	BL_AUTO(bl_buf) path = BL_BUF(4095);

	if (!*uri) {
		bl_fail(err, BL_EINPUT, "the store's name is empty");
		return bl_next(err, "name a directory, for example .branchline/store");
	}
	if (bl_str_starts(uri, "file://")) {
		if (file_uri_path(uri, &path, err))
			return -1;
		return bl_store_dir_open(bl_buf_text(&path), mode, out, err);
	}
	if (bl_store_is_remote(uri))
		return bl_store_s3_open(uri, mode, out, err);
	if (strstr(uri, "://")) {
		bl_fail(err, BL_EINPUT, "store '%.200s': it is neither a directory nor a bucket",
		        uri);
		return bl_next(err, "write s3://BUCKET, a path, or file:///path");
	}
	return bl_store_dir_open(uri, mode, out, err);
}

void bl_store_close(struct bl_store *store)
{
	if (!store)
		return;
	store->ops->close(store->self);
	free(store->uri);
	free(store);
}

void bl_store_auto(struct bl_store **store)
{
	bl_store_close(*store);
	*store = NULL;
}

const char *bl_store_uri(const struct bl_store *store)
{
	return store->uri;
}

void *bl_store_self(struct bl_store *store, const struct bl_store_ops *ops)
{
	assert(store->ops == ops);
	return store->self;
}

bool bl_store_is_remote(const char *uri)
{
	return bl_str_starts(uri, "s3://");
}

int bl_store_put_if_absent(struct bl_store *store, const struct bl_call *call, const char *key,
                           const void *bytes, size_t len, struct bl_err *err)
{
	if (check_key(key, err) ||
	    store->ops->put_if_absent(store->self, call, key, bytes, len, err))
		return bl_wrap(err, "create %s", key);
	return 0;
}

static int is_equal(struct bl_store *store, const struct bl_call *call, const char *key,
                    const void *bytes, size_t len, bool *equal, struct bl_err *err)
{
	BL_AUTO(bl_buf) there = BL_BUF(len + 1);

	if (bl_store_get_range(store, call, key, 0, len + 1, &there, NULL, err))
		return -1;
	*equal = there.len == len && (!len || !memcmp(there.data, bytes, len));
	return 0;
}

int bl_store_put_once(struct bl_store *store, const struct bl_call *call, const char *key,
                      const void *bytes, size_t len, struct bl_err *err)
{
	struct bl_err lost;
	bool equal;

	if (!bl_store_put_if_absent(store, call, key, bytes, len, err))
		return 0;
	if (err->code != BL_EEXIST)
		return -1;
	lost = *err;
	bl_err_clear(err);
	if (is_equal(store, call, key, bytes, len, &equal, err))
		return -1;
	if (!equal)
		*err = lost;
	return equal ? 0 : -1;
}

int bl_store_put(struct bl_store *store, const struct bl_call *call, const char *key,
                 const void *bytes, size_t len, struct bl_err *err)
{
	if (check_key(key, err) || store->ops->put(store->self, call, key, bytes, len, err))
		return bl_wrap(err, "write %s", key);
	return 0;
}

int bl_store_put_file(struct bl_store *store, const struct bl_call *call, const char *key, int fd,
                      uint64_t size, uint64_t *crc, struct bl_err *err)
{
	if (check_key(key, err) || store->ops->put_file(store->self, call, key, fd, size, crc, err))
		return bl_wrap(err, "write %s", key);
	return 0;
}

int bl_store_get_range(struct bl_store *store, const struct bl_call *call, const char *key,
                       uint64_t offset, size_t len, struct bl_buf *buf, uint64_t *total,
                       struct bl_err *err)
{
	uint64_t size;

	if (check_key(key, err) ||
	    store->ops->get_range(store->self, call, key, offset, len, buf, &size, err))
		return bl_wrap(err, "read %s", key);
	if (total)
		*total = size;
	return 0;
}

int bl_store_get(struct bl_store *store, const struct bl_call *call, const char *key,
                 struct bl_buf *buf, struct bl_err *err)
{
	size_t before = buf->len, room = buf->max - before;
	uint64_t total;

	if (bl_store_get_range(store, call, key, 0, room, buf, &total, err))
		return -1;
	if (total > room) {
		buf->len = before;
		if (buf->data)
			buf->data[before] = '\0';
		return bl_fail(err, BL_ELIMIT, "read %s: %llu bytes are over the limit of %zu", key,
		               (unsigned long long)total, room);
	}
	return 0;
}

int bl_store_get_file(struct bl_store *store, const struct bl_call *call, const char *key, int fd,
                      uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	if (check_key(key, err) || store->ops->get_file(store->self, call, key, fd, size, crc, err))
		return bl_wrap(err, "read %s", key);
	return 0;
}

int bl_store_list(struct bl_store *store, const struct bl_call *call, const char *prefix,
                  const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                  struct bl_err *err)
{
	const char *why = bad_text(prefix, strlen(prefix));

	if (!why)
		why = bad_parts(prefix, true);
	if (why)
		return bl_fail(err, BL_EINPUT, "'%.64s' cannot begin a store key: %s", prefix, why);
	if (delimiter && delimiter != '/')
		return bl_fail(err, BL_EBUG, "list %s: delimiter 0x%02x", prefix,
		               (unsigned char)delimiter);
	return store->ops->list(store->self, call, prefix, start_after, delimiter, fn, arg, err);
}

int bl_store_delete(struct bl_store *store, const struct bl_call *call, const char *key,
                    struct bl_err *err)
{
	if (check_key(key, err) || store->ops->delete (store->self, call, key, err))
		return bl_wrap(err, "delete %s", key);
	return 0;
}

int bl_store_tidy(struct bl_store *store, const struct bl_call *call, const char *prefix,
                  struct bl_err *err)
{
	if (store->ops->tidy && store->ops->tidy(store->self, call, prefix, err))
		return bl_wrap(err, "tidy %s", prefix);
	return 0;
}

static int get_one_file(struct bl_store *store, const struct bl_call *call, struct bl_file *file,
                        struct bl_err *err)
{
	uint64_t size;

	if (bl_store_get_file(store, call, file->key, file->fd, &size, &file->crc, err))
		return -1;
	if (size != file->size)
		return bl_fail(err, BL_ECORRUPT, "read %s: it has %llu bytes instead of %llu",
		               file->key, (unsigned long long)size, (unsigned long long)file->size);
	return 0;
}

int bl_store_get_files(struct bl_store *store, const struct bl_call *call, struct bl_file *files,
                       size_t n, struct bl_err *err)
{
	struct bl_call each = { .deadline_mono_ms = call ? call->deadline_mono_ms : 0 };
	uint64_t done = 0, total = 0;

	for (size_t i = 0; i < n; i++)
		if (check_key(files[i].key, err))
			return -1;
	if (store->ops->get_files)
		return store->ops->get_files(store->self, call, files, n, err);
	for (size_t i = 0; i < n; i++)
		total += files[i].size;
	for (size_t i = 0; i < n; i++) {
		if (get_one_file(store, call ? &each : NULL, &files[i], err))
			return -1;
		done += files[i].size;
		if (call && call->progress && files[i].size)
			call->progress(call->arg, done, total);
	}
	return 0;
}

int bl_store_delete_many(struct bl_store *store, const struct bl_call *call,
                         const char *const *keys, size_t n, struct bl_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (check_key(keys[i], err))
			return -1;
	if (store->ops->delete_many)
		return store->ops->delete_many(store->self, call, keys, n, err);
	for (size_t i = 0; i < n; i++)
		if (bl_store_delete(store, call, keys[i], err))
			return -1;
	return 0;
}

static int get_one(struct bl_store *store, const struct bl_call *call, const char *key, size_t i,
                   size_t each_max, bl_many_fn *fn, void *arg, struct bl_err *err)
{
	BL_AUTO(bl_buf) buf = BL_BUF(each_max);

	if (!bl_store_get(store, call, key, &buf, err))
		return fn(arg, i, bl_buf_text(&buf), buf.len, err);
	if (err->code == BL_ENOMEM || err->code == BL_ETIMEOUT)
		return -1;
	if (err->code == BL_ENOENT) {
		bl_err_clear(err);
		return fn(arg, i, NULL, 0, err);
	}
	bl_err_clear(err); /* not told */
	return 0;
}

int bl_store_get_many(struct bl_store *store, const struct bl_call *call, const char *const *keys,
                      size_t n, size_t each_max, bl_many_fn *fn, void *arg, struct bl_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (check_key(keys[i], err))
			return -1;
	if (store->ops->get_many)
		return store->ops->get_many(store->self, call, keys, n, each_max, fn, arg, err);
	for (size_t i = 0; i < n; i++)
		if (get_one(store, call, keys[i], i, each_max, fn, arg, err))
			return -1;
	return 0;
}
