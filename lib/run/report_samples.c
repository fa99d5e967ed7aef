/* SPDX-License-Identifier: Apache-2.0 */
#include "run/report_samples.h"

#include "base/str.h"
#include "codec/json.h"
#include "run/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)128 << 10) /* what is looked at of a file */
#define PAGE_MAX ((size_t)6 << 10)
#define LINE_MAX ((size_t)64 << 10)

void bl_samples_done(struct bl_samples *samples)
{
	for (size_t i = 0; i < samples->n; i++) {
		free(samples->items[i].prompt);
		free(samples->items[i].now);
		free(samples->items[i].baseline);
	}
	free(samples->page);
	free(samples->baseline_page);
	*samples = (struct bl_samples){ 0 };
}

/* The first of these members, whatever it holds, as text; NULL: none, or out of memory. */
static int take(const struct bl_value *record, const char *const *names, size_t n, char **out,
                struct bl_err *err)
{
	const struct bl_value *value = NULL;
	BL_AUTO(bl_buf) text = BL_BUF(LINE_MAX * 2);
	struct bl_json json = BL_JSON(&text);

	for (size_t i = 0; i < n && !value; i++)
		value = bl_value_get(record, names[i]);
	if (!value)
		return 0;
	if (value->type == BL_STRING)
		bl_buf_adds(&text, value->text);
	else
		bl_json_value(&json, NULL, value);
	if (bl_buf_check(&text, "samples", err))
		return -1;
	*out = strndup(bl_buf_text(&text), BL_SAMPLE_CHARS * 4);
	return *out ? 0 : bl_fail(err, BL_ENOMEM, "samples: out of memory");
}

static int take_raw(const char *line, size_t len, char **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(LINE_MAX * 3);

	bl_utf8_add(&text, line, len < BL_SAMPLE_CHARS * 4 ? len : BL_SAMPLE_CHARS * 4);
	if (bl_buf_check(&text, "samples", err))
		return -1;
	*out = strdup(bl_buf_text(&text));
	return *out ? 0 : bl_fail(err, BL_ENOMEM, "samples: out of memory");
}

struct record {
	char *prompt, *answer;
};

static void record_done(struct record *record)
{
	free(record->prompt);
	free(record->answer);
	*record = (struct record){ 0 };
}

static int read_record(const char *line, size_t len, struct record *out, struct bl_err *err)
{
	static const char *const prompts[] = { "prompt",      "input", "question",
		                               "instruction", "name",  "id" };
	static const char *const answers[] = { "completion", "output",     "response",   "answer",
		                               "generated",  "generation", "prediction", "text" };
	BL_VALUE doc = NULL;

	if (bl_json_parse(line, len, "sample", &doc, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
	}
	if (doc && doc->type == BL_MAP &&
	    (take(doc, prompts, BL_COUNT(prompts), &out->prompt, err) ||
	     take(doc, answers, BL_COUNT(answers), &out->answer, err)))
		return -1;
	/* not of a shape that we know: it is shown as it is */
	return out->answer ? 0 : take_raw(line, len, &out->answer, err);
}

struct lines {
	const char *at, *end;
};

/* The next line that is not blank; false: there is none. */
static bool next_line(struct lines *lines, const char **line, size_t *len)
{
	while (lines->at < lines->end) {
		const char *stop = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));

		*line = lines->at;
		stop = stop ? stop : lines->end;
		*len = (size_t)(stop - lines->at);
		lines->at = stop + (stop < lines->end);
		while (*len && strchr(" \t\r", (*line)[*len - 1]))
			--*len;
		if (*len && *len <= LINE_MAX)
			return true;
	}
	return false;
}

/* The sample that the baseline's record belongs to: of the same prompt, else of the same place. */
static struct bl_sample *partner(struct bl_samples *samples, const char *prompt, size_t place)
{
	for (size_t i = 0; prompt && i < samples->n; i++)
		if (samples->items[i].prompt && !samples->items[i].baseline &&
		    !strcmp(samples->items[i].prompt, prompt))
			return &samples->items[i];
	if (place >= samples->n || (prompt && samples->items[place].prompt) ||
	    samples->items[place].baseline)
		return NULL;
	return &samples->items[place];
}

static int pair(struct lines now, struct lines baseline, struct bl_samples *samples,
                struct bl_err *err)
{
	const char *line;
	size_t len;

	while (next_line(&now, &line, &len)) {
		BL_AUTO(record) record = { 0 };

		if (samples->n == BL_SAMPLES_MAX) {
			samples->left_out++;
			continue;
		}
		if (read_record(line, len, &record, err))
			return -1;
		samples->items[samples->n++] =
			(struct bl_sample){ .prompt = record.prompt, .now = record.answer };
		record = (struct record){ 0 };
	}
	for (size_t place = 0; next_line(&baseline, &line, &len); place++) {
		BL_AUTO(record) record = { 0 };
		struct bl_sample *sample;

		if (read_record(line, len, &record, err))
			return -1;
		sample = partner(samples, record.prompt, place);
		if (!sample)
			continue;
		sample->baseline = record.answer;
		record.answer = NULL;
	}
	return 0;
}

int bl_samples_pair(const char *now, size_t now_len, const char *baseline, size_t baseline_len,
                    struct bl_samples *out, struct bl_err *err)
{
	struct bl_samples samples = { .n = 0 };

	if (pair((struct lines){ now, now + now_len },
	         (struct lines){ baseline, baseline + baseline_len }, &samples, err)) {
		bl_samples_done(&samples);
		return -1;
	}
	*out = samples;
	return 0;
}

/* --- From the store --------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The first FILE_MAX bytes of the outputs' file of that name; none: found false. */
static int read_named(struct bl_store *store, const struct bl_manifest *outputs, const char *name,
                      struct bl_buf *bytes, bool *found, struct bl_err *err)
{
	*found = false;
	for (size_t i = 0; i < outputs->n && !*found; i++) {
		const struct bl_entry *entry = &outputs->entries[i];

		if (!entry->key || strcmp(base_name(entry->path), name) != 0)
			continue;
		if (bl_store_get_range(store, NULL, entry->key, 0, FILE_MAX, bytes, NULL, err))
			return -1;
		*found = true;
	}
	return 0;
}

struct files {
	struct bl_buf lines, page;
	bool has_lines, has_page;
};

static void files_done(struct files *files)
{
	bl_buf_done(&files->lines);
	bl_buf_done(&files->page);
}

/* What cannot be read is left out: a report is worth more than its samples. */
static int read_files(struct bl_store *store, const char *run, unsigned attempt,
                      struct files *files, struct bl_err *err)
{
	BL_AUTO(bl_manifest) outputs = BL_MANIFEST;

	if (!run[0] || !attempt)
		return 0;
	if (bl_outputs_read(store, run, attempt, &outputs, err) ||
	    read_named(store, &outputs, "samples.jsonl", &files->lines, &files->has_lines, err) ||
	    (!files->has_lines &&
	     read_named(store, &outputs, "samples.md", &files->page, &files->has_page, err))) {
		if (err->code == BL_ENOMEM)
			return -1;
		bl_err_clear(err);
	}
	/* a file that was cut has a last line that is none */
	if (files->lines.len == FILE_MAX)
		while (files->lines.len && files->lines.data[files->lines.len - 1] != '\n')
			files->lines.len--;
	return 0;
}

static int take_page(const struct files *files, char **out, struct bl_err *err)
{
	BL_AUTO(bl_buf) text = BL_BUF(PAGE_MAX * 3);

	if (!files->has_page)
		return 0;
	bl_utf8_add(&text, bl_buf_text(&files->page),
	            files->page.len < PAGE_MAX ? files->page.len : PAGE_MAX);
	for (size_t i = 0; i < text.len; i++)
		if (!text.data[i])
			text.data[i] = ' ';
	if (bl_buf_check(&text, "samples", err))
		return -1;
	*out = strdup(bl_buf_text(&text));
	return *out ? 0 : bl_fail(err, BL_ENOMEM, "samples: out of memory");
}

int bl_samples_read(struct bl_store *store, const char *run, unsigned attempt, const char *baseline,
                    unsigned baseline_attempt, struct bl_samples *out, struct bl_err *err)
{
	BL_AUTO(files) now = { BL_BUF(FILE_MAX), BL_BUF(FILE_MAX), false, false };
	BL_AUTO(files) other = { BL_BUF(FILE_MAX), BL_BUF(FILE_MAX), false, false };
	struct bl_samples samples;

	if (read_files(store, run, attempt, &now, err) ||
	    read_files(store, baseline, baseline_attempt, &other, err) ||
	    bl_samples_pair(bl_buf_text(&now.lines), now.lines.len, bl_buf_text(&other.lines),
	                    other.lines.len, &samples, err))
		return -1;
	if (!samples.n && (take_page(&now, &samples.page, err) ||
	                   take_page(&other, &samples.baseline_page, err))) {
		bl_samples_done(&samples);
		return -1;
	}
	*out = samples;
	return 0;
}
