/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/str.h"
#include "codec/hash.h"
#include "run/sync_parts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define JOURNAL_MAX_BYTES ((size_t)64 << 20)
#define SKEW_MS (5 * 60 * 1000) /* by which S3's clock may be ahead of ours */

/* Drops the first entry that equals key. */
static void drop_key(struct bl_buf *keys, const char *key)
{
	size_t len = strlen(key) + 1;

	for (char *at = keys->data; at && at < keys->data + keys->len; at += strlen(at) + 1) {
		if (strcmp(at, key) != 0)
			continue;
		memmove(at, at + len, (size_t)(keys->data + keys->len - at) - len);
		keys->len -= len;
		return;
	}
}

void sync_journal_unended(const char *bytes, size_t len, struct bl_buf *keys)
{
	const char *end = bytes + len;

	while (bytes < end) {
		const char *nul = memchr(bytes, '\0', (size_t)(end - bytes));

		if (!nul) /* cut while it was written: its upload had not begun */
			return;
		if (bytes[0] == SYNC_BEGUN)
			bl_buf_add(keys, bytes + 1, (size_t)(nul - bytes));
		else if (bytes[0] == SYNC_ENDED)
			drop_key(keys, bytes + 1);
		bytes = nul + 1;
	}
}

/* Where programs keep what outlives them, and may be lost. */
static int open_dir(struct bl_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];
	int fd;

	if (state && *state == '/')
		snprintf(path, sizeof(path), "%.4000s/branchline/sync", state);
	else if (home && *home == '/')
		snprintf(path, sizeof(path), "%.4000s/.local/state/branchline/sync", home);
	else
		return -1;
	if (bl_fs_make_dir(path, &fd, err)) {
		bl_err_clear(err);
		return -1;
	}
	return fd;
}

static int end_uploads(struct bl_s3 *s3, const struct bl_buf *keys, int64_t last_wall_ms,
                       struct bl_err *err)
{
	/* begun no later than the journal's last line: a later one is somebody else's */
	int64_t age_ms = bl_wall_ms() - last_wall_ms - SKEW_MS;
	unsigned ended;

	for (const char *key = keys->data; key && key < keys->data + keys->len;
	     key += strlen(key) + 1) {
		if (bl_s3_abort_stale_key(s3, NULL, key, age_ms, &ended, err))
			return -1;
	}
	return 0;
}

struct search {
	struct sync_journal *journal;
	struct bl_s3 *s3;
	struct bl_err *note;
};

static int end_left(const struct search *search, int fd, const char *name, struct bl_err *err)
{
	BL_AUTO(bl_buf) bytes = BL_BUF(JOURNAL_MAX_BYTES);
	BL_AUTO(bl_buf) keys = BL_BUF(JOURNAL_MAX_BYTES);
	struct stat st;

	if (fstat(fd, &st) || bl_fs_read(search->journal->dir, name, &bytes, err))
		return -1;
	sync_journal_unended(bl_buf_text(&bytes), bytes.len, &keys);
	if (bl_buf_check(&keys, "unfinished uploads", err))
		return -1;
	return end_uploads(search->s3, &keys, (int64_t)st.st_mtim.tv_sec * 1000, err);
}

static int see_journal(void *arg, int dir, const char *name, unsigned char type, struct bl_err *err)
{
	const struct search *search = arg;
	BL_FD fd = -1;

	(void)type;
	if (!bl_str_starts(name, search->journal->place))
		return 0;
	fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) /* its run lives */
		return 0;
	if (end_left(search, fd, name, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		if (!search->note->code)
			*search->note = *err;
		bl_err_clear(err);
		return 0;
	}
	unlinkat(dir, name, 0);
	return 0;
}

int sync_journal_open(struct sync_journal *journal, struct bl_s3 *s3, const char *prefix,
                      struct bl_err *note, struct bl_err *err)
{
	struct search search = { journal, s3, note };
	uint64_t crc = bl_crc64nvme(0, bl_s3_bucket(s3), strlen(bl_s3_bucket(s3)) + 1);

	*journal = SYNC_JOURNAL;
	crc = bl_crc64nvme(crc, prefix, strlen(prefix));
	snprintf(journal->place, sizeof(journal->place), "%016" PRIx64 "-", crc);
	journal->dir = open_dir(err);
	if (journal->dir < 0)
		return 0;
	if (bl_fs_list(journal->dir, ".", see_journal, &search, err)) {
		if (err->code == BL_ENOMEM)
			return -1;
		*note = *err;
		bl_err_clear(err);
	}
	return 0;
}

static void begin(struct sync_journal *journal)
{
	struct bl_err unsaid = { 0 };
	char random[13];

	if (bl_str_random(random, 12, &unsaid))
		return;
	snprintf(journal->name, sizeof(journal->name), "%s%s", journal->place, random);
	journal->fd = openat(journal->dir, journal->name,
	                     O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (journal->fd >= 0 && flock(journal->fd, LOCK_EX | LOCK_NB)) {
		unlinkat(journal->dir, journal->name, 0);
		bl_fd_done(&journal->fd);
	}
}

/* Best effort: what is not recorded is ended when it is a day old. */
void sync_journal_add(struct sync_journal *journal, enum sync_mark mark, const char *key)
{
	BL_AUTO(bl_buf) line = BL_BUF(SYNC_KEY_MAX + 8);
	struct bl_err unsaid = { 0 };

	if (journal->dir >= 0 && journal->fd < 0 && mark == SYNC_BEGUN)
		begin(journal);
	if (journal->fd < 0)
		return;
	bl_buf_addc(&line, (char)mark);
	bl_buf_add(&line, key, strlen(key) + 1);
	if (bl_buf_check(&line, "key", &unsaid) ||
	    bl_fs_write(journal->fd, line.data, line.len, &unsaid))
		bl_err_clear(&unsaid);
}

void sync_journal_close(struct sync_journal *journal, enum sync_rest rest)
{
	if (journal->fd >= 0 && rest == SYNC_NOTHING_OPEN)
		unlinkat(journal->dir, journal->name, 0);
	bl_fd_done(&journal->fd);
	bl_fd_done(&journal->dir);
}
