/* SPDX-License-Identifier: Apache-2.0 */
#include "run/store_s3.h"

#include "aws/transfer.h"
#include "base/clock.h"
#include "base/str.h"
#include "run/store_s3_files.h"

#include <stdlib.h>
#include <string.h>

struct s3_store {
	struct bl_aws *aws;
	struct bl_s3 *s3;
	bool writes;
};

static int check_deadline(const struct bl_call *call, struct bl_err *err)
{
	if (call && call->deadline_mono_ms && bl_mono_ms() >= call->deadline_mono_ms)
		return bl_fail(err, BL_ETIMEOUT, "its deadline has passed");
	return 0;
}

static int may_write(const struct s3_store *self, const struct bl_call *call, struct bl_err *err)
{
	if (!self->writes)
		return bl_fail(err, BL_EDENIED, "the store was opened for reading");
	return check_deadline(call, err);
}

static int s3_put_if_absent(void *self, const struct bl_call *call, const char *key,
                            const void *bytes, size_t len, struct bl_err *err)
{
	struct s3_store *store = self;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_create(store->s3, call, key, bytes, len, NULL, err);
}

static int s3_put(void *self, const struct bl_call *call, const char *key, const void *bytes,
                  size_t len, struct bl_err *err)
{
	struct s3_store *store = self;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_put(store->s3, call, key, bytes, len, NULL, err);
}

static int s3_put_file(void *self, const struct bl_call *call, const char *key, int fd,
                       uint64_t size, uint64_t *crc, struct bl_err *err)
{
	struct s3_store *store = self;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_put_file(store->s3, call, key, fd, size, crc, err);
}

static int s3_get_range(void *self, const struct bl_call *call, const char *key, uint64_t offset,
                        size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err)
{
	struct s3_store *store = self;

	if (check_deadline(call, err))
		return -1;
	return bl_s3_get(store->s3, call, key, offset, len, buf, total, err);
}

/* A download learns the size on its way: nothing is told before that. */
struct telling {
	const struct bl_call *call;
	uint64_t told;
};

static void pass_on(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	struct telling *telling = arg;

	if (!total_bytes || done_bytes <= telling->told)
		return;
	telling->told = done_bytes;
	telling->call->progress(telling->call->arg, done_bytes, total_bytes);
}

static int s3_get_file(void *self, const struct bl_call *call, const char *key, int fd,
                       uint64_t *size, uint64_t *crc, struct bl_err *err)
{
	struct s3_store *store = self;
	struct telling telling = { .call = call };
	struct bl_call here = { .progress = pass_on, .arg = &telling };

	if (check_deadline(call, err))
		return -1;
	if (!call || !call->progress)
		return bl_s3_get_file(store->s3, call, key, fd, size, crc, err);
	here.deadline_mono_ms = call->deadline_mono_ms;
	if (bl_s3_get_file(store->s3, &here, key, fd, size, crc, err))
		return -1;
	pass_on(&telling, *size, *size);
	return 0;
}

static int s3_delete(void *self, const struct bl_call *call, const char *key, struct bl_err *err)
{
	struct s3_store *store = self;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_delete(store->s3, call, key, err);
}

static int s3_get_many(void *self, const struct bl_call *call, const char *const *keys, size_t n,
                       size_t each_max, bl_many_fn *fn, void *arg, struct bl_err *err)
{
	struct s3_store *store = self;

	return bl_s3_get_many(store->s3, call, keys, n, each_max, fn, arg, err);
}

static int s3_delete_many(void *self, const struct bl_call *call, const char *const *keys, size_t n,
                          struct bl_err *err)
{
	struct s3_store *store = self;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_delete_many(store->s3, call, keys, n, err);
}

static int s3_tidy(void *self, const struct bl_call *call, const char *prefix, struct bl_err *err)
{
	struct s3_store *store = self;
	unsigned aborted;

	if (may_write(store, call, err))
		return -1;
	return bl_s3_abort_stale(store->s3, call, prefix, 0, &aborted, err);
}

static int s3_get_files(void *self, const struct bl_call *call, struct bl_file *files, size_t n,
                        struct bl_err *err)
{
	struct s3_store *store = self;

	if (check_deadline(call, err))
		return -1;
	return store_s3_get_files(store->s3, call, files, n, err);
}

/* --- lists ------------------------------------------------------------------------------------ */

struct listing {
	const char *skipped; /* a prefix that was told already; NULL: none */
	bl_list_fn *fn;
	void *arg;
};

/* What others put into the bucket is not ours to see: "folder/", "a//b". */
static bool can_be_ours(const struct bl_s3_listed *item)
{
	char key[BL_KEY_MAX + 1];
	size_t len = strlen(item->key);

	if (!len || len > BL_KEY_MAX)
		return false;
	memcpy(key, item->key, len + 1);
	if (item->is_prefix)
		key[len - 1] = '\0';
	return !bl_store_bad_key(key);
}

static int tell(void *arg, const struct bl_s3_listed *item, struct bl_err *err)
{
	const struct listing *listing = arg;
	struct bl_listed out = { .key = item->key,
		                 .size = item->object.size,
		                 .is_prefix = item->is_prefix };

	if (!can_be_ours(item) ||
	    (item->is_prefix && listing->skipped && !strcmp(item->key, listing->skipped)))
		return 0;
	return listing->fn(listing->arg, &out, err);
}

static int found_one(void *arg, const struct bl_s3_listed *item, struct bl_err *err)
{
	(void)arg;
	(void)err;
	return can_be_ours(item) ? 1 : 0;
}

/*
 * start_after lies below a prefix that is folded. Servers differ in whether what follows it there
 * still shows the prefix, so it is asked for by itself; the rest goes on behind.
 */
static int list_from_within(struct s3_store *store, const struct bl_call *call, const char *prefix,
                            const char *start_after, size_t fold_len, struct listing *listing,
                            struct bl_err *err)
{
	char fold[BL_KEY_MAX + 1];
	struct bl_listed item = { .key = fold, .is_prefix = true };
	int got;

	memcpy(fold, start_after, fold_len);
	fold[fold_len] = '\0';
	got = bl_s3_list(store->s3, call, fold, start_after, 0, found_one, NULL, err);
	if (got == 1)
		got = listing->fn(listing->arg, &item, err);
	if (got)
		return got;
	listing->skipped = fold;
	return bl_s3_list(store->s3, call, prefix, fold, '/', tell, listing, err);
}

static int s3_list(void *self, const struct bl_call *call, const char *prefix,
                   const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                   struct bl_err *err)
{
	struct s3_store *store = self;
	struct listing listing = { .fn = fn, .arg = arg };

	if (check_deadline(call, err))
		return bl_wrap(err, "list %s", prefix);
	if (delimiter && start_after && bl_str_starts(start_after, prefix)) {
		const char *slash = strchr(start_after + strlen(prefix), '/');

		if (slash && slash - start_after < BL_KEY_MAX)
			return list_from_within(store, call, prefix, start_after,
			                        (size_t)(slash - start_after) + 1, &listing, err);
	}
	return bl_s3_list(store->s3, call, prefix, start_after, delimiter, tell, &listing, err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void s3_close(void *self)
{
	struct s3_store *store = self;

	bl_s3_close(store->s3);
	bl_aws_close(store->aws);
	free(store);
}

static const struct bl_store_ops ops = {
	.close = s3_close,
	.put_if_absent = s3_put_if_absent,
	.put = s3_put,
	.put_file = s3_put_file,
	.get_range = s3_get_range,
	.get_file = s3_get_file,
	.list = s3_list,
	.delete = s3_delete,
	.get_many = s3_get_many,
	.delete_many = s3_delete_many,
	.get_files = s3_get_files,
	.tidy = s3_tidy,
};

static int read_name(const char *uri, char bucket[64], struct bl_err *err)
{
	char rest[1025];

	if (bl_s3_uri(uri, bucket, rest, err))
		return -1;
	if (!rest[0])
		return 0;
	bl_fail(err, BL_EINPUT,
	        "a store is a whole bucket: its access rules and life cycle are written for runs/, "
	        "index/ and host/ at its top");
	return bl_next(err, "write s3://%s; a bucket per store is free", bucket);
}

static int reach(struct s3_store *store, struct bl_err *err)
{
	const char *bucket = bl_s3_bucket(store->s3);

	if (!bl_s3_reach(store->s3, NULL, err))
		return 0;
	/* said better than what holds for any bucket */
	if (err->code == BL_ENOENT || err->code == BL_EDENIED)
		err->next[0] = '\0';
	if (err->code == BL_ENOENT)
		bl_next(err, "create it: aws s3 mb s3://%s; or correct --store", bucket);
	if (err->code == BL_EDENIED)
		bl_next(err,
		        "the identity needs s3:ListBucket on arn:aws:s3:::%s, and s3:GetObject, "
		        "s3:PutObject, s3:DeleteObject below it",
		        bucket);
	return -1;
}

int bl_store_s3_open_as(const char *uri, enum bl_store_mode mode, const struct bl_aws_options *aws,
                        struct bl_store **out, struct bl_err *err)
{
	struct s3_store *store = calloc(1, sizeof(*store));
	struct bl_s3_options s3_options = { .sum = BL_S3_CRC64 };
	char bucket[64], name[5 + 64] = "s3://";

	if (!store)
		return bl_fail(err, BL_ENOMEM, "store '%.200s': out of memory", uri);
	store->writes = mode == BL_STORE_WRITE;
	if (read_name(uri, bucket, err))
		goto fail;
	s3_options.bucket = bucket;
	memcpy(name + 5, bucket, strlen(bucket) + 1);
	if (bl_aws_open(aws, &store->aws, err) ||
	    bl_s3_open(store->aws, &s3_options, &store->s3, err) || reach(store, err) ||
	    bl_store_new(&ops, store, name, out, err))
		goto fail;
	return 0;
fail:
	s3_close(store);
	return bl_wrap(err, "store '%.200s'", uri);
}

int bl_store_s3_open(const char *uri, enum bl_store_mode mode, struct bl_store **out,
                     struct bl_err *err)
{
	const struct bl_aws_options aws = { 0 };

	return bl_store_s3_open_as(uri, mode, &aws, out, err);
}
