/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_STORE_H
#define BL_RUN_STORE_H

#include "base/buf.h"
#include "base/call.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Where runs live: a directory or s3://bucket. Exactly these operations;
 * no append, rename, lock, directories or order by time. Keys are UTF-8, 1..1024 bytes, parts
 * separated by '/', no part empty, "." or ".."; BL_EINPUT otherwise. One thread at a time.
 */
struct bl_store;

#define BL_KEY_MAX 1024
#define BL_DOC_MAX (8u << 20) /* bytes of one JSON document */

enum bl_store_mode {
	BL_STORE_READ, /* must exist */
	/* a directory is made when absent, and proves at once that it can be written; a bucket must
	 * exist, and the first write tells */
	BL_STORE_WRITE,
};

/*
 * uri  "file:///dir", a path, or "s3://bucket". BL_EINPUT for what cannot be a store, BL_ENOENT,
 * BL_EDENIED (not writable), BL_ENOSPC.
 */
BL_MUST int bl_store_open(const char *uri, enum bl_store_mode mode, struct bl_store **out,
                          struct bl_err *err);
void bl_store_close(struct bl_store *store); /* takes NULL */
void bl_store_auto(struct bl_store **store);
#define BL_STORE __attribute__((cleanup(bl_store_auto))) struct bl_store *
const char *bl_store_uri(const struct bl_store *store);
/* Whether a store of that name lies across a network: it may be out of reach for a while. */
bool bl_store_is_remote(const char *uri);

/* What may be in the way of a text as a key, for people; NULL: nothing. */
const char *bl_store_bad_key(const char *key);

/* Writes one small object unless its key exists. BL_EEXIST: perhaps our own write, repeated;
 * compare the nonce. */
BL_MUST int bl_store_put_if_absent(struct bl_store *store, const struct bl_call *call,
                                   const char *key, const void *bytes, size_t len,
                                   struct bl_err *err);

/* The same; but an equal object that is there already is our own, whose reply was lost: success.
 * BL_EEXIST: another. */
BL_MUST int bl_store_put_once(struct bl_store *store, const struct bl_call *call, const char *key,
                              const void *bytes, size_t len, struct bl_err *err);

/* Writes or replaces one small object; a reader sees the old or the new one whole. */
BL_MUST int bl_store_put(struct bl_store *store, const struct bl_call *call, const char *key,
                         const void *bytes, size_t len, struct bl_err *err);

/*
 * Writes or replaces an object with `size` bytes read from fd at offset 0 (pread: fd's own
 * offset does not matter). crc: CRC-64/NVME of what was written. BL_ECORRUPT when the file is
 * shorter.
 */
BL_MUST int bl_store_put_file(struct bl_store *store, const struct bl_call *call, const char *key,
                              int fd, uint64_t size, uint64_t *crc, struct bl_err *err);

/* Appends up to len bytes from offset; fewer at the object's end. BL_ENOENT. total may be NULL: the
 * object's size. */
BL_MUST int bl_store_get_range(struct bl_store *store, const struct bl_call *call, const char *key,
                               uint64_t offset, size_t len, struct bl_buf *buf, uint64_t *total,
                               struct bl_err *err);

/* Appends a whole object, as far as buf's limit allows (BL_ELIMIT). */
BL_MUST int bl_store_get(struct bl_store *store, const struct bl_call *call, const char *key,
                         struct bl_buf *buf, struct bl_err *err);

/*
 * Small objects, many at once where the store can. fn is told of each that came whole, and of each
 * that is not there (bytes NULL), in any order; not of those that failed or have over each_max
 * bytes: who needs them asks by itself. fn must not call the store.
 */
typedef int bl_many_fn(void *arg, size_t i, const char *bytes, size_t len, struct bl_err *err);
BL_MUST int bl_store_get_many(struct bl_store *store, const struct bl_call *call,
                              const char *const *keys, size_t n, size_t each_max, bl_many_fn *fn,
                              void *arg, struct bl_err *err);

/* Writes the whole object to fd from offset 0. size and crc: what was written, for the caller to
 * compare. */
BL_MUST int bl_store_get_file(struct bl_store *store, const struct bl_call *call, const char *key,
                              int fd, uint64_t *size, uint64_t *crc, struct bl_err *err);

/*
 * Whole objects whose size is known, each to its own file from offset 0, many at once where the
 * store can. BL_ECORRUPT: one has another size. err names the key; the others may have come or not.
 */
struct bl_file {
	const char *key;
	int fd;
	uint64_t size;
	uint64_t crc; /* out */
};
BL_MUST int bl_store_get_files(struct bl_store *store, const struct bl_call *call,
                               struct bl_file *files, size_t n, struct bl_err *err);

/*
 * Calls fn for each key under prefix in byte order, after start_after (NULL: from the first).
 * delimiter '/' folds keys that have it after the prefix into one call with the common
 * prefix (ending in '/') and is_prefix set; 0: none. fn's non-zero return ends the list and is
 * returned.
 */
struct bl_listed {
	const char *key;
	uint64_t size;
	bool is_prefix;
};
typedef int bl_list_fn(void *arg, const struct bl_listed *item, struct bl_err *err);
BL_MUST int bl_store_list(struct bl_store *store, const struct bl_call *call, const char *prefix,
                          const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
                          struct bl_err *err);

/* Absent is success. */
BL_MUST int bl_store_delete(struct bl_store *store, const struct bl_call *call, const char *key,
                            struct bl_err *err);

/* The same for many, in few requests where the store can. */
BL_MUST int bl_store_delete_many(struct bl_store *store, const struct bl_call *call,
                                 const char *const *keys, size_t n, struct bl_err *err);

/*
 * Ends what writers that were killed have left unfinished below a prefix, where a store keeps such
 * things; nobody may be writing there.
 */
BL_MUST int bl_store_tidy(struct bl_store *store, const struct bl_call *call, const char *prefix,
                          struct bl_err *err);

/*
 * The seam: one table per kind of store. Arguments are checked before. get_many, delete_many
 * and get_files may be NULL: then one by one; tidy: then there is nothing to do.
 */
struct bl_store_ops {
	void (*close)(void *self);
	int (*put_if_absent)(void *self, const struct bl_call *call, const char *key,
	                     const void *bytes, size_t len, struct bl_err *err);
	int (*put)(void *self, const struct bl_call *call, const char *key, const void *bytes,
	           size_t len, struct bl_err *err);
	int (*put_file)(void *self, const struct bl_call *call, const char *key, int fd,
	                uint64_t size, uint64_t *crc, struct bl_err *err);
	int (*get_range)(void *self, const struct bl_call *call, const char *key, uint64_t offset,
	                 size_t len, struct bl_buf *buf, uint64_t *total, struct bl_err *err);
	int (*get_file)(void *self, const struct bl_call *call, const char *key, int fd,
	                uint64_t *size, uint64_t *crc, struct bl_err *err);
	int (*list)(void *self, const struct bl_call *call, const char *prefix,
	            const char *start_after, char delimiter, bl_list_fn *fn, void *arg,
	            struct bl_err *err);
	int (*delete)(void *self, const struct bl_call *call, const char *key, struct bl_err *err);
	int (*get_many)(void *self, const struct bl_call *call, const char *const *keys, size_t n,
	                size_t each_max, bl_many_fn *fn, void *arg, struct bl_err *err);
	int (*get_files)(void *self, const struct bl_call *call, struct bl_file *files, size_t n,
	                 struct bl_err *err);
	int (*delete_many)(void *self, const struct bl_call *call, const char *const *keys,
	                   size_t n, struct bl_err *err);
	int (*tidy)(void *self, const struct bl_call *call, const char *prefix, struct bl_err *err);
};
/* Takes `self` over on success only. */
BL_MUST int bl_store_new(const struct bl_store_ops *ops, void *self, const char *uri,
                         struct bl_store **out, struct bl_err *err);
/* What a table's own functions get; a store of another table is our own fault. */
void *bl_store_self(struct bl_store *store, const struct bl_store_ops *ops);

#endif
