/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_METRICS_PARTS_H
#define BL_RUN_METRICS_PARTS_H

/* Between metrics.c and its sources, one file each: nobody else includes this. */

#include "codec/jsonl.h"
#include "run/metrics.h"

#define BL_METRIC_NAME 129
#define BL_METRIC_VALUES 256 /* of one record; more are left out */
#define BL_METRIC_NAMES 1024 /* of one attempt; later ones are left out */
#define BL_METRIC_LINE_MAX (64u << 10)
#define BL_METRIC_FILE_MAX (16u << 20)

/* One point of one source while it is put together. NaN: unknown. */
struct bl_metric_record {
	double step, total, epoch;
	bool is_log; /* a log message in JSON, not metrics */
	size_t n;
	struct {
		char name[BL_METRIC_NAME];
		double value;
	} values[BL_METRIC_VALUES];
};

/* Highest priority first: what a source has named is not taken from a later one. */
enum bl_metric_rank {
	BL_METRIC_FILE,
	BL_METRIC_STDOUT,
	BL_METRIC_HF,
	BL_METRIC_STATE,
	BL_METRIC_JSON,
	BL_METRIC_RANKS
};

/*
 *   name   as in the stream's "source"
 *   shown  for people
 *   line   a line of output that may be the source's (NULL: it reads none)
 *   scan   looks at files, or lets go of what was held back; last: the command has ended
 */
struct bl_metric_source {
	const char *name, *shown;
	void (*line)(struct bl_metrics *metrics, const char *line, size_t len);
	void (*scan)(struct bl_metrics *metrics, bool last);
};
extern const struct bl_metric_source bl_metric_file, bl_metric_stdout, bl_metric_hf,
	bl_metric_state, bl_metric_json;

/* Who gave a name first. A source with steps takes it over from one without. */
struct bl_metric_claim {
	char name[BL_METRIC_NAME];
	bool used, stepped;
	enum bl_metric_rank rank;
};

/* A file found below the output directories, and what identifies its content. */
struct bl_metric_found {
	char path[4096];
	int64_t mtime_ns;
	int64_t size;
};

struct bl_metrics {
	unsigned attempt;
	char *metrics_file, *output_dirs[4];
	size_t n_dirs;
	struct bl_metric_record record; /* being put together */
	struct bl_metric_claim claims[BL_METRIC_NAMES];
	size_t n_claims;
	size_t points[BL_METRIC_RANKS], silenced[BL_METRIC_RANKS];
	double step, total; /* newest known of this attempt */
	struct bl_buf scratch, fixed;

	struct {
		int fd;
		uint64_t offset;
		bool skipping; /* the rest of a line that is too long */
		bool more;     /* the last look ended before the file did */
		struct bl_buf carry;
	} file;
	struct {
		double bar_step, bar_total; /* newest progress bar without a description */
		double total;               /* of the bar that counts training steps */
		bool held; /* a record waits for the bar that is redrawn after it */
		int64_t held_at_ms, said_at_ms;
		struct bl_metric_record record;
	} hf;
	struct {
		struct bl_metric_found seen;
		uint64_t last_item; /* hash of the newest entry that is known; 0: none */
		double last_step;
	} state;
	struct bl_metric_found json_before;
	int64_t walked_at_ms;

	int64_t at_ms; /* of the call that is going on, and where its records go */
	struct bl_buf *out;
};

void bl_metric_begin(struct bl_metric_record *record);
/* Adds a value, or replaces the one of that name. */
void bl_metric_add(struct bl_metric_record *record, const char *name, size_t len, double value);
/* Writes the record as one line of the stream, without names that better sources have. */
void bl_metric_emit(struct bl_metrics *metrics, const struct bl_metric_record *record,
                    enum bl_metric_rank rank);
/* The step that the record stands for when it names none. */
double bl_metric_step(const struct bl_metrics *metrics, const struct bl_metric_record *record);

/* Reads the members of one JSON object into the record; false: it is none, or holds no number. */
bool bl_metric_members(struct bl_metrics *metrics, const char *text, size_t len,
                       struct bl_metric_record *record);

/* The newest file `name` at most three directories below the output directories; false: none. */
bool bl_metric_find(const struct bl_metrics *metrics, const char *name,
                    struct bl_metric_found *found);
/* Its bytes into metrics->scratch; false: unreadable or over BL_METRIC_FILE_MAX. */
bool bl_metric_read(struct bl_metrics *metrics, const char *path);

/* trainer_state.json as it is at the start: what a restored checkpoint brought is not new. */
void bl_metric_state_start(struct bl_metrics *metrics);

#endif
