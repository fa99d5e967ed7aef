/* SPDX-License-Identifier: Apache-2.0 */
#include "run/series.h"

#include "codec/jsonl.h"
#include "run/series_curves.h"
#include "run/stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 512u /* of one record */
#define LINE_MAX_BYTES (1u << 20)

struct bl_series_reader {
	struct bl_curves curves;
	struct bl_series series; /* what it says beside the curves */
	double attempt;          /* of the last record; 0: none yet */
	bool awaits_step;        /* a later attempt began, its first value is not there yet */
	struct bl_buf line;      /* a line cut by the end of its bytes */
	bool skipping;           /* the rest of a line over the limit */
	struct bl_err err;       /* of on_member() */
	/* of the record at hand */
	double step, total, number;
	int64_t at_ms;
	size_t n_values;
	struct {
		size_t curve;
		double value;
	} values[VALUES_MAX];
};

int bl_series_reader_new(struct bl_series_reader **out, struct bl_err *err)
{
	struct bl_series_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return bl_fail(err, BL_ENOMEM, "metrics: out of memory");
	reader->line = BL_BUF(LINE_MAX_BYTES);
	reader->series.last_step = reader->series.total_steps = reader->curves.last_step = NAN;
	*out = reader;
	return 0;
}

void bl_series_reader_free(struct bl_series_reader *reader)
{
	if (!reader)
		return;
	bl_curves_done(&reader->curves);
	bl_buf_done(&reader->line);
	free(reader);
}

static bool is_key(const struct bl_member *member, const char *name)
{
	return member->key_len == strlen(name) && !memcmp(member->key, name, member->key_len);
}

/* Numbers, and the texts that stand for what JSON cannot say. */
static bool number_of(const struct bl_member *member, double *out)
{
	static const struct {
		const char *text;
		double number;
	} words[] = { { "NaN", NAN }, { "Infinity", INFINITY }, { "-Infinity", -INFINITY } };

	if (member->kind == BL_SCALAR_NUMBER) {
		*out = member->number;
		return true;
	}
	for (size_t i = 0; member->kind == BL_SCALAR_TEXT && i < BL_COUNT(words); i++) {
		if (member->text_len == strlen(words[i].text) &&
		    !memcmp(member->text, words[i].text, member->text_len)) {
			*out = words[i].number;
			return true;
		}
	}
	return false;
}

/* A value is kept by its curve: the name lives only as long as the call. */
static int keep_value(struct bl_series_reader *reader, const char *name, size_t len, double value)
{
	size_t curve;

	if (bl_curves_index(&reader->curves, name, len, &curve, &reader->err))
		return -1;
	if (curve >= BL_CURVES_MAX || reader->n_values == VALUES_MAX) {
		reader->curves.over_limit++;
		return 0;
	}
	reader->values[reader->n_values].curve = curve;
	reader->values[reader->n_values++].value = value;
	return 0;
}

static int on_member(void *arg, const struct bl_member *member)
{
	struct bl_series_reader *reader = arg;
	double number;

	if (!number_of(member, &number))
		return 0;
	if (member->key_len > 7 && !memcmp(member->key, "values.", 7))
		return keep_value(reader, member->key + 7, member->key_len - 7, number);
	if (is_key(member, "step"))
		reader->step = isfinite(number) ? number : NAN;
	else if (is_key(member, "attempt"))
		reader->number = number;
	else if (is_key(member, "at"))
		reader->at_ms = number > 0 && number < 9e15 ? (int64_t)number : 0;
	else if (is_key(member, "total_steps") && isfinite(number) && number > 0)
		reader->total = number;
	return 0;
}

static int resume(struct bl_series_reader *reader, struct bl_err *err)
{
	struct bl_series *series = &reader->series;

	double at;

	if (bl_curves_resume(&reader->curves, reader->step, &at, err))
		return -1;
	if (series->n_resumed < BL_COUNT(series->resumed_at))
		series->resumed_at[series->n_resumed++] = at;
	reader->awaits_step = false;
	return 0;
}

static int keep_record(struct bl_series_reader *reader, struct bl_err *err)
{
	struct bl_curves *curves = &reader->curves;

	if (reader->number > reader->attempt) {
		reader->awaits_step |= reader->attempt > 0;
		reader->attempt = reader->number;
	}
	if (reader->n_values && reader->awaits_step && !isnan(reader->step) && resume(reader, err))
		return -1;
	if (reader->n_values && !isnan(reader->step) && !(curves->last_step >= reader->step))
		curves->last_step = reader->step;
	if (!isnan(reader->total))
		reader->series.total_steps = reader->total;
	for (size_t i = 0; i < reader->n_values; i++)
		if (bl_curves_add(curves, reader->values[i].curve, reader->step,
		                  reader->values[i].value, reader->at_ms, err))
			return -1;
	return 0;
}

static int read_line(struct bl_series_reader *reader, const char *line, size_t len,
                     struct bl_err *err)
{
	struct bl_json_fault fault;

	if (!len)
		return 0;
	reader->step = reader->total = NAN;
	reader->number = 0;
	reader->at_ms = 0;
	reader->n_values = 0;
	if (!bl_json_members(line, len, true, on_member, reader, &fault))
		return keep_record(reader, err);
	if (reader->err.code) {
		*err = reader->err;
		return -1;
	}
	reader->series.bad_lines++;
	return 0;
}

static int end_line(struct bl_series_reader *reader, struct bl_err *err)
{
	int got = 0;

	if (reader->skipping || reader->line.failed == BL_ELIMIT)
		reader->series.bad_lines++;
	else if (bl_buf_check(&reader->line, "metrics", err))
		got = -1;
	else
		got = read_line(reader, bl_buf_text(&reader->line), reader->line.len, err);
	reader->skipping = false;
	bl_buf_reset(&reader->line);
	return got;
}

int bl_series_feed(struct bl_series_reader *reader, const char *bytes, size_t len,
                   struct bl_err *err)
{
	const char *end;

	while (len && (end = memchr(bytes, '\n', len))) {
		size_t n = (size_t)(end - bytes);

		if (reader->line.len || reader->line.failed || reader->skipping) {
			bl_buf_add(&reader->line, bytes, n);
			if (end_line(reader, err))
				return -1;
		} else if (read_line(reader, bytes, n, err)) {
			return -1;
		}
		bytes += n + 1;
		len -= n + 1;
	}
	bl_buf_add(&reader->line, bytes, len);
	if (reader->line.failed == BL_ELIMIT) {
		bl_buf_reset(&reader->line);
		reader->skipping = true;
	}
	return bl_buf_check(&reader->line, "metrics", err);
}

int bl_series_gap(struct bl_series_reader *reader, struct bl_err *err)
{
	if (!reader->line.len && !reader->skipping)
		return 0;
	return end_line(reader, err);
}

int bl_series_finish(struct bl_series_reader *reader, struct bl_series *out, struct bl_err *err)
{
	struct bl_series *series = &reader->series;

	if (bl_series_gap(reader, err) || bl_curves_finish(&reader->curves, series, err))
		return -1;
	series->over_limit = reader->curves.over_limit;
	series->last_step = reader->curves.last_step;
	*out = *series;
	return 0;
}

static int on_piece(void *arg, const struct bl_piece *piece, struct bl_err *err)
{
	struct bl_series_reader *reader = arg;

	if ((!piece->offset || piece->dropped) && bl_series_gap(reader, err))
		return -1;
	return bl_series_feed(reader, piece->bytes, piece->len, err);
}

int bl_series_read(struct bl_store *store, const char *run, struct bl_series *out,
                   struct bl_err *err)
{
	struct bl_series_reader *reader = NULL;
	struct bl_cursor cursor = { 0 };
	int got;

	if (bl_series_reader_new(&reader, err))
		return bl_wrap(err, "metrics of run %s", run);
	got = bl_stream_read(store, run, BL_STREAM_METRICS, &cursor, on_piece, reader, err) ||
	      bl_series_finish(reader, out, err);
	bl_series_reader_free(reader);
	return got ? bl_wrap(err, "metrics of run %s", run) : 0;
}
