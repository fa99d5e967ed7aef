/* SPDX-License-Identifier: Apache-2.0 */
/* $BRANCHLINE_METRICS: JSON lines that the training appends; and files found below a directory. */
#include "base/fs.h"
#include "run/metrics_parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Where one look ends, so that its caller can put the records away: what they take, and what is
 * read.
 */
#define RECORDS_ENOUGH_BYTES (1u << 20)
#define READ_MAX_BYTES (16u << 20)

static void take_line(struct bl_metrics *metrics, const char *line, size_t len)
{
	if (bl_metric_members(metrics, line, len, &metrics->record))
		bl_metric_emit(metrics, &metrics->record, BL_METRIC_FILE);
}

/* A line that does not fit the carry is dropped whole. */
static void take_bytes(struct bl_metrics *metrics, const char *bytes, size_t len)
{
	struct bl_buf *carry = &metrics->file.carry;

	while (len) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) : len;

		if (!metrics->file.skipping && (carry->len || !end))
			bl_buf_add(carry, bytes, n);
		if (carry->failed)
			metrics->file.skipping = true;
		if (end && !metrics->file.skipping)
			take_line(metrics, carry->len ? carry->data : bytes,
			          carry->len ? carry->len : n);
		if (end || metrics->file.skipping)
			bl_buf_reset(carry);
		if (end)
			metrics->file.skipping = false;
		bytes += n + (end != NULL);
		len -= n + (end != NULL);
	}
}

static void read_on(struct bl_metrics *metrics)
{
	char block[32768];

	metrics->file.more = false;
	for (size_t sum = 0;;) {
		if (sum >= READ_MAX_BYTES || metrics->out->len >= RECORDS_ENOUGH_BYTES) {
			metrics->file.more = true;
			return;
		}
		ssize_t n =
			pread(metrics->file.fd, block, sizeof(block), (off_t)metrics->file.offset);

		if (n <= 0)
			return;
		take_bytes(metrics, block, (size_t)n);
		metrics->file.offset += (size_t)n;
		sum += (size_t)n;
	}
}

static void start_over(struct bl_metrics *metrics)
{
	metrics->file.offset = 0;
	metrics->file.skipping = false;
	bl_buf_reset(&metrics->file.carry);
}

/* Truncated: from its start again. Replaced: the old one is read to its end first. */
static void follow(struct bl_metrics *metrics)
{
	struct stat ours = { 0 }, named;

	if (metrics->file.fd >= 0) {
		if (!fstat(metrics->file.fd, &ours) &&
		    (uint64_t)ours.st_size < metrics->file.offset)
			start_over(metrics);
		read_on(metrics);
		if (stat(metrics->metrics_file, &named) ||
		    (named.st_ino == ours.st_ino && named.st_dev == ours.st_dev))
			return;
		close(metrics->file.fd);
		metrics->file.fd = -1;
		start_over(metrics);
	}
	/* O_NONBLOCK: opening a FIFO must not wait for its writer */
	metrics->file.fd = open(metrics->metrics_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (metrics->file.fd >= 0)
		read_on(metrics);
}

static void scan(struct bl_metrics *metrics, bool last)
{
	struct bl_buf *carry = &metrics->file.carry;

	if (!metrics->metrics_file)
		return;
	follow(metrics);
	if (last && !metrics->file.more && carry->len && !metrics->file.skipping) {
		take_line(metrics, carry->data, carry->len);
		bl_buf_reset(carry);
	}
}

const struct bl_metric_source bl_metric_file = {
	.name = "metrics_file",
	.shown = "$BRANCHLINE_METRICS",
	.scan = scan,
};

/* --- Files below the output directories ------------------------------------------------------- */

enum { DEPTH_MAX = 3, ENTRIES_MAX = 10000 };

struct search {
	const char *name;
	struct bl_metric_found *found;
	size_t entries;
};

static void consider(struct search *search, int dir, const char *path)
{
	struct stat st;
	int64_t mtime_ns;

	if (fstatat(dir, search->name, &st, 0) || !S_ISREG(st.st_mode))
		return;
	mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (search->found->path[0] && mtime_ns <= search->found->mtime_ns)
		return;
	snprintf(search->found->path, sizeof(search->found->path), "%s/%s", path, search->name);
	search->found->mtime_ns = mtime_ns;
	search->found->size = st.st_size;
}

static void look_in(struct search *search, const char *path, int depth)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	char below[4096];

	if (!dir)
		return;
	consider(search, dirfd(dir), path);
	while (depth < DEPTH_MAX && (entry = readdir(dir)) && search->entries++ < ENTRIES_MAX) {
		bool maybe = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;

		if (!maybe || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) <
		    (int)sizeof(below))
			look_in(search, below, depth + 1);
	}
	closedir(dir);
}

bool bl_metric_find(const struct bl_metrics *metrics, const char *name,
                    struct bl_metric_found *found)
{
	struct search search = { .name = name, .found = found };

	memset(found, 0, sizeof(*found));
	for (size_t i = 0; i < metrics->n_dirs; i++)
		look_in(&search, metrics->output_dirs[i], 0);
	return found->path[0];
}

bool bl_metric_read(struct bl_metrics *metrics, const char *path)
{
	struct bl_err err = { 0 };

	bl_buf_reset(&metrics->scratch);
	return !bl_fs_read_path(path, &metrics->scratch, &err);
}
