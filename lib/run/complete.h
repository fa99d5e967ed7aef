/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_COMPLETE_H
#define BL_RUN_COMPLETE_H

#include "run/checkpoint_tree.h"

/*
 * When a file or directory of a checkpoint is whole (design 4.4). The first rule that knows it
 * decides; what no rule knows falls to the last one: no writer, and quiet.
 *
 * An ENTRY is published whole or not at all. A directory that a rule knows is one entry with all
 * below it; any other directory is walked, and each file or link in it is an entry of its own.
 */
enum bl_whole {
	BL_WHOLE_YES,
	BL_WHOLE_NO,     /* known, and not whole: never asks a later rule */
	BL_WHOLE_FOREIGN /* not of this rule's kind */
};

/*
 * One rule: looks at node i of the tree. A file that vanishes or cannot be read makes
 * BL_WHOLE_NO, not a failure; -1 is BL_ENOMEM and the like.
 */
struct bl_whole_rule {
	const char *name;
	int (*judge)(const struct bl_tree *tree, size_t i, enum bl_whole *out, struct bl_err *err);
};

/* The tables, in the order in which they are asked; each ends with a NULL name. */
extern const struct bl_whole_rule bl_whole_dir_rules[];
extern const struct bl_whole_rule bl_whole_file_rules[];

/* Asks the file rules; BL_WHOLE_FOREIGN: the last rule decides. */
BL_MUST int bl_whole_file(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                          struct bl_err *err);
/* Asks the directory rules; BL_WHOLE_FOREIGN: it is walked. */
BL_MUST int bl_whole_dir(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                         struct bl_err *err);
/*
 * Everything below directory i that a rule knows: NO when any of it is not whole, else YES.
 * For the directory rules: a marker file says little when a shard beside it is cut.
 */
BL_MUST int bl_whole_below(const struct bl_tree *tree, size_t i, enum bl_whole *out,
                           struct bl_err *err);

/*
 * A directory whose name ends in a digit ("epoch_3", "step-000100", "checkpoint-500") and that
 * holds files but no directories: a checkpoint of several files, which are taken together when
 * the last rule holds for all of them.
 */
bool bl_whole_is_group(const struct bl_tree *tree, size_t i);

/*
 * Pure: does a zip archive of `size` bytes end where it should? tail holds its last tail_len
 * bytes (all of it when size <= tail_len). True: directory_at is where its central directory must
 * begin, n_members how many it lists.
 */
#define BL_ZIP_TAIL_MAX (65535u + 22 + 20 + 56)
bool bl_zip_ends_well(const unsigned char *tail, size_t tail_len, uint64_t size,
                      uint64_t *directory_at, uint64_t *n_members);

/*
 * Pure: the size that a safetensors file must have, from its header (`len` bytes of JSON behind
 * the 8 bytes of length). BL_ECORRUPT when it is no such header.
 */
BL_MUST int bl_safetensors_size(const char *header, size_t len, uint64_t *size, struct bl_err *err);

/* Who has a file open for writing. */
enum bl_writer { BL_WRITER_NONE, BL_WRITER_OPEN, BL_WRITER_UNKNOWN };

/*
 * Probes by a read lease that is released at once. fd: opened read-only. UNKNOWN where the file
 * system or our rights do not allow leases.
 */
enum bl_writer bl_writer_probe(int fd);

/* What the last rule decides on. Times are wall ms unless they say otherwise. */
struct bl_last_look {
	enum bl_writer writer;
	int64_t quiet_ms;
	int64_t unchanged_ms; /* how long we ourselves have seen it unchanged, monotonic */
	int64_t changed_at;   /* newest of its mtime and ctime */
	int64_t now;
	bool wall_steady;   /* the wall clock has not stepped while we looked */
	bool ended;         /* the command is over, with 0 or after our TERM */
	bool crashed;       /* a process of it ended by SIGKILL or a crash signal ... */
	int64_t crashed_at; /* 0: nobody knows when */
};

/*
 * Pure: the last rule. Never with an open writer, and never what was written within the quiet
 * time before a crash: a torch.save cut by SIGKILL is closed and quiet, too.
 */
bool bl_whole_at_last(const struct bl_last_look *look);

#endif
