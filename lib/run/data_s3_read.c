/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_s3_parts.h"

#include <stdlib.h>
#include <string.h>

#define JOBS 16

/* An object that is being judged; `busy`: a piece of it is under way. */
struct job {
	bool used, busy;
	size_t i;
	struct bl_data_judge judge;
};

struct reader {
	const struct bl_data_source *source;
	const struct bl_data_channel *channel;
	const struct bl_data_objects *objects;
	bl_data_progress *progress;
	void *arg;
	struct bl_data_found *found;
	size_t next; /* of objects */
	uint64_t done_bytes, total_bytes;
	bool all_lines, all_whole; /* every object was JSON lines; and read to its end */
	struct bl_err failed;      /* by a size alone */
	struct job jobs[JOBS];
};

static void finish(struct job *job)
{
	bl_data_judge_done(&job->judge);
	*job = (struct job){ 0 };
}

/* A cold object is asked for a byte: S3 alone knows whether it was restored. */
static bool wants(const struct reader *reader, const struct job *job, uint64_t *offset, size_t *len)
{
	if (bl_data_judge_wants(&job->judge, offset, len))
		return true;
	*offset = 0;
	*len = 1;
	return reader->objects->items[job->i].cold && job->judge.size && !job->judge.at &&
	       !job->judge.step;
}

static int begin(struct reader *reader, struct job *job, struct bl_err *err)
{
	const struct bl_data_object *object = &reader->objects->items[reader->next];
	const char *name = bl_data_object_name(reader->objects, reader->next);
	enum bl_data_format format = bl_data_format_of(reader->channel, name);

	job->used = true;
	job->i = reader->next++;
	reader->all_lines &= format == BL_DATA_JSONL;
	if (bl_data_judge_init(&job->judge, format, reader->channel->depth == BL_DATA_FULL, name,
	                       object->size, reader->found, err))
		return -1;
	reader->all_whole &= bl_data_judge_bytes(&job->judge) == object->size;
	return 0;
}

/* The next piece of this job, or of objects to come that are to be read at all. */
static bool next_of(struct reader *reader, struct job *job, struct bl_s3_range *out)
{
	while (!reader->failed.code) {
		if (job->used && wants(reader, job, &out->offset, &out->len)) {
			job->busy = true;
			out->key = bl_data_object_key(reader->objects, job->i);
			out->etag = reader->source->etags
			                    ? bl_data_object_etag(reader->objects, job->i)
			                    : NULL;
			out->of = job;
			return true;
		}
		if (job->used)
			finish(job);
		if (reader->next == reader->objects->n)
			return false;
		if (begin(reader, job, &reader->failed))
			return false;
	}
	return false;
}

static bool next_range(void *arg, struct bl_s3_range *out)
{
	struct reader *reader = arg;

	for (size_t i = 0; i < JOBS; i++)
		if (!reader->jobs[i].busy && next_of(reader, &reader->jobs[i], out))
			return true;
	return false;
}

static int range_came(void *arg, const struct bl_s3_range *range, const char *bytes,
                      struct bl_err *err)
{
	struct reader *reader = arg;
	struct job *job = range->of;

	job->busy = false;
	if (job->judge.format == BL_DATA_FILES) {
		job->judge.at = 1; /* a cold one that can be read */
		return 0;
	}
	if (bl_data_judge_take(&job->judge, bytes, range->len, err))
		return -1;
	reader->done_bytes += range->len;
	if (reader->progress)
		reader->progress(reader->arg, reader->done_bytes, reader->total_bytes);
	return 0;
}

static int read_store(struct reader *reader, struct bl_err *err)
{
	struct bl_s3_range range = { 0 };

	while (next_range(reader, &range)) {
		BL_AUTO(bl_buf) piece = BL_BUF(range.len);
		uint64_t total;

		if (bl_store_get_range(reader->source->store, NULL, range.key, range.offset,
		                       range.len, &piece, &total, err))
			return -1;
		if (piece.len != range.len)
			return bl_fail(err, BL_EDATA, "%s: it has %llu bytes, not those it had",
			               range.key, (unsigned long long)total);
		if (range_came(reader, &range, piece.data, err))
			return -1;
	}
	return 0;
}

static int read_all(struct reader *reader, struct bl_err *err)
{
	const struct bl_s3_ranges ranges = { next_range, range_came, reader };
	int rc = reader->source->s3 ? bl_s3_get_ranges(reader->source->s3, NULL, &ranges, err)
	                            : read_store(reader, err);

	if (!rc && reader->failed.code) {
		*err = reader->failed;
		rc = -1;
	}
	if (!rc && reader->all_lines && reader->all_whole && !reader->found->records)
		rc = bl_fail(err, BL_EDATA, "'%s' holds no record", reader->channel->uri);
	return rc;
}

/* What will be read, for the progress. Only sizes: nothing can be wrong yet. */
static uint64_t sum_up(const struct reader *reader)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < reader->objects->n; i++) {
		const struct bl_data_judge judge = {
			.format = bl_data_format_of(reader->channel,
			                            bl_data_object_name(reader->objects, i)),
			.to_the_end = reader->channel->depth == BL_DATA_FULL,
			.size = reader->objects->items[i].size,
		};

		bytes += bl_data_judge_bytes(&judge);
	}
	return bytes;
}

int bl_data_objects_read(const struct bl_data_source *source, const struct bl_data_channel *channel,
                         const struct bl_data_objects *objects, bl_data_progress *progress,
                         void *arg, struct bl_data_found *found, struct bl_err *err)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int rc;

	if (!reader)
		return bl_fail(err, BL_ENOMEM, "read the data: out of memory");
	*reader = (struct reader){ .source = source,
		                   .channel = channel,
		                   .objects = objects,
		                   .progress = progress,
		                   .arg = arg,
		                   .found = found,
		                   .all_lines = true,
		                   .all_whole = true };
	reader->total_bytes = sum_up(reader);
	rc = read_all(reader, err);
	for (size_t i = 0; i < JOBS; i++)
		finish(&reader->jobs[i]);
	free(reader);
	return rc;
}
