/* SPDX-License-Identifier: Apache-2.0 */
#include "run/data_parts.h"

#include "base/str.h"
#include "codec/jsonl.h"

#include <string.h>

void bl_data_lines_init(struct bl_data_lines *lines, const char *name, struct bl_data_found *found)
{
	*lines = (struct bl_data_lines){
		.name = name, .found = found, .line = 1, .rest = BL_BUF(BL_DATA_LINE_MAX)
	};
}

void bl_data_lines_done(struct bl_data_lines *lines)
{
	bl_buf_done(&lines->rest);
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	return true;
}

/* Characters before the fault, as an editor counts them; a bad byte counts as one. */
static uint64_t column_of(const char *text, size_t offset)
{
	uint64_t column = 1;

	while (offset) {
		size_t n = bl_utf8_sequence(text, offset);

		n = n ? n : 1;
		text += n;
		offset -= n;
		column++;
	}
	return column;
}

static int fail_at(const struct bl_data_lines *lines, const char *text,
                   const struct bl_json_fault *fault, struct bl_err *err)
{
	bl_fail(err, BL_EDATA, "%s:%llu:%llu: %s (byte %llu of the file)", lines->name,
	        (unsigned long long)lines->line, (unsigned long long)column_of(text, fault->offset),
	        fault->reason, (unsigned long long)(lines->offset + fault->offset));
	return bl_next(err,
	               "each line must be one JSON value; data_check: exists skips this check");
}

/* One line without its newline. */
static int check_line(struct bl_data_lines *lines, const char *text, size_t len, struct bl_err *err)
{
	struct bl_data_found *found = lines->found;
	struct bl_json_fault fault;

	if (!is_blank(text, len)) {
		if (bl_json_check(text, len, &fault))
			return fail_at(lines, text, &fault, err);
		found->records++;
	}
	if (len > found->longest_line)
		found->longest_line = len;
	lines->line++;
	lines->offset += len + 1;
	return 0;
}

static int keep_rest(struct bl_data_lines *lines, const char *bytes, size_t len, struct bl_err *err)
{
	bl_buf_add(&lines->rest, bytes, len);
	if (lines->rest.failed != BL_ELIMIT)
		return bl_buf_check(&lines->rest, lines->name, err);
	bl_fail(err, BL_EDATA, "%s:%llu: the line is over %u MiB long", lines->name,
	        (unsigned long long)lines->line, BL_DATA_LINE_MAX >> 20);
	return bl_next(err, "is it JSON lines? data.NAME.format: files takes it as it is");
}

int bl_data_lines_piece(void *arg, const char *bytes, size_t len, struct bl_err *err)
{
	struct bl_data_lines *lines = arg;
	const char *newline;

	if (!len)
		return lines->rest.len ? check_line(lines, lines->rest.data, lines->rest.len, err)
		                       : 0;
	while (len && (newline = memchr(bytes, '\n', len))) {
		size_t n = (size_t)(newline - bytes);

		if (lines->rest.len) {
			if (keep_rest(lines, bytes, n, err) ||
			    check_line(lines, lines->rest.data, lines->rest.len, err))
				return -1;
			bl_buf_reset(&lines->rest);
		} else if (check_line(lines, bytes, n, err)) {
			return -1;
		}
		bytes += n + 1;
		len -= n + 1;
	}
	return len ? keep_rest(lines, bytes, len, err) : 0;
}

int bl_data_read_jsonl(struct bl_data_reading *reading, struct bl_err *err)
{
	BL_AUTO(bl_data_lines) lines = { 0 };

	bl_data_lines_init(&lines, reading->name, reading->found);
	return bl_data_read(reading, bl_data_lines_piece, &lines, err);
}
