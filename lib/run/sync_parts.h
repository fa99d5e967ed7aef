/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_SYNC_PARTS_H
#define BL_RUN_SYNC_PARTS_H

#include "aws/s3.h"
#include "aws/transfer.h"
#include "base/buf.h"
#include "base/fs.h"
#include "run/sync.h"

/* Parts of run/sync.h. A name is what follows SRC's or DST's prefix or directory. */

#define SYNC_KEY_MAX 1024

/* --- Decisions: pure ------------------------------------------------------------------------ */

/* Why this key cannot be a file below a directory; NULL: it can. */
const char *sync_refuse_file(const char *name);
/* Why this file cannot be an object whose key begins with a prefix of prefix_len bytes. */
const char *sync_refuse_key(const char *name, size_t prefix_len);
/* Stands for a directory: made by consoles, holds nothing. */
bool sync_is_marker(const char *name, uint64_t size);
bool sync_is_excluded(const char *name, const char *const *rules, size_t n_rules);
/* Temporary files of base/fs.h and of this module; those of this module alone. */
bool sync_is_temporary(const char *last_part);
bool sync_is_our_temporary(const char *last_part);

/*
 * Names that come in byte order, as files: whether one needs a directory where an earlier one is a
 * file. Remembers which beginnings of the last name were names themselves.
 */
struct sync_clash {
	char last[SYNC_KEY_MAX + 1];
	bool is_name[SYNC_KEY_MAX + 1]; /* by length */
};
bool sync_clashes(struct sync_clash *clash, const char *name);

/* --- A side: its names in byte order --------------------------------------------------------- */

enum sync_kind {
	SYNC_FILE,
	SYNC_LINK,
	SYNC_SPECIAL, /* socket, FIFO, device */
	SYNC_BELOW,   /* name ends in '/': what lies below is not ours to see (a link) */
	SYNC_BLOCKED, /* the same: a directory that cannot be read; `why` */
};
struct sync_item {
	const char *name; /* until the next call */
	enum sync_kind kind;
	struct bl_sync_side side;
	const char *etag; /* S3's; "" of a file */
	const char *why;
};
enum sync_got { SYNC_ITEM, SYNC_WAIT, SYNC_END }; /* WAIT: for a page that is under way */

/* A directory, read as it is walked. */
struct sync_frame;
struct sync_walk {
	struct sync_frame *top;
	struct bl_buf path; /* of top, with '/'; then the item's name */
	bool cleans;        /* removes temporary files that a killed run left */
	dev_t skip_dev;     /* a file to be passed over: the manifest's; 0: none */
	ino_t skip_ino;
	char why[160];
};
/* root stays the caller's. */
BL_MUST int sync_walk_open(struct sync_walk *walk, int root, struct bl_err *err);
BL_MUST int sync_walk_next(struct sync_walk *walk, struct sync_item *item, enum sync_got *got,
                           struct bl_err *err);
void sync_walk_done(struct sync_walk *walk);

/* A prefix, listed one page ahead. */
struct sync_listed;
struct sync_page {
	struct sync_listed *items;
	size_t n, room;
	struct bl_buf text;
};
struct sync_pages {
	struct bl_s3 *s3;
	struct bl_s3_pages list;
	struct sync_page page[2];
	unsigned now; /* which is read; the other one is filled */
	size_t at;
	bool started, under_way, last;
	char newest[SYNC_KEY_MAX + 1]; /* last name: the list must be in order */
	struct bl_err err;
};
void sync_pages_open(struct sync_pages *pages, struct bl_s3 *s3, const char *prefix);
BL_MUST int sync_pages_next(struct sync_pages *pages, struct sync_item *item, enum sync_got *got,
                            struct bl_err *err);
void sync_pages_done(struct sync_pages *pages);

struct sync_place {
	const char *word;                          /* as the user wrote it */
	struct bl_s3 *s3;                          /* NULL: a directory */
	char bucket[64], prefix[SYNC_KEY_MAX + 2]; /* "" or ends in '/' */
	int root;                                  /* -1: absent, which only a dry run meets */
	struct sync_walk walk;
	struct sync_pages pages;
	struct sync_item item;
	bool has_item, ended;
	struct bl_buf below; /* names that begin so are out of reach; "" none */
	enum sync_kind below_kind;
};

/* Pure: which of the two forms. BL_EINPUT. */
BL_MUST int sync_place_parse(struct sync_place *place, const char *word, struct bl_err *err);
/* Pure: one S3, not within each other. */
BL_MUST int sync_places_check(const struct sync_place *src, const struct sync_place *dst,
                              struct bl_err *err);
/* The next name is in place->item, or has_item is false: ended, or (WAIT) not yet there. */
BL_MUST int sync_place_peek(struct sync_place *place, enum sync_got *got, struct bl_err *err);
void sync_place_done(struct sync_place *place);

/* --- Doing ----------------------------------------------------------------------------------- */

/* Files below DST: made, replaced and removed by name. */
struct sync_files {
	int root, parent_fd; /* the last used directory, kept open */
	char parent[SYNC_KEY_MAX + 1];
};
/* The directory of name and its last part. fd stays open until the next call. */
enum sync_make { SYNC_MAKES, SYNC_LOOKS };
BL_MUST int sync_files_parent(struct sync_files *files, const char *name, enum sync_make make,
                              int *fd, const char **last, struct bl_err *err);
/* BL_EDATA when a directory, link or special file is where the file must be. Makes nothing. */
BL_MUST int sync_files_check(struct sync_files *files, const char *name, struct bl_err *err);
struct sync_temp {
	int fd;
	char name[40];
};
BL_MUST int sync_files_temp(struct sync_files *files, const char *name, struct sync_temp *temp,
                            struct bl_err *err);
BL_MUST int sync_files_commit(struct sync_files *files, const char *name, struct sync_temp *temp,
                              struct bl_err *err);
void sync_files_drop(struct sync_files *files, const char *name, struct sync_temp *temp);
/* Removes the file, and directories that this made empty. */
BL_MUST int sync_files_remove(struct sync_files *files, const char *name, struct bl_err *err);
void sync_files_done(struct sync_files *files);
/* A temporary file that a killed run left; one that a living run has is locked. */
void sync_remove_leftover(int dir, const char *name);

/* JSON lines of what was done. */
struct sync_manifest {
	int fd;                        /* -1: none */
	struct bl_buf lines, unsynced; /* to be written; claims that wait for the disk */
};
BL_MUST int sync_manifest_open(struct sync_manifest *manifest, const char *path,
                               struct bl_err *err);
struct sync_done {
	const char *act, *name, *etag;
	uint64_t size, crc;
	bool has_crc;
};
void sync_manifest_add(struct bl_buf *lines, const struct sync_done *done);
BL_MUST int sync_manifest_flush(struct sync_manifest *manifest, struct bl_err *err);
void sync_manifest_done(struct sync_manifest *manifest);

/*
 * Which multipart uploads this machine has open, so that the next run ends those that a killed one
 * left: a file in XDG_STATE_HOME (~/.local/state) that is locked while its process lives, made with
 * the first such upload. Without a writable home there is none: then only what is older than a day
 * is ended.
 */
struct sync_journal {
	int dir, fd;    /* -1: none */
	char place[24]; /* names of files about the same DST begin so */
	char name[48];
};
#define SYNC_JOURNAL ((struct sync_journal){ .dir = -1, .fd = -1 })
/* Ends what dead runs to the same place left. note: what could not be done; may stay empty. */
BL_MUST int sync_journal_open(struct sync_journal *journal, struct bl_s3 *s3, const char *prefix,
                              struct bl_err *note, struct bl_err *err);
enum sync_mark { SYNC_BEGUN = '+', SYNC_ENDED = '-' };
void sync_journal_add(struct sync_journal *journal, enum sync_mark mark, const char *key);
/* Pure: appends the keys that are begun and not ended, each with its NUL. */
void sync_journal_unended(const char *bytes, size_t len, struct bl_buf *keys);
/* Nothing is open: removes it. Something may be: leaves it to the next run. */
enum sync_rest { SYNC_NOTHING_OPEN, SYNC_MAY_BE_OPEN };
void sync_journal_close(struct sync_journal *journal, enum sync_rest rest);

/* --- The whole -------------------------------------------------------------------------------- */

enum sync_way { SYNC_UPLOAD, SYNC_DOWNLOAD, SYNC_COPY };

/* has false: S3 has no CRC-64/NVME of it. */
struct sync_sum {
	bool known, has;
	uint64_t crc;
};

/* What is to be moved. The etag lies behind the name. */
struct sync_plan {
	struct sync_plan *next;
	struct bl_sync_side side;
	bool look;                /* only if the checksums differ: */
	struct sync_sum src, dst; /* as far as known */
	const char *etag;
	char name[];
};

struct sync_job;
struct sync_jobs { /* in order of arrival */
	struct sync_job *first, *last;
	size_t n;
};

struct sync {
	const struct bl_sync_options *options;
	const struct bl_sync_watch *watch;
	struct bl_sync_totals *totals;
	enum sync_way way;
	struct bl_aws *aws;
	struct sync_place src, dst;
	struct bl_transfers *get, *put; /* NULL: that side is a directory */
	struct sync_files files;        /* of DST */
	struct sync_manifest manifest;
	struct sync_journal journal;
	struct sync_clash clash;

	struct sync_plan *plans, *last_plan;
	size_t n_plans, plan_bytes;
	struct sync_jobs running, finished, ready; /* ready: downloaded, to be renamed */
	struct sync_job *spare;                    /* ended, to be used again */
	uint64_t ready_bytes;
	int64_t ready_since_ms;
	size_t ready_max;
	bool renamed;         /* since the disk was last synced */
	bool src_has_files;   /* something that could be moved was listed */
	bool tidied;          /* old multipart uploads were looked for */
	struct bl_buf doomed; /* keys to delete, each with its NUL */
	size_t n_doomed;

	enum bl_code failure;         /* of those that failed: BL_EDATA when they differ */
	char said_next[BL_NEXT_SIZE]; /* of the last failure that had a next step */
	unsigned lost_in_row;         /* failures of the network since the last success */
	struct bl_err fatal;          /* ends it, after what is under way */
};

void sync_say(const struct sync *sync, const char *act, const char *name, uint64_t size,
              const char *why);
bool sync_is_stopped(const struct sync *sync);
/* Counts and tells; what makes going on useless becomes sync->fatal. Clears err. */
void sync_failed(struct sync *sync, const char *name, struct bl_err *err);

/* Merges as far as names are there and the plan has room. */
BL_MUST int sync_merge(struct sync *sync, struct bl_err *err);
bool sync_merged(const struct sync *sync); /* both lists are at their end */
BL_MUST int sync_flush_doomed(struct sync *sync, struct bl_err *err);

/* SRC lists nothing: BL_EINPUT when that is because it is an object, not a prefix. */
BL_MUST int sync_explain_empty(struct sync *sync, struct bl_err *err);
void sync_make_fatal(struct sync *sync, const struct bl_err *err);

/* Whether both sides hold the same bytes, as far as their checksums tell. Asks S3 about those that
 * follow, too. */
BL_MUST int sync_look(struct sync *sync, struct sync_plan *plan, bool *equal, struct bl_err *err);

size_t sync_plan_bytes(const struct sync_plan *plan);

/* Starts as many as there is room for; settles those that came; renames a batch that is due. */
void sync_start_jobs(struct sync *sync);
void sync_settle_jobs(struct sync *sync);
enum sync_due { SYNC_IF_DUE, SYNC_NOW };
void sync_commit(struct sync *sync, enum sync_due due);
void sync_jobs_done(struct sync *sync);

#endif
