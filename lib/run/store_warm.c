/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_warm.h"

#include <stdlib.h>
#include <string.h>

#define EACH_MAX_BYTES ((size_t)1 << 20)

struct kept {
	char *key, *bytes; /* bytes NULL and there: empty */
	size_t len;
	bool known, there;
};

struct warm {
	struct bl_store *inner;
	struct kept *kept;
	size_t n;
};

static void forget(struct warm *warm)
{
	for (size_t i = 0; i < warm->n; i++) {
		free(warm->kept[i].key);
		free(warm->kept[i].bytes);
	}
	free(warm->kept);
	warm->kept = NULL;
	warm->n = 0;
}

static struct kept *find(struct warm *warm, const char *key)
{
	for (size_t i = 0; i < warm->n; i++) {
		if (warm->kept[i].known && !strcmp(warm->kept[i].key, key))
			return &warm->kept[i];
	}
	return NULL;
}

/* Written through us: what we knew of it is old. */
static void forget_one(struct warm *warm, const char *key)
{
	struct kept *kept = find(warm, key);

	if (kept)
		kept->known = false;
}

static int warm_put_if_absent(void *self, const struct bl_call *call, const char *key,
                              const void *bytes, size_t len, struct bl_err *err)
{
	struct warm *warm = self;

	forget_one(warm, key);
	return bl_store_put_if_absent(warm->inner, call, key, bytes, len, err);
}

static int warm_put(void *self, const struct bl_call *call, const char *key, const void *bytes,
                    size_t len, struct bl_err *err)
{
	struct warm *warm = self;

	forget_one(warm, key);
	return bl_store_put(warm->inner, call, key, bytes, len, err);
}

static int warm_put_file(void *self, const struct bl_call *call, const char *key, int fd,
                         uint64_t size, uint64_t *crc, struct bl_err *err)
{
	struct warm *warm = self;

	forget_one(warm, key);
	return bl_store_put_file(warm->inner, call, key, fd, size, crc, err);
}

static int warm_get_range(void *self, const struct bl_call *call, const char *key, uint64_t offset,
                          size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	struct warm *warm = self;
	const struct kept *kept = find(warm, key);

	if (!kept)
		return bl_store_get_range(warm->inner, call, key, offset, len, buf, total, err);
	if (!kept->there)
		return bl_fail(err, BL_ENOENT, "no such object");
	if (offset < kept->len) {
		size_t left = kept->len - (size_t)offset;

		bl_buf_add(buf, kept->bytes + offset, len < left ? len : left);
	}
	*total = kept->len;
	return bl_buf_check(buf, key, err);
}

static int warm_get_file(void *self, const struct bl_call *call, const char *key, int fd,
                         uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	struct warm *warm = self;

	return bl_store_get_file(warm->inner, call, key, fd, size, crc, err);
}

static int warm_list(void *self, const struct bl_call *call, const char *prefix,
                     const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                     struct bl_err *err)
{
	struct warm *warm = self;

	return bl_store_list(warm->inner, call, prefix, start_after, delimiter, fn, arg, err);
}

static int warm_delete(void *self, const struct bl_call *call, const char *key, struct bl_err *err)
{
	struct warm *warm = self;

	forget_one(warm, key);
	return bl_store_delete(warm->inner, call, key, err);
}

static void warm_close(void *self)
{
	struct warm *warm = self;

	forget(warm);
	free(warm);
}

static const struct bl_store_ops ops = {
	.close = warm_close,
	.put_if_absent = warm_put_if_absent,
	.put = warm_put,
	.put_file = warm_put_file,
	.get_range = warm_get_range,
	.get_file = warm_get_file,
	.list = warm_list,
	.delete = warm_delete,
};

int bl_store_warm_open(struct bl_store *inner, struct bl_store **out, struct bl_err *err)
{
	struct warm *warm = calloc(1, sizeof(*warm));

	if (!warm)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	warm->inner = inner;
	if (bl_store_new(&ops, warm, bl_store_uri(inner), out, err)) {
		warm_close(warm);
		return -1;
	}
	return 0;
}

static int keep(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err)
{
	struct warm *warm = arg;
	struct kept *kept = &warm->kept[i];

	kept->there = bytes != NULL;
	if (len) {
		kept->bytes = malloc(len);
		if (!kept->bytes)
			return bl_fail(err, BL_ENOMEM, "out of memory");
		memcpy(kept->bytes, bytes, len);
	}
	kept->len = len;
	kept->known = true;
	return 0;
}

int bl_store_warm_fetch(struct bl_store *store, const char *const *keys, size_t n,
                        struct bl_err *err)
{
	struct warm *warm = bl_store_self(store, &ops);

	forget(warm);
	if (!n)
		return 0;
	warm->kept = calloc(n, sizeof(*warm->kept));
	if (!warm->kept)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	warm->n = n;
	for (size_t i = 0; i < n; i++) {
		warm->kept[i].key = strdup(keys[i]);
		if (!warm->kept[i].key)
			return bl_fail(err, BL_ENOMEM, "out of memory");
	}
	return bl_store_get_many(warm->inner, NULL, keys, n, EACH_MAX_BYTES, keep, warm, err);
}
