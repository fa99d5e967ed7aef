/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RUN_CHECKPOINT_PARTS_H
#define BL_RUN_CHECKPOINT_PARTS_H

/* What the parts of checkpoint.h share; nobody else includes it. */

#include "run/checkpoint.h"
#include "run/checkpoint_tree.h"

/* --- checkpoint_manifest.c ------------------------------------------------------------------ */

/* Appends a zeroed entry with this path (copied); the list's order is settled by _sort. */
BL_MUST int bl_manifest_add(struct bl_manifest *manifest, const char *path, struct bl_entry **entry,
                            struct bl_err *err);
/* Appends a copy. */
BL_MUST int bl_manifest_copy(struct bl_manifest *manifest, const struct bl_entry *from,
                             struct bl_err *err);
void bl_manifest_sort(struct bl_manifest *manifest);
/* First entry whose path is not less than `path`; n when all are. */
size_t bl_manifest_lower(const struct bl_manifest *manifest, const char *path);
const struct bl_entry *bl_manifest_find(const struct bl_manifest *manifest, const char *path);
void bl_entry_done(struct bl_entry *entry);
void bl_manifest_write(const struct bl_manifest *manifest, const char *run, struct bl_buf *out);

/*
 * Pure: reads a manifest's bytes. BL_ECORRUPT unless it is of `run`, each key begins with
 * `prefix`, and paths lie below their directory, none twice.
 */
BL_MUST int bl_manifest_parse(const char *bytes, size_t len, const char *what, const char *run,
                              const char *prefix, struct bl_manifest *out, struct bl_err *err);

/* "runs/RUN/checkpoints/NNN-SSSSSS" and what follows it. */
struct bl_checkpoint_id {
	unsigned attempt, seq;
};
bool bl_checkpoint_key(const char *key, const char *run, struct bl_checkpoint_id *id,
                       const char **rest);
bool bl_checkpoint_id_less(struct bl_checkpoint_id a, struct bl_checkpoint_id b);

/*
 * The manifests of a run, newest first, and the highest SEQ of `attempt` that any key has: an
 * upload that was cut leaves objects without a manifest. ids: free() it.
 */
BL_MUST int bl_checkpoint_list(struct bl_store *store, const struct bl_call *call, const char *run,
                               struct bl_checkpoint_id **ids, size_t *n, unsigned attempt,
                               unsigned *highest, struct bl_err *err);

/* --- checkpoint_link.c ---------------------------------------------------------------------- */

/*
 * Pure: a link at `path` that cannot lead out of the tree, whatever other such links there are:
 * relative, with ".." only in front and no more of them than directories above.
 */
bool bl_link_is_safe(const char *path, const char *target);
/* Drops links whose target is not in the manifest, or gives them the target they had in `last`. */
BL_MUST int bl_links_settle(struct bl_manifest *manifest, const struct bl_manifest *last,
                            struct bl_err *err);

/* --- checkpoint_pieces.c -------------------------------------------------------------------- */

/* Since when each file has been seen with the same stamp. Sorted by path. */
struct bl_seen {
	struct seen_file {
		char *path;
		struct bl_stamp stamp;
		int64_t since_mono_ms;
	} * files;
	size_t n;
};
void bl_seen_done(struct bl_seen *seen);
/* Makes `seen` tell of the files of this tree. */
BL_MUST int bl_seen_update(struct bl_seen *seen, const struct bl_tree *tree, int64_t mono_ms,
                           struct bl_err *err);

/* One entry of design 4.4: nodes first .. end of the tree, published together or not at all. */
struct bl_piece {
	size_t first, end;
	bool whole;
};
struct bl_pieces {
	struct bl_piece *items;
	size_t n, cap;
};
void bl_pieces_done(struct bl_pieces *pieces);

struct bl_judging {
	const struct bl_tree *tree;
	const struct bl_manifest *last;
	const struct bl_seen *seen;
	const struct bl_snapshot_when *when;
	int64_t mono_ms;
	bool wall_steady;
};
BL_MUST int bl_pieces_find(const struct bl_judging *judging, struct bl_pieces *out,
                           struct bl_err *err);

/* The entry of `last` that this node still is, or NULL. */
const struct bl_entry *bl_node_unchanged(const struct bl_node *node,
                                         const struct bl_manifest *last);

/* --- checkpoint_learn.c --------------------------------------------------------------------- */

struct bl_learning {
	struct bl_store *store;
	const struct bl_call *call;
	const struct bl_tree *tree;
	const char *run;
	unsigned attempt;
};
/*
 * What this attempt has published before us. seq: the highest that any key of it has. When it has
 * a manifest that can be read, *last becomes the newest of them, and the files that still are what
 * it names get their stamps.
 */
BL_MUST int bl_last_learn(const struct bl_learning *what, unsigned *seq, struct bl_manifest *last,
                          bool *found, struct bl_err *err);

/* --- checkpoint_upload.c -------------------------------------------------------------------- */

enum bl_uploaded {
	BL_UPLOADED,
	BL_UPLOAD_LOST,    /* it changed under our hands */
	BL_UPLOAD_GONE,    /* it vanished */
	BL_UPLOAD_REFUSED, /* it has a path that no store can hold */
};

/* Where the objects of a snapshot go. */
struct bl_upload {
	struct bl_store *store;
	const struct bl_call *call;
	const struct bl_tree *tree;
	const struct bl_manifest *last;
	struct bl_key prefix; /* "runs/RUN/checkpoints/001-000002/" */
	bool began;           /* an object may have been written, if only to be deleted */
	bool out_of_reach;    /* the store, at the last write */
	size_t new_files;
	uint64_t new_bytes;
};
/*
 * Uploads what is new of a piece and adds all its entries to `next`. Anything but BL_UPLOADED
 * leaves `next` as it was, its new objects deleted; `bad` then names the path and why.
 */
#define BL_BAD_SIZE 256
BL_MUST int bl_piece_upload(struct bl_upload *upload, const struct bl_piece *piece,
                            struct bl_manifest *next, enum bl_uploaded *how, char *bad,
                            struct bl_err *err);
/* A write of the snapshot has failed so. */
void bl_upload_failed(struct bl_upload *upload, const struct bl_err *err);
/* Deletes the objects of `manifest` from entry `from` on that lie below upload->prefix. */
void bl_upload_undo(const struct bl_upload *upload, const struct bl_manifest *manifest,
                    size_t from);

#endif
