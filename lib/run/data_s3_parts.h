/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_DATA_S3_PARTS_H
#define BL_RUN_DATA_S3_PARTS_H

/* What the parts of data_s3.h share; nobody else includes it. */

#include "aws/s3.h"
#include "run/data_parts.h"
#include "run/data_s3.h"

/* --- data_s3.c: what was found ---------------------------------------------------------------- */

#define BL_DATA_OBJECTS_MAX 1000000u
#define BL_DATA_TEXTS_MAX ((size_t)1 << 30)

struct bl_data_object {
	size_t at; /* in texts: name below the URI, key, etag, each with its NUL */
	uint64_t size;
	bool cold; /* of a storage class that is not read without being restored */
};
struct bl_data_objects {
	struct bl_data_object *items; /* sorted by name */
	size_t n, cap;
	struct bl_buf texts;
	uint64_t bytes;
};
#define BL_DATA_OBJECTS ((struct bl_data_objects){ .texts = BL_BUF(BL_DATA_TEXTS_MAX) })
void bl_data_objects_done(struct bl_data_objects *objects);
BL_MUST int bl_data_objects_add(struct bl_data_objects *objects, const char *name, const char *key,
                                const char *etag, uint64_t size, bool cold, struct bl_err *err);
const char *bl_data_object_name(const struct bl_data_objects *objects, size_t i);
const char *bl_data_object_key(const struct bl_data_objects *objects, size_t i);
const char *bl_data_object_etag(const struct bl_data_objects *objects, size_t i);

/* --- data_s3_list.c, data_s3_run.c: fill objects and place ------------------------------------ */

BL_MUST int bl_data_s3_list(struct bl_s3 *s3, const char *key,
                            const struct bl_data_channel *channel, struct bl_data_objects *out,
                            struct bl_data_place *place, struct bl_err *err);
/* Their etags are CRC64NVME texts. */
BL_MUST int bl_data_run_list(struct bl_store *store, const struct bl_data_channel *channel,
                             struct bl_data_objects *out, struct bl_data_place *place,
                             struct bl_err *err);

/* --- data_s3_judge.c: pure -------------------------------------------------------------------- */

/* One object that is read in pieces, as far as its format is judged. */
struct bl_data_judge {
	enum bl_data_format format;
	bool to_the_end; /* not only the first MiB */
	const char *name;
	uint64_t size, at; /* at: of the next piece */
	struct bl_data_found *found;
	struct bl_data_lines lines;
	unsigned step; /* of Parquet: 0 its head, 1 its end, 2 done */
};
/* BL_EDATA where the size alone says that it is wrong. */
BL_MUST int bl_data_judge_init(struct bl_data_judge *judge, enum bl_data_format format,
                               bool to_the_end, const char *name, uint64_t size,
                               struct bl_data_found *found, struct bl_err *err);
void bl_data_judge_done(struct bl_data_judge *judge);
/* The next piece that is wanted; false: none, it is judged. */
bool bl_data_judge_wants(const struct bl_data_judge *judge, uint64_t *offset, size_t *len);
BL_MUST int bl_data_judge_take(struct bl_data_judge *judge, const char *bytes, size_t len,
                               struct bl_err *err);
/* How many bytes it will ask for, at most. */
uint64_t bl_data_judge_bytes(const struct bl_data_judge *judge);

/* --- data_s3_read.c --------------------------------------------------------------------------- */

/* Where pieces come from: s3, many at once; else the store, one by one. */
struct bl_data_source {
	struct bl_s3 *s3;
	struct bl_store *store;
	bool etags; /* of S3: pieces are asked for with If-Match */
};
BL_MUST int bl_data_objects_read(const struct bl_data_source *source,
                                 const struct bl_data_channel *channel,
                                 const struct bl_data_objects *objects, bl_data_progress *progress,
                                 void *arg, struct bl_data_found *found, struct bl_err *err);

#endif
